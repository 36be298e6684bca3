import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { candidatesFor } from '../src/addon/candidates.js'
import { mostTelling, searchError } from '../src/addon/failure.js'
import { libcOf } from '../src/addon/libc.js'
import { loadReason } from '../src/addon/reason.js'
import { type Attempt, searchAddon } from '../src/addon/search.js'
import type { NoPropError } from '../src/errors.js'
import { getAddon } from '../src/native.js'
import { version } from '../src/version.js'
import { temporaryDirectory } from './support/data.js'

const isLinux = process.platform === 'linux'

function failure(path: string): NoPropError {
  const search = searchAddon(path)
  if (search.loaded) throw new Error('it was loaded')
  return searchError(search, path)
}

/** A file of the test's own, and the kind of reason for which it does not load. */
function kindOf(name: string, content: string | Buffer): string | undefined {
  const path = join(temporaryDirectory(), name)
  writeFileSync(path, content)
  return searchAddon(path).attempts[0]?.reason?.kind
}

test('the addon of this clone is loaded once, and is of the version of the JavaScript', () => {
  expect(getAddon()).toBe(getAddon())
  expect(getAddon().native.version()).toBe(version)
})

test('an addon that is named but not there is an error, not a reason to look elsewhere', () => {
  const path = join(temporaryDirectory(), 'nothing.node')
  expect(failure(path)).toMatchObject({
    code: 'NOPROP_ADDON',
    received: `searched ${path} (no such file)`,
    hint: expect.stringContaining('unset NOPROP_ADDON'),
  })
})

test('a file that is no addon, or only a part of one, is corrupt', () => {
  expect(kindOf('broken.node', 'this is no library')).toBe('corrupt')
  expect(kindOf('empty.node', '')).toBe('corrupt')
  const whole = readFileSync(getAddon().path)
  // The system's loader would crash on some of these.
  for (const share of [0.01, 0.3, 0.6]) {
    expect(kindOf('part.node', whole.subarray(0, whole.length * share))).toBe('corrupt')
  }
})

test.runIf(isLinux)('an addon for another processor is told from a corrupt one', () => {
  const other = Buffer.from(readFileSync(getAddon().path))
  other.writeUInt16LE(process.arch === 'x64' ? 183 : 62, 18)
  expect(kindOf('other.node', other)).toBe('wrong-machine')
})

