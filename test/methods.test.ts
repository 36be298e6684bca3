import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  buildNet,
  type FitOptions,
  type Method,
  type ModelOptions,
  NoProp,
  type NoPropError,
  type SamplerOptions,
} from '../src/index.js'
import { smallIdx, squares, temporaryDirectory, vectors } from './support/data.js'
import { runCli } from './support/process.js'

const SHAPE = { input: [14, 14, 1], classes: 4 }
const MLP = { type: 'mlp', hidden: [24] } as const
const data = squares(160, 14, [0, 1, 2, 3])

/** Each method with what its configuration says when every default is filled in, its blocks, and how else it may be asked. */
const METHODS: [Method, object | string, number, SamplerOptions][] = [
  ['dt', 'dt', 10, { sampler: 'ddim' }],
  [{ type: 'dt', loss: 'ce' }, { type: 'dt', loss: 'ce' }, 10, { sampler: 'ddim' }],
  ['ct', { type: 'ct', eta: 1, units: 32, gamma0: -1, gamma1: 4 }, 1, { sampler: 'heun', steps: 5 }],
  ['fm', { type: 'fm', noise: 0 }, 1, { sampler: 'heun', steps: 5 }],
  [
    'diffusion-blocks',
    {
      type: 'diffusion-blocks',
      partition: 'edm',
      overlap: 0.05,
      loss: 'ce',
      preconditioning: false,
      sigmaMin: 0.002,
      sigmaMax: 80,
    },
    3,
    { stepsPerBlock: 3, sampler: 'posterior', stochastic: true },
  ],
  ['backprop', { type: 'backprop' }, 10, { seed: 3 }],
  ['forward-forward', { type: 'forward-forward', peer: 0.03, momentum: 0.9 }, 1, { seed: 3 }],
  ['classifier', { type: 'classifier' }, 1, { seed: 3 }],
  ['adjoint', { type: 'adjoint', steps: 10 }, 1, { sampler: 'heun', steps: 5 }],
]

test.each(METHODS)('%s trains, is saved and asked again', async (method, config, blocks, sampler) => {
  const model = NoProp.create({ ...SHAPE, method, net: MLP })
  expect([model.config.method, model.config.blocks]).toEqual([config, blocks])
  const name = typeof method === 'string' ? method : method.type
  expect('schedule' in model.config).toBe(name === 'dt')
  const history = await model.fit(data, { epochs: 30, batch: 32, learningRate: 5e-3, device: 'cpu' })
  const result = await model.evaluate(data)
  // A quarter by chance.
  expect(result.accuracy).toBeGreaterThan(0.9)
  const file = join(temporaryDirectory(), 'model.safetensors')
  await model.save(file)
  const loaded = await NoProp.load(file)
  expect(loaded.config).toEqual(model.config)
  expect(await loaded.weightsSha256()).toBe(history.weightsSha256)
  const [one, other] = [await model.predict(data.images, sampler), await loaded.predict(data.images, sampler)]
  expect(other).toEqual(one)
  expect(String(model)).toContain(`${model.parameters.toLocaleString('en-US')} parameters, trained`)
  const sums = model.tensors.reduce((sum, tensor) => sum + tensor.parameters, 0)
  expect(model.parameters).toBe(['dt', 'diffusion-blocks'].includes(name) ? blocks * sums : sums)
})

test('the short name and the object are one', () => {
  const config = (method: Method) => NoProp.create({ ...SHAPE, method }).config
  expect(config({ type: 'fm' })).toEqual(config('fm'))
  expect(config({ type: 'dt' })).toEqual(config('dt'))
  expect(config({ type: 'dt', loss: 'mse' })).toEqual(config('dt'))
})

