import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { datasets, NoProp, type Row } from '../src/index.js'
import { seeded, temporaryDirectory } from './support/data.js'
import { done, events, runCli } from './support/process.js'

const SMALL = { blocks: 2, net: { type: 'mlp', hidden: [16] } } as const
const FLAGS = ['--blocks', '2', '--hidden', '16', '--epochs', '40', '--batch', '16', '--lr', '0.01', '--threads', '2']

/** Three kinds that differ by a small number beside a large one, and by a text. */
function wines(count: number, seed = 1) {
  const random = seeded(seed)
  return Array.from({ length: count }, (_, index) => {
    const kind = index % 3
    return {
      id: 1000 + index,
      proline: 500 + 900 * random(),
      acidity: Number((0.01 * kind + 0.004 * random()).toFixed(5)),
      colour: kind === 2 || random() < 0.2 ? 'white' : 'red',
      variety: ['Aglianico', 'Barbera', 'Ürziger'][kind] as string,
    }
  })
}

function csv(rows: readonly Row[], separator = ',', header = true): string {
  const names = Object.keys(rows[0] as Row)
  const lines = rows.map((row) => names.map((name) => row[name] ?? '').join(separator))
  return `${[...(header ? [names.join(separator)] : []), ...lines].join('\n')}\n`
}

function file(name: string, content: string): string {
  const path = join(temporaryDirectory(), name)
  writeFileSync(path, content)
  return path
}

test('a table trains a model, which keeps the preprocessing and predicts raw rows', async () => {
  const path = file('wine.csv', csv(wines(150)))
  const { train, test } = await datasets.fromTable(path, {
    label: 'variety',
    ignore: ['id'],
    test: file('test.csv', csv(wines(60, 2))),
  })
  expect(train.shape).toEqual([4])
  expect(train.classes).toEqual(['Aglianico', 'Barbera', 'Ürziger'])
  expect(train.preprocessing).toMatchObject({
    type: 'table',
    label: 'variety',
    columns: [
      { type: 'number', name: 'proline' },
      { type: 'number', name: 'acidity' },
      { type: 'category', name: 'colour', values: ['red', 'white'] },
    ],
  })
  const model = NoProp.create({
    ...{ input: train.shape, classes: train.classes, preprocessing: train.preprocessing },
    ...SMALL,
  })
  await model.fit(train, { epochs: 40, batch: 16, learningRate: 0.01 })
  const { accuracy } = await model.evaluate(test as NonNullable<typeof test>)
  expect(accuracy).toBeGreaterThan(0.95)

  const saved = join(temporaryDirectory(), 'wine.safetensors')
  await model.save(saved)
  const loaded = await NoProp.load(saved)
  expect(loaded.config.preprocessing).toEqual(train.preprocessing)
  const rows = wines(60, 2)
  const raw = await loaded.predict(rows)
  expect(raw).toEqual(await model.predict(test as NonNullable<typeof test>))
  expect(rows.filter(({ variety }, index) => raw.labels[index] === variety).length / 60).toBe(accuracy)
  // Names decide, not their order; what is missing counts as the mean, and a text that is new as none.
  const odd = await loaded.predict(
    [{ colour: 'green', acidity: '0.001', proline: null }, { acidity: Number.NaN }].map((row) => ({
      proline: undefined,
      colour: null,
      ...row,
    })),
  )
  expect(odd.labels).toHaveLength(2)
  await expect(loaded.predict([{ colour: 'red' }])).rejects.toMatchObject({
    code: 'NOPROP_VALUE',
    what: expect.stringMatching(/lacks the column "proline"/),
  })
  await expect(loaded.predict([{ ...rows[0], acidity: 'sour' }])).rejects.toMatchObject({ code: 'NOPROP_VALUE' })
})

test('rows are a table as files are', async () => {
  const rows = wines(30)
  const path = pathToFileURL(file('wine.csv', csv(rows)))
  const options = { label: 'variety', testSplit: 0.2, seed: 5 }
  const [fromRows, fromFile] = [await datasets.fromTable(rows, options), await datasets.fromTable(path, options)]
  expect(fromRows.train.fingerprint).toBe(fromFile.train.fingerprint)
  expect(fromRows.test?.fingerprint).toBe(fromFile.test?.fingerprint)
  expect([fromRows.train.samples, fromRows.test?.samples]).toEqual([24, 6])
  expect(new Set(fromRows.test?.labels() as string[]).size).toBe(3)
  const other = await datasets.fromTable(rows, { ...options, seed: 6 })
  expect(other.test?.fingerprint).not.toBe(fromRows.test?.fingerprint)
})

