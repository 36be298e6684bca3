import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type FitEvent, type FitOptions, NoProp } from '../src/index.js'
import { smallIdx, squares, temporaryDirectory, vectors } from './support/data.js'
import { SMALL_FLAGS, SMALL_MLP } from './support/models.js'
import { png } from './support/png.js'
import { root, runCli, startCli } from './support/process.js'

const OPTIONS = { input: [8], classes: 4, blocks: 3, net: SMALL_MLP }
const TRAINING = { epochs: 4, batch: 32, learningRate: 3e-3 }
const train = vectors(256, 8, 4, 1)
const held = vectors(80, 8, 4, 2)

async function eventsOf(run: AsyncIterable<FitEvent>): Promise<FitEvent[]> {
  const events: FitEvent[] = []
  for await (const event of run) events.push(event)
  return events
}

describe('validation while training', () => {
  test('is told of every block and of the whole, and changes no bit', async () => {
    const model = NoProp.create(OPTIONS)
    const run = model.fit(train, { ...TRAINING, validation: held, validationEvery: 2 })
    const events = await eventsOf(run)
    const history = await run
    const epochs = events.filter((event) => event.event === 'epoch')
    expect(epochs).toHaveLength(12)
    for (const { block, epoch, validationLoss, validationAccuracy } of epochs) {
      expect(validationLoss !== undefined).toBe(epoch % 2 === 0)
      expect(history.validationLoss![block - 1]![epoch - 1]).toBe(validationLoss ?? null)
      expect(history.validationAccuracy![block - 1]![epoch - 1]).toBe(validationAccuracy ?? null)
    }
    expect(history.chain!.map(({ epoch }) => epoch)).toEqual([2])
    expect(events).toContainEqual({ event: 'chain', ...history.chain![0]! })
    expect(history.validation!.accuracy).toBe((await model.evaluate(held)).accuracy)

    // What the chain event says is what a shorter training comes to.
    const shorter = NoProp.create(OPTIONS)
    const half = await shorter.fit(train, { ...TRAINING, epochs: 2 })
    expect(history.chain![0]!.accuracy).toBe((await shorter.evaluate(held)).accuracy)
    expect(half.validationLoss).toBeUndefined()
    const plain = await NoProp.create(OPTIONS).fit(train, TRAINING)
    expect(plain.weightsSha256).toBe(history.weightsSha256)
  })

  test('a share of the training samples can be held out', async () => {
    const run = NoProp.create(OPTIONS).fit(train, { ...TRAINING, epochs: 1, validationSplit: 0.25 })
    const [start] = await eventsOf(run)
    expect(start).toMatchObject({ event: 'start', samples: 192 })
    const { validation } = await run
    expect(validation!.samples).toBe(64)
    expect(validation!.perClass.support).toEqual([16, 16, 16, 16])
  })

  test.each<[string, object, string]>([
    ['both kinds of validation', { validation: held, validationSplit: 0.1 }, 'both validation and validationSplit'],
    ['a share of everything', { validationSplit: 1 }, 'validationSplit is out of range'],
    ['a share in words', { validationSplit: 'some' }, 'validationSplit is no number'],
    ['early stopping by nothing', { earlyStopping: {} }, 'earlyStopping needs validation samples'],
    ['times of nothing', { validationEvery: 2 }, 'validationEvery needs validation samples'],
    ['no patience', { validationSplit: 0.1, earlyStopping: { patience: 0 } }, 'earlyStopping.patience'],
  ])('%s is refused', async (_, options, what) => {
    const error = { code: 'NOPROP_OPTION', what: expect.stringContaining(what) }
    await expect(NoProp.create(OPTIONS).fit(train, options as FitOptions)).rejects.toMatchObject(error)
  })
})

test('blocks that get no better end early, and history and model say so', async () => {
  // Labels that follow from nothing: what is learned of the training samples does not hold for others.
  const noise = (samples: ReturnType<typeof vectors>) => ({
    ...samples,
    labels: Array.from(samples.labels, (_, index) => (index * 7 + Math.floor(index / 5)) % 4),
  })
  const earlyStopping = { patience: 2 }
  const model = NoProp.create(OPTIONS)
  const options = { ...TRAINING, epochs: 60, validation: noise(held), earlyStopping }
  const history = await model.fit(noise(train), options)
  const early = history.blocks.filter(({ reason }) => reason === 'early-stopping')
  expect(early.length).toBeGreaterThan(0)
  for (const { block, epochs, bestEpoch } of early) {
    expect(bestEpoch).toBe(epochs - 2)
    expect(history.loss[block - 1]).toHaveLength(epochs)
    const losses = history.validationLoss![block - 1] as number[]
    expect(Math.min(...losses)).toBe(losses[bestEpoch! - 1])
  }
  expect(model.training!.ended).toEqual(early.map(({ block, epochs, reason }) => ({ block, epochs, reason })))
  expect(model.training!.options.earlyStopping).toEqual({ patience: 2, minDelta: 0, restoreBest: true })
})

