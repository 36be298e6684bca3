import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { datasets, type FitEvent, NoProp, version } from '../src/index.js'
import { smallIdx, squares, temporaryDirectory, vectors } from './support/data.js'
import { SMALL_MLP, smallModel } from './support/models.js'

const TRAINING = { epochs: 4, batch: 32, learningRate: 3e-3 }
const FOUR = [0, 1, 2, 3]

test('a cnn learns images and says so in its history, its evaluation and its predictions', async () => {
  const train = squares(512, 14, FOUR, 1)
  const test = squares(100, 14, FOUR, 2)
  const model = NoProp.create(smallModel())
  expect(model.trained).toBe(false)
  expect(model.training).toBeNull()

  const history = await model.fit(train, { ...TRAINING, validation: test })
  expect(model.trained).toBe(true)
  expect(history.loss).toHaveLength(3)
  for (const losses of history.loss) {
    expect(losses).toHaveLength(4)
    for (const loss of losses) expect(loss).toBeGreaterThan(0)
  }
  // The first block sees almost pure noise instead of the label: what it learns, it learns from the image.
  expect(history.loss[0]![3]!).toBeLessThan(history.loss[0]![0]! / 2)
  expect(history.blocks.map(({ block, resumed }) => [block, resumed]).sort()).toEqual([
    [1, false],
    [2, false],
    [3, false],
  ])
  expect(history.samplesPerSecond).toBeCloseTo((512 * 4) / history.seconds)
  expect(history.weightsSha256).toMatch(/^[0-9a-f]{64}$/)
  expect(await model.weightsSha256()).toBe(history.weightsSha256)

  const result = await model.evaluate(test)
  expect(result.accuracy).toBeGreaterThan(0.95)
  expect(history.validation).toMatchObject({ accuracy: result.accuracy, loss: result.loss })
  expect(result.accuracyPerBlock).toHaveLength(3)
  expect(result.accuracyPerBlock.at(-1)).toBe(result.accuracy)
  expect(result).toMatchObject({ classes: FOUR, samples: 100 })
  const right = result.confusion!.reduce((sum, row, index) => sum + row[index]!, 0)
  expect(right / 100).toBeCloseTo(result.accuracy)
  expect(result.confusion!.map((row) => row.reduce((sum, count) => sum + count, 0))).toEqual([25, 25, 25, 25])

  const { labels, probabilities, classes } = await model.predict(test)
  expect(labels).toBeInstanceOf(Int32Array)
  expect(classes).toEqual(FOUR)
  expect(probabilities).toHaveLength(100)
  const agreeing = test.labels.filter((label, index) => label === labels[index]).length
  expect(agreeing / 100).toBeCloseTo(result.accuracy)
  const brier = probabilities.map((row, index) =>
    row.reduce((sum, value, k) => sum + (value - Number(classes[k] === test.labels[index])) ** 2, 0),
  )
  expect(brier.reduce((sum, value) => sum + value, 0) / 100).toBeCloseTo(result.loss, 6)
  for (const [index, row] of probabilities.entries()) {
    expect(row.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 4)
    expect(classes[row.indexOf(Math.max(...row))]).toBe(labels[index])
  }
})

test('an mlp learns feature vectors', async () => {
  const model = NoProp.create({ blocks: 3, net: SMALL_MLP, input: [8], classes: 4 })
  await model.fit(vectors(512, 8, 4, 1), { ...TRAINING, weighting: 'snr' })
  expect((await model.evaluate(vectors(200, 8, 4, 2))).accuracy).toBeGreaterThan(0.95)
})

test.each(['linear', 'cosine', { type: 'custom', alphaBar: [0.01, 0.2, 0.6, 0.99] }] as const)(
  'schedule %j trains, and every sampler reads the class',
  async (schedule) => {
    const model = NoProp.create({ blocks: 3, net: SMALL_MLP, input: [8], classes: 4, schedule })
    await model.fit(vectors(512, 8, 4, 1), { ...TRAINING, learningRateSchedule: 'one-cycle' })
    const test = datasets.fromArrays(vectors(200, 8, 4, 2))
    for (const sampler of ['posterior', 'resample', 'ddim'] as const) {
      for (const stochastic of [false, true]) {
        const { accuracy } = await model.evaluate(test, { sampler, stochastic })
        expect({ sampler, stochastic, isGood: accuracy > 0.9 }).toEqual({ sampler, stochastic, isGood: true })
      }
    }
  },
)