test('data that were preprocessed otherwise are refused', async () => {
  const { train } = await datasets.fromTable(wines(30), { label: 'variety' })
  const { train: other } = await datasets.fromTable(wines(30, 7), { label: 'variety' })
  const { shape: input, classes, preprocessing } = train
  const model = NoProp.create({ input, classes, preprocessing, ...SMALL })
  await expect(model.fit(other)).rejects.toMatchObject({
    code: 'NOPROP_SHAPE',
    what: expect.stringMatching(/preprocessed/),
  })
  const without = NoProp.create({ input, classes, ...SMALL })
  await expect(without.fit(train)).rejects.toMatchObject({ code: 'NOPROP_SHAPE', expected: /none/ })
  expect(() => NoProp.create({ input: [3], classes, preprocessing, ...SMALL })).toThrow(/another shape/)
  await without.fit({ images: new Float32Array(10), shape: [5], labels: ['Aglianico', 'Barbera'] })
  await expect(without.predict(wines(3))).rejects.toMatchObject({ code: 'NOPROP_OPTION', what: /takes no rows/ })
})

test.each<[string, () => Promise<unknown>, string]>([
  ['a label that is not there', () => datasets.fromTable(wines(6), { label: 'kind' }), 'NOPROP_OPTION'],
  ['an unknown option', () => datasets.fromTable(wines(6), { labels: 'variety' } as never), 'NOPROP_OPTION'],
  ['a number for a source', () => datasets.fromTable(3 as never), 'NOPROP_OPTION'],
  ['lists for rows', () => datasets.fromTable([[1, 2]] as never), 'NOPROP_VALUE'],
  ['a list in a cell', () => datasets.fromTable([{ a: [1] }] as never), 'NOPROP_VALUE'],
  ['an infinite number', () => datasets.fromTable([{ a: Number.POSITIVE_INFINITY }]), 'NOPROP_VALUE'],
  ['a missing label', () => datasets.fromTable([{ a: 1, y: 'x' }, { a: 2 }], { label: 'y' }), 'NOPROP_LABEL'],
  ['no rows', () => datasets.fromTable([]), 'NOPROP_COUNT'],
  ['no file', () => datasets.fromTable('/nowhere.csv'), 'NOPROP_FILE_NOT_FOUND'],
  ['a share of 2', () => datasets.fromTable(wines(6), { label: 'variety', testSplit: 2 }), 'NOPROP_OPTION'],
])('%s: refused', async (_, load, code) => {
  await expect(load()).rejects.toMatchObject({ code })
})

test('a data set is split by class and seed', async () => {
  const labels = Array.from({ length: 100 }, (_, index) => (index % 10 === 0 ? 7 : -1))
  const data = datasets.fromArrays({ images: Float32Array.from(labels.keys()), shape: [1], labels })
  const { train, test } = await data.split(0.3, { seed: 2 })
  expect([train.samples, test.samples]).toEqual([70, 30])
  expect([...(test.labels() as Int32Array)].filter((label) => label === 7)).toHaveLength(3)
  await expect(data.split(0)).rejects.toMatchObject({ code: 'NOPROP_OPTION' })
  await expect(data.split(0.5, { seed: -1 })).rejects.toMatchObject({ code: 'NOPROP_OPTION' })
})

