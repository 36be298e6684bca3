import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from './support/data.js'
import { root } from './support/process.js'

const stating = ['package.json', 'package-lock.json', 'Cargo.toml', 'Cargo.lock', 'CHANGELOG.md']
const today = new Date().toISOString().slice(0, 10)

/** Gives a manifest the addresses without which nothing is released. */
const ADDRESSES = {
  'package.json': (text: string) => {
    const address = 'https://example.invalid/noprop'
    return text.replace(
      '"license"',
      `"repository": "${address}", "homepage": "${address}", "bugs": "${address}", "license"`,
    )
  },
  'Cargo.toml': (text: string) =>
    text.replace(/^license = /m, 'repository = "https://example.invalid/noprop"\nlicense = '),
  ...Object.fromEntries(
    ['noprop-kernels', 'noprop-core'].map((crate) => [
      `crates/${crate}/Cargo.toml`,
      (text: string) => text.replace(/^license/m, 'repository.workspace = true\nlicense'),
    ]),
  ),
}

/** A committed copy of the files that a release touches, with the scripts. */
function copy(change: Record<string, (text: string) => string> = {}): string {
  const directory = temporaryDirectory()
  const files = [
    ...stating,
    'crates/noprop-kernels/Cargo.toml',
    'crates/noprop-core/Cargo.toml',
    'crates/noprop-napi/Cargo.toml',
    'crates/noprop-addon/Cargo.toml',
    'THIRD_PARTY_NOTICES.txt',
  ]
  for (const name of [...files, 'scripts']) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    cpSync(join(root, name), join(directory, name), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'), 'junction')
  // What is unreleased in this tree may be nothing, just after a release.
  const news = (text: string) => `${text.split('## [')[0]}## [Unreleased]\n\n- News.\n`
  const edits = [ADDRESSES, { 'CHANGELOG.md': news, ...change }].flatMap((all) => Object.entries(all))
  for (const [name, edit] of edits) {
    writeFileSync(join(directory, name), edit(readFileSync(join(directory, name), 'utf8')))
  }
  writeFileSync(join(directory, '.gitignore'), 'node_modules')
  const git = (...args: string[]) => execFileSync('git', args, { cwd: directory, stdio: 'ignore' })
  git('init', '--quiet')
  git('add', '--all')
  git('-c', 'user.name=test', '-c', 'user.email=test@localhost', 'commit', '--quiet', '--message', 'Begin')
  return directory
}

function node(directory: string, script: string, ...args: string[]) {
  const options = { cwd: directory, encoding: 'utf8' as const }
  const { status, stdout, stderr } = spawnSync(process.execPath, [`scripts/release/${script}.mjs`, ...args], options)
  return { status, stdout, stderr }
}

const changed = (directory: string) =>
  execFileSync('git', ['diff', '--numstat'], { cwd: directory, encoding: 'utf8' }).trim().split('\n').sort()

const version: string = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version

describe('the version', () => {
  test('is the same everywhere', () => {
    const program = "console.log((await import('./scripts/release/versions.mjs')).currentVersion())"
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      cwd: root,
      encoding: 'utf8',
    })
    expect([status, stderr, stdout.trim()]).toEqual([0, '', version])
    for (const crate of ['noprop-kernels', 'noprop-core', 'noprop-napi', 'noprop-addon'])
      expect(readFileSync(join(root, `crates/${crate}/Cargo.toml`), 'utf8')).toMatch(/^version\.workspace = true$/m)
  })

  test('moves with one command, which touches nothing else', () => {
    const directory = copy({
      'package.json': (text) =>
        text.replace(
          '"dependencies"',
          `"optionalDependencies": { "@noprop/linux-x64-gnu": "${version}" },\n  "dependencies"`,
        ),
    })
    const { status, stdout, stderr } = node(directory, 'version', '99.0.0-beta.1')
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(
      new RegExp(`^${version} → 99\\.0\\.0-beta\\.1, ${today}\\. .*tag v99\\.0\\.0-beta\\.1\\.\n$`),
    )
    const read = (name: string) => readFileSync(join(directory, name), 'utf8')
    const lines = [
      '2\t0\tCHANGELOG.md',
      '2\t2\tCargo.toml',
      '3\t3\tCargo.lock',
      '2\t2\tpackage.json',
      '2\t2\tpackage-lock.json',
    ]
    expect(changed(directory)).toEqual(lines.sort())
    const manifest = JSON.parse(read('package.json'))
    expect(manifest.optionalDependencies).toEqual({ '@noprop/linux-x64-gnu': '99.0.0-beta.1' })
    expect(JSON.parse(read('package-lock.json')).packages[''].version).toBe('99.0.0-beta.1')
    expect(read('Cargo.lock')).toContain('name = "noprop-napi"\nversion = "99.0.0-beta.1"\n')
    expect(read('CHANGELOG.md')).toContain(`## [Unreleased]\n\n## [99.0.0-beta.1] - ${today}\n\n- News.`)
    // And the tree is that release, and no other.
    expect(node(directory, 'version', '--check', 'v99.0.0-beta.1')).toMatchObject({ status: 0, stderr: '' })
    const other = node(directory, 'version', '--check', 'v99.0.0')
    expect([other.status, other.stderr]).toEqual([
      1,
      'v99.0.0 is not the version of this tree, which is 99.0.0-beta.1.\n',
    ])
  })

  test('that a tree is born with can be its first release', () => {
    const directory = copy()
    expect(node(directory, 'version', '--check', version).stderr).toMatch(/^CHANGELOG\.md does not have /)
    expect(node(directory, 'version', version)).toMatchObject({ status: 0, stderr: '' })
    expect(changed(directory)).toEqual(['2\t0\tCHANGELOG.md'])
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@localhost', 'commit', '-qam', 'Release'], {
      cwd: directory,
    })
    expect(node(directory, 'version', version).stderr).toMatch(/is released once/)
  })

  test.each([
    ['a missing one', [], /^the version is missing: give one like 1\.2\.3/],
    ['two numbers', ['1.2'], /^1\.2 is not a version/],
    ['a leading v', ['v1.2.3'], /^v1\.2\.3 is not a version/],
    ['a leading zero', ['1.02.3'], /^1\.02\.3 is not a version/],
    ['an older one', ['0.0.1'], /^0\.0\.1 comes before the current /],
    ['a prerelease of the current one', [`${version.split('-')[0]}-0`], /comes before the current /],
    ['two', ['1.0.0', '2.0.0'], /^give one version/],
    ['an unknown option', ['--force'], /^give one version/],
  ])('is refused: %s', (_, args, message) => {
    const directory = copy()
    const { status, stderr } = node(directory, 'version', ...args)
    expect([status, stderr]).toEqual([1, expect.stringMatching(message)])
    expect(changed(directory)).toEqual([''])
  })

  test('stays when the tree has other changes, says nothing new, or disagrees with itself', () => {
    const dirty = copy()
    writeFileSync(join(dirty, 'new.txt'), '')
    expect(node(dirty, 'version', '99.0.0').stderr).toMatch(/^there are uncommitted changes.*\n\?\? new\.txt/s)
    const silent = copy({ 'CHANGELOG.md': () => '## [Unreleased]\n\n## [0.0.1] - 2026-01-01\n\n- First.\n' })
    expect(node(silent, 'version', '99.0.0').stderr).toMatch(/^CHANGELOG\.md says nothing below/)
    const torn = copy({ 'Cargo.toml': (text) => text.replace(`version = "${version}"`, 'version = "5.0.0"') })
    expect(node(torn, 'version', '99.0.0').stderr).toBe(
      `the versions differ: package.json has ${version}, Cargo.toml (workspace) has 5.0.0.\n`,
    )
    const nowhere = copy({
      'package.json': (text) => text.replace(/"homepage": [^,]+,/, ''),
      'crates/noprop-core/Cargo.toml': (text) => text.replace(/^repository.*$/m, ''),
    })
    expect(node(nowhere, 'version', '99.0.0').stderr).toBe(
      'the project has no public address yet: package.json lacks homepage, crates/noprop-core/Cargo.toml lacks repository.\n',
    )
    for (const directory of [silent, torn, nowhere]) expect(changed(directory)).toEqual([''])
  })
})

