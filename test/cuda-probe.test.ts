import { existsSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Reason } from '../src/addon/reason.js'
import type { Native, Search } from '../src/addon/search.js'
import { askAddon } from '../src/cuda/ask.js'
import { probeKey, readCached, writeCached } from '../src/cuda/cache.js'
import { adviceFor, detectHardware, showsGpu } from '../src/cuda/hardware.js'
import { PROBING, probe } from '../src/cuda/probe.js'
import { loadProblem } from '../src/cuda/report.js'
import { settleDevice } from '../src/device.js'
import type { NoPropError } from '../src/errors.js'
import { version } from '../src/version.js'
import { temporaryDirectory } from './support/data.js'
import { root, startNode } from './support/process.js'

const isLinux = process.platform === 'linux' && process.arch === 'x64'
const CARD = { device: 'cuda:0', name: 'A card', capability: '9.0', memory: 8e10, usable: true, reason: '' }

/** A program in place of the addon: it runs in the probe's process, as the addon would. */
function fakeAddon(body: string): string {
  const path = join(temporaryDirectory(), 'addon.cjs')
  writeFileSync(path, body)
  return path
}

const answering = (answer: object) => fakeAddon(`exports.probeCuda = () => ${JSON.stringify(JSON.stringify(answer))}`)
const refusing = (message: string) => fakeAddon(`throw new Error(${JSON.stringify(message)})`)

/** Milliseconds after which what should have happened never will. */
const HANGS = 60_000

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // One that ended and that nobody has waited for is a zombie.
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

beforeEach(() => vi.stubEnv('XDG_CACHE_HOME', temporaryDirectory()))
afterEach(() => vi.unstubAllEnvs())

