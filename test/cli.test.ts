import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { COMMANDS } from '../src/cli/program.js'
import { showsGpu } from '../src/cuda/hardware.js'
import { getAddon } from '../src/native.js'
import { version } from '../src/version.js'
import { smallIdx, squares, temporaryDirectory } from './support/data.js'
import { SMALL_FLAGS } from './support/models.js'
import { png } from './support/png.js'
import { cli, done, events, runCli, startCli, startNode } from './support/process.js'

const LONG = ['--widths', '8,8,16', '--hidden', '32', '--blocks', '3', '--epochs', '100000', '--batch', '32']

/** Trains a small model and returns its file and data. */
async function trained(labels = [0, 1, 2, 3]) {
  const data = smallIdx({ labels })
  const out = join(temporaryDirectory(), 'model.safetensors')
  const result = await done(['train', '--data', data, ...SMALL_FLAGS, '--epochs', '6', '--lr', '0.003', '--out', out])
  return { data, out, result }
}

test('the help of everything needs no addon, and goes to stdout', async () => {
  const env = { ...process.env, NOPROP_ADDON: '/nowhere/noprop.node' }
  for (const args of [
    ['--help'],
    [],
    ['help'],
    ['help', 'help'],
    ['help', 'train'],
    ...Object.keys(COMMANDS).map((name) => [name, '--help']),
  ]) {
    const { code, stdout, stderr } = await runCli(args, { env })
    expect([args, code, stderr]).toEqual([args, 0, ''])
    expect(stdout).toContain('Usage: noprop')
  }
  const { stdout } = await runCli(['--version'], { env })
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
})

const usage: [string, string[], string][] = [
  ['an unknown command', ['tarin'], "unknown command 'tarin'; hint: did you mean train?"],
  ['an unknown command with options', ['trian', '--data', 'm'], "unknown command 'trian'; hint: did you mean train?"],
  ['the help of an unknown command', ['help', 'nosuch'], "unknown command 'nosuch'; hint: noprop --help lists"],
  ['an unknown option', ['train', '--data', 'mnist', '--epoch', '3'], 'did you mean --epochs?'],
  ['an unknown option before everything', ['--nope'], "unknown option '--nope'"],
  ['a missing option', ['train'], '--data'],
  ['a missing argument', ['inspect'], "missing required argument 'file'"],
  ['a missing value', ['train', '--data'], 'argument missing'],
  ['too many arguments', ['inspect', 'a', 'b'], 'too many arguments'],
  ['nothing to predict', ['predict', 'model.safetensors'], 'nothing to predict'],
  ['two things to predict', ['predict', 'm', 'a.png', '--data', 'mnist'], 'both --data and images'],
]

test.each(usage)('%s is one line and exit code 2', async (_, args, part) => {
  const { code, stdout, stderr } = await runCli(args)
  expect(code).toBe(2)
  expect(stdout).toBe('')
  expect(stderr).toMatch(/^error NOPROP_USAGE: [^\n]+\n$/)
  expect(stderr).toContain(part)
  if (args.at(-1) === '--data') return
  const json = await runCli([...args, '--json'])
  expect(json.code).toBe(2)
  expect(events(json)).toMatchObject([{ event: 'error', code: 'NOPROP_USAGE' }])
})

test('without a command people see the help, and programs that read JSON a failure', async () => {
  const { code, stdout, stderr } = await runCli([])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toBe((await runCli(['--help'])).stdout)
  const json = await runCli(['--json'])
  expect(json.code).toBe(2)
  expect(events(json)).toMatchObject([{ event: 'error', code: 'NOPROP_USAGE', what: 'no command is given' }])
  // The flags of every command may stand before its name.
  expect(events(await runCli(['--json', 'doctor']))).toMatchObject([{ event: 'done', ok: true }])
  expect((await runCli(['--verbose', 'trian'])).stderr).toMatch(/^error NOPROP_USAGE: unknown command 'trian';/)
})

