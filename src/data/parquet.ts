import { stat } from 'node:fs/promises'
import { fromSystem, NoPropError } from '../errors.js'

/** A value of a cell as `hyparquet` gives it. */
type Cell = unknown
type Single = string | number | boolean | null

/** Whether a file is Parquet by its name. */
export function isParquet(path: string): boolean {
  return /\.(parquet|pq)$/i.test(path)
}

/** Rows that are read at a time. */
const ROWS = 10_000

/** What a Parquet file has, and its rows some at a time. Throws NOPROP_FILE_NOT_FOUND, NOPROP_FILE_FORMAT, NOPROP_IO, NOPROP_OPTION. */
export async function openParquet(path: string) {
  await requireFile(path)
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } = await hyparquet()
  const file = await readable(path, () => asyncBufferFromFile(path))
  const metadata = await readable(path, () => parquetMetadataAsync(file))
  const count = Number(metadata.num_rows)
  return {
    columns: parquetSchema(metadata).children,
    metadata: metadata.key_value_metadata ?? [],
    /** Rows as objects; texts that are not marked as such are bytes. */
    async *rows(columns: string[]): AsyncGenerator<Record<string, Cell>[]> {
      for (let rowStart = 0; rowStart < count; rowStart += ROWS) {
        const rowEnd = Math.min(rowStart + ROWS, count)
        const part = { file, metadata, columns, rowStart, rowEnd, utf8: false }
        yield await readable(path, () => parquetReadObjects(part))
      }
    },
  }
}

/**
 * The rows of a Parquet file, read by the optional package `hyparquet`. 64-bit integers become numbers, dates texts. Throws
 * NOPROP_FILE_NOT_FOUND, NOPROP_FILE_FORMAT, NOPROP_VALUE (a cell that is no single value), NOPROP_IO, NOPROP_OPTION (the package
 * is not installed).
 */
export async function rowsOfParquet(path: string): Promise<Record<string, Single>[]> {
  await requireFile(path)
  const { asyncBufferFromFile, parquetReadObjects } = await hyparquet()
  const rows: Record<string, Cell>[] = await readable(path, async () =>
    parquetReadObjects({ file: await asyncBufferFromFile(path) }),
  )
  return rows.map((row, index) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, single(value, name, index, path)])),
  )
}

async function readable<Result>(path: string, read: () => Promise<Result>): Promise<Result> {
  try {
    return await read()
  } catch (error) {
    throw new NoPropError(
      {
        code: 'NOPROP_FILE_FORMAT',
        what: `${path} cannot be read as Parquet`,
        received: (error as Error).message,
        hint: 'the file is damaged, or compressed otherwise than by Snappy; write it anew, or as CSV',
      },
      { cause: error },
    )
  }
}

function single(value: Cell, name: string, row: number, path: string): Single {
  if (value === null || value === undefined) return null
  if (typeof value === 'bigint') return Number(value)
  if (typeof value === 'string' || typeof value === 'boolean') return value
  // Infinity is refused below, as in other tables.
  if (typeof value === 'number') return Number.isNaN(value) ? null : value
  if (Object.prototype.toString.call(value) === '[object Date]') return (value as Date).toISOString()
  throw new NoPropError({
    code: 'NOPROP_VALUE',
    what: `${JSON.stringify(name)} of row ${row} of ${path} is no single value`,
    expected: 'numbers, texts, booleans and dates',
    received: Array.isArray(value) ? 'a list' : ArrayBuffer.isView(value) ? 'bytes' : 'an object',
    hint: 'write such columns as columns of single values; pictures in Parquet are read by datasets.fromFolder',
  })
}

async function requireFile(path: string): Promise<void> {
  try {
    if ((await stat(path)).isFile()) return
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fromSystem(`${path} cannot be read`, error)
    throw new NoPropError({ code: 'NOPROP_FILE_NOT_FOUND', what: `there is no file ${path}`, hint: 'check the path' })
  }
  throw new NoPropError({ code: 'NOPROP_FILE_FORMAT', what: `${path} is not a file`, expected: 'a Parquet file' })
}

async function hyparquet() {
  try {
    return await import('hyparquet')
  } catch (cause) {
    throw new NoPropError(
      {
        code: 'NOPROP_OPTION',
        what: 'Parquet files need the package hyparquet',
        expected: 'hyparquet beside noprop',
        received: (cause as Error).message,
        hint: 'npm install hyparquet',
      },
      { cause },
    )
  }
}
