import { NoPropError, native, nativeAsync } from './errors.js'
import { requireCount } from './json.js'
import { getNative, type Native } from './native.js'
import type { ModelConfig } from './options.js'

type NativeDataset = InstanceType<Native['NativeDataset']>

/** The two halves that a data set comes in. */
export type Split = 'train' | 'test'

/**
 * Samples as JavaScript holds them. Typed arrays are copied once when they are handed over, so writing to them later
 * changes nothing.
 */
export interface DataInput {
  /**
   * All samples one after another, each in row-major order `[height, width, channels]`: bytes 0–255 (the net sees
   * them divided by 255), or floats as they are, which must be finite. Or one list of numbers a sample.
   */
  images: Float32Array | Uint8Array | readonly (readonly number[])[]
  /**
   * Shape of one sample: `[height, width, channels]`, `[height, width]` or `[n]`. Default for lists of numbers: `[n]`
   * with the length of the first; no default for typed arrays.
   */
  shape?: readonly number[]
  /** One label a sample, any integers; they need not start at 0 nor be dense. Needed for training and evaluation. */
  labels?: ArrayLike<number>
}

/** What `fit`, `evaluate` and `predict` take: a data set, or arrays. */
export type Data = Dataset | DataInput

let wrap: (native: NativeDataset) => Dataset
let unwrap: (dataset: Dataset) => NativeDataset

/** Samples of one shape, with or without labels, held once in native memory and never changed. */
export class Dataset {
  readonly #native: NativeDataset

  private constructor(native: NativeDataset) {
    this.#native = native
  }

  static {
    wrap = (native) => new Dataset(native)
    unwrap = (dataset) => dataset.#native
  }

  /** Number of samples. */
  get samples(): number {
    return this.#native.samples
  }

  /** Shape of one sample: `[height, width, channels]` or `[n]`. */
  get shape(): number[] {
    return this.#native.shape
  }

  /** The label values that occur, ascending; empty without labels. */
  get classes(): number[] {
    return this.#native.classes
  }

  /** SHA-256 (hexadecimal) over shape, values and labels: two data sets with the same one train the same model. */
  get fingerprint(): string {
    return this.#native.fingerprint
  }

  /** A copy of the labels in the order of the samples; null without labels. */
  labels(): Int32Array | null {
    return this.#native.labels()
  }

  /** A copy of sample `index` (from 0) as the net sees it, in row-major order. Throws NOPROP_OPTION. */
  sample(index: number): Float32Array {
    requireCount(index, 'index')
    if (index >= this.samples) {
      throw new NoPropError({
        code: 'NOPROP_OPTION',
        what: 'there is no sample of that index',
        expected: `an integer from 0 to ${this.samples - 1}`,
        received: String(index),
      })
    }
    return native(() => this.#native.sample(index))
  }
}

/** A data set as it is; arrays are copied into a new one. `shape` serves where the arrays name none. */
export function asDataset(data: Data, shape?: readonly number[]): Dataset {
  return data instanceof Dataset ? data : datasetFromArrays(data, shape)
}

/** The native side of a data set. */
export function nativeDataset(dataset: Dataset): NativeDataset {
  return unwrap(dataset)
}

/**
 * Checks, before hours of training, that a model of that configuration can be evaluated on `dataset` afterwards. Throws
 * NOPROP_SHAPE, NOPROP_LABEL.
 */
export function checkValidation(dataset: Dataset, config: Pick<ModelConfig, 'input' | 'classes'>): void {
  const wanted = config.input.length === 2 ? [...config.input, 1] : config.input
  if (wanted.join() !== dataset.shape.join()) {
    throw new NoPropError({
      code: 'NOPROP_SHAPE',
      what: 'the validation samples have another shape than the model takes',
      expected: `[${wanted.join(', ')}]`,
      received: `[${dataset.shape.join(', ')}]`,
    })
  }
  const known = new Set(config.classes)
  const unknown = dataset.classes.filter((label) => !known.has(label))
  if (unknown.length > 0 || dataset.classes.length === 0) {
    throw new NoPropError({
      code: 'NOPROP_LABEL',
      what:
        unknown.length > 0
          ? 'the validation data have labels that the model does not know'
          : 'the validation data have no labels',
      expected: `labels out of ${list(config.classes)}`,
      received: unknown.length > 0 ? list(unknown) : 'none',
      hint: 'give the model the classes of both, for example { classes: [...] }',
    })
  }
}

function list(numbers: readonly number[]): string {
  return numbers.length > 12 ? `${numbers.slice(0, 12).join(', ')}, …` : numbers.join(', ')
}

/** Copies arrays into a data set. Throws NOPROP_SHAPE, NOPROP_COUNT, NOPROP_VALUE, NOPROP_LABEL, NOPROP_OPTION. */
export function datasetFromArrays(input: DataInput, defaultShape?: readonly number[]): Dataset {
  if (typeof input !== 'object' || input === null || !('images' in input)) {
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: 'the data cannot be used',
      expected: 'a Dataset, or an object { images, shape, labels }',
      received: input === null ? 'null' : typeof input,
    })
  }
  const ownShape = isList(input.images) ? [input.images[0]?.length ?? 0] : undefined
  const shape = checkShape(input.shape ?? defaultShape ?? ownShape)
  const images = isList(input.images) ? flatten(input.images, shape) : input.images
  if (!(images instanceof Float32Array || images instanceof Uint8Array)) {
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: 'images cannot be used',
      expected: 'a Float32Array, a Uint8Array, or one list of numbers a sample',
      received: Object.prototype.toString.call(input.images).slice(8, -1),
    })
  }
  const labels = input.labels === undefined || input.labels === null ? null : checkLabels(input.labels)
  return wrap(native(() => getNative().NativeDataset.fromArrays(images, shape, labels)))
}