describe('the probe', () => {
  test('returns the GPUs that the addon can use', () => {
    expect(probe(answering({ built: true, devices: [CARD] }))).toEqual({ gpus: [CARD] })
  })

  test('a driver that prints is not mistaken for the answer, and one that falls over afterwards does not spoil it', () => {
    const addon = fakeAddon(`
      console.log('driver says hello')
      console.error('and complains')
      exports.probeCuda = () => { setImmediate(() => process.abort()); return '{"built":true,"devices":[]}' }`)
    expect(probe(addon)).toMatchObject({
      gpus: [],
      problem: { code: 'NOPROP_DEVICE', received: 'the driver shows none' },
    })
  })

  test('GPUs that are there but cannot be used are listed with their reasons', () => {
    const old = { ...CARD, usable: false, reason: 'its compute capability is 7.5, and the kernels need 8.0' }
    const { gpus, problem } = probe(answering({ built: true, devices: [old] }))
    expect(gpus).toEqual([old])
    expect(problem).toMatchObject({ code: 'NOPROP_DEVICE', received: `cuda:0 (A card): ${old.reason}` })
  })

  test.each([
    ['NOPROP_CUDA_DRIVER', { code: 'NOPROP_CUDA_DRIVER', what: 'no GPU can be used' }],
    ['NOPROP_CUDA_DRIVER_OLD', { code: 'NOPROP_CUDA_DRIVER_OLD', what: 'the NVIDIA driver is too old' }],
  ])('an error of the core keeps its code %s', (code, error) => {
    expect(probe(answering({ built: true, error })).problem).toMatchObject({ code, what: error.what })
  })

  test('an addon without CUDA code is named as that', () => {
    expect(probe(answering({ built: false })).problem).toMatchObject({ code: 'NOPROP_CUDA_ADDON' })
  })

  test('a driver that hangs is left after the time-out', () => {
    const { problem } = probe(fakeAddon('exports.probeCuda = () => { for (;;); }'), { timeoutMs: 500 })
    expect(problem).toMatchObject({ code: 'NOPROP_DEVICE', received: 'it did not answer within 0.5 s' })
  })

  test('a crash is told with its signal and the last words', () => {
    const { problem } = probe(
      fakeAddon(`console.error('Xid 79: fallen off the bus'); process.kill(process.pid, 'SIGSEGV'); for (;;);`),
    )
    expect(problem?.code).toBe('NOPROP_DEVICE')
    expect(problem?.received).toBe('its process was ended by SIGSEGV, saying: Xid 79: fallen off the bus')
  })

  test.each([
    ['text', `exports.probeCuda = () => 'no JSON'`],
    ['another object', `exports.probeCuda = () => '{"built":true,"devices":[{"device":1}]}'`],
    ['null', `exports.probeCuda = () => 'null'`],
  ])('garbage (%s) is told as such', (_, body) => {
    expect(probe(fakeAddon(body)).problem).toMatchObject({
      code: 'NOPROP_DEVICE',
      received: 'it gave an answer that cannot be read',
    })
  })

  test('an addon that exits without a word is told as such', () => {
    expect(probe(fakeAddon('process.exit(3)')).problem?.received).toBe(
      'its process ended with exit code 3 and no answer',
    )
  })

  test('what the system refuses to load is told apart, through the process', () => {
    const message = 'libcublas.so.13: cannot open shared object file: No such file or directory'
    expect(probe(refusing(message)).problem).toMatchObject({
      code: 'NOPROP_CUDA_LIBRARY',
      what: expect.stringContaining('libcublas.so.13'),
    })
    expect(probe(fakeAddon('exports.systemInfo = () => "{}"')).problem).toMatchObject({ code: 'NOPROP_CUDA_ADDON' })
  })

  // A driver that keeps the first thread for itself cannot be asked to end.
  test.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)(
    '%s to its supervisor ends it too',
    async (signal) => {
      const file = join(temporaryDirectory(), 'processes')
      const addon = fakeAddon(`exports.probeCuda = () => {
      require('node:fs').writeFileSync(${JSON.stringify(file)}, process.ppid + ' ' + process.pid + '\\n')
      for (;;);
    }`)
      const program = `import { probe } from './probe.mjs'; probe(${JSON.stringify(addon)}, { timeoutMs: 300_000 })`
      const bundled = await build({
        stdin: { contents: program.replace('./probe.mjs', './src/cuda/probe.ts'), resolveDir: root },
        ...{ bundle: true, platform: 'node', format: 'cjs', write: false },
      })
      const { ended } = startNode(['-e', bundled.outputFiles[0]!.text])
      const [supervisor, child] = await vi.waitFor(
        () => {
          const text = readFileSync(file, 'utf8')
          expect(text).toMatch(/\n$/)
          return text.split(' ').map(Number) as [number, number]
        },
        { timeout: HANGS },
      )
      process.kill(supervisor, signal)
      await vi.waitFor(() => expect(isRunning(child)).toBe(false), { timeout: HANGS })
      await ended
    },
    3 * HANGS,
  )

  test('the program’s own NODE_OPTIONS do not reach it', () => {
    const hook = fakeAddon('process.exit(9)')
    vi.stubEnv('NODE_OPTIONS', `--require ${hook}`)
    expect(probe(answering({ built: true, devices: [CARD] })).gpus).toEqual([CARD])
  })
})

test.each([
  ['libcuda.so.1: cannot open shared object file: No such file or directory', 'NOPROP_CUDA_DRIVER', /no NVIDIA driver/],
  [
    'libcublasLt.so.13: cannot open shared object file: No such file or directory',
    'NOPROP_CUDA_LIBRARY',
    /libcublasLt\.so\.13/,
  ],
  [
    'libcurand.so.10: cannot open shared object file: No such file or directory',
    'NOPROP_CUDA_LIBRARY',
    /libcurand\.so\.10/,
  ],
  ['/x/a.node: undefined symbol: cuFuncGetParamInfo', 'NOPROP_CUDA_DRIVER_OLD', /driver is too old/],
  ['/x/a.node: undefined symbol: cublasLtMatmul', 'NOPROP_CUDA_LIBRARY', /cublasLtMatmul/],
  ["/lib/libc.so.6: version `GLIBC_2.34' not found (required by /x/a.node)", 'NOPROP_CUDA_ADDON', /cannot be loaded/],
  ['/x/a.node: file too short', 'NOPROP_CUDA_ADDON', /cannot be loaded/],
])('the loader’s message "%s" means %s', (message, code, what) => {
  const problem = loadProblem(message)
  expect(problem.code).toBe(code)
  expect(problem.what).toMatch(what)
  expect(problem.hint).toBeTruthy()
})