describe('a run that is told to stop', () => {
  test('ends with a model of what there is', async () => {
    const model = NoProp.create(OPTIONS)
    const run = model.fit(train, { ...TRAINING, epochs: 1_000_000 })
    for await (const event of run) if (event.event === 'epoch') run.stop()
    const history = await run
    expect(history.blocks.map(({ reason }) => reason)).toEqual(['stopped', 'stopped', 'stopped'])
    expect(model.trained).toBe(true)
    expect(model.training!.ended).toHaveLength(3)
    expect((await model.evaluate(held)).samples).toBe(80)
  })

  test('can be resumed where it kept a checkpoint', async () => {
    const checkpoint = join(temporaryDirectory(), 'run')
    const options = { ...TRAINING, epochs: 40 }
    const expected = await NoProp.create(OPTIONS).fit(train, options)
    const run = NoProp.create(OPTIONS).fit(train, { ...options, checkpoint })
    for await (const event of run) if (event.event === 'epoch') run.stop()
    expect((await run).blocks.some(({ reason }) => reason === 'stopped')).toBe(true)
    const resumed = await NoProp.create(OPTIONS).fit(train, { ...options, checkpoint, resume: true })
    expect(resumed.weightsSha256).toBe(expected.weightsSha256)
  })

  test('ends with the blocks that have begun', async () => {
    const model = NoProp.create({ ...OPTIONS, head: 'softmax' })
    const run = model.fit(train, { ...TRAINING, epochs: 1_000_000, inFlight: 2 })
    for await (const event of run) if (event.event === 'epoch') run.stop()
    const history = await run
    expect([history.blocks.length, history.notBegun]).toEqual([2, [3, 4]])
    expect([model.config.blocks, model.config.head]).toEqual([2, undefined])
    expect(model.training!.changes).toEqual([{ dropped: [3] }])
    // The chain of two blocks leads to the end, as that of three did.
    expect((await model.evaluate(held)).accuracyPerBlock).toHaveLength(2)
    const file = join(temporaryDirectory(), 'model.safetensors')
    await model.save(file)
    expect((await NoProp.load(file)).config.blocks).toBe(2)
    const more = await model.fit(train, { ...TRAINING, continue: true })
    expect([more.blocks.length, more.notBegun]).toEqual([2, undefined])
  })

  test('that goes on from its weights leaves the other blocks as they were', async () => {
    const model = NoProp.create(OPTIONS)
    await model.fit(train, TRAINING)
    const run = model.fit(train, { ...TRAINING, epochs: 1_000_000, inFlight: 1, continue: true })
    for await (const event of run) if (event.event === 'epoch') run.stop()
    const history = await run
    expect([history.blocks.length, history.notBegun, model.config.blocks]).toEqual([1, [2, 3], 3])
    expect((await model.evaluate(held)).accuracyPerBlock).toHaveLength(3)
  })

  test('rejects where the blocks that have begun are no model', async () => {
    const model = NoProp.create({ ...OPTIONS, method: 'diffusion-blocks' })
    const run = model.fit(train, { ...TRAINING, epochs: 1_000_000, inFlight: 2 })
    run.stop()
    await expect(run).rejects.toMatchObject({ code: 'NOPROP_CANCELLED', what: expect.stringContaining('block 3') })
    expect(model.trained).toBe(false)
  })
})

describe('going on', () => {
  test('from the weights of a model, with fit and with partialFit', async () => {
    const model = NoProp.create(OPTIONS)
    const first = await model.fit(train, TRAINING)
    const second = await model.fit(train, { ...TRAINING, continue: true })
    for (const [block, losses] of second.loss.entries()) expect(losses[0]).toBeLessThan(first.loss[block]![0]!)
    expect(model.training!.round).toBe(1)
    await model.partialFit(train, TRAINING)
    expect(model.training!.round).toBe(2)

    // A model that was saved in between goes on the same way.
    const file = join(temporaryDirectory(), 'model.safetensors')
    const [again, part] = [NoProp.create(OPTIONS), NoProp.create(OPTIONS)]
    await again.fit(train, TRAINING)
    await again.save(file)
    const { weightsSha256 } = await (await NoProp.load(file)).fit(train, { ...TRAINING, continue: true })
    expect(weightsSha256).toBe(second.weightsSha256)
    expect((await part.partialFit(train, TRAINING)).weightsSha256).toBe(first.weightsSha256)
    await expect(NoProp.create(OPTIONS).fit(train, { continue: true })).rejects.toMatchObject({
      code: 'NOPROP_NOT_TRAINED',
    })
  })

  test('with more epochs than a checkpoint was asked for', async () => {
    const checkpoint = join(temporaryDirectory(), 'run')
    const longer = await NoProp.create(OPTIONS).fit(train, { ...TRAINING, epochs: 6 })
    await NoProp.create(OPTIONS).fit(train, { ...TRAINING, checkpoint })
    const more = { ...TRAINING, epochs: 6, checkpoint, resume: true }
    expect((await NoProp.create(OPTIONS).fit(train, more)).weightsSha256).toBe(longer.weightsSha256)
    await expect(NoProp.create(OPTIONS).fit(train, { ...more, epochs: 5 })).rejects.toMatchObject({
      code: 'NOPROP_CHECKPOINT_MISMATCH',
      hint: expect.stringContaining('more epochs, not fewer'),
    })
  })
})

