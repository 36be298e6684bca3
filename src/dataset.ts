import { describe } from './data/describe.js'
import { type Label, toLabels } from './data/labels.js'
import { lengthOfFirst, type Samples, toNative } from './data/samples.js'
import { type Targets, toTargets } from './data/targets.js'
import { kindOf } from './data/typed-array.js'
import { fromDetails, NoPropError, native, nativeAsync } from './errors.js'
import { inspectCustom } from './inspect.js'
import { requireCount } from './json.js'
import { getNative, type Native } from './native.js'
import type { ModelConfig } from './options.js'
import type { Fit, Preprocessing } from './preprocessing.js'
import { withStopSignal } from './stop-signal.js'
import { counted, thousands } from './summary.js'

declare global {
  // For programs whose TypeScript libraries have none; it is merged with theirs, as in `@types/node`.
  interface SymbolConstructor {
    readonly dispose: unique symbol
  }
}

type NativeDataset = InstanceType<Native['NativeDataset']>
type NativeSplits = Awaited<ReturnType<NativeDataset['split']>>

/** The two halves that a data set comes in. */
export type Split = 'train' | 'test'

/** What a {@link Dataset} is made of besides its samples. */
interface Described {
  /**
   * Shape of one sample: `[height, width, channels]`, `[height, width]` or `[n]`. Default for lists of numbers: `[n]`
   * with the length of the first; no default for typed arrays.
   */
  shape?: readonly number[]
  /**
   * One label a sample: any integers, which need not start at 0 nor be dense, or names such as 'cat'. Needed for training and
   * evaluation.
   */
  labels?: ArrayLike<number> | readonly string[]
  /** Numbers to predict, instead of labels: the same count for each sample. */
  targets?: Targets
}

/**
 * Samples in arrays, as `images` or, which is the same, as `inputs`; one of the two.
 *
 * A typed array holds all samples one after another, each in row-major order `[height, width, channels]`: bytes 0–255
 * (Uint8Array, Buffer, Uint8ClampedArray as in `ImageData`; the net sees them divided by 255), or floats as they are
 * (Float32Array, Float64Array rounded to 32 bits), which must be finite. Or one list of numbers, or one such typed array,
 * a sample; numbers in lists are taken as they are. Other integers (Int32Array, Uint16Array) are refused, since their range
 * is not known.
 *
 * Arrays are copied once when they are handed over, so writing to them later changes nothing. Arrays of other realms (Jest,
 * `vm`, other frames) and on shared memory are taken.
 */
export type DataInput = Described & ({ images: Samples; inputs?: undefined } | { inputs: Samples; images?: undefined })

/** What `fit`, `evaluate` and `predict` take: a data set, or arrays. */
export type Data = Dataset | DataInput

/** Only this module makes data sets. */
const OWN = Symbol('own')

let wrap: (native: NativeDataset) => Dataset
let unwrap: (dataset: Dataset) => NativeDataset

/**
 * Samples of one shape, with or without labels, held once in native memory and never changed. The memory is freed by
 * {@link Dataset.dispose}, or when the garbage collector finds that nobody has the object any more.
 */
export class Dataset {
  readonly #native: NativeDataset

  private constructor(native?: NativeDataset, own?: symbol) {
    if (native === undefined || own !== OWN) {
      throw new NoPropError({
        code: 'NOPROP_OPTION',
        what: 'a Dataset is not made with new',
        expected: 'datasets.fromArrays({ images, shape, labels }) or await datasets.load(name)',
      })
    }
    this.#native = native
  }

  static {
    wrap = (native) => new Dataset(native, OWN)
    unwrap = (dataset) => dataset.#native
  }

