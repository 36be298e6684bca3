import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { NoProp, type NoPropError } from '../src/index.js'
import { smallIdx, squares, temporaryDirectory, vectors } from './support/data.js'
import { SMALL_MLP } from './support/models.js'
import { done, runCli } from './support/process.js'

// What blocks become is tested in the core; here, that it reaches the API and the command line.

const data = vectors(96, 6, 3)
const create = (blocks = 3) => NoProp.create({ input: [6], classes: 3, blocks, seed: 4, net: SMALL_MLP })
const options = { epochs: 2, batch: 32, device: 'cpu' } as const

async function trained(blocks = 3): Promise<NoProp> {
  const model = create(blocks)
  await model.fit(data, options)
  return model
}

const caught = (promise: Promise<unknown>): Promise<NoPropError> =>
  promise.then(
    () => expect.unreachable('it did not reject'),
    (error) => error,
  )

test('a block that is trained anew is told, and the record and the history of the others stay', async () => {
  const model = await trained()
  const [before, sum] = [model.history, await model.weightsSha256()]
  const first = model.training
  const run = model.fit(data, { ...options, epochs: 3, retrain: [2], seed: 9 })
  const seen: string[] = []
  for await (const event of run) if (event.event === 'start' || event.event === 'block') seen.push(event.event)
  const history = await run
  expect(seen).toEqual(['start', 'block'])
  expect(history.blocks.map(({ block, epochs }) => [block, epochs])).toEqual([[2, 3]])
  expect(history.weightsSha256).toBe(await model.weightsSha256())
  expect(history.weightsSha256).not.toBe(sum)
  expect(model.trained).toBe(true)
  expect(model.config.seed).toBe(4)
  expect(model.training).toMatchObject({ ...first, changes: [{ retrained: [2], seed: 9, options: { epochs: 3 } }] })
  expect(model.history?.epochs).toEqual([1, 2, 3])
  expect(model.history?.loss[0]).toEqual([...before!.loss[0]!, null])
  expect(model.history?.loss[2]).toEqual([...before!.loss[2]!, null])
  expect(model.history?.loss[1]).not.toContain(null)

  // As before it is what it was.
  await model.fit(data, { ...options, retrain: [2] })
  expect(await model.weightsSha256()).toBe(sum)
  await model.fit(data, { ...options, retrain: [1, 3], continue: true })
  expect(model.training?.changes).toHaveLength(3)
  expect(model.training?.changes?.[2]).toMatchObject({ retrained: [1, 3], round: 1 })
  await model.fit(data, { ...options, continue: true })
  expect(model.training).toMatchObject({ round: 2 })
  expect(model.training?.changes).toBeUndefined()
})

test('blocks are appended, dropped and averaged, and files keep what was done', async () => {
  const model = await trained(1)
  const alone = await model.weightsSha256()
  const history = await model.fit(data, { ...options, append: 2, validation: data })
  expect(history.blocks.map(({ block }) => block)).toEqual([2, 3])
  expect(history.validation?.accuracyPerBlock).toHaveLength(3)
  expect(model.config).toMatchObject({ blocks: 3, schedule: { type: 'custom' } })
  // A training from the beginning with these levels makes the same.
  const fresh = NoProp.create({ ...model.config, schedule: model.config.schedule! })
  await fresh.fit(data, options)
  expect(await fresh.weightsSha256()).toBe(await model.weightsSha256())

  const dropped = await model.dropBlocks(2)
  expect(await dropped.weightsSha256()).toBe(alone)
  expect([dropped.config.blocks, model.config.blocks]).toEqual([1, 3])
  expect(dropped.training?.changes).toMatchObject([{ appended: [2, 3] }, { dropped: [2, 3] }])
  expect(dropped.history?.loss).toHaveLength(1)

  const file = join(temporaryDirectory(), 'model.safetensors')
  await model.save(file)
  const other = await NoProp.load(file)
  await other.fit(data, { ...options, retrain: [2], continue: true, learningRate: 3e-3 })
  const mean = await NoProp.average([model, other])
  expect(await mean.weightsSha256()).toBe(await (await NoProp.average([other, model])).weightsSha256())
  expect((await mean.evaluate(data)).accuracyPerBlock).toHaveLength(3)
  await mean.save(file)
  const loaded = await NoProp.load(file)
  expect(loaded.training).toEqual(mean.training)
  expect(loaded.training?.changes).toMatchObject([{ averaged: [{ training: {} }, { training: {} }] }])
})