test.each<[string, Partial<ModelOptions>, string]>([
  ['blocks of one net', { method: 'fm', blocks: 4 }, 'one net instead of blocks'],
  ['a schedule', { method: 'ct', schedule: 'linear' }, 'schedule does not apply to method ct'],
  ['noise', { method: { type: 'fm', noise: -1 } }, 'method.noise is out of range'],
  ['blocks of a classifier', { method: 'classifier', blocks: 2 }, 'one net instead of blocks'],
  ['an embedding of a classifier', { method: 'classifier', embedding: 'prototype' }, 'embedding does not apply'],
  ['a second head', { method: 'ct', head: 'softmax' }, 'head does not apply to method ct'],
  ['another method', { method: 'gan' as 'dt' }, "unknown method 'gan'"],
  ['a loss', { method: { type: 'fm', loss: 'ce' } as object as Method }, "method.loss does not apply to method 'fm'"],
  [
    'cross-entropy of numbers',
    { method: { type: 'dt', loss: 'ce' }, classes: undefined, targets: 2 } as object,
    'cross-entropy does not apply to targets',
  ],
  ['momentum', { method: { type: 'forward-forward', momentum: 1 } }, 'method.momentum is out of range'],
  ['a net of other layers', { method: 'forward-forward', net: 'cnn' }, 'fully connected layers and no other net'],
  ['steps', { method: { type: 'adjoint', steps: 0 } }, 'method.steps is out of range'],
  ['a net that knows no time', { method: 'fm', net: buildNet((x, z) => x.linear('classes', [z])) }, 'reads the time'],
])('%s is refused where it does not apply', (_, options, what) => {
  expect(() => NoProp.create({ ...SHAPE, ...options })).toThrow(what)
})

test.each(['dt', 'ct', 'fm', 'diffusion-blocks', 'backprop'] as const)(
  '%s has orthogonal embeddings',
  async (method) => {
    const embedding = { type: 'orthogonal', dim: 6 } as const
    const options = { ...SHAPE, method, net: MLP, embedding, blocks: ['ct', 'fm'].includes(method) ? 1 : 3 }
    const model = NoProp.create(options)
    expect(model.config.embedding).toEqual(embedding)
    await model.fit(data, { epochs: 30, batch: 32, learningRate: 5e-3, device: 'cpu' })
    const result = await model.evaluate(data)
    // A quarter by chance.
    expect(result.accuracy).toBeGreaterThan(0.9)
    expect(result.topKAccuracy[0]).toBe(result.accuracy)
    const file = join(temporaryDirectory(), 'model.safetensors')
    await model.save(file)
    const loaded = await NoProp.load(file)
    const found = await model.predict(data.images)
    expect(await loaded.predict(data.images)).toEqual(found)
    expect([found.probabilities.length, found.probabilities[0]?.length]).toEqual([160, 4])
  },
)

test.each(['dt', 'ct', 'fm', 'backprop'] as const)('%s learns its embeddings', async (method) => {
  const embedding = { type: 'learned', dim: 6 } as const
  const options = { ...SHAPE, method, net: MLP, embedding, blocks: ['ct', 'fm'].includes(method) ? 1 : 3 }
  const trained = async (threads: number, inFlight: number) => {
    const model = NoProp.create(options)
    const settings = { epochs: 30, batch: 32, learningRate: 5e-3, device: 'cpu', threads, inFlight } as const
    return { model, history: await model.fit(data, settings) }
  }
  const { model, history } = await trained(2, 3)
  expect((await trained(1, 1)).history.weightsSha256).toBe(history.weightsSha256)
  // All blocks are one job, which has the embeddings and a head.
  expect([history.blocks.length, model.config.embedding]).toEqual([1, embedding])
  const result = await model.evaluate(data)
  // A quarter by chance.
  expect(result.accuracy).toBeGreaterThan(0.9)
  expect(result.accuracyPerBlock.length).toBe(method === 'dt' ? 3 : 1)
  const file = join(temporaryDirectory(), 'model.safetensors')
  await model.save(file)
  const loaded = await NoProp.load(file)
  expect(loaded.config).toEqual(model.config)
  expect(await loaded.predict(data.images)).toEqual(await model.predict(data.images))
})