describe('an answer that is kept', () => {
  const report = { gpus: [CARD] }
  const problem = { gpus: [], problem: { code: 'NOPROP_CUDA_DRIVER', what: 'there is no NVIDIA driver' } as const }

  test('saves the next process its probe, until the addon or the surroundings change', () => {
    const addon = fakeAddon(`exports.probeCuda = () => '{"built":true,"devices":[${JSON.stringify(CARD)}]}'`)
    expect(askAddon(addon)).toEqual(report)
    // Had it been asked again, it would have said something else.
    const { atimeMs, mtimeMs, size } = { atimeMs: 1e9, mtimeMs: 1.7e12, size: readFileSync(addon).length }
    writeFileSync(addon, 'process.exit(1)//'.padEnd(size))
    utimesSync(addon, atimeMs / 1000, mtimeMs / 1000)
    expect(askAddon(addon).problem?.received).toMatch(/exit code 1/)
    writeCached(probeKey(addon), report)
    expect(askAddon(addon)).toEqual(report)
    expect(askAddon(addon, { fresh: true }).problem?.received).toMatch(/exit code 1/)
    writeCached(probeKey(addon), report)
    vi.stubEnv('CUDA_VISIBLE_DEVICES', '1')
    expect(askAddon(addon).problem?.received).toMatch(/exit code 1/)
  })

  test('grows old, and answers no other question', () => {
    const file = join(temporaryDirectory(), 'kept.json')
    for (const kept of [report, problem]) {
      writeCached('key', kept, file, 1000)
      expect(readCached('key', file, 1000 + 9 * 60_000)).toEqual(kept)
      expect(readCached('key', file, 1000 + 11 * 60_000)).toBeUndefined()
      expect(readCached('another key', file, 1000)).toBeUndefined()
      // A clock that was set back.
      expect(readCached('key', file, 0)).toBeUndefined()
    }
  })

  test.each(['', '{', 'null', '{"key":"key","time":0,"report":{"gpus":[1]}}', '{"key":"key","time":0,"report":{}}'])(
    'is not trusted when it is damaged: %s',
    (text) => {
      const file = join(temporaryDirectory(), 'kept.json')
      writeFileSync(file, text)
      expect(readCached('key', file, 1)).toBeUndefined()
    },
  )

  test('is done without where nothing can be written', () => {
    const file = join(temporaryDirectory(), 'a file')
    writeFileSync(file, '')
    vi.stubEnv('XDG_CACHE_HOME', file)
    const addon = answering({ built: true, devices: [CARD] })
    expect(askAddon(addon)).toEqual(report)
    expect(askAddon(addon)).toEqual(report)
  })
})

