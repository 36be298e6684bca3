import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import vm from 'node:vm'
import { expect, test, vi } from 'vitest'
import { temporaryDirectory } from './support/data.js'
import { root, runNode } from './support/process.js'

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
    expect(scripts[name]).toMatch(/^node scripts\/run\.cjs [a-z-]+/)
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

test.each([
  ['bench', ['convolution'], {}, /^there is no benchmark convolution; there are adamw, [^\n]+\.\n$/],
  ['bench-peers', ['--only', 'speed'], {}, /^there is no row speed; there are train-mnist, [^\n]+\.\n$/],
  ['bench-peers', ['--rounds', 'x'], {}, /^the value of --rounds must be a number from 1, not x\.\n$/],
  ['bench-peers', ['--fast'], {}, /^Unknown option '--fast'; there are --rounds, [^\n]+\.\n$/],
  ['bench-peers', [], { NOPROP_PYTHON: '/nowhere/python' }, /^NOPROP_PYTHON \(\/nowhere\/python\) is no Python that /],
  ['check-emulation', ['--fast'], {}, /^Unknown option '--fast'; there are --address, --thread and --most\.\n$/],
  ['check-emulation', ['--most', 'x'], {}, /^the value of --most must be a number, not x\.\n$/],
  [
    'check-emulation',
    [],
    { CXX: '/nowhere/c++' },
    /^the kernels cannot be emulated, because there is no C\+\+ compiler /,
  ],
  ['build-cuda', ['--fast'], {}, /^Unknown option '--fast'; there is --pinned\.\n$/],
  ['check-cuda', ['--fast'], {}, /^Unknown option '--fast'; there is --pinned\.\n$/],
  ['instructions', ['--save'], {}, /^there is no option --save; there is --record\.\n$/],
])('%s %j is refused in one plain sentence', (name, args, env, message) => {
  const { status, stderr } = runScript(name, args, env)
  expect(status).toBe(1)
  expect(stderr).toMatch(message)
})

test('the guard of instruction counts fails when a kernel has grown, and asks to record what has shrunk', async () => {
  const { compare } = await import(pathToFileURL(join(root, 'scripts/instructions.mjs')).href)
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
  const args = ['scripts/pack.mjs', '--out', temporaryDirectory(), ...options]
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

test('the loader tells of the same oldest glibc that addons are built for', async () => {
  const { OLDEST_GLIBC } = await import('../src/addon/reason.js')
  expect(readFileSync(join(root, 'scripts/pack/platforms.mjs'), 'utf8')).toContain(`OLDEST_GLIBC = '${OLDEST_GLIBC}'`)
})

test.each(['pack.mjs', 'pack-check.mjs'])('%s tells an option that it does not know in one sentence', async (name) => {
  const { code, stderr } = await runNode([`scripts/${name}`, '--nothing'])
  expect(code).toBe(1)
  expect(stderr.trim()).toMatch(/^Unknown option '--nothing'; the first lines of .* list the options\.$/)
})