test('runs are measured with their own seeds, and add mean and deviation', async () => {
  const model = NoProp.create({ blocks: 2, net: SMALL_MLP, input: [8], classes: 4 })
  await model.fit(vectors(64, 8, 4, 1), { batch: 32, learningRate: 1e-4 })
  const test = datasets.fromArrays(vectors(200, 8, 4, 2))
  const result = await model.evaluate(test, { runs: 3, seed: 5, stochastic: true })
  const single = []
  for (const seed of [5, 6, 7]) single.push((await model.evaluate(test, { seed, stochastic: true })).accuracy)
  expect(result.accuracies).toEqual(single)
  expect(new Set(single).size).toBeGreaterThan(1)
  const mean = single.reduce((sum, accuracy) => sum + accuracy, 0) / 3
  expect(result.accuracyMean).toBeCloseTo(mean)
  expect(result.accuracyStd).toBeCloseTo(
    Math.sqrt(single.reduce((sum, accuracy) => sum + (accuracy - mean) ** 2, 0) / 2),
  )
  expect(result.accuracy).toBe(single[0])
})

test('a prediction tells on request what every block made of every sample', async () => {
  const train = squares(128, 14, FOUR)
  const model = NoProp.create(smallModel({ classes: FOUR }))
  await model.fit(train, { epochs: 1, batch: 32 })
  const plain = await model.predict(train, { seed: 3 })
  const { states, ...prediction } = await model.predict(train, { seed: 3, states: true })
  expect(prediction).toEqual(plain)
  expect('states' in plain).toBe(false)
  expect(states.start).toHaveLength(128)
  expect(states.steps.map(({ block }) => block)).toEqual([1, 2, 3])
  for (const { estimate, state } of states.steps) {
    expect([estimate.length, state.length, estimate[0]!.length, state[127]!.length]).toEqual([128, 128, 4, 4])
    // The estimates of this net are probabilities.
    for (const row of estimate) expect(row.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 4)
  }
  // The class is read off the last state, and the accuracy after each block off its states.
  const { accuracyPerBlock } = await model.evaluate(train, { seed: 3 })
  for (const [step, { state }] of states.steps.entries()) {
    const classes = state.map((row) => FOUR[row.indexOf(Math.max(...row))])
    const right = classes.filter((label, sample) => label === train.labels[sample]).length
    expect(right / 128).toBe(accuracyPerBlock[step])
    if (step === 2) expect(classes).toEqual([...prediction.labels])
  }
  // Equal samples begin from equal noise, others from other noise.
  expect(states.start[0]).not.toEqual(states.start[1])
  await expect(model.predict(train, { states: 'yes' as unknown as boolean })).rejects.toMatchObject({
    code: 'NOPROP_OPTION',
  })
})

test('labels need not start at 0 nor be dense, and come back as they were', async () => {
  const labels = [-3, 7, 26, 1000]
  const train = squares(256, 14, labels, 1)
  const model = NoProp.create(smallModel({ classes: labels }))
  await model.fit(train, TRAINING)
  const test = squares(40, 14, labels, 2)
  const prediction = await model.predict({ images: test.images, shape: test.shape })
  expect(prediction.classes).toEqual(labels)
  expect([...prediction.labels]).toEqual(test.labels)
  expect((await model.evaluate(test)).classes).toEqual(labels)
})

test('a saved model is the same model', async () => {
  const train = datasets.fromArrays(squares(128, 14, FOUR))
  const model = NoProp.create(smallModel({ seed: 4, schedule: { type: 'cosine', max: 0.99 } }))
  await model.fit(train, { epochs: 1, batch: 32, weighting: 'snr', eta: 0.5 })
  const path = join(temporaryDirectory(), 'model.safetensors')
  await model.save(pathToFileURL(path))
  const again = await NoProp.load(path)
  expect(again.config).toEqual(model.config)
  expect(again.config).toMatchObject({ seed: 4, schedule: { type: 'cosine', min: 1e-4, max: 0.99 } })
  expect(again.trained).toBe(true)
  expect(again.training).toMatchObject({
    options: { epochs: 1, batch: 32, weighting: 'snr', eta: 0.5 },
    samples: 128,
    fingerprint: train.fingerprint,
    device: 'cpu',
    version,
  })
  expect(await again.weightsSha256()).toBe(await model.weightsSha256())
  const [first, second] = [await model.predict(train), await again.predict(train)]
  expect(second.labels).toEqual(first.labels)
  expect(second.probabilities).toEqual(first.probabilities)
})