test.each(['dt', 'ct', 'fm', 'diffusion-blocks', 'backprop'] as const)('%s has prototypes', async (method) => {
  const blocks = ['ct', 'fm'].includes(method) ? 1 : 3
  const model = NoProp.create({ ...SHAPE, method, net: MLP, embedding: 'prototype', blocks })
  expect(model.config.embedding).toEqual({ type: 'prototype' })
  await model.fit(data, { epochs: 30, batch: 32, learningRate: 5e-3, device: 'cpu' })
  // Each is a sample of its class.
  const { embedding } = model.config
  const vectors = (('vectors' in embedding && embedding.vectors) || []).map(Math.fround)
  expect(vectors.length).toBe(4 * 196)
  const samples = data.labels.map((_, at) =>
    Array.from(data.images.subarray(at * 196, (at + 1) * 196), (byte) => Math.fround(byte / 255)).join(),
  )
  const found = [0, 1, 2, 3].map((place) => samples.indexOf(vectors.slice(place * 196, (place + 1) * 196).join()))
  expect(found.map((sample) => data.labels[sample])).toEqual(model.config.classes)
  // A quarter by chance.
  expect((await model.evaluate(data)).accuracy).toBeGreaterThan(0.9)
  const file = join(temporaryDirectory(), 'model.safetensors')
  await model.save(file)
  const loaded = await NoProp.load(file)
  expect(loaded.config).toEqual(model.config)
  expect(await loaded.predict(data.images)).toEqual(await model.predict(data.images))
})

test.each(['dt', 'ct', 'fm', 'backprop'] as const)('%s trains its prototypes', async (method) => {
  const blocks = ['ct', 'fm'].includes(method) ? 1 : 3
  const embedding = { type: 'prototype', learned: true } as const
  const options = { epochs: 30, batch: 32, learningRate: 5e-3, device: 'cpu' } as const
  const create = () => NoProp.create({ ...SHAPE, method, net: MLP, embedding, blocks })
  const [model, again] = [create(), create()]
  expect(model.config.embedding).toEqual(embedding)
  await model.fit(data, { ...options, threads: 1 })
  await again.fit(data, { ...options, threads: 2, inFlight: 3 })
  expect(again.weightsSha256).toBe(model.weightsSha256)
  // What they began as stays in the configuration; what they became are weights.
  expect(model.config.embedding).toMatchObject({ type: 'prototype', learned: true, vectors: expect.any(Array) })
  // A quarter by chance.
  expect((await model.evaluate(data)).accuracy).toBeGreaterThan(0.9)
  const file = join(temporaryDirectory(), 'model.safetensors')
  await model.save(file)
  const loaded = await NoProp.load(file)
  expect(loaded.config).toEqual(model.config)
  expect(await loaded.predict(data.images)).toEqual(await model.predict(data.images))
  const bytes = readFileSync(file)
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE())))
  expect(header['blocks.0001.params.embedding.weight'].shape).toEqual([4, 196])
})

test.each(METHODS)('%s is validated while it trains, and ends early', async (method, _config, blocks) => {
  const model = NoProp.create({ ...SHAPE, method, net: MLP })
  const earlyStopping = { patience: 1, minDelta: 1e6 }
  const history = await model.fit(data, { epochs: 5, batch: 32, validationSplit: 0.2, earlyStopping, device: 'cpu' })
  // Nothing gets better by so much: the first validation stays the best.
  const ended = history.blocks.map(({ epochs, reason, bestEpoch }) => [epochs, reason, bestEpoch])
  expect(ended).toEqual(Array(history.blocks.length).fill([2, 'early-stopping', 1]))
  expect(history.validationAccuracy!.flat().every((accuracy) => accuracy! >= 0 && accuracy! <= 1)).toBe(true)
  const isWhole = history.blocks.length === 1
  expect(isWhole).toBe(blocks === 1 || method === 'backprop')
  // A method of one job is measured as the model that it is, and ends as it was at its best.
  if (isWhole) {
    expect(history.chain![0]).toEqual({
      epoch: 1,
      accuracy: history.validationAccuracy![0]![0],
      loss: history.validationLoss![0]![0],
    })
    expect([history.validation!.accuracy, history.validation!.loss]).toEqual([
      history.chain![0]!.accuracy,
      history.chain![0]!.loss,
    ])
  }
})

test('a net with a head beside it is validated at the end alone', async () => {
  const model = NoProp.create({ ...SHAPE, method: 'fm', head: 'softmax', net: MLP })
  const options = { epochs: 1, batch: 32, validationSplit: 0.2, device: 'cpu' } as const
  await expect(model.fit(data, { ...options, earlyStopping: {} })).rejects.toMatchObject({
    code: 'NOPROP_OPTION',
    what: 'option earlyStopping does not apply to method fm with a head',
  })
  expect((await model.fit(data, options)).validation!.samples).toBe(32)
})

test('methods that do not learn embeddings refuse to train prototypes', () => {
  const embedding = { type: 'prototype', learned: true } as const
  const options = { ...SHAPE, method: 'diffusion-blocks', net: MLP, embedding, blocks: 2 } as const
  expect(() => NoProp.create(options)).toThrow('does not learn embeddings')
})

