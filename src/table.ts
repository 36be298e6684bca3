import { fileURLToPath } from 'node:url'
import { throwIfAborted } from './abort.js'
import { describe } from './data/describe.js'
import { isParquet, rowsOfParquet } from './data/parquet.js'
import { type ColumnFacts, type Dataset, type Splits, wrapSplits } from './dataset.js'
import { NoPropError, nativeAsync } from './errors.js'
import { requireObject, toJson } from './json.js'
import { getNative, type Native } from './native.js'
import type { Preprocessing } from './preprocessing.js'

/** A row of a table: values by the names of their columns. What is missing, `null` or `NaN` is a missing value. */
export type Row = Readonly<Record<string, string | number | boolean | null | undefined>>

/**
 * A file (CSV, TSV, NDJSON, a JSON list of objects, `.npy`, `.npz`, or with the package `hyparquet` installed Parquet; text and
 * `.npy` may be gzipped), or rows.
 */
export type TableSource = string | URL | readonly Row[]

/** Options of `datasets.fromTable`. */
export interface TableOptions {
  /** The column that has the labels: whole numbers, or names. Default: none, the samples have no labels. */
  label?: string
  /** The column of numbers to predict, or several, instead of a label. */
  target?: string | readonly string[]
  /** The columns to learn from. Default: all but the label and the targets. */
  columns?: readonly string[]
  /** Columns to leave out, such as an ID. */
  ignore?: readonly string[]
  /** Columns of numbers that are categories, such as a postcode. */
  categories?: readonly string[]
  /** Whether the first row has the names of the columns. Default: if none of its cells is a number. */
  header?: boolean
  /** What separates cells: one character, or 'tab'. Default: comma, semicolon, tab or bar, whichever separates most. */
  delimiter?: string
  /** A table of test samples. Default: none. */
  test?: TableSource
  /** Share of the rows to hold out for the test, of each class alike, between 0 and 1. Default: none. */
  testSplit?: number
  /** Seed of the choice of these rows. Default 0. */
  seed?: number
  /** Use only the first `limit` rows. Default: all. */
  limit?: number
  /** Encodes the rows as this says, that of a model or of its training data. Default: learned from the rows to train on. */
  preprocessing?: Preprocessing
  /** Stops waiting; the promise then rejects with the signal's reason. */
  signal?: AbortSignal
}

type NativeTable = Parameters<Native['NativeDataset']['fromTable']>[0]

/** Reads a table as data sets. */
export async function splitsFromTable(source: TableSource, options: TableOptions = {}): Promise<Splits> {
  const { train, test, notes } = await readTable(source, options)
  return { train, test, notes }
}

/** As `splitsFromTable`, with what the columns hold. */
export async function readTable(
  source: TableSource,
  options: TableOptions,
): Promise<Splits & { columns: ColumnFacts[] }> {
  const { test, signal, target, ...others } = requireObject(options, 'the options of fromTable')
  const rest = target === undefined ? others : { ...others, target: typeof target === 'string' ? [target] : target }
  throwIfAborted(signal)
  const json = toJson(rest)
  const rows = await tableOf(source, 'source')
  const testRows = test === undefined ? null : await tableOf(test, 'test')
  const read = await nativeAsync(() => getNative().NativeDataset.fromTable(rows, testRows, json))
  signal?.throwIfAborted()
  return wrapSplits(read)
}

/** Rows as a model sees them. */
export async function datasetFromRows(rows: readonly Row[], preprocessing: Preprocessing): Promise<Dataset> {
  return (await splitsFromTable(rows, { preprocessing })).train
}

/** Whether it is a list of rows, which are objects and no arrays. */
export function isRows(data: unknown): data is readonly Row[] {
  return Array.isArray(data) && data.length > 0 && data.every(isRow)
}

function isRow(row: unknown): boolean {
  return typeof row === 'object' && row !== null && !Array.isArray(row) && !ArrayBuffer.isView(row)
}

async function tableOf(source: TableSource, name: string): Promise<NativeTable> {
  const isUrl = Object.prototype.toString.call(source) === '[object URL]' && (source as URL).protocol === 'file:'
  const path = isUrl ? fileURLToPath((source as URL).href) : source
  if (typeof path === 'string' && path !== '') {
    return isParquet(path) ? { rows: asJson(await rowsOfParquet(path)) } : { path }
  }
  if (!Array.isArray(source)) {
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: `${name} cannot be used`,
      expected: 'the path of a file, a file: URL, or a list of rows such as { height: 1.5, colour: "red" }',
      received: describe(source),
    })
  }
  const bad = source.findIndex((row) => !isRow(row))
  if (bad < 0) return { rows: asJson(source) }
  throw badValue(`row ${bad} is no object`, source[bad])
}

function asJson(rows: readonly Row[]): string {
  for (const [index, row] of rows.entries()) checkRow(row, index)
  try {
    return JSON.stringify(rows)
  } catch (cause) {
    // A text has at most 2^29 characters.
    throw new NoPropError(
      {
        code: 'NOPROP_MEMORY',
        what: 'the rows are too many to be handed over at once',
        expected: 'rows of less than 512 MiB as JSON',
        received: `${rows.length} rows`,
        hint: 'write them to a file (CSV or NDJSON), and name it',
      },
      { cause },
    )
  }
}

/** Refuses what JSON would silently change. */
function checkRow(row: Row, index: number): void {
  for (const [name, value] of Object.entries(row)) {
    const isSingle = value === null || ['undefined', 'string', 'number', 'boolean'].includes(typeof value)
    if (isSingle && value !== Number.POSITIVE_INFINITY && value !== Number.NEGATIVE_INFINITY) continue
    throw badValue(`${JSON.stringify(name)} of row ${index} is no single value`, value)
  }
}

function badValue(what: string, value: unknown): NoPropError {
  return new NoPropError({
    code: 'NOPROP_VALUE',
    what,
    expected: 'a finite number, text, true, false or null, by the name of its column',
    received: describe(value),
    hint: 'rows are counted from 0',
  })
}
