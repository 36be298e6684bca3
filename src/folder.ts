import { existsSync, statSync } from 'node:fs'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import { throwIfAborted } from './abort.js'
import { cacheDirectory } from './cache-directory.js'
import { describe } from './data/describe.js'
import { isParquet } from './data/parquet.js'
import { type ParquetFiles, parquetSplits, picturesOfParquet } from './data/parquet-pictures.js'
import { type Splits, wrapSplits } from './dataset.js'
import { NoPropError } from './errors.js'
import { requireObject, toJson } from './json.js'
import { getNative } from './native.js'
import type { Fit } from './preprocessing.js'
import { withStopSignal } from './stop-signal.js'

/** Options of `datasets.fromFolder`. */
export interface FolderOptions {
  /**
   * Height and width of a sample. Default: small pictures that all have one size stay as they are; others become squares whose side
   * is the median of their smaller sides, rounded down to a multiple of 8, from 16 to 64.
   */
  size?: readonly [height: number, width: number]
  /** 1 for grey, 3 for colours. Default: 1 if every picture is grey, else 3. */
  channels?: 1 | 3
  /** What happens to pictures of another ratio than a sample's. Default 'cover'. */
  fit?: Fit
  /** Whether a picture that cannot be read rejects the promise. Default: it is left out, and told by a note and by `onError`. */
  strict?: boolean
  /** Called for each picture that cannot be read. */
  onError?: (error: NoPropError, path: string) => void
  /** A folder with the test pictures, laid out alike. Default: `test` beside `train`, if there is one. */
  test?: string
  /** Share of the pictures to hold out for the test, of each class alike, between 0 and 1. Default: none. */
  testSplit?: number
  /** Seed of the choice of these pictures. Default 0. */
  seed?: number
  /** Use only so many pictures to train on, the first ones of each class in turn. Default: all. */
  limit?: number
  /** Of pictures in Parquet files, the column that has the labels. Default: `label`, or what the file calls its classes. */
  label?: string
  /**
   * MiB of memory that the samples may take. More are kept in a file in the user's cache, where the next reading of the same pictures
   * finds them, and are read from there as they are needed; what is trained on them is the same. Default: half of the memory.
   */
  memoryLimit?: number
  /** Stops the reading; the promise then rejects with the signal's reason. */
  signal?: AbortSignal
}

/** Reads a folder of pictures, or Parquet files that hold some, as data sets. */
export async function splitsFromFolder(folder: string, options: FolderOptions = {}): Promise<Splits> {
  const { test, label, onError, signal, memoryLimit, ...rest } = requireObject(options, 'the options of fromFolder')
  throwIfAborted(signal)
  const [path, testPath] = [requirePath(folder, 'folder'), test === undefined ? null : requirePath(test, 'test')]
  if (onError !== undefined && typeof onError !== 'function') throw badOption('onError', 'a function', onError)
  if (label !== undefined && typeof label !== 'string') throw badOption('label', 'the name of a column', label)
  const json = toJson({ ...rest, ...storage(memoryLimit) })
  const parquet = parquetFiles(path, testPath)
  const read = parquet
    ? await readParquet(parquet, label, json, signal)
    : await withStopSignal(signal, (stop) => getNative().NativeDataset.fromFolder(path, testPath, json, stop))
  const { failures, ...splits } = wrapSplits(read)
  for (const failure of failures) onError?.(failure.error, failure.path)
  if (!parquet || parquet.left.length === 0) return splits
  const left = parquet.left.length === 1 ? 'is left out' : 'are left out'
  const note = `${parquet.left.join(', ')} ${left}, since there are files for the test`
  return { ...splits, notes: [...splits.notes, note] }
}

/** How much may be held in memory, and where the rest is kept; without a cache directory only what is asked for is a limit. */
function storage(memoryLimit: number | undefined): { memoryLimit?: number; cache?: string } {
  const cache = cacheDirectory()
  if (cache === undefined) return memoryLimit === undefined ? {} : { memoryLimit }
  const allowed = process.constrainedMemory?.() || Number.POSITIVE_INFINITY
  const half = Math.min(totalmem(), allowed) / 2 ** 21
  return { memoryLimit: memoryLimit ?? half, cache: join(cache, 'pictures') }
}

/** The Parquet files that a path names, if it does. */
export function parquetFiles(path: string, test: string | null): ParquetFiles | undefined {
  const of = (place: string): ParquetFiles | undefined => {
    if (isParquet(place)) return { train: [place], test: [], left: [] }
    // What is wrong with a path is told when it is read.
    return existsSync(place) && statSync(place).isDirectory() ? parquetSplits(place) : undefined
  }
  const found = of(path)
  if (!found || test === null) return found
  const held = of(test)
  if (found.test.length > 0 || !held) {
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: `the test pictures of ${path} are ${held ? 'named twice' : 'no Parquet files'}`,
      expected: 'Parquet files as the training data, once',
      received: test,
    })
  }
  return { ...found, test: held.test.length > 0 ? held.test : held.train }
}

async function readParquet(
  { train, test }: ParquetFiles,
  label: string | undefined,
  json: string,
  signal?: AbortSignal,
) {
  const pictures = await picturesOfParquet(train, label)
  const held = test.length > 0 ? await picturesOfParquet(test, label) : null
  signal?.throwIfAborted()
  return withStopSignal(signal, (stop) => getNative().NativeDataset.fromEncoded(pictures, held, json, stop))
}

function requirePath(path: unknown, name: string): string {
  if (typeof path === 'string' && path !== '') return path
  throw badOption(name, 'the path of a folder', path)
}

function badOption(name: string, expected: string, received: unknown): NoPropError {
  return new NoPropError({
    code: 'NOPROP_OPTION',
    what: `${name} cannot be used`,
    expected,
    received: describe(received),
  })
}