test.each<[string, Partial<ModelOptions>, FitOptions, string]>([
  ['blocks alone', {}, { onlyBlocks: [1] }, 'onlyBlocks does not go with learned embeddings'],
  ['clipped gradients', {}, { clipNorm: 1 }, 'clipNorm does not go with learned embeddings'],
  ['another method', { method: 'diffusion-blocks' }, {}, 'method diffusion-blocks does not learn embeddings'],
  ['a second head', { head: 'softmax' }, {}, 'head does not apply to method dt'],
])('learned embeddings refuse %s', async (_, model, fit, what) => {
  const options = { ...SHAPE, net: MLP, blocks: 3, embedding: { type: 'learned', dim: 6 }, ...model } as const
  const refused = async () => NoProp.create(options).fit(data, { batch: 32, ...fit })
  await expect(refused()).rejects.toThrow(what)
})

test.each(['softmax', 'posterior'] as const)('a %s head is one job more', async (head) => {
  const options = { ...SHAPE, net: MLP, blocks: 3, embedding: { type: 'orthogonal', dim: 6 } } as const
  const [plain, model] = [NoProp.create(options), NoProp.create({ ...options, head })]
  expect([plain.config.head, model.config.head]).toEqual([undefined, head])
  // A weight and a bias for each class.
  expect(model.parameters - plain.parameters).toBe(4 * (6 + 1))
  await model.fit(data, { epochs: 30, batch: 32, learningRate: 5e-3, device: 'cpu' })
  const result = await model.evaluate(data)
  expect(result.accuracy).toBeGreaterThan(0.9)
  expect(result.accuracyPerBlock.length).toBe(3)
  const file = join(temporaryDirectory(), 'model.safetensors')
  await model.save(file)
  const loaded = await NoProp.load(file)
  expect([loaded.config, loaded.parameters]).toEqual([model.config, model.parameters])
  expect(await loaded.predict(data.images)).toEqual(await model.predict(data.images))
})

test('Adam with weight decay in the gradients is another optimiser', async () => {
  const trained = async (optimizer?: 'adamw' | 'adam' | { type: 'adam' }) => {
    const model = NoProp.create({ ...SHAPE, net: MLP, blocks: 1 })
    const { weightsSha256 } = await model.fit(data, { batch: 32, weightDecay: 0.1, ...(optimizer && { optimizer }) })
    return [weightsSha256, model.training?.options.optimizer]
  }
  const [adamw, named, adam, object] = [
    await trained(),
    await trained('adamw'),
    await trained('adam'),
    await trained({ type: 'adam' }),
  ]
  expect([named, object]).toEqual([adamw, adam])
  expect([adamw[1], adam[1]]).toEqual([undefined, 'adam'])
  expect(adam[0]).not.toBe(adamw[0])
})

test('descent with momentum and clipped gradients train otherwise, as often as one likes', async () => {
  const trained = async (options: FitOptions, method: Method = 'dt') => {
    const model = NoProp.create({ ...SHAPE, net: MLP, blocks: 1, method })
    const { weightsSha256 } = await model.fit(data, { batch: 32, learningRate: 0.01, ...options })
    return { weightsSha256, options: model.training?.options }
  }
  const sgd = await trained({ optimizer: 'sgd' })
  expect(sgd.options?.optimizer).toEqual({ type: 'sgd', momentum: 0.9 })
  expect(await trained({ optimizer: { type: 'sgd', momentum: 0.9 } })).toEqual(sgd)
  const [plain, long, short] = [
    await trained({}),
    await trained({ clipNorm: 1e9 }),
    await trained({ clipNorm: 1e-3, threads: 2 }),
  ]
  expect(long.weightsSha256).toBe(plain.weightsSha256)
  expect([plain.options?.clipNorm, short.options?.clipNorm]).toEqual([undefined, 1e-3])
  expect(new Set([plain, sgd, short].map((run) => run.weightsSha256)).size).toBe(3)
  expect((await trained({ clipNorm: 1e-3, threads: 1 })).weightsSha256).toBe(short.weightsSha256)
  await expect(trained({ optimizer: { type: 'sgd', momentum: 1 } })).rejects.toMatchObject({
    what: 'option optimizer.momentum is out of range',
  })
  await expect(trained({ clipNorm: 0 })).rejects.toMatchObject({ what: 'option clipNorm is out of range' })
})

