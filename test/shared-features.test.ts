import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  datasets,
  type FitEvent,
  type FitOptions,
  type ModelOptions,
  NoProp,
  type NoPropError,
  ProgressDisplay,
} from '../src/index.js'
import { smallIdx, squares, temporaryDirectory } from './support/data.js'
import { done, events, runCli, startCli } from './support/process.js'

// Which bits features have, and what follows from them, is tested in the core; here, that one call trains all, and what becomes of it.

const data = squares(200, 14, [2, 3, 5, 7])
const more = squares(120, 14, [2, 3, 5, 7], 2)
const ENCODER = { type: 'mlp', hidden: [24, 12] } as const
const OPTIONS = { epochs: 12, batch: 20, learningRate: 5e-3, device: 'cpu' } as const
const shared = () =>
  NoProp.create({ input: [14, 14, 1], classes: [2, 3, 5, 7], blocks: 3, encoder: { net: ENCODER }, seed: 4 })

const caught = (promise: PromiseLike<unknown>): Promise<NoPropError> =>
  Promise.resolve(promise).then(
    () => expect.unreachable('it did not reject'),
    (error) => error,
  )

async function trained(options: FitOptions = {}) {
  const model = shared()
  const history = await model.fit(data, { ...OPTIONS, ...options })
  return { model, history }
}

test('one call trains the encoder, lets it see every sample once, and trains the blocks on its features', async () => {
  const model = shared()
  const run = model.fit(data, { ...OPTIONS, validation: more, encoder: { epochs: 4, labelSmoothing: 0.1 } })
  const seen: FitEvent[] = []
  for await (const event of run) seen.push(event)
  const of = seen.flatMap((event) => (event.event === 'encoder' ? [event.of] : []))
  expect(of[0]).toMatchObject({ event: 'start', blocks: 1, epochs: 4, batch: 20, samples: 200, parameters: 5080 })
  expect(of.filter(({ event }) => event === 'epoch')).toHaveLength(4)
  expect(of.at(-1)).toMatchObject({ event: 'block', block: 1 })
  const names = seen.map(({ event }) => event)
  expect(names.lastIndexOf('encoder')).toBeLessThan(names.indexOf('features'))
  expect(names.indexOf('features')).toBeLessThan(names.indexOf('start'))
  expect(seen.find(({ event }) => event === 'features')).toMatchObject({ samples: 200, width: 12 })
  expect(seen.find(({ event }) => event === 'start')).toMatchObject({ blocks: 3, epochs: 12 })
  const history = await run
  expect(history.encoder).toMatchObject({ resumed: false, loss: expect.any(Array) })
  expect(history.encoder?.loss).toHaveLength(4)
  expect(history.seconds).toBeGreaterThan((history.encoder?.seconds as number) + (history.featureSeconds as number))
  // A quarter by chance.
  expect(history.validation?.accuracy).toBeGreaterThan(0.9)
  expect(history.validationLoss?.[0]).toHaveLength(12)
  expect(history.weightsSha256).toBe(await model.weightsSha256())

  expect(model.config).toMatchObject({
    ...{ input: [14, 14, 1], encoder: { net: ENCODER, classes: 4 }, net: { type: 'mlp', hidden: [32] } },
  })
  expect(model.training).toMatchObject({
    fingerprint: datasets.fromArrays(data).fingerprint,
    encoder: { training: { options: { epochs: 4, labelSmoothing: 0.1 } } },
  })
  expect(String(model)).toContain('3 mlp blocks on one mlp encoder')
  expect(model.encoderLayers?.map(({ name }) => name)).toEqual(['fc01', 'fc02'])
  expect(model.summary()).toContain('encoder, once for all blocks')
  const sums = [model.tensors, model.encoderLayers ?? []].map((list) =>
    list.reduce((sum, { parameters }) => sum + parameters, 0),
  )
  expect(model.parameters).toBe(3 * (sums[0] as number) + (sums[1] as number))
})