test('what is not sound is refused in plain words', async () => {
  const model = await trained()
  for (const [more, message] of [
    [{ retrain: [4] }, /retrain is out of range.*blocks from 1 to 3/],
    [{ retrain: [] }, /retrain is out of range/],
    [{ retrain: 2 as unknown as number[] }, /option retrain has a bad value/],
    [{ retrain: [1], onlyBlocks: [1] }, /retrain and onlyBlocks do not go together/],
    [{ append: 1, continue: true }, /append and continue do not go together/],
    [{ append: 0 }, /append is out of range/],
    [{ append: [0.5] }, /a level of an appended block does not fit/],
    [{ append: 'two' as unknown as number }, /option append has a bad value.*number of blocks, or a list/],
    [{ seed: 3 }, /seed goes with option retrain alone.*NoProp\.create/],
    [
      { retrain: [1], cluster: { queue: 'redis://127.0.0.1:1', store: 'file:///nowhere' } },
      /retrain does not go with a cluster|./,
    ],
  ] as const) {
    const error = await caught(model.fit(data, { ...options, ...more } as object))
    expect(error.message).toMatch(message)
  }
  expect((await caught(create().fit(data, { ...options, retrain: [1] }))).code).toBe('NOPROP_NOT_TRAINED')
  for (const count of [0, 3, -1, 1.5]) expect((await caught(model.dropBlocks(count))).code).toBe('NOPROP_OPTION')
  const flow = NoProp.create({ input: [6], classes: 3, method: 'fm', net: SMALL_MLP })
  await flow.fit(data, options)
  for (const error of [
    await caught(flow.fit(data, { ...options, retrain: [1] })),
    await caught(flow.fit(data, { ...options, append: 1 })),
    await caught(flow.dropBlocks()),
  ]) {
    expect(error.message).toMatch(/does not apply to method fm.*method dt/)
  }
  const foreign = NoProp.create({ input: [6], classes: 3, blocks: 3, seed: 5, net: SMALL_MLP })
  await foreign.fit(data, options)
  expect((await caught(NoProp.average([model, foreign]))).message).toMatch(/model 2 .*model\.seed differs.*went on/)
  for (const models of [[], [model], 'x', [{}]] as unknown as NoProp[][]) {
    expect((await caught(NoProp.average(models))).code).toBe('NOPROP_OPTION')
  }
})

test('a checkpoint of a training of blocks is resumed', async () => {
  const expected = await trained()
  await expected.fit(data, { ...options, retrain: [1, 3], seed: 2, epochs: 3 })
  const model = await trained()
  const checkpoint = temporaryDirectory()
  const again = { ...options, retrain: [1, 3], seed: 2, epochs: 3, checkpoint, resume: true } as const
  const before = await model.weightsSha256()
  const abort = new AbortController()
  const run = model.fit(data, { ...again, checkpointSeconds: 0, signal: abort.signal })
  const stop = async () => {
    for await (const event of run) if (event.event === 'epoch') abort.abort(new Error('enough'))
  }
  await expect(stop()).rejects.toThrow('enough')
  expect(await model.weightsSha256()).toBe(before)
  await model.fit(data, again)
  expect(await model.weightsSha256()).toBe(await expected.weightsSha256())
})

test('noprop blocks does it on the command line, in place too', async () => {
  const [folder, set] = [temporaryDirectory(), smallIdx()]
  const [file, out] = [join(folder, 'm.safetensors'), join(folder, 'n.safetensors')]
  const net = ['--net', 'mlp', '--hidden', '16']
  const first = await done(['train', '--data', set, ...net, '--blocks', '2', '--epochs', '2', '--out', file])
  const before = readFileSync(file)

  const retrained = await done([
    'blocks',
    'retrain',
    file,
    '--block',
    '2',
    '--seed',
    '3',
    '--data',
    set,
    '--epochs',
    '2',
    '--out',
    out,
  ])
  expect(retrained).toMatchObject({ out, parameters: first.parameters })
  expect(retrained.accuracyPerBlock).toHaveLength(2)
  expect(retrained.weightsSha256).not.toBe(first.weightsSha256)
  expect(readFileSync(file).equals(before)).toBe(true)
  const loaded = await NoProp.load(out)
  expect(loaded.training?.changes).toMatchObject([{ retrained: [2], seed: 3 }])
  expect(await loaded.weightsSha256()).toBe(retrained.weightsSha256)

  // Block 2 began with other weights: a mean is of models that went on from the same ones.
  const apart = await runCli(['blocks', 'average', file, out, '--out', join(folder, 'mean.safetensors')])
  expect([apart.code, apart.stderr]).toEqual([2, expect.stringMatching(/the seed that block 2 began with differs/)])
  const on = ['blocks', 'retrain', file, '--block', '2', '--continue', '--seed', '3', '--data', set, '--epochs', '1']
  await done([...on, '--out', out])
  const mean = await runCli(['blocks', 'average', file, out, '--out', join(folder, 'mean.safetensors')])
  expect([mean.code, mean.stdout]).toEqual([0, expect.stringMatching(/^blocks +2 mlp blocks$/m)])

  // In place.
  await done(['blocks', 'append', file, '--count', '2', '--data', set, '--epochs', '1', '--out', file])
  expect((await NoProp.load(file)).config.blocks).toBe(4)
  const levels = ['--levels', '0.9985,0.9988', '--limit', '64']
  await done(['blocks', 'append', file, ...levels, '--data', set, '--epochs', '1', '--out', file])
  expect((await NoProp.load(file)).config.blocks).toBe(6)
  const dropped = await done(['blocks', 'drop', file, '--count', '4', '--out', file])
  expect(dropped).toMatchObject({ blocks: 2, weightsSha256: first.weightsSha256 })

  const measured = await runCli(['blocks', 'eval', file, '--data', set])
  expect([measured.code, measured.stdout]).toEqual([0, expect.stringMatching(/^block +before +after/m)])
  const text = await runCli(['blocks', 'retrain', file, '--block', '1', '--continue', '--data', set, '--out', out])
  expect([text.code, text.stdout]).toEqual([0, expect.stringMatching(/^model +.*n\.safetensors$/m)])
})