test('the events of a run tell every epoch and block', async () => {
  const model = NoProp.create(smallModel())
  const seen: FitEvent[] = []
  const run = model.fit(squares(128, 14, FOUR), { epochs: 2, batch: 32 })
  for await (const event of run) seen.push(event)
  expect(seen[0]).toMatchObject({ event: 'start', blocks: 3, epochs: 2, samples: 128, stepsPerBlock: 8 })
  expect(seen.at(-1)).toEqual({ event: 'done', history: await run })
  const of = (name: string) => seen.filter(({ event }) => event === name) as { block: number; epoch: number }[]
  expect(
    of('epoch')
      .map(({ block, epoch }) => `${block}.${epoch}`)
      .sort(),
  ).toEqual(['1.1', '1.2', '2.1', '2.2', '3.1', '3.2'])
  expect(
    of('block')
      .map(({ block }) => block)
      .sort(),
  ).toEqual([1, 2, 3])
})

test('arrays are copied when they are handed over', async () => {
  const shas = []
  for (const spoil of [false, true]) {
    const { images, shape, labels } = vectors(64, 8, 4)
    const model = NoProp.create({ blocks: 2, net: SMALL_MLP, input: [8], classes: 4 })
    const run = model.fit({ images, shape, labels }, { batch: 32 })
    if (spoil) images.fill(0)
    shas.push((await run).weightsSha256)
  }
  expect(shas[1]).toBe(shas[0])
})

test('the seed decides the weights', async () => {
  const train = datasets.fromArrays(vectors(64, 8, 4))
  const sha = async (seed: number) => {
    const model = NoProp.create({ blocks: 2, net: SMALL_MLP, input: [8], classes: 4, seed })
    return (await model.fit(train, { batch: 32 })).weightsSha256
  }
  expect(await sha(1)).toBe(await sha(1))
  expect(await sha(1)).not.toBe(await sha(2))
})

test('fitting again starts from the beginning', async () => {
  const train = datasets.fromArrays(vectors(64, 8, 4))
  const model = NoProp.create({ blocks: 2, net: SMALL_MLP, input: [8], classes: 4 })
  const first = await model.fit(train, { batch: 32 })
  expect((await model.fit(train, { batch: 32 })).weightsSha256).toBe(first.weightsSha256)
})

test('two models train at the same time; one model does not twice', async () => {
  const train = datasets.fromArrays(vectors(256, 8, 4))
  const create = () => NoProp.create({ blocks: 2, net: SMALL_MLP, input: [8], classes: 4 })
  const [one, two] = [create(), create()]
  const runs = [one.fit(train, { epochs: 3, batch: 32 }), two.fit(train, { epochs: 3, batch: 32 })]
  await expect(one.fit(train, { batch: 32 })).rejects.toMatchObject({ code: 'NOPROP_BUSY' })
  const [a, b] = await Promise.all(runs)
  expect(a!.weightsSha256).toBe(b!.weightsSha256)
})

test('bare typed arrays and lists of numbers have the shape of the model', async () => {
  const { images, labels } = vectors(64, 8, 4)
  const rows = labels.map((_, index) => [...images.subarray(index * 8, index * 8 + 8)])
  const model = NoProp.create({ blocks: 2, net: SMALL_MLP, input: [8], classes: 4 })
  await model.fit({ images: rows, labels }, { batch: 32 })
  const bare = await model.predict(images)
  const listed = await model.predict({ images: rows })
  expect(bare.labels).toEqual(listed.labels)
  const bytes = squares(8, 14, FOUR)
  const cnn = NoProp.create(smallModel({ blocks: 1 }))
  await cnn.fit(bytes, { batch: 8 })
  expect((await cnn.predict(bytes.images)).labels).toHaveLength(8)
})

test('a data set tells its samples as the net sees them', () => {
  const images = Uint8Array.of(0, 51, 102, 255, 255, 0, 0, 0)
  const dataset = datasets.fromArrays({ images, shape: [2, 2], labels: [9, 3] })
  expect(dataset.samples).toBe(2)
  expect(dataset.shape).toEqual([2, 2, 1])
  expect(dataset.classes).toEqual([3, 9])
  expect(dataset.labels()).toEqual(Int32Array.of(9, 3))
  expect([...dataset.sample(0)].map((value) => Math.round(value * 255))).toEqual([0, 51, 102, 255])
  expect(dataset.fingerprint).toMatch(/^[0-9a-f]{64}$/)
  const other = datasets.fromArrays({ images, shape: [2, 2], labels: [9, 4] })
  expect(other.fingerprint).not.toBe(dataset.fingerprint)
  expect(datasets.fromArrays({ images, shape: [8] }).labels()).toBeNull()
})

