import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { datasets } from '../src/index.js'
import { temporaryDirectory } from './support/data.js'
import { done, root } from './support/process.js'

const golden = (name: string) => join(root, 'crates/noprop-core/tests/golden/tables', name)

test('a Parquet file is read as by pandas', async () => {
  const expected = JSON.parse(readFileSync(golden('typed.json'), 'utf8'))
  const { train } = await datasets.fromTable(golden('typed.parquet'), expected.options)
  expect(train.preprocessing).toMatchObject({ columns: expected.columns.map((name: string) => ({ name })) })
  expect(train.labels()).toEqual(expected.labels)
  for (const [index, sample] of expected.samples.entries()) {
    for (const [at, value] of [...train.sample(index)].entries()) expect(value).toBeCloseTo(sample[at], 5)
  }
  const found = await done(['data', golden('typed.parquet'), '--label', 'kind'])
  expect(found.train).toMatchObject({ samples: 5 })
})

test('what is no Parquet file is refused', async () => {
  const path = join(temporaryDirectory(), 'a.parquet')
  await expect(datasets.fromTable(path)).rejects.toMatchObject({ code: 'NOPROP_FILE_NOT_FOUND' })
  writeFileSync(path, 'PAR1 and no more')
  await expect(datasets.fromTable(path)).rejects.toMatchObject({ code: 'NOPROP_FILE_FORMAT' })
  const bytes = readFileSync(golden('typed.parquet'))
  writeFileSync(path, bytes.subarray(0, bytes.length / 2))
  await expect(datasets.fromTable(path)).rejects.toMatchObject({ code: 'NOPROP_FILE_FORMAT' })
})
