import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test, vi } from 'vitest'
import { getAddon } from '../src/native.js'
import { temporaryDirectory } from './support/data.js'
import { root, runNode } from './support/process.js'

const load = (name: string) => import(pathToFileURL(join(root, 'scripts', name)).href)

/** Runs the check, by default on the processor in place of a GPU. */
async function gpuCheck(args: string[], env: Record<string, string> = {}) {
  const out = temporaryDirectory()
  const addon = { NOPROP_ADDON: getAddon().path }
  const options = { cwd: root, env: { ...process.env, ...addon, ...env } }
  const outcome = await runNode(['scripts/gpu/check.mjs', '--out', out, ...args], options)
  const path = join(out, 'gpu-check.json')
  return {
    ...outcome,
    report: existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined,
    text: existsSync(path) ? readFileSync(join(out, 'gpu-check.md'), 'utf8') : '',
  }
}

const statuses = (steps: Record<string, { status: string }>) =>
  Object.fromEntries(Object.entries(steps).map(([name, { status }]) => [name, status]))

describe.skipIf(process.platform === 'win32')('on the processor, in place of a GPU', () => {
  const fakeTorch = { NOPROP_PYTHON: join(root, 'test/support/fake-torch.mjs') }

  test('every step runs, and the report has what the document promises', async () => {
    const before = readFileSync(join(root, 'docs/gpu.md'), 'utf8')
    const { code, stderr, report, text } = await gpuCheck(['--device', 'cpu'], { ...fakeTorch, NOPROP_DATA: '' })
    expect([code, stderr]).toEqual([0, ''])
    const { steps, ...rest } = report
    expect(statuses(steps)).toEqual({
      parity: expect.stringMatching(/^(passed|not run)$/),
      training: 'passed',
      determinism: 'passed',
      bench: 'passed',
      memory: 'passed',
      sanitizer: 'not run',
      mnist: 'passed',
      cifar10: 'not run',
    })
    expect(rest).toMatchObject({
      ...{ format: 1, finished: true, passed: true, quick: false },
      command: expect.stringMatching(/^npm run gpu:check -- --out \S+ --device cpu$/),
      machine: { device: 'cpu', PyTorch: '2.0.0', Node: process.versions.node },
    })
    expect(rest.precisions).toContain('f32')
    // The same arithmetic on both sides.
    expect(steps.training.measured).toMatchObject({ steps: 20, parameters: 0, statistics: 0, losses: 0 })
    const { runs, whole, resumed, interrupted } = steps.determinism.measured.f32
    expect(new Set(runs.map((run: { weightsSha256: string }) => run.weightsSha256)).size).toBe(1)
    expect([interrupted, resumed]).toEqual([true, whole])
    const { programs, overBest, overEager } = steps.bench.measured
    const figures = Object.fromEntries(programs.map((program: { name: string }) => [program.name, program]))
    expect(figures['PyTorch compiled, bf16']).toMatchObject({ samplesPerSecond: 200, memoryMiB: 64 })
    expect(figures['PyTorch vmap, bf16'].failure).toBe('it failed: RuntimeError: there is no compiler')
    expect(overEager / overBest).toBeCloseTo(2)
    expect(text).toContain('PyTorch vmap, bf16 | not measured: it failed: RuntimeError')
    expect(text).toContain('| 150 epochs of CIFAR-10, all 10 blocks | < 2 min | 45 s | not measured | – |')
    // Such a run is no measurement of a GPU.
    expect(readFileSync(join(root, 'docs/gpu.md'), 'utf8')).toBe(before)
  })

  test('the parity of kernels keeps what it has when its time is over', async () => {
    const { parity, sanitizer } = await load('gpu/checks/parity.mjs')
    const folder = temporaryDirectory()
    // An addon that compares two cases and then hangs.
    const env = { NOPROP_ADDON: join(root, 'test/support/hanging-addon.cjs') }
    const context = { env, folder, sizes: { sanitizerMost: 300 } }
    const ended = parity({ ...context, device: 'emulated', until: Date.now() + 10_000 })
    await expect(ended).rejects.toMatchObject({
      message: 'time over after 2 cases, in linear 3 in f32',
      measured: { compared: 2, leftOut: 1, failed: [] },
    })
    // A compute-sanitizer that only runs the program; the second tool complains.
    const home = join(folder, 'cuda')
    mkdirSync(join(home, 'bin'), { recursive: true })
    const complaint = '[ $2 = racecheck ] && echo "========= Race reported between write and read"'
    const program = `#!/bin/sh\necho "========= Version 2025.3"\n${complaint}\nshift 6\nexec "$@"\n`
    writeFileSync(join(home, 'bin/compute-sanitizer'), program, { mode: 0o755 })
    vi.stubEnv('CUDA_HOME', home)
    const both = sanitizer({ ...context, device: 'cuda', until: Date.now() + 20_000 })
    await expect(both).rejects.toMatchObject({
      message:
        'memcheck: time over after 2 cases, in linear 3 in f32; racecheck found errors: Race reported between write and read',
      measured: {
        memcheck: { compared: 2, leftOut: 1, version: '2025.3' },
        racecheck: { compared: 2, leftOut: 1, version: '2025.3' },
      },
    })
    vi.unstubAllEnvs()
  }, 180_000)

  test('the parity of kernels goes on behind an operation that faults or crashes', async () => {
    const { parity } = await load('gpu/checks/parity.mjs')
    const env = { NOPROP_ADDON: join(root, 'test/support/faulting-addon.cjs') }
    const context = { env, folder: temporaryDirectory(), sizes: {}, device: 'emulated', until: Date.now() + 60_000 }
    const error = await parity(context).catch((error: unknown) => error)
    // Of three operations in three precisions the two that failed are missing, and nothing else.
    expect(error.measured).toMatchObject({ compared: 7, leftOut: 0, failed: [] })
    expect(error.measured.failures).toEqual([
      { operation: 'dense', multiply: 'f32', error: { what: 'the GPU failed', received: 'illegal address' } },
      {
        ...{ operation: 'dense', multiply: 'tf32' },
        error: { what: expect.stringMatching(/^parity failed \(SIG\w+\)/), received: 'dense case' },
      },
    ])
    expect(error.message).toMatch(
      /^0 of 7 comparisons failed: dense in f32: the GPU failed, illegal address; dense in tf32: /,
    )
  })

  test('a run that is killed leaves the steps that it has made', async () => {
    const out = temporaryDirectory()
    const steps = ['training', 'determinism', 'bench'].flatMap((name) => ['--only', name])
    const args = ['scripts/gpu/check.mjs', '--device', 'cpu', '--out', out, ...steps]
    // The third step has too much to do to come to an end.
    const sizes = JSON.stringify({
      bench: { shape: 'mnist', blocks: 2, batch: 8, seconds: 3600, iterations: 1, warmUp: 1 },
    })
    const child = spawn(process.execPath, [...args, '--sizes', sizes], {
      cwd: root,
      env: {
        ...process.env,
        NOPROP_ADDON: getAddon().path,
        NOPROP_PYTHON: '/nowhere/python',
        NOPROP_DATA: '',
        NOPROP_TEST_MARK: out,
      },
    })
    const ended = new Promise((resolve) => child.on('close', resolve))
    const path = join(out, 'gpu-check.json')
    const read = () => (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : { steps: {} })
    await vi.waitUntil(() => child.exitCode !== null || read().steps.bench?.status === 'running', {
      timeout: 300_000,
      interval: 20,
    })
    child.kill('SIGKILL')
    await ended
    // The job that it was waiting for ends with it.
    await vi.waitUntil(() => marked(out).length === 0, { timeout: 300_000, interval: 100 })
    const report = read()
    expect(statuses(report.steps)).toEqual({ training: 'passed', determinism: 'passed', bench: 'running' })
    expect(report).toMatchObject({ finished: false, passed: true, machine: { device: 'cpu' } })
    expect(report.steps.training.measured.steps).toBe(20)
    const text = readFileSync(join(out, 'gpu-check.md'), 'utf8')
    expect(text).toContain('it was ended before its end')
    expect(text).toContain('| bench | running |')
    // Neither a part of a file nor another one is left.
    expect(readdirSync(out).sort()).toEqual(['gpu-check.json', 'gpu-check.md'])
  })

  test('a step whose time is over fails, and the others still run', async () => {
    const args = [
      '--device',
      'cpu',
      '--minutes',
      '0.0005',
      '--only',
      'training',
      '--only',
      'sanitizer',
      '--only',
      'cifar10',
    ]
    const { code, stderr, report } = await gpuCheck(args, { NOPROP_DATA: '' })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^These steps failed: training, /m)
    expect([report.finished, report.passed]).toEqual([true, false])
    expect(report.steps.training).toMatchObject({ status: 'failed', reason: 'there was no time left for it' })
    expect(Object.keys(report.steps)).toEqual(['training', 'sanitizer', 'cifar10'])
  })
})