test('views of an image are averaged, and are one where the image is its own mirror', async () => {
  const model = NoProp.create({ ...SHAPE, net: MLP, blocks: 2 })
  await model.fit(data, { batch: 32, learningRate: 5e-3, epochs: 5 })
  // Row by row the same value, as seen in a mirror.
  const even = Uint8Array.from({ length: 3 * 196 }, (_, index) => (Math.floor(index / 14) * 37) % 256)
  expect(await model.predict(even, { views: 2 })).toEqual(await model.predict(even))
  const [one, two, ten] = await Promise.all([1, 2, 10].map((views) => model.predict(data.images, { views })))
  expect(one).toEqual(await model.predict(data.images))
  expect(two?.probabilities).not.toEqual(one?.probabilities)
  expect(ten?.probabilities).not.toEqual(two?.probabilities)
  const [found, threads] = [
    await model.evaluate(data, { views: 10 }),
    await model.evaluate(data, { views: 10, threads: 1 }),
  ]
  expect(threads.logLoss).toBe(found.logLoss)
  // Counted after each block, and at the end.
  const right = found.confusion?.reduce((sum, row, label) => sum + (row[label] as number), 0) as number
  expect(found.accuracyPerBlock.at(-1)).toBeCloseTo(right / 160, 12)
  const refused = async (options: SamplerOptions & { states?: boolean; blocks?: boolean }) =>
    (await model.evaluate(data, options).catch((error: NoPropError) => error)) as NoPropError
  expect((await refused({ views: 11 })).what).toBe('option views is out of range')
  expect((await refused({ views: 2, confidence: 0.9 })).what).toBe('option views does not go with option confidence')
  expect((await refused({ views: 2, blocks: true })).what).toBe('option views does not go with option blocks')
})

test('smoothed labels are others, and are refused where the loss is no cross-entropy', async () => {
  const trained = async (labelSmoothing: number | undefined, method: Method = { type: 'dt', loss: 'ce' }) => {
    const model = NoProp.create({ ...SHAPE, net: MLP, blocks: 1, method })
    const { weightsSha256 } = await model.fit(data, {
      batch: 32,
      ...(labelSmoothing !== undefined && { labelSmoothing }),
    })
    return [weightsSha256, model.training?.options.labelSmoothing]
  }
  const [plain, none, smoothed] = [await trained(undefined), await trained(0), await trained(0.2)]
  expect(none).toEqual(plain)
  expect([plain[1], smoothed[1]]).toEqual([undefined, 0.2])
  expect(smoothed[0]).not.toBe(plain[0])
  for (const method of ['dt', 'fm', 'ct', 'adjoint'] as const)
    await expect(trained(0.1, method)).rejects.toMatchObject({
      code: 'NOPROP_OPTION',
      what: `option labelSmoothing does not apply to method ${method} with its loss`,
    })
  await expect(trained(1)).rejects.toMatchObject({ what: 'option labelSmoothing is out of range' })
  const model = NoProp.create({ ...SHAPE, net: MLP, method: { type: 'dt', loss: 'ce' } })
  await expect(model.fit(data, { batch: 32, weighting: 'snr' })).rejects.toMatchObject({
    what: 'option weighting does not apply to method dt with loss ce',
  })
})

test('a net of your own is told the time', async () => {
  const net = buildNet((x, z, time) =>
    x
      .linear(16, [z, time.apply({ op: 'time-features', width: 8 })])
      .relu()
      .linear('classes'),
  )
  const model = NoProp.create({ ...SHAPE, method: 'fm', net })
  await model.fit(data, { epochs: 40, batch: 32, learningRate: 5e-3 })
  expect((await model.evaluate(data)).accuracy).toBeGreaterThan(0.9)
})