test('the weights are a function of the options, and what is not said of the encoder is as for the blocks', async () => {
  const sha = async (options: FitOptions = {}) => (await trained({ epochs: 2, ...options })).history.weightsSha256
  const expected = await sha({ threads: 1, inFlight: 1 })
  expect(await sha({ threads: 3 })).toBe(expected)
  const said = { epochs: 2, batch: 20, learningRate: 5e-3 }
  expect(await sha({ encoder: said })).toBe(expected)
  // Whoever knows the features trains the same blocks.
  const others = [{ encoder: { epochs: 3 } }, { encoder: { augment: { shift: 1 } } }, { epochs: 3, encoder: said }]
  const all = [expected]
  for (const options of others) all.push(await sha(options))
  expect(new Set(all).size).toBe(4)
  expect(await sha({ augment: { shift: 1 } })).toBe(all[2])
})

test('a trained encoder is taken from a classifier, or from a model that has one', async () => {
  const classifier = NoProp.create({ input: [14, 14, 1], classes: [2, 3, 5, 7], method: 'classifier', net: ENCODER })
  await classifier.fit(data, OPTIONS)
  expect((await classifier.evaluate(more)).accuracy).toBeGreaterThan(0.9)
  const model = NoProp.create({ input: [14, 14, 1], classes: [2, 3, 5, 7], blocks: 2, encoder: classifier })
  expect(model.trained).toBe(false)
  const { encoder, featureSeconds } = await model.fit(data, OPTIONS)
  expect([encoder, typeof featureSeconds]).toEqual([undefined, 'number'])
  expect((await model.evaluate(more)).accuracy).toBeGreaterThan(0.9)
  const file = join(temporaryDirectory(), 'model.safetensors')
  await model.save(file)
  const loaded = await NoProp.load(file)
  expect(await loaded.predict(more)).toEqual(await model.predict(more))
  expect(loaded.training).toEqual(model.training)
  const next = NoProp.create({ input: [14, 14, 1], classes: 4, method: 'fm', encoder: loaded })
  expect(next.config.encoder).toEqual({ net: { ...ENCODER, dropout: 0 }, classes: 4 })
  // Going on trains the blocks alone.
  await loaded.fit(data, { ...OPTIONS, epochs: 1, continue: true })
  expect(loaded.training?.encoder).toEqual(model.training?.encoder)
  expect(await loaded.weightsSha256()).not.toBe(await model.weightsSha256())
})

test('a run that is stopped goes on where it was, in the encoder or behind it', async () => {
  const { history } = await trained({ epochs: 6 })
  const checkpoint = join(temporaryDirectory(), 'run')
  const options = { ...OPTIONS, epochs: 6, checkpoint, checkpointSeconds: 0, resume: true }
  for (const last of ['encoder', 'features', 'epoch']) {
    const stop = new AbortController()
    const run = shared().fit(data, { ...options, signal: stop.signal })
    run.watch((event) => {
      const inside = event.event === 'encoder' && event.of.event === 'epoch'
      if (event.event === last && (last !== 'encoder' || inside)) stop.abort(new Error('enough'))
    })
    expect((await caught(run)).message).toBe('enough')
  }
  expect(readdirSync(join(checkpoint, 'encoder'))).toContain('run.json')
  const model = shared()
  const end = await model.fit(data, options)
  expect(end.weightsSha256).toBe(history.weightsSha256)
  expect(end.encoder).toMatchObject({ resumed: true, loss: history.encoder?.loss })
  // Without resume the directory is not touched, and nothing is trained first.
  expect(await caught(shared().fit(data, { ...options, resume: false }))).toMatchObject({
    code: 'NOPROP_CHECKPOINT_EXISTS',
  })
})