describe('the notices', () => {
  test('are those of the locked dependencies', () => {
    expect(node(root, 'notices', '--check')).toEqual({ status: 0, stdout: '', stderr: '' })
  })

  test.each([
    [
      'a crate of another version',
      'Cargo.lock',
      (text: string) => text.replace(/(name = "half"\nversion = ")[^"]+/, '$19.9.9'),
    ],
    [
      'a new dependency',
      'crates/noprop-core/Cargo.toml',
      (text: string) => text.replace('[dependencies]', '[dependencies]\nrayon = "1"'),
    ],
  ])('are found out of date: %s', (_, file, edit) => {
    const directory = copy({ [file]: edit })
    expect(node(directory, 'notices', '--check').stderr).toMatch(
      /^THIRD_PARTY_NOTICES\.txt is not that of .*npm run notices/,
    )
  })

  test('do not change with a version of our own', () => {
    const directory = copy()
    node(directory, 'version', '99.0.0')
    expect(node(directory, 'notices', '--check')).toEqual({ status: 0, stdout: '', stderr: '' })
  })

  test.each([
    ['MIT OR Apache-2.0', ['MIT']],
    ['Apache-2.0/MIT', ['MIT']],
    ['Apache-2.0', ['Apache-2.0']],
    ['Apache-2.0 WITH LLVM-exception OR MIT', ['MIT']],
    ['MIT OR Apache-2.0 OR LGPL-2.1-or-later', ['MIT']],
    ['(MIT OR Apache-2.0) AND Unicode-3.0', ['MIT', 'Unicode-3.0']],
    ['GPL-3.0-only', undefined],
    ['MIT AND GPL-2.0-or-later', undefined],
    ['UNLICENSED', undefined],
  ])('choose from %s', async (expression, licences) => {
    const module = join(root, 'scripts/release/licences.mjs')
    const { choose } = (await import(module)) as { choose: (text: string) => string[] | undefined }
    expect(choose(expression)).toEqual(licences)
  })
})