test('IDX directories load plain and gzipped, all of them or the first samples', async () => {
  const { train, test } = await datasets.load(smallIdx({ train: 60, test: 20, labels: [1, 5, 26] }))
  expect([train.samples, test.samples, train.shape, train.classes]).toEqual([60, 20, [14, 14, 1], [1, 5, 26]])
  const gzipped = await datasets.load(smallIdx({ train: 60, test: 20, labels: [1, 5, 26], gzip: true }), { limit: 7 })
  expect([gzipped.train.samples, gzipped.test.samples]).toEqual([7, 20])
  expect(gzipped.train.sample(6)).toEqual(train.sample(6))
})

test('CIFAR directories load, plain and gzipped', async () => {
  const directory = temporaryDirectory()
  // A record: a label, then 1024 red, 1024 green and 1024 blue bytes.
  const batch = (first: number) => {
    const bytes = Buffer.alloc(10 * 3073)
    for (let record = 0; record < 10; record++) {
      bytes[record * 3073] = record
      bytes.fill(first, record * 3073 + 1, record * 3073 + 1025)
      bytes.fill(100, record * 3073 + 1025, record * 3073 + 2049)
      bytes.fill(200, record * 3073 + 2049, record * 3073 + 3073)
    }
    return bytes
  }
  for (let index = 1; index <= 5; index++) writeFileSync(join(directory, `data_batch_${index}.bin`), batch(index))
  writeFileSync(join(directory, 'test_batch.bin.gz'), gzipSync(batch(6)))
  const { train, test } = await datasets.load(directory)
  expect([train.samples, test.samples, train.shape, train.classes.length]).toEqual([50, 10, [32, 32, 3], 10])
  const pixel = [...train.sample(49).subarray(0, 3)].map((value) => Math.round(value * 255))
  expect(pixel).toEqual([5, 100, 200])
})

test('MNIST loads by its name', async () => {
  const { train, test } = await datasets.load('mnist')
  expect([train.samples, test.samples, train.shape]).toEqual([60_000, 10_000, [28, 28, 1]])
  expect(train.classes).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('the documented defaults are the defaults', async () => {
  const model = NoProp.create({ input: [28, 28], classes: 10 })
  expect(model.config).toMatchObject({
    method: 'dt',
    blocks: 10,
    classes: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    net: { type: 'cnn', widths: [32, 64, 128], hidden: 256, dropout: 0.2 },
    schedule: { type: 'cosine', min: 1e-4, max: 0.999 },
    embedding: { type: 'one-hot' },
    seed: 0,
  })
  const mlp = NoProp.create({ input: [8], classes: 2, net: 'mlp', schedule: 'linear', blocks: 2 })
  expect(mlp.config).toMatchObject({
    net: { type: 'mlp', hidden: [512, 512, 512], dropout: 0 },
    schedule: { type: 'linear', start: 1, end: 0.1 },
  })
  const tiny = NoProp.create({ input: [8], classes: 2, net: SMALL_MLP, blocks: 2 })
  await tiny.fit(vectors(256, 8, 2))
  expect(tiny.training?.options).toEqual({
    epochs: 1,
    batch: 128,
    learningRate: 1e-3,
    learningRateSchedule: 'constant',
    weightDecay: 1e-3,
    weighting: 'uniform',
    eta: 0.1,
    precision: 'f32',
  })
})

test("a block of the paper's sizes has the paper's number of parameters", () => {
  const perBlock = (input: number[], classes: number) => NoProp.create({ input, classes, blocks: 1 }).parameters
  expect(perBlock([28, 28, 1], 10) / 1e6).toBeCloseTo(0.92, 2)
  expect(perBlock([32, 32, 3], 10) / 1e6).toBeCloseTo(1.22, 2)
  expect(perBlock([32, 32, 3], 100) / 1e6).toBeCloseTo(1.25, 2)
})

test('the summary adds up', () => {
  const model = NoProp.create(smallModel({ blocks: 7 }))
  const trained = model.tensors.reduce((sum, { parameters }) => sum + parameters, 0)
  expect(trained * 7).toBe(model.parameters)
  const text = model.summary()
  expect(text).toContain(`= ${model.parameters.toLocaleString('en-US')}`)
  for (const { name } of model.layers) expect(text).toContain(name)
})
