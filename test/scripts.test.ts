import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import vm from 'node:vm'
import { expect, test, vi } from 'vitest'
import { temporaryDirectory } from './support/data.js'
import { root } from './support/process.js'

/** What scripts/check-node.cjs says and whether it ends the process, on Node `version`. */
function checkNode(version: string): { said: string[]; exitCode: number | undefined } {
  const said: string[] = []
  let exitCode: number | undefined
  const process = { versions: { node: version }, exit: (code: number) => (exitCode = code) }
  const source = readFileSync(join(root, 'scripts/check-node.cjs'), 'utf8')
  vm.runInNewContext(source, { process, console: { error: (text: string) => said.push(text) } })
  return { said, exitCode }
}

test.each(['0.12.18', '8.17.0', '18.20.0', '20.16.0'])(
  'Node %s is told to be too old in one plain sentence',
  (version) => {
    const { said, exitCode } = checkNode(version)
    expect(exitCode).toBe(1)
    expect(said).toEqual([
      `noprop needs Node 20.17 or newer (this is Node ${version}): install one from https://nodejs.org and run the command again.`,
    ])
  },
)

test.each(['20.17.0', '20.20.2', '22.0.0', '26.1.0'])('Node %s is new enough', (version) => {
  expect(checkNode(version)).toEqual({ said: [], exitCode: undefined })
})

test('the check agrees with package.json, and every script of a newcomer starts with it', () => {
  const { engines, scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  expect(engines.node).toBe('>=20.17')
  const setUp = [
    'start',
    'test',
    'build',
    'build:cuda',
    'check:cuda',
    'check:emulation',
    'pack:all',
    'pack:check',
    'gpu:check',
    'gpu:pack',
  ]
  for (const name of [...setUp, 'bench', 'bench:peers', 'bench:instructions'])
    expect(scripts[name]).toMatch(/^node scripts\/run\.cjs [a-z]+\/[a-z-]+/)
})

test('the check is in syntax that every Node reads', () => {
  const source = readFileSync(join(root, 'scripts/check-node.cjs'), 'utf8').replace(/\/\/.*|'[^']*'/g, '')
  expect(source).not.toMatch(/=>|`|\b(?:const|let|import|async|class)\b|\?\?|\?\.|,\s*\)/)
})

/** Runs the look for a Rust toolchain with only `tools` (name → what `--version` prints) in the path. */
function requireRust(tools: Record<string, string>) {
  const directory = join(temporaryDirectory(), 'bin')
  mkdirSync(directory)
  for (const [name, version] of Object.entries(tools)) {
    writeFileSync(join(directory, name), `#!/bin/sh\necho "${version}"\n`, { mode: 0o755 })
  }
  const program = `
    import { script } from './scripts/support/steps.mjs'
    import { requireRust } from './scripts/support/toolchain.mjs'
    await script(async () => requireRust())`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: root,
    encoding: 'utf8',
    env: {
      PATH: [directory, '/bin', '/usr/bin']
        .filter((path) => !existsSync(join(path, 'cargo')) || path === directory)
        .join(delimiter),
    },
  })
  return { status, stdout, stderr }
}

test.skipIf(process.platform === 'win32')('a missing or old Rust toolchain is told in one plain sentence', () => {
  const missing = requireRust({})
  expect(missing).toMatchObject({ status: 1, stdout: '' })
  expect(missing.stderr).toMatch(
    /^noprop needs a Rust toolchain \([\d.]+ or newer\) to build its addon: [^\n]+rustup\.rs[^\n]+\.\n$/,
  )
  const old = requireRust({ cargo: 'cargo 1.70.0', rustc: 'rustc 1.70.0 (90c541806 2023-05-31)' })
  expect(old).toMatchObject({ status: 1, stdout: '' })
  expect(old.stderr).toMatch(/^noprop needs Rust [\d.]+ or newer \(this is Rust 1\.70\.0\): [^\n]+\.\n$/)
  expect(requireRust({ cargo: 'cargo 1.200.0', rustc: 'rustc 1.200.0' })).toEqual({ status: 0, stdout: '', stderr: '' })
})

test('the lock file names no registry, so that any mirror serves', () => {
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8')
  expect(lock).not.toMatch(/"resolved"/)
})