/** Reads one split from a directory of IDX or CIFAR files. `limit`: the first so many samples only. */
export async function datasetFromDirectory(directory: string, split: Split, limit?: number): Promise<Dataset> {
  const most = limit === undefined ? null : requireCount(limit, 'limit', 1)
  return wrap(await nativeAsync(() => getNative().NativeDataset.load(directory, split, most)))
}

/** Reads PNG files as unlabelled samples of the shape `[height, width, channels]`. */
export async function datasetFromPngs(paths: string[], shape: readonly number[]): Promise<Dataset> {
  return wrap(await nativeAsync(() => getNative().NativeDataset.fromPngs(paths, [...shape])))
}

function isList(images: DataInput['images']): images is readonly (readonly number[])[] {
  return Array.isArray(images)
}

function checkShape(shape: readonly number[] | undefined): number[] {
  if (shape === undefined || typeof shape !== 'object' || shape === null) {
    throw new NoPropError({
      code: 'NOPROP_SHAPE',
      what: 'the shape of a sample is missing',
      expected: 'shape: [height, width, channels], [height, width] or [n]',
      received: String(shape),
    })
  }
  return Array.from(shape, (side) => {
    if (Number.isInteger(side) && side >= 1 && side < 2 ** 32) return side
    throw new NoPropError({
      code: 'NOPROP_SHAPE',
      what: 'the shape of a sample cannot be used',
      expected: 'integers from 1',
      received: `[${Array.from(shape).join(', ')}]`,
    })
  })
}

/** Lists of numbers, one a sample, as one array. */
function flatten(rows: readonly (readonly number[])[], shape: readonly number[]): Float32Array {
  const size = shape.reduce((product, side) => product * side, 1)
  const wrong = rows.findIndex((row) => row?.length !== size)
  if (wrong >= 0) {
    throw new NoPropError({
      code: 'NOPROP_SHAPE',
      what: `sample ${wrong} has another size than the shape says`,
      expected: `${size} numbers for the shape [${shape.join(', ')}]`,
      received: String(rows[wrong]?.length ?? rows[wrong]),
    })
  }
  const images = new Float32Array(rows.length * size)
  for (const [index, row] of rows.entries()) images.set(row, index * size)
  return images
}

/** Labels as 32-bit integers, which a plain conversion would silently wrap or truncate. */
function checkLabels(labels: ArrayLike<number>): Int32Array {
  if (labels instanceof Int32Array) return labels
  return Int32Array.from(labels, (label, index) => {
    if (Number.isInteger(label) && label >= -(2 ** 31) && label < 2 ** 31) return label
    throw new NoPropError({
      code: 'NOPROP_LABEL',
      what: `the label of sample ${index} is not a 32-bit integer`,
      expected: 'an integer from -2147483648 to 2147483647',
      received: String(label),
    })
  })
}
