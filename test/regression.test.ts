import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { datasets, NoProp } from '../src/index.js'
import { temporaryDirectory } from './support/data.js'
import { runCli } from './support/process.js'

/** Friedman (1991), as scikit-learn's `make_friedman1` without noise, of 800 samples; a second target lies far from 0. */
const SAMPLES = 800
let seed = 1
const inputs = Float32Array.from({ length: SAMPLES * 10 }, () => {
  seed = (seed * 48271) % 2147483647
  return seed / 2147483647
})
const rows = Array.from({ length: SAMPLES }, (_, sample) => [...inputs.subarray(10 * sample, 10 * sample + 10)])
const friedman = ([a = 0, b = 0, c = 0, d = 0, e = 0]: number[]) =>
  10 * Math.sin(Math.PI * a * b) + 20 * (c - 0.5) ** 2 + 10 * d + 5 * e
const targets = Float32Array.from(rows.flatMap((row) => [friedman(row), 1e5 + 300 * (row[9] as number)]))
const MODEL = { blocks: 3, net: { type: 'mlp', hidden: [64, 64] }, seed: 2 } as const
const TRAINING = { epochs: 40, batch: 40, learningRate: 3e-3, device: 'cpu' } as const

async function trained() {
  const { train, test } = await datasets.fromArrays({ inputs, shape: [10], targets }).split(0.25)
  const model = NoProp.create({ ...MODEL, input: train.shape, targets: train.targetCount })
  const history = await model.fit(train, { ...TRAINING, validation: test })
  return { model, history, test }
}

test('numbers are learned, saved and asked again, in their own units', async () => {
  const { model, history, test } = await trained()
  const result = await model.evaluateNumbers(test)
  // A linear model has about 0.75 of the first target.
  for (const { r2 } of result.targets) expect(r2).toBeGreaterThan(0.85)
  expect(history.validationNumbers?.r2).toBe(result.r2)
  expect(result.r2PerBlock.at(-1)).toBe(result.r2)
  expect(result.exit).toBeUndefined()
  for (const [early, blocks] of [
    [{ stopAfter: 1 }, 1],
    [{ readout: 'mean' }, 3],
  ] as const) {
    const { r2, exit } = await model.evaluateNumbers(test, early)
    expect(exit).toMatchObject({ blocksPerSample: blocks, wholeR2: result.r2, cost: result.r2 - r2 })
    expect(exit?.speedUp).toBeGreaterThan(0)
  }
  const { values, interval } = await model.predictNumbers(test)
  expect(interval).toBeUndefined()
  const truth = test.targets() as Float32Array
  const squares = values.map((row, sample) => ((row[0] as number) - (truth[2 * sample] as number)) ** 2)
  const mse = squares.reduce((sum, square) => sum + square, 0) / squares.length
  expect(result.targets[0]?.mse).toBeCloseTo(mse, 10)
  expect(result.targets[0]?.rmse).toBeCloseTo(Math.sqrt(mse), 10)

  const file = join(temporaryDirectory(), 'model.safetensors')
  await model.save(file)
  const loaded = await NoProp.load(file)
  expect(loaded.config).toEqual(model.config)
  expect(loaded.config.targets).toEqual({ count: 2, mean: expect.any(Array), std: expect.any(Array) })
  expect(loaded.config.targets?.mean?.[1]).toBeGreaterThan(1e5)
  expect(await loaded.predictNumbers(test)).toEqual({ values })
  expect(String(loaded)).toContain('2 targets')
})

test('an interval is that of the runs, and its coverage is measured', async () => {
  const { model, test } = await trained()
  const options = { interval: 0.8, runs: 15, seed: 4 }
  const { interval, values } = await model.predictNumbers(test, options)
  const truth = test.targets() as Float32Array
  const inside = values.filter((_, sample) => {
    const [low, high] = [interval?.low[sample]?.[0] as number, interval?.high[sample]?.[0] as number]
    expect(low).toBeLessThanOrEqual(high)
    return low <= (truth[2 * sample] as number) && (truth[2 * sample] as number) <= high
  })
  const result = await model.evaluateNumbers(test, options)
  expect(result.runs).toBe(15)
  expect(result.interval?.asked).toBe(0.8)
  expect(result.interval?.coveragePerTarget[0]).toBe(inside.length / values.length)
})

