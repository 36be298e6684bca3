import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { datasets, NoProp } from '../src/index.js'
import { getNative } from '../src/native.js'
import { vectors } from './support/data.js'
import { SMALL_MLP } from './support/models.js'

const MEBIBYTE = 2 ** 20
/** Mebibytes outside its heap that V8 knows of. */
const external = () => getNative().externalMemory() / MEBIBYTE
const model = () => NoProp.create({ blocks: 2, net: SMALL_MLP, input: [8], classes: 4 })

test('V8 is told of the bytes of a data set, and of their end', () => {
  const images = new Float32Array(16 * MEBIBYTE)
  const before = external()
  const dataset = datasets.fromArrays({ images, shape: [MEBIBYTE] })
  expect(external() - before).toBeGreaterThan(60)
  for (let times = 0; times < 2; times++) {
    dataset.dispose()
    expect(external() - before).toBeLessThan(4)
  }
  // So that the array itself is not collected before.
  expect(images[0]).toBe(0)
})

test('after dispose every use is NOPROP_DISPOSED, and dispose may be called again', async () => {
  const dataset = datasets.fromArrays(vectors(16, 8, 4))
  expect(dataset.disposed).toBe(false)
  dataset[Symbol.dispose]()
  dataset.dispose()
  expect([dataset.disposed, String(dataset), inspect(dataset)]).toEqual([
    true,
    'Dataset(disposed)',
    'Dataset(disposed)',
  ])
  const uses: (() => unknown)[] = [
    () => dataset.samples,
    () => dataset.shape,
    () => dataset.classes,
    () => dataset.fingerprint,
    () => dataset.labels(),
    () => dataset.sample(0),
    () => model().fit(dataset),
    () => model().fit(vectors(16, 8, 4), { validation: dataset }),
    () => model().predict(dataset),
    () => model().evaluate(dataset),
  ]
  for (const use of uses) {
    await expect((async () => use())(), String(use)).rejects.toMatchObject({ code: 'NOPROP_DISPOSED' })
  }
})

test('a run that uses a data set goes on when it is disposed of', async () => {
  const shas = []
  for (const early of [false, true]) {
    const dataset = datasets.fromArrays(vectors(64, 8, 4))
    const run = model().fit(dataset, { batch: 32 })
    for await (const event of run) if (early && event.event === 'start') dataset.dispose()
    shas.push((await run).weightsSha256)
    expect(dataset.disposed).toBe(early)
  }
  expect(shas[1]).toBe(shas[0])
})

test('what predict makes of an array is gone when it has ended, not when garbage is collected', async () => {
  const width = 8192
  const trained = NoProp.create({ blocks: 1, net: { type: 'mlp', hidden: [2] }, input: [width], classes: 2 })
  await trained.fit(vectors(4, width, 2), { batch: 4 })
  const images = new Float32Array(256 * width)
  await trained.predict(images)
  const before = external()
  // Each copy of the samples has 8 MiB.
  for (let round = 0; round < 4; round++) await trained.predict(images)
  expect(external() - before).toBeLessThan(4)
  const given = datasets.fromArrays({ images, shape: [width] })
  await trained.predict(given)
  expect(given.disposed).toBe(false)
})
