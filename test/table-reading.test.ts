import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { datasets, NoProp } from '../src/index.js'
import { temporaryDirectory } from './support/data.js'
import { npy, npz } from './support/npz.js'
import { done, events, runCli } from './support/process.js'

const FLAGS = ['--blocks', '2', '--hidden', '8', '--epochs', '1', '--batch', '8', '--threads', '2']

function file(name: string, content: string | Buffer): string {
  const path = join(temporaryDirectory(), name)
  writeFileSync(path, content)
  return path
}

/** A header and `count` lines. */
function lines(header: string, count: number, line: (index: number) => string): string {
  return `${[header, ...Array.from({ length: count }, (_, index) => line(index))].join('\n')}\n`
}

test.each([
  ['vectors', [3], (count: number) => Float32Array.from({ length: count * 3 }, (_, at) => Math.sin(at))],
  ['pictures', [4, 4], (count: number) => Uint8Array.from({ length: count * 16 }, (_, at) => (at * 37) % 251)],
])('eval, predict and report take the test part of an archive of %s', async (_, sizes, values) => {
  const labels = (count: number) =>
    npy(
      Uint8Array.from({ length: count }, (_, at) => at % 3),
      [count],
    )
  const path = file(
    'data.npz',
    npz({
      x_train: npy(values(30), [30, ...sizes]),
      y_train: labels(30),
      x_test: npy(values(12), [12, ...sizes]),
      y_test: labels(12),
    }),
  )
  const model = join(temporaryDirectory(), 'model.safetensors')
  const net = sizes.length > 1 ? ['--net', 'mlp'] : []
  const trained = await done(['train', '--data', path, '--out', model, ...net, ...FLAGS])
  const evaluated = await done(['eval', model, '--data', path])
  expect(evaluated.samples).toBe(12)
  expect(evaluated.accuracy).toBe(trained.testAccuracy)
  expect(events(await runCli(['predict', model, '--data', path, '--json'])).at(-1)).toMatchObject({ samples: 12 })
})

test('what a comma means is decided by the file, told, and kept by the model', async () => {
  const price = (index: number) => (index % 2 ? '999' : `"${index + 1},234"`)
  const path = file(
    'prices.csv',
    lines('price,kind', 40, (index) => `${price(index)},${index % 2 ? 'x' : 'y'}`),
  )
  const { train, notes } = await datasets.fromTable(path, { label: 'kind' })
  expect(notes).toEqual(['column "price": 1,234 is read as 1234'])
  expect(train.preprocessing).toMatchObject({ columns: [{ name: 'price', thousandsComma: true }] })
  const model = NoProp.create({
    ...{ input: train.shape, classes: train.classes, preprocessing: train.preprocessing },
    ...{ blocks: 2, net: { type: 'mlp', hidden: [8] } },
  })
  await model.fit(train, { epochs: 1 })
  const saved = join(temporaryDirectory(), 'prices.safetensors')
  await model.save(saved)
  const loaded = await NoProp.load(saved)
  const { probabilities } = await loaded.predict([{ price: '1,234' }, { price: 1234 }, { price: '1234.0' }])
  const [grouped, number, plain] = probabilities
  expect([grouped, number]).toEqual([plain, plain])
  await expect(loaded.predict([{ price: '1,5' }])).rejects.toMatchObject({
    code: 'NOPROP_VALUE',
    expected: expect.stringContaining('commas between thousands'),
    received: '"1,5"',
  })
  expect((await runCli(['inspect', saved])).stdout).toContain('commas between thousands')
})