test('what a method has no use for is refused at inference', async () => {
  const model = NoProp.create({ ...SHAPE, method: 'fm', net: MLP })
  await model.fit(data, { batch: 32 })
  const refused = async (options: SamplerOptions) => {
    const error = await model.predict(data.images, options).catch((error: NoPropError) => error)
    return [(error as NoPropError).code, (error as NoPropError).what]
  }
  expect(await refused({ sampler: 'ddim' })).toEqual(['NOPROP_OPTION', 'method fm has no sampler ddim'])
  expect(await refused({ steps: 0 })).toEqual(['NOPROP_OPTION', 'option steps is out of range'])
  expect(await refused({ stepsPerBlock: 2 })).toEqual([
    'NOPROP_OPTION',
    'option stepsPerBlock does not apply to method fm',
  ])
  await expect(model.fit(data, { weighting: 'snr', batch: 32 })).rejects.toMatchObject({ code: 'NOPROP_OPTION' })
})

test('the command line trains, evaluates and inspects every method', async () => {
  const folder = smallIdx()
  const file = join(temporaryDirectory(), 'model.safetensors')
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await runCli(args)
    expect([code, stderr.includes('error')]).toEqual([0, false])
    return stdout
  }
  const small = ['--data', folder, '--net', 'mlp', '--hidden', '8', '--batch', '10', '--out', file]
  await run('train', '--method', 'diffusion-blocks', '--partition', 'equal-information', '--blocks', '2', ...small)
  expect(await run('inspect', file)).toContain('diffusion-blocks: 2 mlp blocks')
  expect(JSON.parse(await run('eval', file, '--data', folder, '--steps-per-block', '2', '--json'))).toMatchObject({
    event: 'done',
  })
  await run('train', '--sgd-momentum', '0.8', '--lr', '0.01', '--clip-norm', '1', ...small)
  await run('eval', file, '--data', folder)
  await run('train', '--loss', 'ce', '--label-smoothing', '0.1', '--blocks', '2', ...small)
  expect(await run('inspect', file)).toMatch(/method +\{"type": "dt", "loss": "ce"\}/)
  await run('eval', file, '--data', folder)
  await run('train', '--embedding-dim', '5', '--blocks', '2', '--head', 'softmax', '--optimizer', 'adam', ...small)
  expect(await run('inspect', file)).toMatch(/embedding +\{"type": "orthogonal", "dim": 5\}/)
  await run('eval', file, '--data', folder)
  await run('train', '--embedding', 'learned', '--embedding-dim', '5', '--blocks', '2', ...small)
  expect(await run('inspect', file)).toMatch(/embedding +\{"type": "learned", "dim": 5\}/)
  await run('eval', file, '--data', folder, '--blocks', '--sampler', 'ddim')
  await run('train', '--embedding', 'prototype', '--blocks', '2', ...small)
  expect(await run('inspect', file)).toMatch(/embedding +\{"type": "prototype"\}/)
  await run('eval', file, '--data', folder)
  await run('train', '--embedding', 'prototype', '--embedding-learned', '--blocks', '2', ...small)
  expect(await run('inspect', file)).toMatch(/embedding +\{"type": "prototype", "learned": true\}/)
  await run('eval', file, '--data', folder)
  await run('train', '--method', 'fm', '--noise', '0.1', ...small)
  expect(await run('inspect', file)).toContain('NoProp-FM: one mlp net')
  await run('eval', file, '--data', folder, '--steps', '3', '--sampler', 'heun')
  await run('train', '--method', 'adjoint', '--ode-steps', '3', '--lr-schedule', 'cool-down', ...small)
  expect(await run('inspect', file)).toContain('adjoint: one mlp net')
  // Pictures would have a cnn else.
  const pictures = ['--data', folder, '--hidden', '8,8', '--batch', '10', '--out', file]
  await run('train', '--method', 'forward-forward', '--momentum', '0.8', '--peer', '0', ...pictures)
  expect(await run('inspect', file)).toContain('forward-forward: one mlp net')
  const { stderr } = await runCli(['train', '--noise', '0.1', ...small])
  expect(stderr).toContain("--noise does not apply to method 'dt'")
})

test('a method of one net refuses what needs blocks', async () => {
  const data = vectors(60, 6, 3, 1)
  const model = NoProp.create({ input: [6], classes: 3, method: 'backprop', net: { type: 'mlp', hidden: [8] } })
  await model.fit(data, { batch: 12 })
  await expect(model.evaluate(data, { blocks: true })).rejects.toMatchObject({
    code: 'NOPROP_OPTION',
    received: 'backprop',
  })
  await expect(model.fit(data, { validationSplit: 2 })).rejects.toMatchObject({
    what: expect.stringContaining('validationSplit'),
  })
})
