import { throwIfAborted } from './abort.js'
import { describe } from './data/describe.js'
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
  /** Whether a picture that cannot be read rejects the promise. Default: it is left out, and `onError` told. */
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
  /** Stops the reading; the promise then rejects with the signal's reason. */
  signal?: AbortSignal
}

/** Reads a folder of pictures as data sets. */
export async function splitsFromFolder(folder: string, options: FolderOptions = {}): Promise<Splits> {
  const { test, onError, signal, ...rest } = requireObject(options, 'the options of fromFolder')
  throwIfAborted(signal)
  const [path, testPath] = [requirePath(folder, 'folder'), test === undefined ? null : requirePath(test, 'test')]
  if (onError !== undefined && typeof onError !== 'function') throw badOption('onError', 'a function', onError)
  const json = toJson(rest)
  const { failures, ...splits } = wrapSplits(
    await withStopSignal(signal, (stop) => getNative().NativeDataset.fromFolder(path, testPath, json, stop)),
  )
  for (const failure of failures) onError?.(failure.error, failure.path)
  return splits
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