test('a file that this user may not read is forbidden', () => {
  expect(loadReason(Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' })).kind).toBe('forbidden')
  const noexec = new Error('/mnt/x.node: failed to map segment from shared object')
  expect(loadReason(noexec)).toMatchObject({ kind: 'forbidden', cure: expect.stringContaining('noexec') })
})

test('an addon of another version is refused with both versions', () => {
  const path = join(temporaryDirectory(), 'other.cjs')
  writeFileSync(path, `exports.version = () => '9.9.9'`)
  expect(failure(path)).toMatchObject({
    code: 'NOPROP_ADDON',
    what: expect.stringContaining(`it is version 9.9.9, and the JavaScript is version ${version}`),
  })
  writeFileSync(join(dirname(path), 'old.cjs'), '')
  expect(failure(join(dirname(path), 'old.cjs')).what).toContain('it is version unknown')
})

test('the reason reported is the innermost cause', () => {
  const path = join(temporaryDirectory(), 'wrapper.cjs')
  const cause = `new Error('again', { cause: new Error('libcuda.so.1: cannot open shared object file: No such file') })`
  writeFileSync(path, `throw new Error('optional dependency missing', { cause: ${cause} })`)
  const error = failure(path)
  expect(error.received).toBe(`searched ${path} (libcuda.so.1: cannot open shared object file: No such file)`)
  expect(error.hint).toContain('NVIDIA driver')
  expect(error.cause).toBeInstanceOf(Error)
})

// What glibc's, musl's, macOS's and Windows's loaders say.
test.each([
  ["/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by /a/noprop.node)", 'old-glibc'],
  ['libc.musl-x86_64.so.1: cannot open shared object file: No such file or directory', 'wrong-libc'],
  ['libc.so: cannot open shared object file: No such file or directory', 'wrong-libc'],
  ['Error loading shared library ld-linux-x86-64.so.2: No such file or directory (needed by /a/x.node)', 'wrong-libc'],
  ['Error relocating /a/x.node: __vsnprintf_chk: symbol not found', 'wrong-libc'],
  ['libcublas.so.13: cannot open shared object file: No such file or directory', 'missing-cuda-library'],
  [
    'Error loading shared library libcuda.so.1: No such file or directory (needed by /a/x.node)',
    'missing-cuda-library',
  ],
  ['libgomp.so.1: cannot open shared object file: No such file or directory', 'missing-library'],
  ['The specified module could not be found.', 'missing-library'],
  ['/a/x.node: invalid ELF header', 'corrupt'],
  ['/a/x.node: file too short', 'corrupt'],
  ['dlopen(/a/x.node, 0x0001): tried: … (not a mach-o file)', 'corrupt'],
  ['\\\\?\\C:\\a\\x.node is not a valid Win32 application.', 'corrupt'],
  ['something new', 'other'],
])('the loader saying "%s" means %s', (message, kind) => {
  const reason = loadReason(new Error(message))
  expect(reason.kind).toBe(kind)
  expect(reason.text).toContain(message)
  expect(reason.cure).not.toBe('')
})

describe('where the addon is looked for', () => {
  const names = (platform: string, arch: string, libc?: 'glibc' | 'musl') =>
    candidatesFor({ platform, arch, libc }, '/package').map(({ name }) => name.replaceAll('\\', '/'))

  test('a clone before packages, CUDA before the processor, the fitting C library before the other', () => {
    expect(names('linux', 'x64', 'glibc')).toEqual([
      '/package/noprop.cuda-linux-x64.node',
      '@noprop/cuda-linux-x64',
      '/package/noprop.linux-x64-gnu.node',
      '/package/noprop.linux-x64-musl.node',
      '@noprop/linux-x64-gnu',
      '@noprop/linux-x64-musl',
    ])
    expect(names('linux', 'x64', 'musl')).toEqual([
      '/package/noprop.linux-x64-musl.node',
      '/package/noprop.linux-x64-gnu.node',
      '@noprop/linux-x64-musl',
      '@noprop/linux-x64-gnu',
    ])
    expect(names('darwin', 'arm64')).toEqual(['/package/noprop.darwin-arm64.node', '@noprop/darwin-arm64'])
    expect(names('win32', 'x64')).toEqual(['/package/noprop.win32-x64-msvc.node', '@noprop/win32-x64'])
  })

  test.runIf(isLinux)('the C library is that of the program itself', () => {
    const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
    expect(libcOf()).toBe(header.glibcVersionRuntime ? 'glibc' : 'musl')
    expect(libcOf('/etc/passwd')).toBeUndefined()
    expect(libcOf('/nowhere')).toBeUndefined()
    expect(libcOf(process.execPath, 'darwin')).toBeUndefined()
  })

  test('what is there and broken says more than what is absent, and CUDA says least', () => {
    const attempt = (kind: string, flavour = 'cpu') => ({ place: kind, flavour, reason: { kind } }) as Attempt
    const [file, absent, corrupt] = ['no-file', 'not-installed', 'corrupt'].map((kind) => attempt(kind))
    const cuda = attempt('missing-cuda-library', 'cuda')
    expect(mostTelling([cuda, file!, absent!, corrupt!])).toBe(corrupt)
    expect(mostTelling([cuda, file!, absent!])).toBe(absent)
    expect(mostTelling([cuda])).toBe(cuda)
    expect(mostTelling([])).toBeUndefined()
  })
})

/** A package of this one's JavaScript with platform packages beside it; `program` runs there and its result is parsed. */
describe.runIf(isLinux)('in an installed package', () => {
  const root = join(import.meta.dirname, '..')
  const ours = `@noprop/linux-${process.arch}-${libcOf() === 'musl' ? 'musl' : 'gnu'}`
  const theirs = ours.endsWith('gnu') ? ours.replace(/gnu$/, 'musl') : ours.replace(/musl$/, 'gnu')

  /** `packages`: name → what its main file is, a copy of a file or JavaScript. */
  function project(packages: Record<string, { copy?: string; script?: string; version?: string }>, at = ''): string {
    const modules = join(temporaryDirectory(), at, 'node_modules')
    mkdirSync(join(modules, 'noprop', 'dist'), { recursive: true })
    copyFileSync(join(root, 'dist/index.cjs'), join(modules, 'noprop/dist/index.cjs'))
    for (const [name, { copy, script = '', version: own = version }] of Object.entries(packages)) {
      const directory = join(modules, name)
      mkdirSync(directory, { recursive: true })
      const main = copy ? 'noprop.node' : 'main.cjs'
      if (copy) copyFileSync(copy, join(directory, main))
      else writeFileSync(join(directory, main), script)
      writeFileSync(join(directory, 'package.json'), JSON.stringify({ name, version: own, main }))
    }
    return join(modules, 'noprop')
  }

  function outcome(packageDirectory: string): { code?: string; what?: string; hint?: string; received?: string } {
    const program = `
      const { NoProp } = require('./dist/index.cjs')
      try { NoProp.create({ input: [4], classes: 2, net: 'mlp' }); console.log('{}') }
      catch (error) { console.log(JSON.stringify(error)) }`
    const { NOPROP_ADDON: _, ...env } = process.env
    return JSON.parse(execFileSync(process.execPath, ['-e', program], { cwd: packageDirectory, encoding: 'utf8', env }))
  }

  const addon = getAddon().path

  test('the platform package serves', () => {
    expect(outcome(project({ [ours]: { copy: addon } }))).toEqual({})
  })

  test('an omitted package is told, with the command that installs it', () => {
    expect(outcome(project({}))).toMatchObject({
      code: 'NOPROP_ADDON',
      what: `the native addon cannot be loaded: ${ours}: not installed`,
      hint: expect.stringMatching(
        new RegExp(`--omit=optional.*npm install ${ours}@${version.replaceAll('.', '\\.')}$`),
      ),
    })
  })

  test("another C library's package alone is told as that, and is not tried", () => {
    const error = outcome(project({ [theirs]: { copy: addon } }))
    expect(error.what).toContain(
      `${theirs}: it is for ${theirs.endsWith('musl') ? 'musl' : 'glibc'}, and this Node uses`,
    )
    expect(error.hint).toContain('another system')
    expect(outcome(project({ [ours]: { copy: addon }, [theirs]: { copy: addon } }))).toEqual({})
  })

  test('a platform package of another version, or without its file, is told', () => {
    expect(outcome(project({ [ours]: { copy: addon, version: '9.9.9' } })).what).toContain('it is version 9.9.9')
    const directory = project({ [ours]: { script: '' } })
    writeFileSync(join(directory, '..', ours, 'package.json'), JSON.stringify({ version, main: 'gone.node' }))
    expect(outcome(directory)).toMatchObject({ what: expect.stringContaining('its file gone.node is missing') })
  })

  test('in an Electron archive the addon lies unpacked beside it', () => {
    const inside = project({}, 'app.asar')
    const outside = join(inside, '../../..', 'app.asar.unpacked', 'node_modules', ours)
    expect(outcome(inside).what).toContain('not installed')
    mkdirSync(outside, { recursive: true })
    copyFileSync(addon, join(outside, 'noprop.node'))
    writeFileSync(join(outside, 'package.json'), JSON.stringify({ name: ours, version, main: 'noprop.node' }))
    expect(outcome(inside)).toEqual({})
  })

  test.runIf(process.arch === 'x64')(
    'a CUDA addon is taken if a process of its own finds it usable, and else not',
    () => {
      const cuda = '@noprop/cuda-linux-x64'
      const flavourOf = (script: string) => {
        const directory = project({ [ours]: { copy: addon }, [cuda]: { script } })
        // The real addon, so that everything else works, with the answer of a CUDA addon.
        return outcome(directory)
      }
      const answer = (probe: string) => `exports.version = () => '${version}'; exports.probeCuda = () => ${probe}
      exports.NativeModel = { create() { throw new Error('{"code":"NOPROP_DEVICE","what":"the CUDA addon"}') } }`
      const devices = (usable: boolean) => {
        const device = { device: 'cuda:0', name: 'A card', capability: '9.0', memory: 8e10, usable, reason: 'too old' }
        return `'${JSON.stringify({ built: true, devices: [device] })}'`
      }
      const usable = answer(devices(true))
      expect(flavourOf(usable)).toMatchObject({ what: 'the CUDA addon' })
      for (const unusable of [
        answer(devices(false)),
        answer(`'{"built":false}'`),
        answer(`process.abort()`),
        answer(`'no JSON'`),
        `throw new Error('libcuda.so.1: cannot open shared object file: No such file or directory')`,
      ]) {
        expect(flavourOf(unusable)).toEqual({})
      }
    },
  )
})