describe('on the command line', () => {
  const json = (stdout: string) =>
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))

  test('validation and early stopping have flags, and --from goes on', async () => {
    const [data, directory] = [smallIdx(), temporaryDirectory()]
    const [first, second] = ['a', 'b'].map((name) => join(directory, `${name}.safetensors`)) as [string, string]
    const flags = ['--data', data, ...SMALL_FLAGS, '--validation-split', '0.25', '--patience', '1', '--keep', 'last']
    const trained = await runCli(['train', ...flags, '--out', first, '--json'])
    expect(trained.code).toBe(0)
    const events = json(trained.stdout)
    expect(events.find(({ event }) => event === 'epoch')).toMatchObject({ validationLoss: expect.any(Number) })
    expect(events.at(-1)).toMatchObject({ event: 'done', validation: { accuracy: expect.any(Number) } })
    expect(events.find(({ event }) => event === 'block').bestEpoch).toBeUndefined()

    const shown = await runCli([
      'train',
      '--data',
      data,
      '--from',
      first,
      '--out',
      second,
      '--validation-split',
      '0.25',
    ])
    expect([shown.code, shown.stdout]).toEqual([0, expect.stringMatching(/^validation +[\d.]+ % of/m)])
    expect(shown.stderr).toMatch(/loss [\d.]+, validation [\d.]+ %/)
    const model = await NoProp.load(second)
    expect([model.training!.round, model.config.blocks]).toEqual([1, 3])
    const refused = await runCli(['train', '--data', data, '--from', first, '--blocks', '4'])
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('--blocks is given beside --from')])
    const bad = await runCli(['train', '--data', data, '--keep', 'worst'])
    expect([bad.code, bad.stderr]).toEqual([2, expect.stringContaining('--keep has a bad value')])
    const alone = await runCli(['train', '--data', data, ...SMALL_FLAGS, '--patience', '3'])
    expect([alone.code, alone.stderr]).toEqual([2, expect.stringContaining('--patience needs validation samples')])
    expect(alone.stderr).toContain('--validation-split 0.1')
  })

  test('--from reads other tables and pictures as those of the model were read', async () => {
    const directory = temporaryDirectory()
    const at = (name: string) => join(directory, name)
    const table = (shift: number) =>
      [
        'size,colour,kind',
        ...Array.from({ length: 40 }, (_, row) => `${row + shift},${row % 3 ? 'red' : 'blue'},${row % 2 ? 'a' : 'b'}`),
      ].join('\n')
    writeFileSync(at('one.csv'), table(0))
    writeFileSync(at('other.csv'), table(1000))
    const small = ['--net', 'mlp', '--hidden', '8', '--blocks', '2', '--epochs', '1', '--batch', '8']
    const run = async (...args: string[]) => {
      const { code, stderr } = await runCli(args)
      return [code, stderr]
    }
    expect((await run('train', '--data', at('one.csv'), '--label', 'kind', ...small, '--out', at('m')))[0]).toBe(0)
    const from = ['--from', at('m'), '--data', at('other.csv'), '--epochs', '1', '--out', at('n')]
    for (const more of [[], ['--label', 'kind'], ['--test-split', '0.25'], ['--limit', '20']]) {
      expect(await run('train', ...from, ...more)).toEqual([0, expect.any(String)])
      const [one, other] = [await NoProp.load(at('m')), await NoProp.load(at('n'))]
      expect(other.config.preprocessing).toEqual(one.config.preprocessing)
    }
    expect(
      await run(
        'blocks',
        'retrain',
        at('m'),
        '--block',
        '1',
        '--data',
        at('other.csv'),
        '--epochs',
        '1',
        '--out',
        at('n'),
      ),
    ).toEqual([0, expect.any(String)])
    for (const more of [
      ['--label', 'colour'],
      ['--columns', 'size'],
      ['--target', 'size'],
    ]) {
      expect(await run('train', ...from, ...more)).toEqual([
        2,
        expect.stringMatching(/says something else of the table than the model/),
      ])
    }
    for (const [side, folder] of [
      [12, 'small'],
      [40, 'large'],
    ] as const) {
      for (const kind of ['cats', 'dogs']) {
        mkdirSync(at(`${folder}/${kind}`), { recursive: true })
        for (let index = 0; index < 6; index++) {
          writeFileSync(
            at(`${folder}/${kind}/${index}.png`),
            png(new Uint8Array(side * side).fill(kind === 'cats' ? 9 : 200), side, side),
          )
        }
      }
    }
    const pictures = ['train', '--data', at('small'), '--size', '8', '--fit', 'contain', ...small, '--out', at('p')]
    expect(await run(...pictures)).toEqual([0, expect.any(String)])
    const on = ['train', '--from', at('p'), '--data', at('large'), '--epochs', '1']
    expect(await run(...on)).toEqual([0, expect.any(String)])
    expect(await run(...on, '--size', '16')).toEqual([
      2,
      expect.stringMatching(/--size says something else of the pictures/),
    ])
  })

  test('eval measures on what the training held out, where it is told the share', async () => {
    const directory = temporaryDirectory()
    const at = (name: string) => join(directory, name)
    const row = (index: number) => `${index % 7},${index % 5},${index % 3 ? 'a' : 'b'}`
    writeFileSync(at('t.csv'), ['x,y,kind', ...Array.from({ length: 90 }, (_, index) => row(index))].join('\n'))
    const data = ['--data', at('t.csv'), '--test-split', '0.2']
    const small = ['--net', 'mlp', '--hidden', '8', '--blocks', '2', '--epochs', '2', '--batch', '8', '--seed', '5']
    const trained = await runCli(['train', ...data, '--label', 'kind', ...small, '--out', at('m'), '--json'])
    const last = (text: string) => JSON.parse(text.trim().split('\n').at(-1) as string)
    const { testAccuracy, testLoss } = last(trained.stdout)
    const [part, whole] = [
      await runCli(['eval', at('m'), ...data, '--json']),
      await runCli(['eval', at('m'), ...data.slice(0, 2), '--json']),
    ]
    expect(last(part.stdout)).toMatchObject({ samples: 18, accuracy: testAccuracy, loss: testLoss })
    expect(last(whole.stdout).samples).toBe(90)
  })

  test.each([
    ['3', 'the model'],
    ['2', 'a model of the first 2 blocks'],
  ])('Ctrl-C saves the model as it is where there is a file for it, %s of 3 blocks begun', async (begun, what) => {
    const [data, out] = [smallIdx(), join(temporaryDirectory(), 'model.safetensors')]
    const flags = ['--data', data, ...SMALL_FLAGS, '--epochs', '1000000', '--out', out, '--json', '--in-flight', begun]
    const { child, ended, wrote } = startCli(['train', ...flags])
    await wrote(/"event":"epoch"/)
    child.kill('SIGINT')
    const { code, stderr, stdout } = await ended
    expect([code, stderr]).toEqual([130, expect.stringContaining(`hint: ${what} as it was then is in ${out}; --from`)])
    expect(json(stdout).at(-1)).toMatchObject({ event: 'error', code: 'NOPROP_CANCELLED' })
    const model = await NoProp.load(out)
    expect(model.training!.ended!.map(({ reason }) => reason)).toEqual(Array(Number(begun)).fill('stopped'))
    expect((await model.predict(squares(4, 14, [0, 1, 2, 3]))).labels).toHaveLength(4)
    expect(existsSync(join(root, 'run'))).toBe(false)
  })
})

test('a learning rate can be looked for', async () => {
  const model = NoProp.create(OPTIONS)
  const found = await model.findLearningRate(train, { batch: 32, validationSplit: 0.2, fitReadout: true })
  expect(found.learningRate).toBeGreaterThan(1e-5)
  expect(found.curve.length).toBeGreaterThan(50)
  expect(model.trained).toBe(false)
  const run = model.fit(train, { ...TRAINING, learningRate: 'find' })
  const [first, second] = await eventsOf(run)
  expect([first, second!.event]).toEqual([{ event: 'learning-rate', ...found }, 'start'])
  expect((await run).options.learningRate).toBe(found.learningRate)
  const stopped = model.findLearningRate(train, { signal: AbortSignal.abort('enough') })
  await expect(stopped).rejects.toBe('enough')
  const wrong = { learningRate: 'seek' } as unknown as FitOptions
  await expect(model.fit(train, wrong)).rejects.toMatchObject({ code: 'NOPROP_OPTION' })
})
