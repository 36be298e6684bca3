import { expect, test } from 'vitest'
import { datasets, NoProp } from '../src/index.js'
import { toJson } from '../src/json.js'
import { smallIdx, temporaryDirectory, vectors } from './support/data.js'

const refused = (what?: string) => ({ name: 'NoPropError', code: 'NOPROP_OPTION', ...(what ? { what } : {}) })
const model = () => NoProp.create({ blocks: 1, net: { type: 'mlp', hidden: [4] }, input: [4], classes: 2 })

test('options that refer to themselves, or are nested without end, name the option', () => {
  const cyclic: Record<string, unknown> = { type: 'mlp' }
  cyclic.net = cyclic
  const list: unknown[] = []
  list.push(list)
  let deep: object = {}
  for (let level = 0; level < 100_000; level++) deep = { deep }
  for (const net of [cyclic, list, deep]) {
    expect(() => toJson({ net })).toThrow(
      expect.objectContaining({ ...refused(), what: expect.stringMatching(/^the option net/) }),
    )
    expect(() => NoProp.create({ input: [4], classes: 2, net } as never)).toThrow(expect.objectContaining(refused()))
  }
  expect(toJson({ net: { hidden: [[[1]]] } })).toBe('{"net":{"hidden":[[[1]]]}}')
})

const bad: [string, unknown][] = [
  ['null', null],
  ['a list', []],
  ['a text', 'options'],
  ['a BigInt', { limit: 1n, seed: 1n, batch: 1n }],
  ['a controller for its signal', { signal: new AbortController() }],
  ['a text for a signal', { signal: 'stop' }],
  ['an object for a signal', { signal: { aborted: true } }],
]
test.each(bad)('options that are or have %s are NOPROP_OPTION everywhere', async (_, options) => {
  const given = options as never
  const trained = model()
  await trained.fit(vectors(8, 4, 2), { batch: 4 })
  const calls: (() => unknown)[] = [
    () => datasets.load(smallIdx(), given),
    () => datasets.loadSplit(smallIdx(), 'test', given),
    () => trained.fit(vectors(8, 4, 2), given),
    () => trained.predict(new Float32Array(4), given),
    () => trained.evaluate(vectors(8, 4, 2), given),
  ]
  for (const call of calls) {
    await expect((async () => call())(), String(call)).rejects.toMatchObject(refused())
  }
})

test('a signal of null is none', async () => {
  expect((await datasets.load(smallIdx(), { signal: null as never })).train.samples).toBe(256)
})

test('what is wrong is said before anything is looked for or downloaded', async () => {
  const nowhere = `${temporaryDirectory()}/nothing`
  const wrong: object[] = [{ limit: 0 }, { limit: 1n }, { onDownload: 'print' }]
  for (const options of wrong) await expect(datasets.load(nowhere, options)).rejects.toMatchObject(refused())
  const splits: [unknown, object][] = [
    ['validation', {}],
    ['test', { labels: 'no' }],
  ]
  for (const [split, options] of splits) {
    await expect(datasets.loadSplit(nowhere, split as 'test', options)).rejects.toMatchObject(refused())
  }
  await expect(datasets.load(1n as never)).rejects.toMatchObject(refused('the data set is not named'))
  await expect(datasets.fromImages('a.png' as never, { shape: [1, 1, 1] })).rejects.toMatchObject(refused())
  await expect(datasets.fromImages([], null as never)).rejects.toMatchObject(refused())
})

test('runs whose seeds pass what numbers can hold are refused', async () => {
  const trained = model()
  const data = vectors(8, 4, 2)
  await trained.fit(data, { batch: 4 })
  const seed = Number.MAX_SAFE_INTEGER - 1
  expect((await trained.evaluate(data, { runs: 2, seed })).accuracies).toHaveLength(2)
  await expect(trained.evaluate(data, { runs: 3, seed })).rejects.toMatchObject(refused())
  await expect(trained.evaluate(data, { runs: 2, seed: 1n as never })).rejects.toMatchObject(refused())
})
