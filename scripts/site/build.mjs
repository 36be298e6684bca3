// `npm run site`: the documentation as a site in site/.vitepress/dist. It copies docs/ and the documents of the root to site/pages, has TypeDoc
// write the API's pages, and VitePress build everything; a link that leads nowhere fails. `--dev` serves it instead and `--no-install` takes what is
// installed in site/.
import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, posix, relative } from 'node:path'
import { root, runNpm, script, step } from '../support/steps.mjs'

const site = join(root, 'site')
const pages = join(site, 'pages')
/** Documents of the root that are pages too. */
const OF_ROOT = ['ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md']

/** Puts the pages together. */
function collect() {
  rmSync(pages, { recursive: true, force: true })
  mkdirSync(pages, { recursive: true })
  cpSync(join(root, 'docs'), pages, { recursive: true })
  for (const name of OF_ROOT) cpSync(join(root, name), join(pages, name))
  writeFileSync(
    join(pages, 'index.md'),
    '---\nlayout: home\nhero:\n  name: noprop\n  text: Blocks that never wait for each other\n  tagline: Trains classifiers in Node.js, each block alone, with the same bits whatever happens.\n  actions:\n    - { theme: brand, text: Start in five minutes, link: /start }\n    - { theme: alt, text: When not to use it, link: /when-not }\n---\n',
  )
  const names = readdirSync(pages, { recursive: true, encoding: 'utf8' })
  for (const name of names.filter((each) => each.endsWith('.md'))) {
    const file = join(pages, name)
    writeFileSync(file, tidy(readFileSync(file, 'utf8'), relative(pages, dirname(file))))
  }
}

/** Markdown as VitePress reads it: what looks like HTML or Vue is text, and links to files that are no pages become names. */
function tidy(text, folder) {
  const parts = text.split(/(^```[\s\S]*?^```$|`[^`\n]*`)/m)
  const prose = parts.map((part, index) => {
    if (index % 2 === 1) return part.startsWith('```') || !part.includes('{{') ? part : `<span v-pre>${part}</span>`
    return part.replace(/<(?=[A-Za-z/])(?!https?:)/g, '&lt;').replaceAll('{{', '&#123;&#123;')
  })
  return prose
    .join('')
    .replace(/(?<!!)\[([^\]]*)\]\(([^)\s]+)\)/g, (whole, label, target) => linked(whole, label, target, folder))
}

function linked(whole, label, target, folder) {
  if (/^(https?:|mailto:|#)/.test(target)) return whole
  const [path, hash] = target.split('#')
  // From docs/ to the root and back: both are one folder here.
  const place = posix.normalize(posix.join('docs', folder.replaceAll('\\', '/'), path))
  const inDocs = place.startsWith('docs/') ? place.slice(5) : undefined
  const fromRoot = OF_ROOT.includes(folder === '' ? path.replace(/^docs\//, '').replace(/^\.\.\//, '') : '')
    ? path.replace(/^\.\.\//, '')
    : undefined
  const page = [path.replace(/^docs\//, ''), inDocs, fromRoot].find(
    (each) => each && existsSync(join(pages, each)) && each.endsWith('.md'),
  )
  if (page === undefined) return existsSync(join(pages, folder, path)) && path.endsWith('.md') ? whole : label
  return `[${label}](/${page}${hash ? `#${hash}` : ''})`
}

/** Runs a program of site/node_modules to its end. */
function runInSite(name, args) {
  return new Promise((resolve, reject) => {
    const bin = join(site, 'node_modules', '.bin', process.platform === 'win32' ? `${name}.cmd` : name)
    const child = spawn(bin, args, { cwd: site, stdio: 'inherit', shell: process.platform === 'win32' })
    child.on('error', reject)
    child.on('close', (code) => (code === 0 ? resolve(undefined) : reject(new Error(`${name} ended with ${code}`))))
  })
}

await script(async () => {
  const options = process.argv.slice(2)
  if (!options.includes('--no-install')) {
    await step('the packages of the site', () =>
      runNpm(['ci', '--prefix', site, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel', 'error']),
    )
  }
  await step('the pages', async () => collect())
  await step('the pages of the API (TypeDoc)', () => runInSite('typedoc', ['--options', 'typedoc.json']))
  if (options.includes('--dev')) await runInSite('vitepress', ['dev', '.'])
  else await step('the site (VitePress)', () => runInSite('vitepress', ['build', '.']))
})
