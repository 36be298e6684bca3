// `npm run notices`: writes THIRD_PARTY_NOTICES.txt, the licences of everything that is linked into the addon, for all
// platforms: crates, Rust's standard library, and what zig adds. Fails on a licence that licences.mjs does not allow, and on a text that cannot be found.
// `--check` asks, without cargo and in no time, whether the file was made from the dependencies as they are now.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { capture, root, StepFailed, script } from '../support/steps.mjs'
import { requireRust } from '../support/toolchain.mjs'
import { ALLOWED, choose, noticeOf, textOf, tidy } from './licences.mjs'
import { PLATFORMS } from './platforms.mjs'

const FILE = 'THIRD_PARTY_NOTICES.txt'
const read = (path) => readFileSync(join(root, path), 'utf8')

/** What zig adds to the addons that it links, in words and under which licence; `runtime/` has the texts, as zig brings them. */
const RUNTIME = [
  { file: 'zig.txt', licence: 'MIT', what: 'compiler-rt of zig (Linux, and Windows where it was linked on Linux)' },
  {
    file: 'libunwind.txt',
    licence: 'Apache-2.0 WITH LLVM-exception',
    what: 'libunwind of LLVM (Linux, and Windows where it was linked on Linux)',
  },
  { file: 'musl.txt', licence: 'MIT', what: 'start-up code of musl (linux-x64-musl)' },
  {
    file: 'glibc.txt',
    licence: 'LGPL-2.1-or-later with an exception',
    what: 'the part of the GNU C library that is linked statically (linux-x64-gnu, linux-arm64-gnu)',
  },
  {
    file: 'mingw-w64.txt',
    licence: 'ZPL-2.1',
    what: 'the run-time library of mingw-w64 (Windows where it was linked on Linux)',
  },
]
const runtimeText = ({ file }) => tidy(read(`scripts/release/runtime/${file}`))

/** SHA-256 over what decides which crates are linked: the locked crates, and the dependencies and features of our own. */
function fingerprint() {
  const locked = read('Cargo.lock')
    .split('\n\n')
    .filter((entry) => entry.includes('\nsource = '))
  const own = ['crates/noprop-kernels', 'crates/noprop-core', 'crates/noprop-napi', 'crates/noprop-addon'].flatMap(
    (crate) =>
      read(`${crate}/Cargo.toml`)
        .split(/^(?=\[)/m)
        .filter((section) => /^\[(?!dev-)[^\]]*(?:dependencies|features)/.test(section)),
  )
  return createHash('sha256')
    .update([...locked, ...own, ...RUNTIME.map(runtimeText)].map((text) => text.trim()).join('\n\n'))
    .digest('hex')
}

/** The crates that are linked on any platform, with the GPU's as well, by name and version. */
function linkedCrates() {
  const names = PLATFORMS.flatMap(({ linux, native }) => [linux, native].filter(Boolean))
  const targets = [...new Set(names)].flatMap((target) => ['--target', target])
  const tree = capture('cargo', [
    ...['tree', '--locked', '--package', 'noprop-addon', '--all-features', ...targets],
    ...['--edges', 'normal,no-proc-macro', '--prefix', 'none', '--format', '{p}'],
  ])
  const linked = new Set(tree.split('\n').map((line) => line.split(' ').slice(0, 2).join(' ')))
  const metadata = JSON.parse(capture('cargo', ['metadata', '--locked', '--all-features', '--format-version', '1']))
  return metadata.packages
    .filter(({ name, version, source }) => source && linked.has(`${name} v${version}`))
    .sort((a, b) => (`${a.name} ${a.version}` < `${b.name} ${b.version}` ? -1 : 1))
}

/** MIT's text for a crate that ships none. */
const mit = (holder) => `Copyright (c) ${holder}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`

/** `{ name, licences: [{ licence, text }] }` of every crate. */
function collect(crates) {
  const apache = crates.map(({ manifest_path }) => textOf('Apache-2.0', dirname(manifest_path))).find(Boolean)
  const problems = []
  const found = crates.map(({ name, version, license, authors, manifest_path }) => {
    const full = `${name} ${version}`
    const directory = dirname(manifest_path)
    const chosen = choose(license ?? '')
    if (!chosen) problems.push(`${full} is under ${license ?? 'no stated licence'}`)
    const licences = (chosen ?? []).map((licence) => {
      // Apache's text is the same for everyone; only its notices are a crate's own.
      if (licence === 'Apache-2.0') return { licence, text: [apache, noticeOf(directory)].filter(Boolean).join('\n\n') }
      const own = textOf(licence, directory)
      const holder = authors.map((author) => author.replace(/ <.*/, '')).join(', ') || `the authors of ${name}`
      const text = own ?? (licence === 'MIT' ? mit(holder) : undefined)
      if (!text) problems.push(`${full} has no text of ${licence}`)
      return { licence, text }
    })
    return { name: full, licences }
  })
  if (problems.length > 0) {
    const allowed = Object.keys(ALLOWED).join(', ')
    throw new StepFailed(`the addon links what it may not (${allowed} may be): ${problems.join('; ')}.`)
  }
  return found
}

function write(crates) {
  const groups = new Map()
  for (const { name, licences } of crates) {
    for (const { licence, text } of licences) {
      const key = `${licence}\0${text}`
      groups.set(key, [...(groups.get(key) ?? []), name])
    }
  }
  const rule = '-'.repeat(80)
  const sections = [...groups].map(([key, names]) => {
    const [licence, text] = key.split('\0')
    return `${rule}\n${licence}: ${names.join(', ')}\n${rule}\n\n${text}\n`
  })
  const std = `${rule}\nMIT: the Rust standard library and the crates that it contains\n${rule}\n\n${mit('The Rust Project Contributors')}\n`
  return [
    'The native addon of noprop contains the Rust standard library, the crates and, on some platforms, the run-time parts',
    'below, each under the licence that stands over its text. Of a crate that offers several licences, the one that was',
    'chosen is named. noprop itself is under the MIT licence in LICENSE.',
    '',
    `Written by \`npm run notices\` from the dependencies ${fingerprint()}.`,
    '',
    ...sections.sort(),
    std,
    ...RUNTIME.map((part) => `${rule}\n${part.licence}: ${part.what}\n${rule}\n\n${runtimeText(part)}\n`),
  ].join('\n')
}

await script(async () => {
  const [option, ...more] = process.argv.slice(2)
  if (more.length > 0 || (option && option !== '--check')) {
    throw new StepFailed(`there is no option ${[option, ...more].join(' ')}; there is --check.`)
  }
  if (option === '--check') {
    if (existsSync(join(root, FILE)) && read(FILE).includes(fingerprint())) return
    throw new StepFailed(`${FILE} is not that of the dependencies as they are: run \`npm run notices\` and commit it.`)
  }
  requireRust('list what the addon links')
  const crates = linkedCrates()
  writeFileSync(join(root, FILE), write(collect(crates)))
  console.log(`${FILE}: ${crates.length} crates`)
})