/** The processes whose environment holds the mark. Linux tells them. */
function marked(mark: string): string[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/environ`, 'utf8').includes(`NOPROP_TEST_MARK=${mark}`)
    } catch {
      return false
    }
  })
}

describe('what is missing is told before anything runs, each in a sentence', () => {
  test.runIf(process.platform === 'linux')('an addon without CUDA code, a driver, libraries', async () => {
    const { code, stderr, report } = await gpuCheck([], {
      NOPROP_PYTHON: '/nowhere/python',
      PATH: '/nowhere',
      LD_LIBRARY_PATH: '',
    })
    expect([code, report]).toEqual([1, undefined])
    expect(stderr).toMatch(/^gpu:check: nvidia-smi does not run: install NVIDIA's driver/m)
    expect(stderr).toMatch(/^gpu:check: the addon has no CUDA code: `npm run build:cuda`/m)
    expect(
      stderr
        .trim()
        .split('\n')
        .every((line) => line.startsWith('gpu:check: ')),
    ).toBe(true)
  })

  test('no addon at all', async () => {
    const { code, stderr } = await gpuCheck(['--device', 'cpu'], { NOPROP_ADDON: '/nowhere/addon.node' })
    expect(code).toBe(1)
    expect(stderr).toBe(
      'gpu:check: there is no CUDA addon /nowhere/addon.node: `npm run build:cuda` makes it, on a machine with Rust.\n',
    )
  })

  test('a GPU that cannot be used, and an addon of another version', async () => {
    const { problemsOf } = await load('gpu/preconditions.mjs')
    const version = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version
    const usable = { device: 'cuda:0', name: 'A card', usable: true, reason: '' }
    const good = { version, built: true, devices: [usable], precisions: ['f32'], refused: {} }
    expect(problemsOf('cuda', good)).toEqual([])
    const broken = { ...usable, usable: false, reason: 'it is too old' }
    expect(problemsOf('cuda', { ...good, devices: [broken] })).toEqual([
      'cuda:0 (A card) cannot be used: it is too old',
    ])
    const error = { what: 'the driver is too old', received: '550', hint: 'install 580' }
    expect(problemsOf('cuda', { ...good, devices: undefined, error })).toEqual([
      'the driver is too old; 550; install 580',
    ])
    expect(problemsOf('cuda', { ...good, version: '0.0.1' })[0]).toMatch(
      /^the addon is of version 0\.0\.1, this checkout/,
    )
    expect(problemsOf('cuda', { ...good, precisions: [], refused: { f32: 'no memory' } })).toEqual([
      'training on cuda fails: no memory',
    ])
  })

  test("CUDA's libraries are found among Python's packages", async () => {
    const { libraryFolders } = await load('gpu/preconditions.mjs')
    const site = temporaryDirectory()
    const folder = join(site, 'nvidia/cu13/lib')
    for (const place of [folder, join(site, 'nvidia/cudnn/lib')]) mkdirSync(place, { recursive: true })
    writeFileSync(join(folder, 'libcublas.so.13'), '')
    writeFileSync(join(site, 'nvidia/cudnn/lib/libcudnn.so.9'), '')
    expect(libraryFolders([join(site, 'nowhere'), site])).toEqual([folder])
  })

  test('a driver that is found through LD_LIBRARY_PATH alone is found by children too', async () => {
    const { libraryPath } = await load('gpu/preconditions.mjs')
    const driver = temporaryDirectory()
    writeFileSync(join(driver, 'libcuda.so.1'), '')
    const folders = ['/usr/local/cuda/lib64', '/opt/site/nvidia/cu13/lib']
    expect(libraryPath(folders, `${driver}:/opt/more:`)).toBe([...folders, driver, '/opt/more'].join(':'))
    expect(libraryPath([driver], driver)).toBe(driver)
    expect([libraryPath(folders, undefined), libraryPath([], '')]).toEqual([folders.join(':'), ''])
  })

  test.each([
    ['--minutes', '0', /^the value of --minutes must be a number above 0, not 0\.\n$/],
    ['--only', 'speed', /^there is no step speed; there are parity, training, /],
    ['--device', 'tpu', /^the value of --device must be cuda or cuda:N, not tpu\.\n$/],
    ['--fast', '', /^Unknown option '--fast'/],
  ])('%s %s is refused', async (option, value, message) => {
    const { code, stderr } = await gpuCheck([option, value])
    expect(code).toBe(1)
    expect(stderr).toMatch(message)
  })
})

describe('a check that does not hold is seen', async () => {
  const { judge, judged, soFar } = await load('gpu/found.mjs')
  const { differences, twoOf } = await load('gpu/checks/training.mjs')
  const { difference } = await load('gpu/weights.mjs')
  const { errorIn } = await load('gpu/child.mjs')
  const { affordable } = await load('gpu/checks/accuracy.mjs')
  const { figures } = await load('gpu/document.mjs')

  test('in the parity of kernels', () => {
    const good = { case: 'add', multiply: 'f32', error: 1e-7, tolerance: 1e-6, passed: true }
    const report = { comparisons: [good], leftOut: 2, failures: [] }
    expect(judge(report)).toMatchObject({ compared: 1, leftOut: 2, worst: good })
    const bad = { ...good, case: 'linear', error: null, passed: false }
    expect(() => judge({ ...report, comparisons: [good, bad] })).toThrow(/^1 of 2 .*linear in f32 is off by NaN$/)
    const failures = [{ multiply: 'bf16', error: { what: 'kernel x cannot be launched', received: '' } }]
    expect(() => judge({ ...report, failures })).toThrow(/bf16: kernel x cannot be launched$/)
    expect(() => judge({ ...report, comparisons: [] })).toThrow('nothing was compared')
  })

  test('in what was compared before a time was over or a process crashed', () => {
    const log = join(temporaryDirectory(), 'log.jsonl')
    const late = { code: 'SIGKILL', stdout: '', stderr: '', late: true }
    const write = (...lines: unknown[]) => writeFileSync(log, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
    const end = (outcome: object) => {
      try {
        return judged('parity', outcome, log)
      } catch (error) {
        return error
      }
    }
    // Before the first line.
    expect(end(late)).toMatchObject({ message: 'time over after 0 cases', measured: { compared: 0 } })
    const good = { case: 'add', multiply: 'f32', error: 1e-7, tolerance: 1e-6, passed: true }
    const begun = { case: 'linear 3', multiply: 'f32' }
    const lines = [{ begun: good }, { leftOut: begun }, { compared: good }, { begun }]
    write(...lines)
    // A line that was not written whole.
    writeFileSync(log, '{"compared":{"ca', { flag: 'a' })
    expect(soFar(log)).toEqual({ comparisons: [good], leftOut: 1, failures: [], within: begun })
    expect(end(late)).toMatchObject({
      message: 'time over after 1 case, in linear 3 in f32',
      measured: { compared: 1, leftOut: 1, failed: [], worst: good },
    })
    const crashed = { code: 'SIGSEGV', stdout: '', stderr: 'a fault', late: false }
    expect(end(crashed)).toMatchObject({
      message: 'parity failed (SIGSEGV): a fault after 1 case, in linear 3 in f32',
      measured: { compared: 1 },
    })
    // What failed before is told too.
    const bad = { ...good, error: 1, passed: false }
    write(...lines, { compared: bad })
    expect(end(late)).toMatchObject({
      message: 'time over after 2 cases; 1 of 2 comparisons failed: add in f32 is off by 1',
      measured: { compared: 2, failed: [bad] },
    })
    // A process that ended well is judged by its result.
    const result = { code: 0, stdout: JSON.stringify({ comparisons: [good], leftOut: 3, failures: [] }), stderr: '' }
    expect(end({ ...result, late: false })).toMatchObject({ compared: 1, leftOut: 3 })
  })

  test('in what a program printed before it ended', () => {
    const python =
      'Traceback (most recent call last):\n  File "x"\ntorch.AcceleratorError: CUDA error: no device\nA hint.\n'
    expect(errorIn(python)).toBe('torch.AcceleratorError: CUDA error: no device')
    expect(errorIn('at x\n[error NOPROP_DEVICE: no GPU] {\n')).toBe('error NOPROP_DEVICE: no GPU] {')
    expect(errorIn('Error: {"what":"no memory","expected":"2","received":"1"}')).toBe('no memory, 1')
    expect(errorIn('one\ntwo\n')).toBe('two')
  })

  test('in weights', () => {
    const a = { 'b.params.w': new Float32Array([1, 2, 3, 4]), 'b.stats.mean': new Float32Array([3, 4]) }
    const b = { 'b.params.w': new Float32Array([1, 2, 3, 4.5]), 'b.stats.mean': new Float32Array([3, 3]) }
    const far = difference(a, b, { rate: 0.1, steps: 10 })
    expect(far.parameters).toBeCloseTo(0.25)
    expect(far.statistics).toBeCloseTo(0.2)
    expect(far.worst).toEqual({ name: 'b.params.w', share: 0.25 })
    const broken = { ...a, 'b.params.w': new Float32Array([1, Number.NaN, 3, 4]) }
    expect(difference(a, broken, { rate: 0.1, steps: 10 }).parameters).toBe(Number.POSITIVE_INFINITY)
    expect(() => difference(a, {}, { rate: 0.1, steps: 10 })).toThrow('b.params.w is not in both files')
  })

  test('in what must be the same', () => {
    const run = (name: string, weightsSha256: string) => ({ name, weightsSha256 })
    const good = {
      runs: [run('10 in flight', 'a'), run('1 in flight', 'a')],
      whole: 'b',
      resumed: 'b',
      interrupted: true,
    }
    expect(differences('f32', good)).toEqual([])
    const bad = { runs: [good.runs[0], run('1 in flight', 'c')], whole: 'b', resumed: 'd', interrupted: false }
    expect(differences('f32', bad)).toHaveLength(3)
    // A step whose time is over has tried a part of it.
    expect(differences('f32', { runs: bad.runs })).toEqual([
      'f32: the weights with 1 in flight are not those with 10 in flight',
    ])
    expect(differences('f32', { runs: [] })).toEqual([])
  })

  test('on two GPUs, where the machine has two of one model', () => {
    const card = (number: number, name: string, usable = true) => ({ device: `cuda:${number}`, name, usable })
    const cards = [card(0, 'A'), card(1, 'B'), card(2, 'A', false), card(3, 'A')]
    expect(twoOf('cuda', cards)).toBe('cuda:0,3')
    expect(twoOf('cuda:3', cards)).toBe('cuda:3,0')
    expect(twoOf('cuda:1', cards)).toBe(undefined)
    expect([twoOf('cuda', undefined), twoOf('cpu', []), twoOf('emulated')]).toEqual([
      undefined,
      undefined,
      'emulated:2',
    ])
  })

  test('and epochs are as many as the time allows', () => {
    expect(affordable(180, 1, 150)).toBe(150)
    expect(affordable(105, 10, 150)).toBe(8)
    expect(affordable(1, 10, 150)).toBe(1)
  })

  test('in the document, with figures or without', () => {
    const report = {
      ...{
        date: '2026-01-01',
        command: 'npm run gpu:check',
        machine: { card: 'A card' },
        notes: [],
        seconds: 3,
        passed: false,
      },
      steps: {
        parity: { status: 'failed', reason: 'a | b', seconds: 1 },
        determinism: {
          ...{ status: 'failed', reason: 'late', seconds: 0.04 },
          measured: {
            f32: {
              runs: ['0123456789abcdef', 'fedcba9876543210'].map((weightsSha256) => ({ weightsSha256 })),
              ...{ whole: '1', resumed: '00112233445566', interrupted: true },
            },
            bf16: { runs: [] },
          },
        },
        mnist: { status: 'failed', reason: 'too little', seconds: 2, measured: { goal: 0.9, runs: [] } },
      },
    }
    const text = figures(report)
    expect(text).toContain('**some checks failed**')
    expect(text).toContain('| parity | failed | a \\| b | 1.0 |')
    expect(text).toContain(
      '| determinism | failed | late; f32: 2 runs 0123456789ab and fedcba987654, resumed 001122334455; bf16: 0 runs',
    )
    expect(text).toContain('| mnist | failed | too little | 2.0 |')
  })
})

describe('the plan', async () => {
  const { deadline, full, inMinutes } = await load('gpu/sizes.mjs')
  const { goalRows } = await load('gpu/goals.mjs')
  const { secondsPerEpoch } = await load('gpu/checks/accuracy.mjs')
  const { ratiosOf } = await load('gpu/checks/bench.mjs')
  const { keeping, CheckFailed } = await load('gpu/child.mjs')

  test('with fewer minutes every step has a smaller share', () => {
    const half = inMinutes(full, full.minutes / 2)
    expect(half).toMatchObject({ minutes: full.minutes / 2, rounds: full.rounds })
    expect(half.seconds).toMatchObject({ preconditions: full.seconds.preconditions, bench: full.seconds.bench / 2 })
    expect(inMinutes(full, 2 * full.minutes).seconds).toEqual(full.seconds)
  })

  test('fits into ten minutes, and what a step leaves over is the next one’s', () => {
    const seconds: Record<string, number> = full.seconds
    const sum = Object.values(seconds).reduce((a, b) => a + b, 0)
    expect(sum).toBeLessThanOrEqual(60 * full.minutes)
    // Machines end a command after 600 s, starting and unpacking included.
    expect(60 * full.minutes).toBeLessThanOrEqual(520)
    const { preconditions, ...steps } = seconds
    const names = Object.keys(steps)
    // Every step has its own seconds if all before it take theirs, and the last one ends with the whole.
    let now = 1000 * preconditions!
    for (const name of names) {
      const until = deadline(name, names, seconds, 60_000 * full.minutes)
      expect(until - now).toBeGreaterThanOrEqual(1000 * steps[name]!)
      now += 1000 * steps[name]!
    }
    expect(deadline(names.at(-1), names, seconds, 5)).toBe(5)
  })

  test('and an epoch’s time is that of the measured speed, if the first one was slower', () => {
    const programs = [
      { own: true, samplesPerSecond: 62_500 },
      { own: false, samplesPerSecond: 1e9 },
    ]
    expect(secondsPerEpoch({ trainSeconds: 3 }, { shape: 'cifar10', programs })).toBe(1)
    expect(secondsPerEpoch({ trainSeconds: 0.5 }, { shape: 'cifar10', programs })).toBe(0.5)
    expect(secondsPerEpoch({ trainSeconds: 3 }, { shape: 'mnist', programs })).toBe(3)
    expect(secondsPerEpoch({ trainSeconds: 3 }, undefined)).toBe(3)
  })

  test('the ratios are those of noprop in bf16, and name what was best of PyTorch', () => {
    const of = (name: string, samplesPerSecond?: number) => ({ name, own: name.startsWith('noprop'), samplesPerSecond })
    const programs = [of('noprop, f32', 9000), of('noprop, bf16', 6000), of('PyTorch eager, bf16', 1000)]
    const others = [of('PyTorch compiled, a CUDA graph, bf16', 3000), of('PyTorch vmap, bf16')]
    // It trains end to end, which is another method.
    const backprop = of('PyTorch back-propagation, bf16', 8000)
    expect(ratiosOf([...programs, ...others, backprop])).toEqual({
      ...{ overEager: 6, overBest: 2 },
      ...{ ours: 'noprop, bf16', best: 'PyTorch compiled, a CUDA graph, bf16' },
    })
    expect(ratiosOf([of('noprop, f32', 9000), of('PyTorch vmap, bf16')])).toEqual({
      ...{ overEager: null, overBest: null },
      ...{ ours: 'noprop, f32', best: null },
    })
  })

  test('a step that runs out tells what it has', async () => {
    const late = () => Promise.reject(new CheckFailed('late'))
    await expect(keeping({ runs: [1] }, late)).rejects.toMatchObject({ message: 'late', measured: { runs: [1] } })
    const told = () => Promise.reject(new CheckFailed('late', { own: 2 }))
    await expect(keeping({ runs: [1] }, told)).rejects.toMatchObject({ measured: { own: 2 } })
  })

  test('every goal has a row: reached, the moonshot, missed, extrapolated or not measured', () => {
    const own = { name: 'noprop, bf16', own: true, samplesPerSecond: 75_000, floorShare: 0.45, memoryMiB: 900 }
    const peer = { name: 'PyTorch back-propagation, bf16', own: false, samplesPerSecond: 1, memoryMiB: 1000 }
    const steps = {
      bench: {
        measured: {
          ...{ shape: 'cifar10', overEager: 12, overBest: 1.5, programs: [own, peer] },
          ...{ ours: 'noprop, bf16', best: 'PyTorch vmap, bf16' },
        },
      },
      memory: {
        measured: { allInFlightMiB: 900, oneInFlightMiB: 250, manyBlocks: 1000, manyInFlightMiB: 910, manySeconds: 9 },
      },
      mnist: {
        measured: {
          goal: 0.994,
          runs: [
            { epochs: 3, testAccuracy: 0.993, trainSeconds: 2 },
            { epochs: 6, testAccuracy: 0.9941, trainSeconds: 4 },
          ],
        },
      },
      cifar10: { status: 'not run' },
    }
    const rows = goalRows(steps)
    expect(rows.map((row: string[]) => row.slice(3))).toEqual([
      ['12.0 ×; noprop, bf16', 'moonshot'],
      ['1.50 ×; noprop, bf16; PyTorch vmap, bf16', 'no'],
      ['45.00 %; noprop, bf16', 'yes'],
      ['100 s; extrapolated from 75,000 samples/s on random data of that shape, without evaluation', 'yes'],
      ['not measured', '–'],
      ['4.00 s; 99.41 % after 6 epochs', 'moonshot'],
      ['0.25; all in flight 900 MiB, one 250 MiB, PyTorch 1,000 MiB', 'yes'],
      ['1.01 × the memory; an epoch of two steps in 9.00 s', 'yes'],
    ])
    const runs = (epochs: number) => [
      { epochs: 1, testAccuracy: 0.3, trainSeconds: 3 },
      { epochs, testAccuracy: 0.78, trainSeconds: epochs },
    ]
    const trained = (epochs: number) =>
      goalRows({ ...steps, cifar10: { measured: { goal: 0.7925, runs: runs(epochs) } } })
    expect(trained(150)[3].slice(3)).toEqual(['150 s; measured', 'no'])
    expect(trained(100)[3].slice(3)).toEqual(['150 s; extrapolated from 100 epochs', 'no'])
    expect(trained(100)[4].slice(3)).toEqual(['78.00 %; after 100 epochs', 'no'])
    const short = { goal: 0.994, runs: [{ epochs: 3, testAccuracy: 0.98, trainSeconds: 2 }] }
    expect(goalRows({ mnist: { measured: short } })[5].slice(3)).toEqual(['not reached: 98.00 %', 'no'])
    // With --quick accuracy is measured and not judged.
    const unjudged = { measured: { runs: [{ epochs: 1, testAccuracy: 0.98, trainSeconds: 2 }] } }
    const quickly = goalRows({ mnist: unjudged, cifar10: unjudged })
    for (const row of [quickly[4], quickly[5]]) expect(row.slice(3)).toEqual(['98.00 % after 1 epoch, not judged', '–'])
    // A run that measured nothing still names every goal.
    expect(goalRows({}).map((row: string[]) => row.slice(3))).toEqual(Array(8).fill(['not measured', '–']))
  })
})

test('what a GPU machine needs is packed into one folder, from which the check runs', async () => {
  const out = temporaryDirectory()
  const addon = getAddon().path
  const { code, stdout, stderr } = await runNode(['scripts/gpu/pack.mjs', '--out', out, '--addon', addon], {
    cwd: root,
  })
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/gpu-check\.tar\.gz: \d+\.\d MiB\n$/)
  const folder = join(out, 'gpu-check')
  const { NOPROP_ADDON: _, ...env } = process.env
  const args = ['--device', 'cpu', '--only', 'mnist', '--only', 'memory']
  const here = { cwd: folder, env: { ...env, NOPROP_DATA: '' } }
  const checked = await runNode(['scripts/gpu/check.mjs', ...args], here)
  expect([checked.code, checked.stderr]).toEqual([0, ''])
  expect(statuses(JSON.parse(readFileSync(join(folder, '.noprop/gpu-check.json'), 'utf8')).steps)).toEqual({
    memory: 'passed',
    mnist: 'passed',
  })
})

test.runIf(process.platform === 'linux' && process.arch === 'x64')(
  'a machine without Node runs the check by the one that is packed',
  async () => {
    const { packedNode } = await load('gpu/node.mjs')
    const folder = join(temporaryDirectory(), 'gpu-check')
    mkdirSync(join(folder, 'scripts/gpu'), { recursive: true })
    for (const name of ['check-node.cjs', 'gpu/check.mjs'])
      writeFileSync(join(folder, 'scripts', name), 'console.log(process.argv)')
    cpSync(join(root, 'scripts/gpu/check.sh'), join(folder, 'gpu-check.sh'))
    const tools = join(folder, 'bin')
    mkdirSync(tools)
    for (const name of ['sh', 'gzip', 'chmod', 'mv', 'dirname'])
      symlinkSync(spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim(), join(tools, name))
    const call = () =>
      spawnSync(join(folder, 'gpu-check.sh'), ['--quick'], { encoding: 'utf8', env: { PATH: tools }, cwd: '/' })
    const without = call()
    expect([without.status, without.stderr]).toEqual([
      1,
      'There is no Node here, and none was packed: install Node 20.17 or newer.\n',
    ])
    cpSync(packedNode().path, join(folder, 'node.gz'))
    const packed = call()
    expect([packed.status, packed.stderr]).toEqual([0, ''])
    expect(packed.stdout).toContain(join(folder, 'node'))
    expect(packed.stdout).toContain("'--quick'")
    // That of the machine is taken where it serves.
    writeFileSync(join(tools, 'node'), '#!/bin/sh\necho "the machine has $1"\n', { mode: 0o755 })
    expect(call().stdout).toBe('the machine has scripts/gpu/check.mjs\n')
    const elsewhere = { ...{ platform: 'darwin', arch: 'arm64', version: 'v22.0.0' }, config: process.config }
    expect(packedNode(elsewhere)).toEqual({ reason: 'this is one for darwin on arm64' })
  },
)

test('a folder above the limit is not packed silently', async () => {
  const out = temporaryDirectory()
  const data = join(out, 'mnist')
  mkdirSync(data)
  writeFileSync(join(data, 'train-images-idx3-ubyte'), randomBytes(65 << 20))
  const args = ['scripts/gpu/pack.mjs', '--out', out, '--addon', getAddon().path, '--data', data]
  const { code, stderr } = await runNode(args, { cwd: root })
  expect([code, stderr]).toEqual([1, 'That is not less than 64 MiB.\n'])
})
