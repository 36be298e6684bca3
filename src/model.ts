import { fileURLToPath } from 'node:url'
import type { SampleArray } from './data/typed-array.js'
import { asDataset, type Data, type Dataset } from './dataset.js'
import { NoPropError, native, nativeAsync } from './errors.js'
import { type Estimate, estimate } from './estimate.js'
import type { LearningRateSearch } from './events.js'
import { type CardFacts, type CardOptions, cardOf } from './export/card.js'
import { type HuggingFaceFiles, modelFileIn, writeRepository } from './export/hugging-face.js'
import { exportOnnx, type OnnxFile, type OnnxOptions } from './export/onnx.js'
import { type FitOptions, startFit } from './fit.js'
import { FitRun } from './fit-run.js'
import { Records } from './history.js'
import {
  type EvaluateResult,
  type ExitCurveOptions,
  type ExitPoint,
  evaluate,
  exitCurve,
  type FittedReadout,
  fitReadout,
  type Prediction,
  predict,
  type RunsResult,
  type TracedPrediction,
} from './inference.js'
import { inspectCustom } from './inspect.js'
import { INTERNALS, internals } from './internals.js'
import { requireCount, requireObject, toJson } from './json.js'
import { type KeptHistory, keptOf, readKept } from './kept-history.js'
import { findLearningRate } from './learning-rate.js'
import { getNative, type Native } from './native.js'
import {
  evaluateNumbers,
  type NumberOptions,
  type NumberPrediction,
  type NumberResult,
  predictNumbers,
} from './numbers.js'
import type { EvaluateOptions, ModelConfig, ModelOptions, PredictOptions, TrainingRecord } from './options.js'
import { type LayerSummary, modelLine, summarise, type TensorSummary } from './summary.js'
import type { Row } from './table.js'
import { version } from './version.js'

type NativeModel = InstanceType<Native['NativeModel']>

/** Only this module makes models. */
const OWN = Symbol('own')

/** The model of the addon's. */
export let wrapModel: (native: NativeModel) => NoProp

/**
 * A NoProp model: T blocks, each a denoiser that is trained alone, on noised labels drawn from a formula. No activation and
 * no gradient goes from one block to another.
 */
export class NoProp {
  readonly #native: NativeModel

  static {
    wrapModel = (native) => new NoProp(native, OWN)
    Object.defineProperty(NoProp, INTERNALS, { value: { ...internals, NoProp, wrapModel } })
  }

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
    const given = requireObject(options, 'the options of create')
    if (given.encoder !== undefined) requireObject(given.encoder, 'option encoder')
    const source = given.encoder instanceof NoProp ? given.encoder.#live() : undefined
    const encoder = source ? JSON.parse(native(() => source.asEncoder())) : given.encoder
    const json = toJson(expand({ ...given, encoder }))
    const model = new NoProp(
      native(() => getNative().NativeModel.create(json)),
      OWN,
    )
    if (source) native(() => model.#native.takeEncoder(source))
    return model
  }

  /**
   * Reads a model file, or the `model.safetensors` of a directory. The model stays what was loaded, whatever happens to the file: up to 512 MiB of weights are held in
   * memory, and the file is closed; larger ones are read from the file when needed, and calls reject with
   * NOPROP_MODEL_CHANGED if it was overwritten in place. Rejects with NOPROP_FILE_NOT_FOUND, NOPROP_MODEL_FORMAT,
   * NOPROP_MODEL_VERSION, NOPROP_MODEL_TRUNCATED, NOPROP_MODEL_CHANGED, NOPROP_MEMORY, NOPROP_IO.
   */
  static async load(path: string | URL): Promise<NoProp> {
    const file = await modelFileIn(filePath(path))
    return new NoProp(await nativeAsync(() => getNative().NativeModel.load(file)), OWN)
  }

  /**
   * Puts the parts of a run together to the model that the whole run would have made, bit by bit. Parts are files that `save` wrote
   * after `fit` with `onlyBlocks`; they may come from other processes, machines and days. Whether they belong together (model,
   * options, data, version and kind of processor) is read off them alone. A block may come several times if it is the same each
   * time. Rejects with NOPROP_PARTS, naming blocks that are missing or differ, and as {@link NoProp.load}.
   */
  static async assemble(parts: readonly (string | URL)[]): Promise<NoProp> {
    if (!Array.isArray(parts)) {
      throw new NoPropError({
        code: 'NOPROP_OPTION',
        what: 'the parts cannot be used',
        expected: 'a list of paths or file: URLs',
        received: String(parts),
      })
    }
    const files = parts.map(filePath)
    const { NativeModel } = getNative()
    const records = new Records()
    for (const event of JSON.parse(await nativeAsync(() => NativeModel.partEvents(files)))) records.add(event)
    const history = JSON.stringify(keptOf(records.summary()))
    return new NoProp(await nativeAsync(() => NativeModel.assemble(files, history)), OWN)
  }