test('points stand between thousands where other columns have decimal commas, in targets too', async () => {
  const rows = ['999;3,5;1,0', '1.234;2,5;2.500', '12.345;1,5;3,5', '500;2,0;4,0']
  const path = file('german.csv', `a;b;y\n${rows.join('\n')}\n`)
  const { train, notes } = await datasets.fromTable(path, { target: 'y' })
  expect(notes).toEqual(['column "a": 1.234 is read as 1234'])
  const columns = [
    { mean: (999 + 1234 + 12345 + 500) / 4, decimalComma: true },
    { mean: 9.5 / 4, decimalComma: true },
  ]
  expect(train.preprocessing).toMatchObject({ decimalComma: ['y'], columns })
  const { preprocessing } = train
  const again = (await datasets.fromTable([{ a: '1.234', b: '2,5', y: '2.500' }], { preprocessing: preprocessing! }))
    .train
  expect(again.sample(0)).toEqual(train.sample(1))
  expect([...again.targets()!]).toEqual([2500])
  const bad = datasets.fromTable([{ a: '0.100', b: 1, y: 1 }], { preprocessing: preprocessing! })
  await expect(bad).rejects.toMatchObject({ code: 'NOPROP_VALUE', expected: expect.stringContaining('decimal comma') })
  const open = await datasets.fromTable(file('open.csv', 'a;y\n1.234;x\n999;z\n'), { label: 'y' })
  expect(open.notes).toEqual([expect.stringContaining('1.234 is read as 1.234, for nothing in the file shows')])
})

test('the numbers of rows are left out, unless they are asked for', async () => {
  const path = file(
    'shuffled.csv',
    lines(',a,kind', 12, (index) => `${(index * 5) % 12},${index * 0.5},${index % 2 ? 'x' : 'y'}`),
  )
  const { train, notes } = await datasets.fromTable(path, { label: 'kind' })
  expect([train.shape, notes]).toEqual([[1], ['column "0" has no name and counts the rows; it is left out']])
  const asked = await datasets.fromTable(path, { label: 'kind', columns: ['0', 'a'] })
  expect([asked.train.shape, asked.notes]).toEqual([[2], []])
  const rows = [7, 3, 9].map((id) => ({ a: id, __index_level_0__: id, kind: 'x' }))
  const pandas = await datasets.fromTable(rows, { label: 'kind' })
  expect([pandas.train.shape, pandas.notes]).toEqual([[1], [expect.stringContaining('index of a pandas table')]])
})

test('noprop data lists the columns', async () => {
  const path = file(
    'table.csv',
    lines(
      'size,colour,empty,kind',
      10,
      (index) => `${index === 4 ? 'big' : index},${index ? 'red' : ''},,x${index % 2}`,
    ),
  )
  const columns = [
    { name: 'size', kind: 'categories', categories: 10, missing: 0 },
    { name: 'colour', kind: 'categories', categories: 1, missing: 1 },
    { name: 'empty', kind: 'left out', missing: 10 },
    { name: 'kind', kind: 'label', missing: 0 },
  ]
  expect((await done(['data', path, '--label', 'kind'])).columns).toEqual(columns)
  const { stdout, stderr } = await runCli(['data', path])
  expect(stdout).toMatch(/^column +kind +missing\nsize +categories \(10\) +0\ncolour +categories \(1\) +1\n/m)
  expect(stdout).toMatch(/^kind +categories \(2\) +0$/m)
  expect(stdout).toMatch(/! there are no labels; name their column \(--label\)/)
  expect(stderr).toMatch(/column "size" is read as categories: 1 of its 10 cells is no number: "big" in row 4/)
})

test.each<[string, () => string[], RegExp]>([
  ['a file that is not there', () => ['typo.csv'], /there is no file or directory typo.csv/],
  [
    'years for names',
    () => [file('years.csv', '2019,2020,label\n1,2,x\n'), '--label', 'label'],
    /has no column "label".*--header yes/s,
  ],
  [
    'a spreadsheet',
    () => [file('book.xlsx', Buffer.from(`PK\x03\x04${'\0'.repeat(26)}[Content_Types].xml`, 'latin1')), '--label', 'x'],
    /a spreadsheet.*save it as CSV/s,
  ],
])('on the command line %s: told what helps', async (_, args, message) => {
  const { stderr, code } = await runCli(['data', ...args()])
  expect(stderr).toMatch(message)
  expect(code).not.toBe(0)
})