test('no message has a word of the parser', async () => {
  for (const args of [['help', 'nosuch'], ['train', 'help', 'x'], ['--nope'], ['inspect']]) {
    expect((await runCli(args)).stderr).not.toMatch(/outputHelp|commander|\(|undefined/i)
  }
})

test('--verbose adds the stack', async () => {
  const { stderr } = await runCli(['inspect', '/nowhere/model.safetensors', '--verbose'])
  expect(stderr).toMatch(/^error NOPROP_FILE_NOT_FOUND: [^\n]+\n/)
  expect(stderr).toMatch(/\n {4}at /)
})

test('train --json tells its events and ends with done; nothing is on stderr', async () => {
  const data = smallIdx()
  const out = join(temporaryDirectory(), 'model.safetensors')
  const outcome = await runCli(['train', '--data', data, ...SMALL_FLAGS, '--out', out, '--json'])
  expect([outcome.code, outcome.stderr]).toEqual([0, ''])
  const seen = events(outcome)
  expect(seen[0]).toMatchObject({ event: 'start', blocks: 3, epochs: 2, samples: 256, device: 'cpu' })
  expect(seen[0]!.whyNoGpu).toMatch(/^[^\n]{10,}$/)
  expect(seen.filter(({ event }) => event === 'epoch')).toHaveLength(6)
  expect(seen.filter(({ event }) => event === 'block')).toHaveLength(3)
  expect(seen.at(-1)).toMatchObject({
    event: 'done',
    testAccuracy: expect.any(Number),
    trainSeconds: expect.any(Number),
    samplesPerSecond: expect.any(Number),
    peakMemoryMiB: expect.any(Number),
    weightsSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    parameters: expect.any(Number),
    device: 'cpu',
    out,
  })
  const { trainSeconds, samplesPerSecond, peakMemoryMiB } = seen.at(-1) as Record<string, number>
  expect(samplesPerSecond).toBeCloseTo((256 * 2) / trainSeconds!, 0)
  expect(trainSeconds).toBeGreaterThan(0)
  expect(peakMemoryMiB).toBeGreaterThan(10)
  expect(existsSync(out)).toBe(true)
})

test('train for people: results on stdout, progress on stderr', async () => {
  const { code, stdout, stderr } = await runCli(['train', '--data', smallIdx(), ...SMALL_FLAGS])
  expect(code).toBe(0)
  expect(stdout).toMatch(/^test accuracy {3}\d+\.\d\d % of 64 samples/)
  expect(stdout).toContain('not saved (--out FILE saves it)')
  expect(stderr).toMatch(/block 1 {2}100 % {2}finished in/)
  expect(stdout + stderr).not.toContain('\x1b')
})

describe('--device', () => {
  // An addon that is named is not looked for, so these hold where a CUDA addon is installed, too.
  const env = { ...process.env, NOPROP_ADDON: getAddon().path }
  const train = (...device: string[]) => runCli(['train', '--data', smallIdx(), ...SMALL_FLAGS, ...device], { env })

  test('auto says in one line on stderr why it does not take the GPU, where there is one; cpu says nothing', async () => {
    const line = /^training on the processor, no GPU: the addon has no CUDA code$/gm
    for (const device of [[], ['--device', 'auto']]) {
      const { code, stderr } = await train(...device)
      expect([code, stderr.match(line)?.length ?? 0]).toEqual([0, showsGpu() ? 1 : 0])
    }
    const { code, stderr } = await train('--device', 'cpu')
    expect([code, stderr.includes('GPU')]).toEqual([0, false])
  })

  test.each(['cuda', 'cuda:1', 'cuda:all'])(
    '%s fails with what is missing, and trains nowhere else',
    async (device) => {
      const { code, stderr } = await train('--device', device)
      expect(code).toBe(1)
      expect(stderr).toMatch(/^error NOPROP_CUDA_ADDON: the addon has no CUDA code; hint: [^\n]+\n$/m)
      expect(stderr).not.toContain('finished')
    },
  )

  test.each(['tpu', 'cuda:x', 'cuda0'])('%s is no device', async (device) => {
    const { code, stderr } = await train('--device', device)
    expect(code).toBe(2)
    expect(stderr).toMatch(/error NOPROP_OPTION: unknown device '[^\n]+cuda:all; hint: correct --device\n/)
  })
})

test('eval, predict and inspect read the model that train wrote', async () => {
  const { data, out, result } = await trained()
  expect(result.testAccuracy).toBeGreaterThan(0.9)
  const evaluated = await done(['eval', out, '--data', data])
  expect(evaluated.accuracy).toBe(result.testAccuracy)
  const runs = await done([
    'eval',
    out,
    '--data',
    data,
    '--runs',
    '3',
    '--sampler',
    'resample',
    '--stochastic',
    '--seed',
    '7',
  ])
  expect(runs.accuracies).toHaveLength(3)
  expect(runs).toMatchObject({ accuracyMean: expect.any(Number), accuracyStd: expect.any(Number) })

  const predicted = events(await runCli(['predict', out, '--data', data, '--json']))
  expect(predicted).toHaveLength(65)
  expect(predicted[5]).toMatchObject({ event: 'prediction', index: 5, label: 1 })
  expect(predicted[5]!.probabilities).toHaveLength(4)
  expect(predicted.at(-1)).toEqual({ event: 'done', samples: 64, classes: [0, 1, 2, 3] })
  const traced = events(await runCli(['predict', out, '--data', data, '--trace', '--json']))
  const { start, steps, ...rest } = traced[5] as { start: number[]; steps: Record<string, unknown>[] }
  expect(rest).toEqual(predicted[5])
  expect(start).toHaveLength(4)
  expect(steps.map(({ block }) => block)).toEqual(steps.map((_, index) => index + 1))
  for (const { estimate, state } of steps) expect([estimate, state].flat()).toHaveLength(8)
  const told = (await runCli(['predict', out, '--data', data, '--trace'])).stdout.split('\n')
  expect(told).toHaveLength(64 * (1 + steps.length) + 1)
  expect(told[1]).toMatch(/^0\tblock 1\t[0-3]\t-?[\d.]+$/)
  const lines = (await runCli(['predict', out, '--data', data])).stdout.split('\n')
  expect(lines[5]).toMatch(/^5\t1\t[01]\.\d{4}$/)

  const inspected = await done(['inspect', out])
  expect(inspected).toMatchObject({
    blocks: 3,
    weightsSha256: result.weightsSha256,
    parameters: result.parameters,
    config: { net: { widths: [8, 8, 16], hidden: 32 }, input: [14, 14, 1] },
    training: { options: { epochs: 6, batch: 32 } },
  })
  expect((await runCli(['inspect', out])).stdout).toContain('3 cnn blocks')
})

test('letters labelled 1–26, and labels with holes, come back as they were', async () => {
  for (const labels of [Array.from({ length: 26 }, (_, index) => index + 1), [3, 40, 200]]) {
    const { data, out, result } = await trained(labels)
    const predicted = events(await runCli(['predict', out, '--data', data, '--json']))
    expect(predicted.at(-1)).toMatchObject({ classes: labels })
    expect(predicted.slice(0, -1).every(({ label }) => labels.includes(label as number))).toBe(true)
    if (labels.length > 3) continue
    expect(result.testAccuracy).toBeGreaterThan(0.9)
    const truth = squares(64, 14, labels, 2).labels
    const right = predicted.slice(0, -1).filter(({ label }, index) => label === truth[index]).length
    expect(right / 64).toBeCloseTo(result.testAccuracy)
  }
})

test('the classes are those of both splits, however few samples are trained on', async () => {
  const data = smallIdx({ labels: [4, 5, 6, 9] })
  const out = join(temporaryDirectory(), 'model.safetensors')
  await done(['train', '--data', data, ...SMALL_FLAGS, '--limit', '2', '--batch', '2', '--out', out])
  expect(await done(['inspect', out])).toMatchObject({ config: { classes: [4, 5, 6, 9] }, training: { samples: 2 } })
})

test('predict takes PNG images and names them', async () => {
  const { out } = await trained()
  const directory = temporaryDirectory()
  const { images, labels } = squares(4, 14, [0, 1, 2, 3], 9)
  const paths = labels.map((label, index) => {
    const path = join(directory, `a ${label}.png`)
    writeFileSync(path, png(images.subarray(index * 196, index * 196 + 196), 14, 14))
    return path
  })
  const predicted = events(await runCli(['predict', out, ...paths, '--json'])).slice(0, -1)
  expect(predicted.map(({ path }) => path)).toEqual(paths)
  expect(predicted.map(({ label }) => label)).toEqual(labels)
})

const SMALL_BENCH = [
  'bench',
  ...['--shape', '14x14x1', '--widths', '8,8,16', '--hidden', '32', '--blocks', '2', '--batch', '32'],
  ...['--seconds', '0.5'],
]

test.each(['train', 'inference'])('bench measures the speed of %s and its share of the peak', async (mode) => {
  const result = await done([...SMALL_BENCH, '--mode', mode, '--threads', '1'])
  for (const name of ['samplesPerSecond', 'stepsPerSecond', 'gflops', 'peakGflops', 'peakShare', 'peakMemoryMiB'])
    expect([name, result[name]]).toEqual([name, expect.any(Number)])
  const { samplesPerSecond, stepsPerSecond, gflops, peakGflops, peakShare } = result as Record<string, number>
  expect(samplesPerSecond).toBeGreaterThan(0)
  expect(samplesPerSecond).toBeCloseTo(32 * stepsPerSecond!, 3)
  expect(peakShare).toBeGreaterThan(0)
  expect(peakShare).toBeLessThanOrEqual(1)
  expect(peakShare).toBeCloseTo(gflops! / peakGflops!, 6)
  expect(result).toMatchObject({ mode, threads: 1, blocks: 2, batch: 32, instructionSet: expect.any(String) })
  if (mode === 'inference') expect(result.latencyMs).toBeGreaterThan(0)
  else expect(result.latencyMs).toBeUndefined()
})

test('bench takes the blocks in another net, shape and batch, and tells people what it measured', async () => {
  const args = ['bench', '--net', 'mlp', '--hidden', '16', '--shape', '20', '--blocks', '3', '--batch', '1']
  const { code, stdout } = await runCli([...args, '--mode', 'inference', '--seconds', '0.1'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/^speed {11}[\d.]+ samples\/s through 3 blocks, [\d.]+ predictions\/s of [\d.]+ ms\n/)
  expect(stdout).toMatch(/^work {12}20, batch 1, /m)
})

test('bench takes the number of classes, on which the number of parameters depends', async () => {
  const args = ['bench', '--net', 'mlp', '--hidden', '16', '--shape', '20', '--blocks', '1', '--seconds', '0.05']
  const parametersOf = async (classes: string) => (await done([...args, '--classes', classes])).parametersPerBlock
  // A class more is a value more of the noised label and of the output: 16 weights each, and a bias.
  expect(Number(await parametersOf('4')) - Number(await parametersOf('3'))).toBe(16 + 16 + 1)
})

test.each([
  [['--mode', 'sleep'], /unknown mode 'sleep'; expected: train or inference; hint: correct --mode/],
  [['--mode', 'inference', '--in-flight', '2'], /: --in-flight does not apply to inference; expected: no --in-flight/],
  [['--seconds', '0'], /: --seconds is out of range/],
  [['--batch', '0'], /: --batch is out of range/],
])('bench %j is refused', async (flags, message) => {
  const { code, stderr } = await runCli([...SMALL_BENCH, ...flags])
  expect(code).not.toBe(0)
  expect(stderr).toMatch(/^error NOPROP_OPTION: [^\n]+\n$/)
  expect(stderr).toMatch(message)
})

test('doctor tells what is there', async () => {
  const result = await done(['doctor'])
  expect(result).toMatchObject({
    node: process.version,
    addon: { path: expect.stringContaining('.node') },
    cores: expect.any(Number),
  })
  expect(result.devices).toEqual(expect.arrayContaining([expect.objectContaining({ device: 'cpu', usable: true })]))
  expect(result.cuda).toMatchObject({ kernel: expect.any(Array), nvidiaSmi: { lines: expect.any(Array) } })
  expect(Object.keys(result.datasets as object)).toEqual(['mnist', 'fashion-mnist', 'cifar10', 'cifar100'])
  const without = await runCli(['doctor'], { env: { ...process.env, NOPROP_ADDON: '/nowhere/noprop.node' } })
  expect(without.code).toBe(1)
  expect(without.stderr).toMatch(/^error NOPROP_ADDON: [^\n]+no such file[^\n]+\n$/)
})

test('what is still open does not keep a command alive that is done', async () => {
  const NODE_OPTIONS = '--import=data:text/javascript,setInterval(()=>{},1000)'
  const { code, stdout } = await runCli(['--version'], { env: { ...process.env, NODE_OPTIONS } })
  expect([code, stdout]).toEqual([0, `${version}\n`])
})

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s stops with exit code %i, and tells how to go on', async (signal, exitCode) => {
  const data = smallIdx()
  const checkpoint = join(temporaryDirectory(), 'check point')
  const { child, ended, wrote } = startCli(['train', '--data', data, ...LONG, '--checkpoint', checkpoint, '--json'])
  await wrote(/"event":"progress"/)
  child.kill(signal)
  const outcome = await ended
  expect([outcome.code, outcome.signal]).toEqual([exitCode, null])
  expect(outcome.stderr).toMatch(new RegExp(`^error NOPROP_CANCELLED: interrupted by ${signal}; [^\n]+\n$`))
  expect(outcome.stderr).toContain(`--checkpoint '${checkpoint}' --json --resume`)
  expect(events(outcome).at(-1)).toMatchObject({ event: 'error', code: 'NOPROP_CANCELLED' })
  // The directory is free again, and its run can go on.
  const again = startCli(['train', '--data', data, ...LONG, '--checkpoint', checkpoint, '--json', '--resume'])
  await again.wrote(/"event":"progress"/)
  again.child.kill('SIGKILL')
  await again.ended
})

test('without a checkpoint an interruption says that nothing is kept', async () => {
  const { child, ended, wrote } = startCli(['train', '--data', smallIdx(), ...LONG])
  await wrote(/blocks/)
  child.kill('SIGINT')
  const { code, stderr } = await ended
  expect(code).toBe(130)
  expect(stderr).toContain('nothing is kept; with --checkpoint DIR a run can be resumed')
})

test('a reader that goes away is no failure', async () => {
  const { data, out } = await trained()
  const { child, ended, wrote } = startNode([cli, 'predict', out, '--data', data, '--json'])
  await wrote(/"index":0/)
  child.stdout!.destroy()
  const { code, stderr } = await ended
  expect([code, stderr]).toEqual([0, ''])
})