test('what does not go together is refused before anything is trained', async () => {
  const began = (options: FitOptions, model = shared()) => {
    const run = model.fit(data, { ...OPTIONS, ...options })
    const names: string[] = []
    run.watch(({ event }) => names.push(event))
    return caught(run).then((error) => ({ code: error.code, message: error.message, names }))
  }
  for (const [options, what] of [
    [{ weighting: 'snr', method: 0 } as object, 'method'],
    [{ onlyBlocks: [1] }, 'onlyBlocks needs an encoder that is trained already'],
    [{ earlyStopping: {} }, 'earlyStopping needs validation samples'],
    [{ encoder: { epochs: 0 } }, 'option encoder.epochs is out of range'],
    [{ encoder: { nothing: 1 } as object }, 'an encoder has no option nothing'],
    [{ encoder: { classWeights: 'balanced' } as object }, 'an encoder has no option classWeights'],
    [{ encoder: 'x' as unknown as object }, 'option encoder must be an object'],
    [{ clipNorm: 0 }, 'clipNorm is out of range'],
    [{ cluster: { queue: 'redis://127.0.0.1:1', store: '/nowhere' } }, 'needs an encoder that is trained already'],
  ] as [FitOptions, string][]) {
    const found = await began(options)
    expect([found.code, found.names], what).toEqual(['NOPROP_OPTION', []])
    expect(found.message).toContain(what)
  }
  await expect(shared().estimate(data, { ...OPTIONS, encoder: { nothing: 1 } as object })).rejects.toThrow(
    'an encoder has no option nothing',
  )
  const { model } = await trained({ epochs: 1 })
  expect((await began({ encoder: { epochs: 1 } }, model)).message).toContain(
    'it is said how an encoder is trained, and there is none to train',
  )
  expect((await began({ augment: { flip: true } }, model)).message).toContain('the encoder is trained already')
  for (const encoder of ['model.safetensors', 5, []] as unknown as ModelOptions['encoder'][]) {
    expect(() => NoProp.create({ input: [14, 14, 1], classes: 4, encoder })).toThrow('option encoder must be an object')
  }
  const numbers = { input: [14, 14, 1], targets: 3, features: 'shared' } as const
  expect(() => NoProp.create(numbers)).toThrow('a model of numbers has no classes to train an encoder by')
  const plain = NoProp.create({ input: [14, 14, 1], classes: 4, net: ENCODER })
  expect(() => NoProp.create({ input: [14, 14, 1], classes: 4, encoder: plain })).toThrow(
    'no encoder that another could',
  )
  const images = NoProp.create({ input: [14, 14, 1], classes: [2, 3, 5, 7], encoder: model })
  expect(images.config.encoder).toEqual(model.config.encoder)
  expect(() => NoProp.create({ input: [196], classes: 4, encoder: model })).toThrow('samples of another shape')
  const run = shared().fit(data, { ...OPTIONS, epochs: 500 })
  run.watch(({ event }) => event === 'encoder' && run.stop())
  expect(await caught(run)).toMatchObject({ code: 'NOPROP_CANCELLED' })
})

test('an estimate has the encoder, and a rate is found for the blocks', async () => {
  const found = await shared().estimate(data, OPTIONS)
  expect(found).toMatchObject({ blocks: 3, parametersPerBlock: 676, encoder: { blocks: 1, parametersPerBlock: 5080 } })
  expect(found.time?.seconds).toBeGreaterThan(found.encoder?.time?.seconds as number)
  const model = shared()
  const history = await model.fit(data, {
    ...OPTIONS,
    epochs: 1,
    learningRate: 'find',
    encoder: { learningRate: 1e-3 },
  })
  expect(history.options.learningRate).toBe(
    (await model.findLearningRate(data, { ...OPTIONS, epochs: 1 })).learningRate,
  )
})

test('a display has a line for the encoder', async () => {
  const lines: string[] = []
  const display = new ProgressDisplay({ write: (text) => lines.push(text) })
  const run = shared().fit(data, { ...OPTIONS, epochs: 1 })
  for await (const event of run) display.show(event)
  display.end()
  const text = lines.join('')
  expect(text.indexOf('encoder  100 %')).toBeGreaterThanOrEqual(0)
  expect(text.indexOf('block 1')).toBeGreaterThan(text.indexOf('encoder'))
})

const IDX = { train: 250, test: 40, labels: [2, 3, 5, 7] }
const FLAGS = ['--blocks', '3', '--epochs', '3', '--batch', '32', '--lr', '5e-3']
const NET = ['--encoder-net', 'mlp', '--encoder-hidden', '24,12']

