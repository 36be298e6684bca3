import { fileURLToPath } from 'node:url'
import type { SampleArray } from './data/typed-array.js'
import type { Data } from './dataset.js'
import { NoPropError, native, nativeAsync } from './errors.js'
import { type FitOptions, startFit } from './fit.js'
import { FitRun } from './fit-run.js'
import { type EvaluateResult, evaluate, type Prediction, predict, type RunsResult } from './inference.js'
import { inspectCustom } from './inspect.js'
import { requireObject, toJson } from './json.js'
import { getNative, type Native } from './native.js'
import type { Augment, EvaluateOptions, ModelConfig, ModelOptions, PredictOptions, TrainOptions } from './options.js'
import { modelLine, summarise, type TensorSummary } from './summary.js'

type NativeModel = InstanceType<Native['NativeModel']>

/** What trained a model, as its file records it. */
export interface TrainingRecord {
  /** The options on which the weights depend, every default filled in; `augment` only where images were changed. */
  options: Required<
    Pick<
      TrainOptions,
      'epochs' | 'batch' | 'learningRate' | 'learningRateSchedule' | 'weightDecay' | 'weighting' | 'eta' | 'precision'
    >
  > & { augment?: Required<Augment> }
  /** Where it was trained, for example 'cpu'. */
  device: string
  /** The kernels that trained it, for example 'avx512'. */
  instructionSet: string
  /** Training samples. */
  samples: number
  /** `fingerprint` of the training data. */
  fingerprint: string
  /** The version of noprop that trained it. */
  version: string
}

/** Only this module makes models. */
const OWN = Symbol('own')

/**
 * A NoProp model: T blocks, each a denoiser that is trained alone, on noised labels drawn from a formula. No activation and
 * no gradient goes from one block to another.
 */
export class NoProp {
  readonly #native: NativeModel

  private constructor(native?: NativeModel, own?: symbol) {
    if (native === undefined || own !== OWN) {
      throw new NoPropError({
        code: 'NOPROP_OPTION',
        what: 'a model is not made with new',
        expected: 'NoProp.create({ input, classes }) or await NoProp.load(file)',
      })
    }
    this.#native = native
  }

  /** Makes an untrained model. Throws NOPROP_OPTION, NOPROP_SHAPE, NOPROP_LABEL. */
  static create(options: ModelOptions): NoProp {
    const json = toJson(expand(requireObject(options, 'the options of create')))
    return new NoProp(
      native(() => getNative().NativeModel.create(json)),
      OWN,
    )
  }

  /**
   * Reads a model file. Throws NOPROP_FILE_NOT_FOUND, NOPROP_MODEL_FORMAT, NOPROP_MODEL_VERSION,
   * NOPROP_MODEL_TRUNCATED, NOPROP_IO.
   */
  static async load(path: string | URL): Promise<NoProp> {
    const file = filePath(path)
    return new NoProp(await nativeAsync(() => getNative().NativeModel.load(file)), OWN)
  }