test('the command line says what is missing and what does not belong', async () => {
  const file = join(temporaryDirectory(), 'm.safetensors')
  await (await trained()).save(file)
  for (const [args, message] of [
    [['blocks'], /missing required argument 'action'/],
    [['blocks', 'grow', file], /Allowed choices are retrain, append, drop, average, eval/],
    [['blocks', 'drop', file], /--out FILE is missing/],
    [['blocks', 'drop', file, file, '--out', file], /unexpected argument/],
    [['blocks', 'drop', file, '--out', file, '--epochs', '3'], /--epochs does not apply to blocks drop/],
    [['blocks', 'average', file, '--out', file], /one model is named/],
    [['blocks', 'retrain', file, '--out', file], /--data NAME\|DIR\|FILE is missing/],
    [['blocks', 'retrain', file, '--data', 'x', '--out', file], /--block LIST is missing/],
    [['blocks', 'retrain', file, '--data', 'x', '--block', '2-1', '--out', file], /--block has a bad value/],
    [
      ['blocks', 'append', file, '--data', 'x', '--block', '2', '--out', file],
      /--block does not apply to blocks append/,
    ],
    [['blocks', 'drop', file, '--count', '3', '--out', file], /3 of 3 blocks cannot be dropped/],
    [['blocks', 'eval', file, '--data', 'x', '--out', file], /--out does not apply to blocks eval/],
  ] as const) {
    const { code, stderr } = await runCli([...args])
    expect([args, code, stderr]).toEqual([args, 2, expect.stringMatching(message)])
  }
})

test('averages, class weights and mixed samples are options of a training', async () => {
  const images = squares(128, 14, [0, 1, 2], 1)
  const make = () => NoProp.create({ input: [14, 14, 1], classes: 3, blocks: 2, net: SMALL_MLP })
  const sums = new Set<string>()
  for (const more of [
    {},
    { ema: 0.9 },
    { classWeights: 'balanced' as const },
    { classWeights: [1, 2, 0.5] },
    { mixup: 0.2 },
    { mixup: 0.2, augment: { shift: 1 } },
  ]) {
    const model = make()
    const history = await model.fit(images, { ...options, ...more })
    expect(history.options).toMatchObject(more)
    sums.add(history.weightsSha256)
  }
  expect(sums.size).toBe(6)
  for (const [more, message] of [
    [{ ema: 1 }, /option ema is out of range.*more than 0 and below 1/],
    [{ mixup: -1 }, /option mixup is out of range/],
    [{ classWeights: [1, 2] }, /classWeights has the wrong number of values.*3 numbers/],
    [{ classWeights: 'even' as 'balanced' }, /option classWeights has a bad value.*'balanced', or a list/],
    [{ classWeights: [1, -2, 1] }, /classWeights is out of range/],
  ] as const) {
    expect((await caught(make().fit(images, { ...options, ...more }))).message).toMatch(message)
  }
  const typed = ['--ema', '0.9', '--class-weights', '1,2,0.5,1', '--mixup', '0.3', '--augment', 'shift=1']
  const net = ['--net', 'mlp', '--hidden', '16', '--blocks', '1', '--epochs', '1']
  const file = join(temporaryDirectory(), 'm.safetensors')
  await done(['train', '--data', smallIdx(), ...net, ...typed, '--out', file])
  expect((await NoProp.load(file)).training?.options).toMatchObject({
    ema: 0.9,
    classWeights: [1, 2, 0.5, 1],
    mixup: 0.3,
  })
  const bad = await runCli(['train', '--data', smallIdx(), ...net, '--class-weights', '1,x'])
  expect([bad.code, bad.stderr]).toEqual([2, expect.stringMatching(/--class-weights has a bad value/)])
  const few = await runCli(['train', '--data', smallIdx(), ...net, '--class-weights', '1,2'])
  expect([few.code, few.stderr]).toEqual([2, expect.stringMatching(/--class-weights has the wrong number of values/)])
})
