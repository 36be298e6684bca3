import { join } from 'node:path'
import { expect, test } from 'vitest'
import { datasets, NoProp, NoPropError } from '../src/index.js'
import { temporaryDirectory, vectors } from './support/data.js'
import { done } from './support/process.js'

const names = ['zebra', 'ant', 'Ünï 猫']
/** Code points: upper case before lower case, and beyond the BMP last. */
const sorted = ['ant', 'zebra', 'Ünï 猫']

function animals(count: number, seed = 1) {
  const { images, shape, labels } = vectors(count, 6, 3, seed)
  return { images, shape, labels: labels.map((label) => names[label] as string) }
}

const options = { blocks: 2, net: { type: 'mlp', hidden: [16] } } as const

test('names are the labels of data sets, predictions, evaluations and model files', async () => {
  const data = datasets.fromArrays(animals(120))
  expect(data.classes).toEqual(sorted)
  expect(data.labels()).toEqual(animals(120).labels)
  const model = NoProp.create({ input: data.shape, classes: data.classes, ...options })
  await model.fit(data, { epochs: 30, batch: 20, learningRate: 0.01 })
  const held = animals(60, 2)
  const evaluation = await model.evaluate(held)
  expect(evaluation.classes).toEqual(sorted)
  expect(evaluation.accuracy).toBeGreaterThan(0.9)
  const prediction = await model.predict(held)
  expect(prediction.classes).toEqual(sorted)
  expect(prediction.labels).toBeInstanceOf(Array)
  const right = held.labels.filter((label, index) => prediction.labels[index] === label).length
  expect(right / 60).toBe(evaluation.accuracy)

  const file = join(temporaryDirectory(), 'animals.safetensors')
  await model.save(file)
  const loaded = await NoProp.load(file)
  expect(loaded.config.classes).toEqual(sorted)
  expect(await loaded.predict(held)).toEqual(prediction)
  const shown = await done(['inspect', file])
  expect(shown.config).toMatchObject({ classes: sorted })
})

test('the order and the numbers of labels change no bit of the weights', async () => {
  const named = animals(60)
  const numbered = { ...named, labels: named.labels.map((label) => sorted.indexOf(label)) }
  const trained = async (data: typeof named | typeof numbered) => {
    const { classes, shape } = datasets.fromArrays(data)
    return (await NoProp.create({ input: shape, classes, ...options }).fit(data)).weightsSha256
  }
  expect(await trained(named)).toBe(await trained(numbered))
})

test('data of some of the classes, and classes in an order of their own, agree by name', async () => {
  const data = animals(90)
  const model = NoProp.create({ input: [6], classes: names, ...options })
  await model.fit(data, { epochs: 30, batch: 20, learningRate: 0.01, validation: animals(30, 3) })
  const some = animals(60, 2)
  const keep = some.labels.flatMap((label, index) => (label === 'zebra' ? [index] : []))
  const zebras = {
    inputs: keep.map((index) => [...some.images.subarray(6 * index, 6 * index + 6)]),
    labels: keep.map(() => 'zebra'),
  }
  const { accuracy, confusion, classes } = await model.evaluate(zebras)
  expect(classes).toEqual(names)
  expect(accuracy).toBeGreaterThan(0.9)
  expect(confusion?.map((row) => row.reduce((sum, count) => sum + count, 0))).toEqual([keep.length, 0, 0])
})

test('numbers still come back as they were', async () => {
  const data = vectors(60, 6, 3)
  const labels = data.labels.map((label) => [-7, 0, 300][label] as number)
  const model = NoProp.create({ input: [6], classes: [-7, 0, 300], ...options })
  await model.fit({ ...data, labels })
  const prediction = await model.predict(data)
  expect(prediction.labels).toBeInstanceOf(Int32Array)
  expect(prediction.classes).toEqual([-7, 0, 300])
  expect(datasets.fromArrays({ ...data, labels }).labels()).toEqual(Int32Array.from(labels))
})

test.each<[string, unknown, string, RegExp]>([
  ['a number among names', ['a', 1], 'NOPROP_LABEL', /sample 1 is of another kind.*only numbers, or only names/],
  ['a name among numbers', [1, 'a'], 'NOPROP_LABEL', /sample 1 is of another kind/],
  ['nothing among names', ['a', null], 'NOPROP_LABEL', /sample 1 is missing/],
  ['blanks', ['a', ' '], 'NOPROP_LABEL', /sample 1 is missing/],
  ['a very long name', ['a', 'x'.repeat(2000)], 'NOPROP_LABEL', /too long/],
])('%s: refused', (_, labels, code, message) => {
  const make = () => datasets.fromArrays({ images: Float32Array.of(1, 2), shape: [1], labels: labels as string[] })
  expect(make).toThrow(NoPropError)
  expect(make).toThrow(message)
  expect(make).toThrow(expect.objectContaining({ code }))
})

test('unknown names, and names for numbers, are refused in words', async () => {
  const model = NoProp.create({ input: [6], classes: ['ant', 'zebra'], ...options })
  await expect(model.fit(animals(6))).rejects.toMatchObject({
    code: 'NOPROP_LABEL',
    what: 'label "Ünï 猫" of sample 2 is not one of the model\'s classes',
    expected: 'one of "ant", "zebra"',
  })
  await expect(model.fit(vectors(6, 6, 2))).rejects.toMatchObject({ code: 'NOPROP_LABEL', received: '0' })
  expect(() => NoProp.create({ input: [6], classes: ['a', 'a'] })).toThrow(/two classes have the same name/)
  expect(() => NoProp.create({ input: [6], classes: ['a', 1] })).toThrow(/only numbers, or only texts/)
})

test('samples held out for validation keep the names of their classes', async () => {
  const data = datasets.fromArrays(animals(90))
  const model = NoProp.create({ input: data.shape, classes: data.classes, ...options })
  const history = await model.fit(data, { validationSplit: 0.2, batch: 20 })
  expect(history.validation?.classes).toEqual(sorted)
})