test('targets are lists as well, and what does not fit is refused in words', async () => {
  const two = { inputs: [[0], [1]], targets: [[1, 2], [3, 4]] } // biome-ignore format: a matrix
  const data = datasets.fromArrays(two)
  expect([data.targetCount, [...(data.targets() as Float32Array)], data.classes]).toEqual([2, [1, 2, 3, 4], []])
  expect(String(data)).toBe('Dataset(2 samples of 1, 2 targets)')
  expect(datasets.fromArrays({ inputs: [[0], [1]], targets: [5, 6] }).targetCount).toBe(1)
  const arrays = (more: object) => () => datasets.fromArrays({ inputs: [[0], [1]], ...more })
  expect(arrays({ targets: [1], labels: [1, 2] })).toThrow(/both labels and targets/)
  expect(arrays({ targets: new Float32Array(3) })).toThrow(/differ in number/)
  expect(arrays({ targets: [1, Number.NaN] })).toThrow(/target 0 of sample 1 is not a finite number/)
  expect(arrays({ targets: [[1, 2], [3]] })).toThrow(/targets of sample 1/)
  expect(arrays({ targets: 'price' })).toThrow(/targets cannot be used/)
  expect(() => NoProp.create({ input: [1], targets: 1, method: 'ct' })).toThrow(/method ct/)
  expect(() => NoProp.create({ input: [1], targets: 1, classes: 2 })).toThrow(/both given/)
  const model = NoProp.create({ input: [1], targets: 1, net: MODEL.net, blocks: 1 })
  await expect(model.fit({ inputs: [[0], [1]], labels: [0, 1] })).rejects.toMatchObject({ code: 'NOPROP_LABEL' })
  await model.fit({ inputs: [[0], [1]], targets: [0, 1] })
  await expect(model.predict([0.5] as never)).rejects.toMatchObject({ code: expect.any(String) })
  await expect(model.evaluate(datasets.fromArrays({ inputs: [[0], [1]], targets: [5, 6] }))).rejects.toThrow(/numbers/)
  await expect(model.predictNumbers(new Float32Array([0.5]), { interval: 1 })).rejects.toThrow(
    /interval is out of range/,
  )
  await expect(model.predictNumbers(new Float32Array([0.5]), { confidence: 0.9 })).rejects.toThrow(/confidence/)
})

test('the command line trains on columns of a table, measures and predicts them', async () => {
  const directory = temporaryDirectory()
  const [table, model, bare] = ['t.csv', 'm.safetensors', 'new.csv'].map((name) => join(directory, name)) as string[]
  const names = Array.from({ length: 10 }, (_, k) => `x${k}`)
  const lines = rows.map((row, sample) => [...row, targets[2 * sample], targets[2 * sample + 1]].join(','))
  writeFileSync(table as string, [[...names, 'price', 'size'].join(','), ...lines].join('\n'))
  writeFileSync(bare as string, [names.join(','), ...rows.slice(0, 3).map((row) => row.join(','))].join('\n'))
  const flags = ['--target', 'price,size', '--test-split', '0.25', '--net', 'mlp', '--hidden', '64,64', '--blocks', '3']
  const run = ['--epochs', '40', '--batch', '40', '--lr', '3e-3', '--device', 'cpu', '--out', model as string]
  const trained = await runCli(['train', '--data', table as string, ...flags, ...run])
  expect(trained).toMatchObject({ code: 0 })
  expect(trained.stdout).toMatch(/^test R² +0\.9/m)

  const measured = await runCli(['eval', model as string, '--data', table as string, '--interval', '0.9', '--json'])
  expect(measured).toMatchObject({ code: 0 })
  const result = JSON.parse(measured.stdout.trim().split('\n').at(-1) as string)
  expect(result).toMatchObject({ event: 'done', samples: SAMPLES, runs: 20, interval: { asked: 0.9 } })
  expect(result.targets).toHaveLength(2)
  expect(result.r2).toBeGreaterThan(0.9)
  const shown = await runCli(['eval', model as string, '--data', table as string])
  expect(shown.stdout).toMatch(/^price +0\.9\d+ /m)

  const predicted = await runCli(['predict', model as string, bare as string, '--json'])
  expect(predicted).toMatchObject({ code: 0 })
  const events = predicted.stdout.trim().split('\n').map((line) => JSON.parse(line)) // biome-ignore format: one line
  expect(events).toHaveLength(4)
  expect(events[0].values).toHaveLength(2)
  expect(events[3]).toMatchObject({ event: 'done', samples: 3, targets: ['price', 'size'] })
  const text = await runCli(['predict', model as string, bare as string, '--interval', '0.9'])
  expect(text.stdout).toMatch(/^0\t[-\d.]+ \[[-\d.]+, [-\d.]+\]\t[\d.]+ \[[\d.]+, [\d.]+\]$/m)
  const missing = await runCli(['train', '--data', table as string, '--target', 'prize'])
  expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining('prize')])
})