test('the command line trains on a table, measures, predicts and inspects', async () => {
  const directory = temporaryDirectory()
  const model = join(directory, 'wine.safetensors')
  const german = wines(90).map((row) => ({ ...row, acidity: String(row.acidity).replace('.', ',') }))
  const data = file('wine.csv', csv(german, ';'))
  const trained = await done([
    'train',
    '--data',
    data,
    '--label',
    'variety',
    '--ignore',
    'id',
    '--test-split',
    '0.2',
    ...FLAGS,
    '--out',
    model,
  ])
  expect(trained.testAccuracy).toBeGreaterThan(0.9)
  const rows = wines(30, 3)
  const test = file('test.ndjson', rows.map((row) => JSON.stringify(row)).join('\n'))
  const evaluated = await done(['eval', model, '--data', test])
  expect(evaluated.accuracy).toBeGreaterThan(0.9)
  expect(evaluated.classes).toEqual(['Aglianico', 'Barbera', 'Ürziger'])
  for (const args of [[test], ['--data', test]]) {
    const predicted = events(await runCli(['predict', model, ...args, '--json']))
    const right = rows.filter(({ variety }, index) => predicted[index]?.label === variety)
    expect(right.length / rows.length).toBe(evaluated.accuracy)
  }
  const inspected = await runCli(['inspect', model])
  expect(inspected.stdout).toMatch(/preprocessing\n {2}proline .*standardised: mean [\d.]+, standard deviation/)
  expect(inspected.stdout).toMatch(/acidity .*decimal comma\n {2}colour .*one-hot: red, white\n {2}variety .*the label/)
  const people = await runCli(['eval', model, '--data', test])
  expect(people.stdout).toContain('true \\ predicted  Aglianico  Barbera  Ürziger')
})

test('without test samples it trains as well', async () => {
  const data = file('wine.tsv', csv(wines(30), '\t', false))
  const flags = ['train', '--data', data, '--label', '4', '--ignore', '0', ...FLAGS, '--epochs', '1']
  const trained = await done(flags)
  expect([trained.testAccuracy, trained.weightsSha256]).toEqual([undefined, expect.stringMatching(/^[0-9a-f]{64}$/)])
  expect((await runCli(flags)).stdout).toMatch(/test accuracy +not measured: there are no test samples/)
})

test.each<[string, (data: string) => string[], string]>([
  [
    'no label',
    (data) => ['--data', data],
    'the option --label is missing; hint: add --label COLUMN, or --target COLUMN for numbers; .* has id, proline',
  ],
  ['a label that is not there', (data) => ['--data', data, '--label', 'x'], 'has no column "x".*one of "id"'],
  [
    'both tests',
    (data) => ['--data', data, '--label', 'variety', '--test', data, '--test-split', '0.1'],
    '--test and --test-split are both given',
  ],
  ['a size', (data) => ['--data', data, '--label', 'variety', '--size', '8x8'], '--size does not apply'],
  [
    'a share of 1',
    (data) => ['--data', data, '--label', 'variety', '--test-split', '1'],
    '--test-split is out of range',
  ],
  [
    'a target twice',
    (data) => ['--data', data, '--target', 'proline,proline'],
    '--target names column "proline" twice',
  ],
  ['a bad header', (data) => ['--data', data, '--label', 'variety', '--header', 'maybe'], '--header has a bad value'],
])('on the command line %s: refused in words of flags', async (_, flags, message) => {
  const outcome = await runCli(['train', ...flags(file('wine.csv', csv(wines(30))))])
  expect(outcome.stderr).toMatch(new RegExp(message))
  expect(outcome.code).toBe(2)
})

test('the worst samples are named by their rows, those that are held out too', async () => {
  const rows = wines(120)
  const path = file('wine.csv', csv(rows))
  const { train, test: held } = await datasets.fromTable(path, { label: 'variety', ignore: ['id'], testSplit: 0.25 })
  const { shape: input, classes, preprocessing } = train
  const model = NoProp.create({ input, classes, preprocessing, ...SMALL })
  await model.fit(train, { epochs: 2, batch: 16 })
  const { worst } = await model.evaluate(held as NonNullable<typeof held>, { worst: 30 })
  expect(worst).toHaveLength(30)
  for (const { row, target } of worst) expect(rows[row as number]?.variety).toBe(classes[target])
  expect(new Set(worst.map(({ row }) => row)).size).toBe(30)
  const out = join(temporaryDirectory(), 'wine.safetensors')
  await model.save(out)
  const { stdout, code } = await runCli(['eval', out, '--data', path, '--worst'])
  expect(code).toBe(0)
  expect(stdout.match(/^row \d+ +\S+ +\S+ +[\d.]+ % +[\d.]+$/gm)).toHaveLength(20)
  const arrays = await model.evaluate({ inputs: [held!.sample(0)], labels: ['Barbera'] })
  expect(arrays.worst[0]).not.toHaveProperty('row')
})