describe('a device that was asked for', () => {
  const reason = { kind: 'not-installed', text: 'not installed', cure: 'install it' } as const
  const loaded = { native: {} as Native, flavour: 'cpu', path: '/x/cpu.node' } as const
  const absent: Search = { attempts: [{ flavour: 'cuda', place: '@noprop/cuda-linux-x64', reason }], loaded }
  const thrown = (device: string, search: Search) => {
    try {
      settleDevice(device, search)
    } catch (error) {
      return error as NoPropError
    }
    throw new Error('it was settled')
  }
  /** A search that found a CUDA addon, which refused to serve, or did not when it was asked. */
  const refused = (path: string, kind: Reason['kind'] = 'refused'): Search => ({
    attempts: [{ flavour: 'cuda', place: 'x', path, reason: { kind, text: 'of then', cure: 'mend it' } }],
    loaded,
  })

  test('is the processor: nothing is tried', () => {
    expect(settleDevice('cpu', refused(fakeAddon('process.exit(1)')))).toBeUndefined()
  })

  test('and whatever else the core must judge, goes on to the core', () => {
    for (const device of ['tpu', 'cudax', 'cuda:', 'cuda:x', 3, null])
      expect(settleDevice(device ?? 'cpu', absent)).toBeUndefined()
  })

  test.runIf(isLinux)('auto says in one line why there is no GPU', () => {
    const line = 'the package @noprop/cuda-linux-x64 is not installed'
    for (const device of [undefined, 'auto']) {
      expect(settleDevice(device, absent, () => true)).toBe(line)
      // Nobody needs a package for what is not there.
      expect(settleDevice(device, absent, () => false)).toBe('this machine shows no NVIDIA GPU')
    }
    const missing = refusing('libcuda.so.1: cannot open shared object file: No such file or directory')
    expect(settleDevice('auto', refused(missing))).toBe('there is no NVIDIA driver (no such library on this machine)')
  })

  test('auto with the CUDA addon has nothing to explain, and cuda is for the core', () => {
    const search: Search = { attempts: [], loaded: { ...loaded, flavour: 'cuda' } }
    expect(settleDevice('auto', search)).toBeUndefined()
    expect(settleDevice('cuda:7', search)).toBeUndefined()
  })

  test.runIf(isLinux).each(['cuda', 'cuda:1', 'cuda:all', 'cuda:0,1'])('%s throws what is missing', (device) => {
    expect(thrown(device, absent)).toMatchObject({
      name: 'NoPropError',
      code: 'NOPROP_CUDA_ADDON',
      what: 'the package @noprop/cuda-linux-x64 is not installed',
      hint: `npm install @noprop/cuda-linux-x64@${version}`,
    })
    const cases = [
      ['libcuda.so.1: cannot open shared object file: No such file or directory', 'NOPROP_CUDA_DRIVER'],
      ['libcublas.so.13: cannot open shared object file: No such file or directory', 'NOPROP_CUDA_LIBRARY'],
      ['/x/a.node: undefined symbol: cuFuncGetParamInfo', 'NOPROP_CUDA_DRIVER_OLD'],
    ] as const
    for (const [message, code] of cases) expect(thrown(device, refused(refusing(message)))).toMatchObject({ code })
  })

  test('an addon that the search put aside before it was tried is named with the reason', () => {
    const error = thrown('cuda', refused('/x/cuda.node', 'version'))
    expect(error).toMatchObject({
      code: 'NOPROP_CUDA_ADDON',
      what: 'the CUDA addon cannot be used: of then',
      hint: 'mend it',
    })
  })

  test('cuda asks again, since what was missing may be there now', () => {
    const addon = answering({ built: true, devices: [CARD] })
    writeCached(probeKey(addon), {
      gpus: [],
      problem: { code: 'NOPROP_CUDA_DRIVER', what: 'there is no NVIDIA driver' },
    })
    expect(settleDevice('auto', refused(addon))).toBe('there is no NVIDIA driver')
    expect(thrown('cuda', refused(addon))).toMatchObject({
      code: 'NOPROP_CUDA_ADDON',
      hint: 'start the program again',
    })
  })

  test('an addon that was named has no CUDA code', () => {
    vi.stubEnv('NOPROP_ADDON', '/x/cpu.node')
    const path = answering({ built: false })
    const search: Search = { attempts: [], loaded: { ...loaded, path } }
    expect(thrown('cuda', search)).toMatchObject({ code: 'NOPROP_CUDA_ADDON', what: 'the addon has no CUDA code' })
  })

  test('no addon is tried from within a probe, and one that vanished is missed', () => {
    expect(askAddon('/nowhere/a.node').problem).toMatchObject({ code: 'NOPROP_CUDA_ADDON' })
    vi.stubEnv(PROBING, '1')
    const addon = answering({ built: true, devices: [CARD] })
    expect(askAddon(addon)).toMatchObject({ gpus: [], problem: { code: 'NOPROP_DEVICE' } })
  })
})

