import { join } from 'node:path'
import { expect, test } from 'vitest'
import { idleBlocks } from '../src/cli/eval-report.js'
import { type EvaluateOptions, NoProp } from '../src/index.js'
import { smallIdx, squares, temporaryDirectory } from './support/data.js'
import { SMALL_FLAGS, smallModel } from './support/models.js'
import { runCli } from './support/process.js'

// The values themselves are compared with scikit-learn's in the core; here, that they reach the API and the command line and
// fit together.

async function trained() {
  const model = NoProp.create(smallModel())
  await model.fit(squares(256, 14, [0, 1, 2, 3], 1), { epochs: 4, batch: 32, learningRate: 3e-3 })
  return model
}

test('an evaluation has the metrics of its confusions and probabilities', async () => {
  const model = await trained()
  const data = squares(90, 14, [0, 1, 2, 3], 2)
  const result = await model.evaluate(data)
  const confusion = result.confusion!
  const predicted = [0, 1, 2, 3].map((class_) => confusion.reduce((sum, row) => sum + row[class_]!, 0))
  for (const class_ of [0, 1, 2, 3]) {
    const right = confusion[class_]![class_]!
    const support = confusion[class_]!.reduce((sum, count) => sum + count, 0)
    expect(result.perClass.support[class_]).toBe(support)
    expect(result.perClass.recall[class_]).toBeCloseTo(right / support, 12)
    expect(result.perClass.precision[class_]).toBeCloseTo(right / (predicted[class_]! || 1), 12)
  }
  expect(result.topKAccuracy).toHaveLength(4)
  expect(result.topKAccuracy[0]).toBe(result.accuracy)
  expect(result.topKAccuracy[3]).toBe(1)
  expect(result.weightedAverage.recall).toBeCloseTo(result.accuracy, 12)

  const { probabilities } = await model.predict(data)
  const losses = probabilities.map((row, sample) =>
    row.reduce((sum, p, k) => sum + (p - Number(k === data.labels[sample])) ** 2, 0),
  )
  const order = [...losses.keys()].sort((a, b) => losses[b]! - losses[a]! || a - b)
  expect(result.worst).toHaveLength(20)
  for (const [rank, { sample, target, probability, loss }] of result.worst.entries()) {
    expect(loss).toBeCloseTo(losses[order[rank]!]!, 5)
    expect([target, probability]).toEqual([data.labels[sample], probabilities[sample]![target]])
  }
  const log = probabilities.map((row, sample) => -Math.log(Math.max(row[data.labels[sample]!]!, 2 ** -23)))
  expect(result.logLoss).toBeCloseTo(log.reduce((sum, value) => sum + value, 0) / 90, 5)
  expect(result.calibration.bins.reduce((sum, { samples }) => sum + samples, 0)).toBe(90)
})

test('with blocks it says what each block adds', async () => {
  const model = await trained()
  const data = squares(90, 14, [0, 1, 2, 3], 2)
  expect(await model.evaluate(data)).not.toHaveProperty('blocks')
  const { blocks, accuracyPerBlock } = await model.evaluate(data, { blocks: true })
  expect(blocks!.map(({ block, accuracyAfter }) => [block, accuracyAfter])).toEqual(
    accuracyPerBlock.map((accuracy, index) => [index + 1, accuracy]),
  )
  // Another sample's image shows another square three times out of four.
  expect(blocks![0]!.accuracyFromZ).toBeLessThan(blocks![0]!.accuracyAfter)
  await expect(model.evaluate(data, { blocks: 1 } as unknown as EvaluateOptions)).rejects.toMatchObject({
    code: 'NOPROP_OPTION',
    what: 'option blocks is neither on nor off',
  })
})

test('noprop eval --blocks prints the tables, and with --json all numbers', async () => {
  const [data, out] = [smallIdx(), join(temporaryDirectory(), 'model.safetensors')]
  expect(await runCli(['train', '--data', data, ...SMALL_FLAGS, '--out', out])).toMatchObject({ code: 0 })
  const { stdout, code } = await runCli(['eval', out, '--data', data, '--blocks'])
  expect(code).toBe(0)
  for (const text of ['log loss ', 'top-2 ', 'macro average ', 'calibration ', 'worst samples ', 'weighted average ']) {
    expect(stdout).toContain(text)
  }
  expect(stdout).toMatch(/block +before +after +all without it +with other images\n1 /)
  expect(stdout).toMatch(/every block adds something|make nothing of the image|as good without it/)
  const json = JSON.parse((await runCli(['eval', out, '--data', data, '--blocks', '--json'])).stdout)
  expect(json).toMatchObject({ event: 'done', blocks: [{ block: 1 }, { block: 2 }, { block: 3 }] })
  expect(json.calibration.bins).toHaveLength(15)
})

test('blocks that add nothing are named by ranges', () => {
  const named = (why: Record<number, 'image-unused' | 'as-good-without'>) => {
    const all = Array.from({ length: 12 }, (_, index) => index + 1)
    const figures = { accuracyBefore: 0.5, accuracyAfter: 0.5, accuracySkipped: 0.5, accuracyFromZ: 0.5 }
    return idleBlocks(all.map((block) => ({ block, ...figures, addsNothing: why[block] ?? null })))
  }
  expect(named({})).toEqual(['every block adds something'])
  expect(
    named({
      1: 'image-unused',
      3: 'as-good-without',
      4: 'as-good-without',
      5: 'as-good-without',
      12: 'as-good-without',
    }),
  ).toEqual([
    'make nothing of the image: 1 block (1)',
    'the model is as good without it: 4 blocks, each alone (3-5, 12)',
  ])
})