test('cargo-deny allows the licences whose texts are known, and no other', async () => {
  const { ALLOWED } = (await import(join(root, 'scripts/release/licences.mjs'))) as { ALLOWED: object }
  const allowed = readFileSync(join(root, 'deny.toml'), 'utf8').match(/^allow = (\[.*\])$/m)?.[1] ?? ''
  expect(JSON.parse(allowed)).toEqual(Object.keys(ALLOWED))
})

test('the notices have the licence of each part that zig links into an addon', () => {
  const notices = readFileSync(join(root, 'THIRD_PARTY_NOTICES.txt'), 'utf8')
  const folder = join(root, 'scripts/release/runtime')
  const texts = readdirSync(folder)
  expect(texts.sort()).toEqual(['glibc.txt', 'libunwind.txt', 'mingw-w64.txt', 'musl.txt', 'zig.txt'])
  for (const file of texts) {
    const [first = ''] = readFileSync(join(folder, file), 'utf8').trim().split('\n\n')
    expect([file, notices.includes(first.replace(/[ \t]+$/gm, ''))]).toEqual([file, true])
  }
})

test('the crates carry the licence, and the npm package the notices', () => {
  const licence = readFileSync(join(root, 'LICENSE'), 'utf8')
  for (const crate of ['noprop-kernels', 'noprop-core'])
    expect(readFileSync(join(root, `crates/${crate}/LICENSE`), 'utf8')).toBe(licence)
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  expect(files).toContain('THIRD_PARTY_NOTICES.txt')
  expect(readdirSync(root)).toContain('THIRD_PARTY_NOTICES.txt')
})

test('the workflows run scripts that exist, and name no registry', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const directory = join(root, '.github/workflows')
  expect(readdirSync(directory).sort()).toEqual(['ci.yml', 'release.yml', 'site.yml'])
  for (const name of readdirSync(directory)) {
    const text = readFileSync(join(directory, name), 'utf8')
    const called = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, script]) => script)
    expect(called.length).toBeGreaterThan(0)
    expect(Object.keys(scripts)).toEqual(expect.arrayContaining(called))
    for (const [, path] of text.matchAll(/(?:node|bash) ((?:scripts|\.ci)\/[\w./-]+)/g))
      expect([path, existsSync(join(root, path!))]).toEqual([path, true])
    expect(text).not.toMatch(/registry-url|https?:/)
  }
})