  /** The configuration with every default filled in. */
  get config(): ModelConfig {
    return JSON.parse(this.#native.config)
  }

  /** Number of parameters of all blocks. */
  get parameters(): number {
    return this.config.blocks * this.#native.parametersPerBlock
  }

  /** Whether it has trained weights. */
  get trained(): boolean {
    return this.#native.trained
  }

  /** What trained it; null while it is untrained. */
  get training(): TrainingRecord | null {
    return JSON.parse(this.#native.training ?? 'null')
  }

  /** The tensors that each block has. */
  get tensors(): TensorSummary[] {
    return JSON.parse(this.#native.summary())
  }

  /** A table of one block's tensors with shapes and parameters, and the sums, as text for a terminal. */
  summary(): string {
    return summarise(this.config, this.tensors, this.#native.parametersPerBlock)
  }

  /**
   * Trains all blocks on labelled data, from the beginning (or from a checkpoint with `resume`). The run begins at once;
   * `await` it for its history, or iterate over its events. The result depends on the model's configuration and seed, the
   * data, and the training options alone: not on threads, order or interruptions.
   *
   * The model takes its new weights when the last block is finished; until then, and after a failure, it keeps those it had.
   * Rejects with NOPROP_OPTION, NOPROP_SHAPE, NOPROP_LABEL, NOPROP_BUSY, NOPROP_DEVICE, NOPROP_DIVERGED,
   * NOPROP_CANCELLED, NOPROP_CHECKPOINT_…, or the signal's reason.
   */
  fit(data: Data, options: FitOptions = {}): FitRun {
    return new FitRun((queue, stop) => startFit(this.#native, data, options, queue, stop))
  }

  /** Measures the model on labelled data. Rejects with NOPROP_NOT_TRAINED, NOPROP_SHAPE, NOPROP_LABEL, NOPROP_OPTION. */
  evaluate(data: Data, options: EvaluateOptions & { runs: number }): Promise<RunsResult>
  evaluate(data: Data, options?: EvaluateOptions): Promise<EvaluateResult>
  evaluate(data: Data, options: EvaluateOptions = {}): Promise<EvaluateResult | RunsResult> {
    return evaluate(this.#native, data, options)
  }

  /**
   * Predicts the label of each sample. A bare typed array holds samples of the model's own shape. Labels that the data
   * may have are not looked at. Rejects with NOPROP_NOT_TRAINED, NOPROP_SHAPE, NOPROP_VALUE, NOPROP_OPTION.
   */
  predict(images: Data | SampleArray, options: PredictOptions = {}): Promise<Prediction> {
    return predict(this.#native, images, options)
  }

  /**
   * Writes the model as one `.safetensors` file, its configuration in the metadata; the file appears whole or not at all.
   * Rejects with NOPROP_NOT_TRAINED, NOPROP_OUTPUT, NOPROP_IO.
   */
  async save(path: string | URL): Promise<void> {
    const file = filePath(path)
    await nativeAsync(() => this.#native.save(file))
  }

  /** SHA-256 (hexadecimal) over all parameter and running-statistic bytes in name order. */
  weightsSha256(): Promise<string> {
    return nativeAsync(() => this.#native.weightsSha256())
  }

  /** One line: `NoProp(28×28×1 → 10 classes, 10 cnn blocks, 3,274,500 parameters, trained)`. */
  toString(): string {
    return modelLine(this.config, this.parameters, this.trained)
  }

  get [Symbol.toStringTag](): string {
    return 'NoProp'
  }

  /** What `console.log` prints. */
  [inspectCustom](): string {
    return this.toString()
  }
}

/** The short forms of the options as the core reads them: names as `{ type }`, a number of classes as the labels 0 … n − 1. */
function expand(options: ModelOptions): object {
  const named = (value: unknown) => (typeof value === 'string' ? { type: value } : value)
  const { classes, net, schedule, embedding, ...rest } = options
  return {
    ...rest,
    classes: typeof classes === 'number' ? labelsUpTo(classes) : classes,
    net: named(net),
    schedule: named(schedule),
    embedding: named(embedding),
  }
}

/** More classes than this are refused before a list of them is made; the core refuses them as well. */
const MOST_CLASSES = 65_536

function labelsUpTo(classes: number): number[] {
  if (Number.isInteger(classes) && classes >= 0 && classes <= MOST_CLASSES) return [...Array(classes).keys()]
  throw new NoPropError({
    code: 'NOPROP_LABEL',
    what: 'the number of classes is out of range',
    expected: `an integer from 2 to ${MOST_CLASSES}, or the list of the label values`,
    received: String(classes),
  })
}

function filePath(path: string | URL): string {
  // By its tag rather than `instanceof`, which knows no URL of another realm.
  const isUrl = Object.prototype.toString.call(path) === '[object URL]'
  if (isUrl && (path as URL).protocol === 'file:') return fileURLToPath((path as URL).href)
  if (typeof path === 'string' && path !== '') return path
  throw new NoPropError({
    code: 'NOPROP_OPTION',
    what: 'the path of the model file cannot be used',
    expected: 'a path or a file: URL',
    received: path === '' ? 'an empty text' : String(path),
  })
}