/** Runs one of the scripts and returns how it ended. */
function runScript(name: string, args: string[], env = {}) {
  const { status, stderr } = spawnSync(process.execPath, [`scripts/${name}.mjs`, ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
  return { status, stderr }
}

/** What is said of an option that there is not. */
const UNKNOWN = /^Unknown option '--fast'; the first lines of \S+\.mjs list the options\.\n$/

test.each([
  ['bench/operations', ['convolution'], {}, /^there is no benchmark convolution; there are adamw, [^\n]+\.\n$/],
  ['bench/peers', ['--only', 'speed'], {}, /^there is no row speed; there are train-mnist, [^\n]+\.\n$/],
  ['bench/peers', ['--rounds', 'x'], {}, /^the value of --rounds must be a number from 1, not x\.\n$/],
  ['bench/peers', ['--fast'], {}, UNKNOWN],
  ['bench/peers', [], { NOPROP_PYTHON: '/nowhere/python' }, /^NOPROP_PYTHON \(\/nowhere\/python\) is no Python that /],
  ['cuda/check-emulation', ['--fast'], {}, UNKNOWN],
  ['cuda/check-emulation', ['--most', 'x'], {}, /^the value of --most must be a number, not x\.\n$/],
  [
    'cuda/check-emulation',
    [],
    { CXX: '/nowhere/c++' },
    /^the kernels cannot be emulated, because there is no C\+\+ compiler /,
  ],
  ['cuda/build', ['--fast'], {}, UNKNOWN],
  ['cuda/check', ['--fast'], {}, UNKNOWN],
  ['gpu/pack', ['--fast'], {}, UNKNOWN],
  ['release/pack', ['--fast'], {}, UNKNOWN],
  ['release/pack-check', ['--fast'], {}, UNKNOWN],
  ['bench/instructions', ['--save'], {}, /^there is no option --save; there is --record\.\n$/],
])('%s %j is refused in one plain sentence', (name, args, env, message) => {
  const { status, stderr } = runScript(name, args, env)
  expect(status).toBe(1)
  expect(stderr).toMatch(message)
})

test('the guard of instruction counts fails when a kernel has grown, and asks to record what has shrunk', async () => {
  const { compare } = await import(pathToFileURL(join(root, 'scripts/bench/instructions.mjs')).href)
  const before = { a: 1000, b: 1000 }
  expect(() => compare({ a: 1029, b: 905 }, before)).not.toThrow()
  expect(() => compare({ a: 1031, b: 1000 }, before)).toThrow(/more than 3 % more instructions than recorded: a;/)
  expect(() => compare({ a: 1000 }, before)).toThrow(/not on both sides: b;/)
  expect(() => compare({ ...before, c: 5 }, before)).toThrow(/not on both sides: c;/)
  const said = vi.spyOn(console, 'log').mockImplementation(() => {})
  compare({ a: 890, b: 1000 }, before)
  expect(said.mock.calls.join()).toContain('far fewer instructions than recorded: a;')
  said.mockRestore()
})

/** Runs `npm run pack:all` with these options, in a folder of the test's own. */
function packAll(...options: string[]) {
  const args = ['scripts/release/pack.mjs', '--out', temporaryDirectory(), ...options]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
  return { status, stdout, stderr }
}

test.runIf(process.platform === 'linux')(
  'packing says what cannot be built here and why, and fails if it is required',
  () => {
    const left = packAll('--only', 'darwin-arm64')
    expect(left).toMatchObject({ status: 0, stderr: '' })
    expect(left.stdout).toMatch(/\| @noprop\/darwin-arm64 \| not built here \| it needs a Mac; the release workflow/)
    const required = packAll('--only', 'darwin-arm64', '--require')
    expect(required).toMatchObject({ status: 1, stderr: 'Not there, and required: @noprop/darwin-arm64.\n' })
    expect(packAll('--only', 'linux-x64')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^there is no package linux-x64: there are linux-x64-gnu, [^\n]+\.\n$/),
    })
  },
)

test('addons that find other weights on one processor fail the check of packages', async () => {
  const { compareWeights } = await import(pathToFileURL(join(root, 'scripts/release/weights.mjs')).href)
  const glibc = { name: 'glibc', weights: { 'cnn, f32': 'a'.repeat(64), 'cnn, bf16': 'b'.repeat(64) } }
  expect(compareWeights([glibc, { ...glibc, name: 'musl' }])).toBe(
    'glibc and musl find the same weights: cnn, f32 aaaaaaaaaaaa; cnn, bf16 bbbbbbbbbbbb',
  )
  const other = { name: 'musl', weights: { ...glibc.weights, 'cnn, f32': 'c'.repeat(64) } }
  expect(() => compareWeights([glibc, other])).toThrow('glibc and musl find other weights: cnn, f32.')
  const less = { name: 'musl', weights: { 'cnn, f32': 'a'.repeat(64) } }
  expect(() => compareWeights([glibc, less])).toThrow('other weights: cnn, bf16.')
  expect(compareWeights([glibc])).toBe('there is nothing to compare the weights with')
})

test('the loader tells of the same oldest glibc that addons are built for', async () => {
  const { OLDEST_GLIBC } = await import('../src/addon/reason.js')
  expect(readFileSync(join(root, 'scripts/release/platforms.mjs'), 'utf8')).toContain(
    `OLDEST_GLIBC = '${OLDEST_GLIBC}'`,
  )
})

test('every command of package.json, and every script, is where it should be', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const [, path] of JSON.stringify(scripts).matchAll(/run\.cjs ([\w/-]+)/g))
    expect([path, existsSync(join(root, 'scripts', `${path}.mjs`))]).toEqual([path, true])
  // A line for each file.
  const folders = readdirSync(join(root, 'scripts'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
  for (const { name } of folders) {
    const folder = join(root, 'scripts', name)
    const readme = readFileSync(join(folder, 'README.md'), 'utf8')
    for (const file of readdirSync(folder).filter((file) => file !== 'README.md'))
      expect([name, file, readme.includes(`\`${file}`)]).toEqual([name, file, true])
  }
})