describe('the hardware', () => {
  /** A path with these programs alone. */
  function programs(scripts: Record<string, string>): string {
    const directory = temporaryDirectory()
    for (const [name, body] of Object.entries(scripts)) {
      writeFileSync(join(directory, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 })
    }
    for (const tool of ['sleep']) if (existsSync(`/bin/${tool}`)) symlinkSync(`/bin/${tool}`, join(directory, tool))
    return directory
  }

  test.skipIf(process.platform === 'win32')('is read from the driver, nvidia-smi and lspci', async () => {
    const root = temporaryDirectory()
    mkdirSync(join(root, 'gpus', '0000:01:00.0'), { recursive: true })
    writeFileSync(
      join(root, 'version'),
      'NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Mon Jul 28 2025\nGCC version: gcc 12.2.0\n',
    )
    writeFileSync(join(root, 'gpus', '0000:01:00.0', 'information'), 'Model: \t\t NVIDIA H100 80GB HBM3\nIRQ: 5\n')
    vi.stubEnv(
      'PATH',
      programs({
        'nvidia-smi': '[ "$1" = -L ] && echo "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)"',
        lspci: 'echo "01:00.0 3D controller: NVIDIA Corporation GH100"',
      }),
    )
    const hardware = await detectHardware({ root })
    expect(hardware).toEqual({
      driver: '580.65.06',
      kernel: ['NVIDIA H100 80GB HBM3'],
      nvidiaSmi: { lines: ['GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)'] },
      bus: ['01:00.0 3D controller: NVIDIA Corporation GH100'],
    })
    expect(adviceFor(hardware)).toBeUndefined()
    expect(adviceFor({ ...hardware, nvidiaSmi: { lines: [], problem: 'no devices' } })).toMatch(/restart the machine/)
    expect(adviceFor({ ...hardware, driver: null })).toMatch(/its driver is not loaded/)
  })

  test.skipIf(process.platform === 'win32')('that is not there, and programs that fail or hang, are told', async () => {
    const root = join(temporaryDirectory(), 'none')
    vi.stubEnv('PATH', programs({}))
    expect(await detectHardware({ root })).toEqual({
      driver: null,
      kernel: [],
      nvidiaSmi: { lines: [], problem: 'there is no nvidia-smi' },
      bus: [],
    })
    vi.stubEnv('PATH', programs({ 'nvidia-smi': 'echo "Failed to initialize NVML"; exit 9' }))
    expect((await detectHardware({ root })).nvidiaSmi.problem).toBe('Failed to initialize NVML')
    vi.stubEnv('PATH', programs({ 'nvidia-smi': 'exec sleep 3600' }))
    expect((await detectHardware({ root, timeoutMs: 300 })).nvidiaSmi.problem).toBe(
      'nvidia-smi did not answer within 0.3 s',
    )
  })

  test('a GPU of NVIDIA is seen in /proc, on the bus and in WSL, another device is not', () => {
    const directory = temporaryDirectory()
    const none = { proc: join(directory, 'proc'), bus: join(directory, 'bus'), wsl: join(directory, 'dxg') }
    const device = (name: string, vendor: string, kind: string) => {
      mkdirSync(join(none.bus, name), { recursive: true })
      writeFileSync(join(none.bus, name, 'vendor'), `${vendor}\n`)
      writeFileSync(join(none.bus, name, 'class'), `${kind}\n`)
    }
    expect(showsGpu(none)).toBe(false)
    device('0000:00:02.0', '0x8086', '0x030000')
    // The sound of an NVIDIA card.
    device('0000:01:00.1', '0x10de', '0x040300')
    expect(showsGpu(none)).toBe(false)
    device('0000:01:00.0', '0x10de', '0x030200')
    expect(showsGpu(none)).toBe(true)
    mkdirSync(join(none.proc, 'gpus', '0000:01:00.0'), { recursive: true })
    expect(showsGpu({ ...none, bus: '/nowhere' })).toBe(true)
    writeFileSync(none.wsl, '')
    expect(showsGpu({ ...none, bus: '/nowhere', proc: '/nowhere' })).toBe(true)
  })
})
