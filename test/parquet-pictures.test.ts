import { copyFileSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Dataset, datasets, type NoPropError } from '../src/index.js'
import { temporaryDirectory } from './support/data.js'
import { done, root, runCli } from './support/process.js'

// Made, with what Pillow reads from the pictures, by golden/make_parquet_pictures.py.
const golden = (name: string) => join(root, 'test/golden', name)
const expected = JSON.parse(readFileSync(golden('parquet.json'), 'utf8'))

/** The bytes of all samples. */
function bytes(data: Dataset): number[][] {
  return Array.from({ length: data.samples }, (_, index) =>
    [...data.sample(index)].map((value) => Math.round(255 * value)),
  )
}

test('pictures in Parquet files are those that Pillow reads, with the names of their classes', async () => {
  const { train, test: held } = await datasets.fromFolder(golden('parquet-train.parquet'), {
    test: golden('parquet-test.parquet'),
  })
  expect(train.shape).toEqual([10, 12, 3])
  expect(bytes(train)).toEqual(expected.train)
  expect(train.labels()).toEqual(expected.trainLabels)
  expect(bytes(held as Dataset)).toEqual(expected.test)
  expect(held?.labels()).toEqual(expected.testLabels)
  expect(train.preprocessing).toEqual({ type: 'images', fit: 'cover' })
})

test('labels without names come back as they were, and a damaged picture is left out and told', async () => {
  const told: [string, string][] = []
  const onError = ({ code }: NoPropError, path: string) => void told.push([code, path])
  const { train } = await datasets.fromFolder(golden('parquet-plain.parquet'), { onError })
  expect(train.shape).toEqual([10, 12, 1])
  expect(bytes(train)).toEqual(expected.plain)
  expect([...(train.labels() as Int32Array)]).toEqual(expected.plainLabels)
  expect(told).toEqual([['NOPROP_FILE_FORMAT', `${golden('parquet-plain.parquet')}, row 1 (1.png)`]])
  await expect(datasets.fromFolder(golden('parquet-plain.parquet'), { strict: true })).rejects.toMatchObject({
    code: 'NOPROP_FILE_FORMAT',
  })
  const texts = await datasets.fromFolder(golden('parquet-texts.parquet'))
  expect(texts.train.labels()).toEqual(expected.textLabels)
})

test('a directory of Parquet files is read split by split, from its folder data, too', async () => {
  for (const inner of ['.', 'data']) {
    const directory = temporaryDirectory()
    mkdirSync(join(directory, inner), { recursive: true })
    const put = (from: string, to: string) => copyFileSync(golden(from), join(directory, inner, to))
    put('parquet-train.parquet', 'train-00000-of-00002.parquet')
    put('parquet-test.parquet', 'train-00001-of-00002.parquet')
    put('parquet-test.parquet', 'test-00000-of-00001.parquet')
    put('parquet-test.parquet', 'validation-00000-of-00001.parquet')
    const { train, test: held, notes } = await datasets.fromFolder(directory)
    expect(notes.at(-1)).toMatch(/validation-00000-of-00001\.parquet is left out, since there are files for the test$/)
    expect(train.labels()).toEqual([...expected.trainLabels, ...expected.testLabels])
    expect(held?.labels()).toEqual(expected.testLabels)
    const out = join(directory, 'model.safetensors')
    const flags = ['--blocks', '2', '--net', 'mlp', '--hidden', '8', '--epochs', '2', '--size', '8x6', '--out', out]
    const trained = await done(['train', '--data', directory, ...flags])
    expect(trained.testAccuracy).toBeTypeOf('number')
    const found = await done(['eval', out, '--data', directory, '--worst', '1'])
    expect(found).toMatchObject({
      samples: 3,
      worst: [{ path: expect.stringMatching(/test-0.*, row \d \(\d\.png\)$/) }],
    })
  }
})

test('what has no pictures, or no labels, is refused in words', async () => {
  const table = join(root, 'crates/noprop-core/tests/golden/tables/typed.parquet')
  await expect(datasets.fromFolder(table)).rejects.toMatchObject({ code: 'NOPROP_FILE_FORMAT', hint: /fromTable/ })
  const noLabel = datasets.fromFolder(golden('parquet-train.parquet'), { label: 'kind' })
  await expect(noLabel).rejects.toMatchObject({ code: 'NOPROP_OPTION', expected: 'one of label' })
  await expect(datasets.fromTable(golden('parquet-train.parquet'))).rejects.toMatchObject({
    code: 'NOPROP_VALUE',
    hint: expect.stringContaining('datasets.fromFolder'),
  })
  const { code, stderr } = await runCli(['data', golden('parquet-train.parquet'), '--columns', 'label'])
  expect([code, stderr]).toEqual([2, expect.stringContaining('--columns does not apply')])
})