test('the command line trains, resumes, takes an encoder, and makes a model of parts', async () => {
  const folder = temporaryDirectory()
  const at = (name: string) => join(folder, name)
  const args = ['train', '--data', smallIdx(IDX), ...FLAGS]
  const whole = [...args, '--features', 'shared', ...NET, '--out', at('whole')]
  const { weightsSha256 } = await done([...whole, '--threads', '1'])
  // Killed at any moment, and resumed.
  const resumed = [...whole, '--checkpoint', at('run'), '--checkpoint-seconds', '0', '--resume']
  for (const pattern of [/"encoder".*checkpoint/, /"event":"checkpoint"/]) {
    const { child, ended, wrote } = startCli([...resumed, '--json'])
    await wrote(pattern).catch(() => {})
    child.kill('SIGKILL')
    await ended
  }
  expect((await done(resumed)).weightsSha256).toBe(weightsSha256)

  const classifier = ['--method', 'classifier', '--net', 'mlp', '--hidden', '24,12', '--out', at('classifier')]
  await done(['train', '--data', args[2] as string, '--epochs', '3', '--lr', '5e-3', ...classifier])
  const on = [...args, '--encoder', at('classifier')]
  const expected = await done([...on, '--out', at('model')])
  for (const [name, blocks] of [
    ['a', '2'],
    ['b', '1,3'],
  ] as const) {
    await done([...on, '--only-blocks', blocks, '--out', at(name)])
  }
  expect((await runCli(['assemble', at('a'), at('b'), '--out', at('assembled')])).code).toBe(0)
  expect(readFileSync(at('assembled')).equals(readFileSync(at('model')))).toBe(true)
  // The encoder of a model with blocks is the same.
  const again = await done([...args, '--encoder', at('model'), '--out', at('again')])
  expect(again.weightsSha256).toBe(expected.weightsSha256)

  const inspected = await runCli(['inspect', at('model')])
  expect(inspected.stdout).toContain('3 mlp blocks on one mlp encoder')
  const evaluated = await runCli(['eval', at('model'), '--data', args[2] as string, '--json'])
  expect(events(evaluated).at(-1)?.accuracy).toBe(expected.testAccuracy)
  const dry = await runCli([...args, '--features', 'shared', ...NET, '--dry-run'])
  expect(dry.stdout).toMatch(/encoder +5,080 parameters/)

  const file = at('net.json')
  writeFileSync(
    file,
    JSON.stringify([{ op: 'linear', from: 'x', units: 8 }, { op: 'relu' }, { op: 'linear', units: 'classes' }]),
  )
  const own = await runCli([...args, '--features', 'shared', '--encoder-net-file', file, '--dry-run'])
  expect([own.code, own.stdout]).toEqual([0, expect.stringMatching(/encoder +1,612 parameters/)])
  const sized = await runCli([
    ...args,
    '--features',
    'shared',
    '--encoder-net',
    'vit',
    '--encoder-patch',
    '7',
    '--encoder-heads',
    '3',
    '--dry-run',
  ])
  expect([sized.code === 0, sized.stderr]).toEqual([false, expect.stringContaining('--encoder-heads')])

  for (const [flags, text] of [
    [['--encoder-epochs', '2'], 'there is none to train; expected: a model whose blocks share features'],
    [['--encoder', at('model'), ...NET], '--encoder-net is given beside --encoder'],
    [['--encoder', at('none')], 'NOPROP_FILE_NOT_FOUND'],
    [['--features', 'own'], "unknown features 'own'"],
    [['--features', 'shared', '--encoder-hidden', '0'], '--encoder-hidden is out of range'],
    [['--features', 'shared', '--encoder-epochs', '0'], '--encoder-epochs is out of range'],
    [['--features', 'shared', '--only-blocks', '1'], '--only-blocks needs an encoder that is trained already'],
  ] as [string[], string][]) {
    const refused = await runCli([...args, ...flags])
    expect([refused.code === 0, refused.stderr], text).toEqual([false, expect.stringContaining(text)])
  }
  const beside = await runCli([...args.slice(0, 3), '--from', at('model'), '--features', 'shared'])
  expect(beside.stderr).toContain('--features is given beside --from')
  expect(existsSync(at('none'))).toBe(false)
})