  /**
   * The model whose weights and running statistics are the means of those of several trained models of one configuration and data: of models that
   * went on from the same one (`continue`, `retrain`), or were trained for other times or at other rates. The order does not matter. Nets that began
   * apart, by another seed, have no common mean and are refused. Rejects with NOPROP_OPTION, NOPROP_NOT_TRAINED.
   */
  static async average(models: readonly NoProp[]): Promise<NoProp> {
    const all = Array.isArray(models) ? (models as NoProp[]) : []
    if (all.length === 0 || !all.every((model) => model instanceof NoProp)) {
      throw new NoPropError({
        code: 'NOPROP_OPTION',
        what: 'the models cannot be averaged',
        expected: 'a list of trained models',
      })
    }
    const [first, ...others] = all.map((model) => model.#live()) as [NativeModel, ...NativeModel[]]
    return wrapModel(await nativeAsync(() => first.average(others)))
  }

  /** The configuration with every default filled in. */
  get config(): ModelConfig {
    return JSON.parse(this.#use((model) => model.config))
  }

  /** Number of parameters of all blocks. */
  get parameters(): number {
    return this.#use((model) => model.parameters)
  }

  /** Whether it has trained weights. */
  get trained(): boolean {
    return this.#use((model) => model.trained)
  }

  /** The blocks (from 1) that it has, where it is a part of a model (`fit` with `onlyBlocks`); else null. */
  get part(): number[] | null {
    return JSON.parse(this.#use((model) => model.part) ?? 'null')
  }

  /** What trained it; null while it is untrained. */
  get training(): TrainingRecord | null {
    return JSON.parse(this.#use((model) => model.training) ?? 'null')
  }

  /** How the losses went while it was trained, as its file keeps it; null where that is not known. */
  get history(): KeptHistory | null {
    return readKept(this.#use((model) => model.history))
  }

  /** The tensors that each block has. */
  get tensors(): TensorSummary[] {
    return JSON.parse(this.#use((model) => model.summary()))
  }

  /** The layers that each block has, in the order of their computation. */
  get layers(): LayerSummary[] {
    return JSON.parse(this.#use((model) => model.layers()))
  }

  /** The layers of the encoder, where blocks share features; else null. */
  get encoderLayers(): LayerSummary[] | null {
    return JSON.parse(this.#use((model) => model.encoderLayers()) ?? 'null')
  }

  /**
   * A table of one block's layers, as text for a terminal: operation, output shape, parameters and multiply-adds of one sample
   * forward, and the sums; with an encoder its layers before.
   */
  summary(): string {
    return summarise(this.config, this.layers, undefined, this.encoderLayers)
  }

  /**
   * Says what `fit` with the same arguments would take: parameters, memory, arithmetic and time. Everything is checked as by
   * `fit`, and some steps are measured, for about half a second; nothing is trained or written. Rejects as `fit` does.
   */
  async estimate(data: Data, options: FitOptions = {}): Promise<Estimate> {
    return estimate(this.#live(), data, options)
  }

  /**
   * A learning rate range test (Smith 2017): trains the first block, from its beginning, for 120 steps while the rate rises from 1e-6 to 1,
   * and proposes a tenth of the rate at which the smoothed loss is least. Takes the options of `fit`; the model stays as it is. What it
   * finds is the same each time. Computed on the processor. Rejects as `fit` does, and with NOPROP_DIVERGED where no rate lowers the loss.
   */
  async findLearningRate(data: Data, options: FitOptions = {}): Promise<LearningRateSearch> {
    const { encoder, ...rest } = requireObject(options, 'the options of findLearningRate')
    const model = this.#live()
    if (!this.config.encoder) return findLearningRate(model, data, rest)
    const { featuresOf } = await import('./encoder.js')
    const dataset = asDataset(data, this.config.input)
    let features: Dataset | undefined
    try {
      features = await featuresOf(model, dataset, rest.threads, rest.signal)
      return await findLearningRate(model, features, rest)
    } finally {
      // Those made here; data sets of the caller stay.
      features?.dispose()
      if (dataset !== data) dataset.dispose()
    }
  }

  /**
   * Trains all blocks on labelled data, from the beginning (or from a checkpoint with `resume`, or from the model's own weights with
   * `continue`). The run begins at once;
   * `await` it for its history, or iterate over its events. The result depends on the model's configuration and seed, the
   * data, and the training options alone: not on threads, order or interruptions.
   *
   * The end of the last block decides. A run that is stopped (by its signal, or by leaving the loop over its events) or fails
   * before rejects, and the model keeps the weights it had. After it the model has its new weights, and all that is left is
   * the validation: a stop leaves it out, and the run resolves without `validation`; a validation that fails rejects.
   *
   * Rejects with NOPROP_OPTION, NOPROP_SHAPE, NOPROP_LABEL, NOPROP_BUSY, NOPROP_DEVICE, NOPROP_DIVERGED,
   * NOPROP_CANCELLED, NOPROP_CHECKPOINT_…, or the signal's reason.
   */
  fit(data: Data, options: FitOptions = {}): FitRun {
    return new FitRun(async (queue, stop, wrapUp) => startFit(this.#live(), data, options, queue, stop, wrapUp))
  }

  /**
   * Trains on the next part of data that come bit by bit: as `fit`, from the beginning while the model is untrained, and then each
   * time from the weights that it has (`continue: true`). AdamW's moments begin anew with each part, so parts of many steps serve
   * better than parts of few. Rejects as `fit` does.
   */
  partialFit(data: Data, options: Omit<FitOptions, 'continue'> = {}): FitRun {
    return new FitRun(async (queue, stop, wrapUp) => {
      const model = this.#live()
      const given = requireObject(options, 'the options of partialFit')
      return startFit(model, data, { ...given, continue: model.trained }, queue, stop, wrapUp)
    })
  }

  /**
   * A model without the last blocks of this one, which stays as it is. Blocks keep their levels of noise, and the last that is left leads to the end of
   * the chain. For method 'dt'. Rejects with NOPROP_OPTION, NOPROP_NOT_TRAINED.
   */
  async dropBlocks(count = 1): Promise<NoProp> {
    const blocks = requireCount(count, 'the number of blocks', 1)
    return wrapModel(await nativeAsync(() => this.#native.withoutLast(blocks)))
  }

  /** Measures the model on labelled data. Rejects with NOPROP_NOT_TRAINED, NOPROP_SHAPE, NOPROP_LABEL, NOPROP_OPTION. */
  evaluate(data: Data, options: EvaluateOptions & { runs: number }): Promise<RunsResult>
  evaluate(data: Data, options?: EvaluateOptions): Promise<EvaluateResult>
  async evaluate(data: Data, options: EvaluateOptions = {}): Promise<EvaluateResult | RunsResult> {
    return evaluate(this.#live(), data, options)
  }

  /**
   * Predicts the label of each sample. A bare typed array holds samples of the model's own shape; a model that was trained on a
   * table also takes rows of it, `[{ height: 1.5, colour: 'red' }]`, and does its preprocessing. Labels that the data
   * may have are not looked at. With `states: true` the result also has the state and the estimate after every block. Rejects with
   * NOPROP_NOT_TRAINED, NOPROP_SHAPE, NOPROP_VALUE, NOPROP_OPTION.
   */
  predict(
    images: Data | SampleArray | readonly Row[],
    options: PredictOptions & { states: true },
  ): Promise<TracedPrediction>
  predict(images: Data | SampleArray | readonly Row[], options?: PredictOptions): Promise<Prediction>
  async predict(images: Data | SampleArray | readonly Row[], options: PredictOptions = {}): Promise<Prediction> {
    return predict(this.#live(), images, options)
  }

  /**
   * What the option `confidence` gives and costs on labelled data: accuracy and blocks per sample for each of several confidences. Rejects
   * with NOPROP_NOT_TRAINED, NOPROP_SHAPE, NOPROP_LABEL, NOPROP_OPTION.
   */
  async exitCurve(data: Data, options: ExitCurveOptions = {}): Promise<ExitPoint[]> {
    return exitCurve(this.#live(), data, options)
  }

  /**
   * Fits weights of the blocks' estimates to labelled data, by which `readout: 'fitted'` reads the class off all of them, and keeps them: `save` writes
   * them, and new weights of the blocks have none. Take samples that the blocks were not trained on, and others than those of the test. Rejects as
   * `evaluate` does.
   */
  async fitReadout(data: Data, options: PredictOptions = {}): Promise<FittedReadout> {
    return fitReadout(this.#live(), data, options)
  }

  /** What `fitReadout` found; null where nothing was fitted. */
  get readout(): FittedReadout | null {
    return JSON.parse(this.#use((model) => model.readout) ?? 'null')
  }

  /**
   * Compares the numbers that a model with `targets` predicts with those of the data. Rejects with NOPROP_NOT_TRAINED, NOPROP_SHAPE,
   * NOPROP_LABEL, NOPROP_OPTION.
   */
  async evaluateNumbers(data: Data, options: NumberOptions = {}): Promise<NumberResult> {
    return evaluateNumbers(this.#live(), data, options)
  }

  /**
   * Predicts the numbers of each sample, by a model with `targets`; takes what `predict` takes. Rejects with NOPROP_NOT_TRAINED,
   * NOPROP_SHAPE, NOPROP_VALUE, NOPROP_OPTION.
   */
  async predictNumbers(
    samples: Data | SampleArray | readonly Row[],
    options: NumberOptions = {},
  ): Promise<NumberPrediction> {
    return predictNumbers(this.#live(), samples, options)
  }

  /**
   * Writes the model as one `.safetensors` file, its configuration in the metadata; the file appears whole or not at all.
   * Of a part of a model (`onlyBlocks`) it writes a part's file, for {@link NoProp.assemble}.
   * A link is followed, and a file that is there keeps its permissions. Rejects with NOPROP_NOT_TRAINED, NOPROP_OUTPUT,
   * NOPROP_IO.
   */
  async save(path: string | URL): Promise<void> {
    const file = filePath(path)
    await nativeAsync(() => this.#native.save(file))
  }

  /**
   * Finds out before a long training whether `save(path)` will work after it: whether there is a directory, a permission,
   * and room for the whole file, which is written and removed again. Rejects with NOPROP_OUTPUT.
   */
  async probeSave(path: string | URL): Promise<void> {
    const file = filePath(path)
    await nativeAsync(() => this.#native.probeSave(file))
  }

  /**
   * Writes the model as an ONNX file: raw samples (or columns) in, labels and probabilities out, with a dynamic number of samples. The
   * file appears whole or not at all; equal models and options give equal bytes. Rejects with NOPROP_NOT_TRAINED, NOPROP_OPTION,
   * NOPROP_OUTPUT, NOPROP_IO.
   */
  async exportOnnx(path: string | URL, options: OnnxOptions = {}): Promise<OnnxFile> {
    return exportOnnx(this.#live(), filePath(path), options)
  }

  /** A model card in Markdown: what it is, what trained it, and, where `evaluation` is given, how good it is. */
  async card(options: CardOptions = {}): Promise<string> {
    return cardOf(await this.#facts(), requireObject(options, 'the options of card'))
  }

  /**
   * Writes the layout of a Hugging Face repository into a directory: `model.safetensors`, `config.json`, and the model card as
   * `README.md`; one that is there is kept. `NoProp.load(directory)` reads it. Rejects with NOPROP_NOT_TRAINED, NOPROP_OUTPUT, NOPROP_IO.
   */
  async exportHuggingFace(directory: string | URL, options: CardOptions = {}): Promise<HuggingFaceFiles> {
    const folder = filePath(directory)
    const card = requireObject(options, 'the options of exportHuggingFace')
    return writeRepository(folder, await this.#facts(), card, (file) => this.save(file))
  }

  /** SHA-256 (hexadecimal) over all parameter and running-statistic bytes in name order. */
  weightsSha256(): Promise<string> {
    return nativeAsync(() => this.#native.weightsSha256())
  }

  /**
   * Lets go of the weights at once instead of when the garbage collector finds the model. Calls that have begun end as they
   * would have; every later use but `dispose` itself fails with NOPROP_DISPOSED. A model that is being trained then takes no
   * weights, and its run rejects with NOPROP_DISPOSED.
   */
  dispose(): void {
    this.#native.dispose()
  }

  /** As `dispose`, for `using model = …`. */
  [Symbol.dispose](): void {
    this.dispose()
  }

  /** One line: `NoProp(28×28×1 → 10 classes, 10 cnn blocks, 3,274,500 parameters, trained)`. */
  toString(): string {
    try {
      return modelLine(this.config, this.parameters, this.trained)
    } catch (error) {
      if (error instanceof NoPropError && error.code === 'NOPROP_DISPOSED') return 'NoProp(disposed)'
      throw error
    }
  }

  get [Symbol.toStringTag](): string {
    return 'NoProp'
  }

  /** What `console.log` prints. */
  [inspectCustom](): string {
    return this.toString()
  }

  /** What a card tells. */
  async #facts(): Promise<CardFacts> {
    const { config, training, parameters } = this
    return { config, training, parameters, weightsSha256: await this.weightsSha256(), version }
  }

  #use<Result>(call: (model: NativeModel) => Result): Result {
    return native(() => call(this.#native))
  }

  /** The native model. Throws NOPROP_DISPOSED. */
  #live(): NativeModel {
    this.#use((model) => model.trained)
    return this.#native
  }
}

/** The short forms of the options as the core reads them: names as `{ type }`, a number of classes as the labels 0 … n − 1. */
function expand(options: ModelOptions): object {
  const named = (value: unknown) => (typeof value === 'string' ? { type: value } : value)
  const { method, classes, net, encoder, schedule, embedding, preprocessing, ...rest } = options
  return {
    ...rest,
    method: named(method),
    classes: typeof classes === 'number' ? labelsUpTo(classes) : classes,
    encoder: encoder && 'net' in encoder ? { ...encoder, net: named(encoder.net) } : encoder,
    net: named(net),
    schedule: named(schedule),
    embedding: named(embedding),
    // A data set says null where it has none.
    preprocessing: preprocessing ?? undefined,
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
