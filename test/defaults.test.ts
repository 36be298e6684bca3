import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type FitEvent, NoProp, type TrainOptions } from '../src/index.js'
import { smallIdx, squares, temporaryDirectory, vectors } from './support/data.js'
import { SMALL_MLP, smallModel } from './support/models.js'
import { events, runCli } from './support/process.js'

const FOUR = [0, 1, 2, 3]

test.each([
  ['fewer samples than the default', 60, undefined, 60],
  ['as many', 128, undefined, 128],
  ['more', 200, undefined, 128],
  ['a batch that is given', 60, 7, 7],
])('the batch follows the data, and is told and kept: %s', async (_, samples, batch, expected) => {
  const model = NoProp.create({ input: [8], classes: 4, net: SMALL_MLP, blocks: 1 })
  const run = model.fit(vectors(samples, 8, 4), batch === undefined ? {} : { batch })
  const seen: FitEvent[] = []
  for await (const event of run) seen.push(event)
  const history = await run
  expect(seen[0]).toMatchObject({ event: 'start', batch: expected, stepsPerBlock: Math.ceil(samples / expected) })
  expect(history.options).toMatchObject({ epochs: 1, batch: expected, learningRate: 1e-3 })
  const file = join(temporaryDirectory(), 'model.safetensors')
  await model.save(file)
  const loaded = await NoProp.load(file)
  expect(loaded.training?.options).toEqual(history.options)
  expect(loaded.config).toEqual(model.config)
})

test.each([
  [[28, 28], 'cnn'],
  [[14, 14, 3], 'cnn'],
  [[8, 8], 'mlp'],
  [[64], 'mlp'],
] as const)('the net follows the shape of a sample: %j gets %s', (input, type) => {
  expect(NoProp.create({ input, classes: 2, blocks: 1 }).config.net.type).toBe(type)
})

test('a model and a run of defaults alone train on a few vectors and on a few images', async () => {
  for (const data of [vectors(20, 3, 2), squares(20, 8, FOUR)]) {
    const model = NoProp.create({ input: data.shape, classes: [...new Set(data.labels)].sort(), blocks: 1 })
    expect((await model.fit(data)).options.batch).toBe(20)
  }
})

const refused = async (data: ReturnType<typeof squares>, options: TrainOptions) => {
  const model = NoProp.create(smallModel({ blocks: 1 }))
  const error = await model.fit(data, options).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(model.trained).toBe(error === undefined)
  return error
}

test('a batch that is too large is refused only if it was asked for', async () => {
  expect(await refused(squares(60, 14, FOUR), {})).toBeUndefined()
  expect(await refused(squares(60, 14, FOUR), { batch: 128 })).toMatchObject({ code: 'NOPROP_OPTION', received: '128' })
})

test('batch norm over single samples is refused; a last batch of one is fine, and so is a net without batch norm', async () => {
  const error = { code: 'NOPROP_OPTION', what: 'batch norm needs at least 2 samples a batch' }
  expect(await refused(squares(40, 14, FOUR), { batch: 1 })).toMatchObject({ ...error, received: '1' })
  expect(await refused(squares(1, 14, FOUR), {})).toMatchObject({ ...error, received: '1 training sample' })
  expect(await refused(squares(33, 14, FOUR), { batch: 32 })).toBeUndefined()
  const mlp = NoProp.create({ input: [8], classes: 4, net: SMALL_MLP, blocks: 1 })
  expect((await mlp.fit(vectors(9, 8, 4), { batch: 1 })).options.batch).toBe(1)
})

test('the command line follows the data, and refuses single samples with exit code 2', async () => {
  const data = smallIdx({ train: 20, test: 8 })
  const small = ['--widths', '4,4,4', '--hidden', '8', '--blocks', '1']
  const outcome = await runCli(['train', '--data', data, ...small, '--json'])
  expect([outcome.code, outcome.stderr]).toEqual([0, ''])
  expect(events(outcome)[0]).toMatchObject({ event: 'start', batch: 20 })
  const { code, stderr } = await runCli(['train', '--data', data, ...small, '--batch', '1'])
  expect([code, stderr]).toEqual([2, expect.stringContaining('NOPROP_OPTION: batch norm needs at least 2 samples')])
})