  /** Number of samples. */
  get samples(): number {
    return native(() => this.#native.samples)
  }

  /** Shape of one sample: `[height, width, channels]` or `[n]`. */
  get shape(): number[] {
    return native(() => this.#native.shape)
  }

  /** The label values or names that occur, ascending; empty without labels. */
  get classes(): Label[] {
    return native(() => this.#native.classes)
  }

  /** SHA-256 (hexadecimal) over shape, values, labels and their names: two data sets with the same one train the same model. */
  get fingerprint(): string {
    return native(() => this.#native.fingerprint)
  }

  /** What was done to raw data to get the samples, for `NoProp.create`; null where nothing was, or nobody knows. */
  get preprocessing(): Preprocessing | null {
    return JSON.parse(native(() => this.#native.preprocessing) ?? 'null')
  }

  /**
   * Two data sets: the samples to train on, and `share` of them held out for the test (of each class alike, or of all where there
   * are no labels). Which ones follows from `seed` (default 0) alone. Rejects with NOPROP_OPTION.
   */
  async split(share: number, { seed = 0 }: { seed?: number } = {}): Promise<{ train: Dataset; test: Dataset }> {
    if (typeof share !== 'number') {
      throw new NoPropError({
        code: 'NOPROP_OPTION',
        what: 'the share of a split is no number',
        expected: 'a share of the samples, above 0 and below 1',
        received: describe(share),
      })
    }
    requireSeed(seed)
    const { train, test } = wrapSplits(await nativeAsync(() => this.#native.split('testSplit', share, seed)))
    return { train, test: test as Dataset }
  }

  /** A copy of the labels in the order of the samples, names where they are names; null without labels. */
  labels(): Int32Array | string[] | null {
    const labels = native(() => this.#native.labels())
    return labels && named(labels, this.classes)
  }

  /** Numbers to predict of each sample; 0 where there are none. */
  get targetCount(): number {
    return native(() => this.#native.targetCount)
  }

  /** A copy of the numbers to predict, `[samples, targetCount]`; null where there are none. */
  targets(): Float32Array | null {
    return native(() => this.#native.targets())
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

  /**
   * Frees the native memory now, or as soon as the runs and predictions that use it have ended. May be called again; every
   * other use afterwards throws NOPROP_DISPOSED.
   */
  dispose(): void {
    this.#native.dispose()
  }

  /** As {@link Dataset.dispose}, for `using dataset = …`. */
  [Symbol.dispose](): void {
    this.dispose()
  }

  /** Whether {@link Dataset.dispose} was called. */
  get disposed(): boolean {
    return this.#native.disposed
  }

  /** One line: `Dataset(60,000 samples of 28×28×1, 10 classes)`. */
  toString(): string {
    if (this.disposed) return 'Dataset(disposed)'
    const { samples, shape, classes, targetCount } = this
    const numbers = targetCount > 0 ? counted(targetCount, 'target') : 'no labels'
    const labels = classes.length > 0 ? `${thousands(classes.length)} classes` : numbers
    return `Dataset(${thousands(samples)} ${samples === 1 ? 'sample' : 'samples'} of ${shape.join('×')}, ${labels})`
  }

  get [Symbol.toStringTag](): string {
    return 'Dataset'
  }

  /** What `console.log` prints. */
  [inspectCustom](): string {
    return this.toString()
  }
}

/** Data sets for training and test. */
export interface Splits {
  /** The samples to train on. */
  train: Dataset
  /** The samples for the test; null where there are none. */
  test: Dataset | null
  /** What is worth knowing of the reading, such as columns that were left out. */
  notes: string[]
}

/** The data set of the addon's. */
export function wrapDataset(native: NativeDataset): Dataset {
  return wrap(native)
}

/** What the addon has read. */
export function wrapSplits(read: NativeSplits): Splits & { failures: FileFailure[]; columns: ColumnFacts[] } {
  const { train, test, notes, failures, columns } = read
  const failed = (JSON.parse(failures) as [string, unknown][]).map(([path, details]) => ({
    path,
    error: fromDetails(details),
  }))
  return { train: wrap(train), test: test ? wrap(test) : null, notes, failures: failed, columns: JSON.parse(columns) }
}

/** What a column of a table holds. */
export interface ColumnFacts {
  name: string
  kind: 'number' | 'categories' | 'label' | 'target' | 'left out'
  /** How many different categories there are, of a column of them. */
  categories?: number
  /** How many of its cells are missing, in the rows to train on. */
  missing: number
}

/** A file that could not be read and was left out. */
export interface FileFailure {
  path: string
  error: NoPropError
}

function requireSeed(seed: unknown): void {
  if (Number.isSafeInteger(seed) && (seed as number) >= 0) return
  throw new NoPropError({
    code: 'NOPROP_OPTION',
    what: 'seed is out of range',
    expected: `an integer from 0 to ${Number.MAX_SAFE_INTEGER}`,
    received: describe(seed),
  })
}

/** Labels as users have them: positions among `classes` as names, where the classes have names. */
export function named(labels: Int32Array, classes: readonly Label[]): Int32Array | string[] {
  if (typeof classes[0] !== 'string') return labels
  return Array.from(labels, (position) => classes[position] as string)
}

/** The classes of several data sets, each once and in order. */
export function classesOf(...datasets: readonly Dataset[]): Label[] {
  const classes = [...new Set(datasets.flatMap((dataset) => dataset.classes))]
  return classes.sort((one, other) =>
    typeof one === 'number' && typeof other === 'number' ? one - other : compareNames(String(one), String(other)),
  )
}

/** By code points, as the core sorts; `<` compares UTF-16. */
function compareNames(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other))
}

/** A data set as it is; arrays are copied into a new one. `shape` serves where the arrays name none. */
export function asDataset(data: Data, shape?: readonly number[]): Dataset {
  return data instanceof Dataset ? data : datasetFromArrays(data, shape)
}

/**
 * Runs `use` with the native data set of `data`. One that was made of arrays here is freed when `use` has ended, rather than
 * when the garbage collector comes by: a service may predict thousands of times before that.
 */
export async function withDataset<Result>(
  data: Data,
  shape: readonly number[],
  use: (dataset: NativeDataset) => Promise<Result>,
): Promise<Result> {
  const dataset = asDataset(data, shape)
  try {
    return await use(unwrap(dataset))
  } finally {
    if (dataset !== data) dataset.dispose()
  }
}

/**
 * The samples to train on, and the share of each class that is held out for validation, drawn from the seed. Rejects with NOPROP_OPTION
 * for a share outside of (0, 1) or that holds out no sample.
 */
export async function holdOut(
  dataset: Dataset,
  share: number,
  seed: number,
): Promise<{ train: Dataset; test: Dataset }> {
  if (typeof share !== 'number') {
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: 'option validationSplit is no number',
      expected: 'a share above 0 and below 1',
      received: describe(share),
    })
  }
  const { train, test } = wrapSplits(await nativeAsync(() => unwrap(dataset).split('validationSplit', share, seed)))
  return { train, test: test as Dataset }
}

/** Reads a data set that the addon wrote to a file. */
export async function readDataset(path: string): Promise<Dataset> {
  return wrap(await nativeAsync(() => getNative().NativeDataset.read(path)))
}

/** The native side of a data set. */
export function nativeDataset(dataset: Dataset): NativeDataset {
  return unwrap(dataset)
}

/**
 * Checks, before hours of training, that a model of that configuration can be evaluated on `dataset` afterwards. Throws
 * NOPROP_SHAPE, NOPROP_LABEL.
 */
export function checkValidation(dataset: Dataset, config: Pick<ModelConfig, 'input' | 'classes' | 'targets'>): void {
  const wanted = config.input.length === 2 ? [...config.input, 1] : config.input
  if (wanted.join() !== dataset.shape.join()) {
    throw new NoPropError({
      code: 'NOPROP_SHAPE',
      what: 'the validation samples have another shape than the model takes',
      expected: `[${wanted.join(', ')}]`,
      received: `[${dataset.shape.join(', ')}]`,
    })
  }
  if (config.targets) {
    if (dataset.targetCount === config.targets.count) return
    throw new NoPropError({
      code: 'NOPROP_LABEL',
      what: 'the validation data do not have the numbers that the model predicts',
      expected: counted(config.targets.count, 'target'),
      received: dataset.targetCount > 0 ? counted(dataset.targetCount, 'target') : 'none',
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

function list(labels: readonly Label[]): string {
  const shown = labels.slice(0, 12).map((label) => (typeof label === 'string' ? JSON.stringify(label) : label))
  return labels.length > 12 ? `${shown.join(', ')}, …` : shown.join(', ')
}

/** Copies arrays into a data set. Throws NOPROP_SHAPE, NOPROP_COUNT, NOPROP_VALUE, NOPROP_LABEL, NOPROP_OPTION. */
export function datasetFromArrays(input: DataInput, defaultShape?: readonly number[]): Dataset {
  const samples = samplesOf(input)
  const first = lengthOfFirst(samples)
  const shape = checkShape(input.shape ?? defaultShape ?? (first === undefined ? undefined : [first]))
  const size = shape.reduce((product, side) => product * side, 1)
  const images = toNative(samples, size)
  if (input.targets !== undefined && input.targets !== null) {
    if (input.labels !== undefined && input.labels !== null) {
      throw new NoPropError({
        code: 'NOPROP_OPTION',
        what: 'the data have both labels and targets',
        expected: 'labels of classes, or numbers to predict',
      })
    }
    const { values, width } = toTargets(input.targets, images.length / size)
    return wrap(native(() => getNative().NativeDataset.withTargets(images, shape, values, width)))
  }
  const given = input.labels === undefined || input.labels === null ? undefined : toLabels(input.labels)
  const { labels, names } = given ?? { labels: null, names: null }
  return wrap(native(() => getNative().NativeDataset.fromArrays(images, shape, labels, names)))
}

/** `images` or `inputs`, whichever is there. */
function samplesOf(input: DataInput): unknown {
  const isObject = typeof input === 'object' && input !== null
  const { images, inputs } = isObject ? input : {}
  if (isObject && (images === undefined) !== (inputs === undefined)) return images ?? inputs
  const isForeign = isObject && Object.prototype.toString.call(input) === '[object Dataset]'
  throw new NoPropError({
    code: 'NOPROP_OPTION',
    what: images === undefined ? 'the data cannot be used' : 'the data have both images and inputs',
    expected: 'a Dataset, or an object { images, shape, labels } (or inputs for images)',
    received: describe(input),
    hint: isForeign
      ? 'this Dataset is of another copy of noprop; load both from one (npm ls noprop)'
      : 'a bare array is taken by predict alone',
  })
}

/**
 * Reads one split from a directory of IDX or CIFAR files. `limit`: use only the first N samples. Without `labels` their
 * files need not be there.
 */
export async function datasetFromDirectory(
  directory: string,
  split: Split,
  limit?: number,
  labels = true,
): Promise<Dataset> {
  const most = limit === undefined ? null : requireCount(limit, 'limit', 1)
  return wrap(await nativeAsync(() => getNative().NativeDataset.load(directory, split, most, labels)))
}

/** A picture that could not be read. */
interface PictureFailure {
  /** Its position in the list of paths, from 0. */
  index: number
  error: NoPropError
}

/**
 * Reads pictures as unlabelled samples of the shape `[height, width, channels]`; without `fit` those of other sizes are failures.
 * Returns those that can be read (null if there is none), and the failures of the others.
 */
export async function datasetFromImages(
  paths: readonly string[],
  shape: readonly number[],
  fit: Fit | undefined,
  signal: AbortSignal | undefined,
): Promise<{ dataset: Dataset | null; failures: PictureFailure[] }> {
  const { dataset, failures } = await withStopSignal(signal, (stop) =>
    getNative().NativeDataset.fromImages([...paths], [...shape], fit ?? null, stop),
  )
  return {
    dataset: dataset ? wrap(dataset) : null,
    failures: (JSON.parse(failures) as [number, unknown][]).map(([index, details]) => ({
      index,
      error: fromDetails(details),
    })),
  }
}

function checkShape(shape: readonly number[] | undefined): number[] {
  const isList = Array.isArray(shape) || kindOf(shape) !== undefined
  const sides: unknown[] = isList ? Array.from(shape as readonly number[]) : []
  const isGood = (side: unknown) => typeof side === 'number' && Number.isInteger(side) && side >= 1 && side < 2 ** 32
  if (isList && sides.every(isGood)) return sides as number[]
  throw new NoPropError({
    code: 'NOPROP_SHAPE',
    what: shape === undefined ? 'the shape of a sample is missing' : 'the shape of a sample cannot be used',
    expected: 'shape: [height, width, channels], [height, width] or [n], of integers from 1',
    received: isList ? `[${sides.slice(0, 8).map(describe).join(', ')}]` : describe(shape),
  })
}
