import { existsSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { probeKey, readCached, writeCached } from '../src/cuda/cache.js'
import { cudaReport, findCudaAddon } from '../src/cuda/choice.js'
import { adviceFor, detectHardware } from '../src/cuda/hardware.js'
import { PROBING, probe } from '../src/cuda/probe.js'
import { loadProblem } from '../src/cuda/report.js'
import { version } from '../src/version.js'
import { temporaryDirectory } from './support/data.js'

const CARD = { device: 'cuda:0', name: 'A card', capability: '9.0', memory: 8e10, usable: true, reason: '' }

/** A program in place of the addon: it runs in the probe's process, as the addon would. */
function fakeAddon(body: string): string {
  const path = join(temporaryDirectory(), 'addon.cjs')
  writeFileSync(path, body)
  return path
}

const answering = (answer: object) => fakeAddon(`exports.probeCuda = () => ${JSON.stringify(JSON.stringify(answer))}`)
const refusing = (message: string) => fakeAddon(`throw new Error(${JSON.stringify(message)})`)

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
    const began = performance.now()
    const { problem } = probe(fakeAddon('exports.probeCuda = () => { for (;;); }'), { timeoutMs: 500 })
    expect(problem).toMatchObject({ code: 'NOPROP_DEVICE', received: 'it did not answer within 0.5 s' })
    expect(performance.now() - began).toBeLessThan(5000)
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
    expect(cudaReport({ path: addon })).toEqual(report)
    // Had it been asked again, it would have said something else.
    const { atimeMs, mtimeMs, size } = { atimeMs: 1e9, mtimeMs: 1.7e12, size: readFileSync(addon).length }
    writeFileSync(addon, 'process.exit(1)//'.padEnd(size))
    utimesSync(addon, atimeMs / 1000, mtimeMs / 1000)
    expect(cudaReport({ path: addon }).problem?.received).toMatch(/exit code 1/)
    writeCached(probeKey(addon), report)
    expect(cudaReport({ path: addon })).toEqual(report)
    expect(cudaReport({ path: addon }, { fresh: true }).problem?.received).toMatch(/exit code 1/)
    writeCached(probeKey(addon), report)
    vi.stubEnv('CUDA_VISIBLE_DEVICES', '1')
    expect(cudaReport({ path: addon }).problem?.received).toMatch(/exit code 1/)
  })

  test('grows old: soon when nothing could be used, later when something could', () => {
    const file = join(temporaryDirectory(), 'kept.json')
    writeCached('key', problem, file, 1000)
    expect(readCached('key', file, 1000 + 29_000)).toEqual(problem)
    expect(readCached('key', file, 1000 + 31_000)).toBeUndefined()
    writeCached('key', report, file, 1000)
    expect(readCached('key', file, 1000 + 9 * 60_000)).toEqual(report)
    expect(readCached('key', file, 1000 + 11 * 60_000)).toBeUndefined()
    expect(readCached('another key', file, 1000)).toBeUndefined()
    // A clock that was set back.
    expect(readCached('key', file, 0)).toBeUndefined()
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
    expect(cudaReport({ path: addon })).toEqual(report)
    expect(cudaReport({ path: addon })).toEqual(report)
  })
})

describe('the CUDA addon', () => {
  const nowhere = () => {
    throw new Error('not installed')
  }

  test.runIf(process.platform === 'linux' && process.arch === 'x64')(
    'is found in a clone and as a package, in this version',
    () => {
      const root = temporaryDirectory()
      expect(findCudaAddon(root, nowhere)).toMatchObject({
        problem: { code: 'NOPROP_CUDA_ADDON', what: 'the package @noprop/cuda-linux-x64 is not installed' },
      })
      const write = (directory: string, found: string) => {
        mkdirSync(directory, { recursive: true })
        writeFileSync(join(directory, 'package.json'), JSON.stringify({ main: 'a.node', version: found }))
        return join(directory, 'package.json')
      }
      const installed = write(join(root, 'installed'), version)
      expect(findCudaAddon(root, () => installed)).toEqual({ path: join(root, 'installed', 'a.node') })
      write(join(root, '.noprop', 'cuda-linux-x64'), version)
      expect(findCudaAddon(root, nowhere)).toEqual({ path: join(root, '.noprop', 'cuda-linux-x64', 'a.node') })
      write(join(root, '.noprop', 'cuda-linux-x64'), '0.0.1')
      expect(findCudaAddon(root, nowhere)).toMatchObject({
        problem: { code: 'NOPROP_CUDA_ADDON', what: `@noprop/cuda-linux-x64 has version 0.0.1, and noprop ${version}` },
      })
    },
  )

  test('that is missing, or of another version, is the reason why there is no GPU', () => {
    const problem = { code: 'NOPROP_CUDA_ADDON', what: 'x' } as const
    expect(cudaReport({ problem })).toEqual({ gpus: [], problem })
    expect(cudaReport({ path: '/nowhere/a.node' }).problem).toMatchObject({ code: 'NOPROP_CUDA_ADDON' })
  })

  test('is not tried from within a probe', () => {
    vi.stubEnv(PROBING, '1')
    const addon = answering({ built: true, devices: [CARD] })
    expect(cudaReport({ path: addon })).toMatchObject({ gpus: [], problem: { code: 'NOPROP_DEVICE' } })
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
    vi.stubEnv('PATH', programs({ 'nvidia-smi': 'exec sleep 30' }))
    const began = performance.now()
    expect((await detectHardware({ root, timeoutMs: 300 })).nvidiaSmi.problem).toBe(
      'nvidia-smi did not answer within 0.3 s',
    )
    expect(performance.now() - began).toBeLessThan(5000)
  })
})
