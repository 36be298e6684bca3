import { throwIfAborted } from './abort.js'
import type { Label } from './data/labels.js'
import type { SampleArray } from './data/typed-array.js'
import { type Data, type Dataset, named, withDataset } from './dataset.js'
import { requireDevice } from './device.js'
import { NoPropError, native } from './errors.js'
import { requireCount, requireObject, requireSwitch, toJson } from './json.js'
import type { Native } from './native.js'
import type { EvaluateOptions, ModelConfig, PredictOptions, SamplerOptions } from './options.js'
import { withStopSignal } from './stop-signal.js'
import { datasetFromRows, isRows, type Row } from './table.js'

type NativeModel = InstanceType<Native['NativeModel']>
type NativePrediction = Awaited<ReturnType<NativeModel['predict']>>
type NativeTrace = Awaited<ReturnType<NativeModel['trace']>>

/** What `model.evaluate` gives. */
export interface EvaluateResult {
  /** Share of samples whose most probable class is their label, 0–1. */
  accuracy: number
  /** Mean over the samples of Σ_k (p_k − [k is the label])², from 0 to 2: the Brier score, and the form of the training loss. */
  loss: number
  /**
   * Mean of −ln p of the right class: scikit-learn's `log_loss`, Keras's categorical cross-entropy. p is clipped to
   * [2⁻²³, 1 − 2⁻²³], since probabilities of exactly 0 are usual here.
   */
  logLoss: number
  /** `topKAccuracy[k − 1]`: share of samples whose label is among the k most probable classes, for k up to 10. */
  topKAccuracy: number[]
  /** Mean recall of the classes that have samples. */
  balancedAccuracy: number
  /** Precision, recall and F1 of each class, and its samples, in the order of `classes`; 0 where they divide by nothing. */
  perClass: { precision: number[]; recall: number[]; f1: number[]; support: number[] }
  /** Their mean over the classes that have samples or predictions (scikit-learn's `macro`). */
  macroAverage: AverageScores
  /** Their mean weighted by the classes' samples (scikit-learn's `weighted`). */
  weightedAverage: AverageScores
  /** How far the probability of the predicted class can be believed. */
  calibration: Calibration
  /** The samples of greatest loss, greatest first: 20, or as many as the option `worst` says. */
  worst: WorstSample[]
  /** The accuracy of the class read after each block, first to last: how denoising proceeds. */
  accuracyPerBlock: number[]
  /** `confusion[i][j]`: samples of class `classes[i]` that were taken for `classes[j]`. Left out for more than 1,000 classes. */
  confusion?: number[][]
  /** For more than 1,000 classes, instead of `confusion`: `[i, j, samples]` of each pair that occurred, by i, then by j. */
  confusionPairs?: [number, number, number][]
  /**
   * With the option `examples`: the first samples of each pair of classes that occurred, as places in the data: `[i, j, samples]` are of class
   * `classes[i]` and were taken for `classes[j]`.
   */
  examples?: [number, number, number[]][]
  /** The label values or names in the order of these. */
  classes: Label[]
  /** With the options `confidence`, `stopAfter` or a `readout` other than 'state': what they gave and cost. */
  exit?: ExitReport
  samples: number
  seconds: number
  samplesPerSecond: number
  /** With the option `blocks`: what each block adds. */
  blocks?: BlockContribution[]
}

/** What an early end of samples gave and cost, beside an evaluation of all samples through all blocks. */
export interface ExitReport {
  /** Blocks that a sample went through, on average. */
  blocksPerSample: number
  /** How many samples ended after each block. */
  endedAfter: number[]
  /** Accuracy of all samples through all blocks, read off the last state. */
  wholeAccuracy: number
  /** What is lost: `wholeAccuracy` less `accuracy`. */
  cost: number
  /** Seconds that the whole chain took on these samples. */
  wholeSeconds: number
  /** How much faster this evaluation was, as measured. */
  speedUp: number
}

/** A point of `model.exitCurve`. */
export interface ExitPoint {
  confidence: number
  accuracy: number
  /** Blocks that a sample goes through, on average. */
  blocksPerSample: number
}

/** What `model.fitReadout` found. */
export interface FittedReadout {
  /** The weight of each block's estimate. */
  weights: number[]
  /** Mean of −ln p of the right class over the samples that it was fitted on. */
  logLoss: number
  /** How many these were. */
  samples: number
  /** Their `fingerprint`. */
  fingerprint: string
}

/** Options of `model.exitCurve`. */
export interface ExitCurveOptions extends Omit<PredictOptions, 'confidence' | 'stopAfter' | 'readout'> {
  /** The confidences to try. Default: 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999 and 1. */
  confidences?: readonly number[]
}

const CONFIDENCES = [0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1]

/** Scores of all classes together. */
export interface AverageScores {
  precision: number
  recall: number
  f1: number
}

/** What `model.evaluate` says of the probabilities of the predicted classes (Guo et al. 2017). */
export interface Calibration {
  /** Expected calibration error: mean over the samples of |accuracy − confidence| of their bin. */
  ece: number
  /** Maximum calibration error: the greatest such difference of a bin. */
  mce: number
  /** The reliability table: 15 bins of equal width, (from, to]. Bins without samples have null for both means. */
  bins: { from: number; to: number; samples: number; confidence: number | null; accuracy: number | null }[]
}

/** A sample on which the model is most wrong. */
export interface WorstSample {
  /** Its place in the data, from 0. */
  sample: number
  /** The places in `classes` of its label and of the predicted class. */
  target: number
  predicted: number
  /** The probability of its label. */
  probability: number
  /** Σ_k (p_k − [k is the label])². */
  loss: number
  /** Its file, where the data are a folder of pictures. */
  path?: string
  /** Its row in the table that it is from, counted from 0 without the header. */
  row?: number
}

/** What a block adds. Accuracies are those of the class read off a state. */
export interface BlockContribution {
  block: number
  /** Accuracy of the state that the block gets. */
  accuracyBefore: number
  /** Accuracy of the state that it makes. */
  accuracyAfter: number
  /** Accuracy of the whole model where this block is skipped: the next one gets its input. */
  accuracySkipped: number
  /** Accuracy of the state that it makes where it sees another sample's image: what it reads off its input alone. */
  accuracyFromZ: number
  /**
   * Why it adds nothing: 'image-unused' where its output is as good with another sample's image, 'as-good-without' where the
   * model is as good without it; null where it adds something.
   */
  addsNothing: 'image-unused' | 'as-good-without' | null
}

/** What `model.evaluate` gives with `runs`: the first run's result, and the spread over all. */
export interface RunsResult extends EvaluateResult {
  /** The accuracy of each run, with the seeds `seed`, `seed + 1`, … */
  accuracies: number[]
  /** Their mean. */
  accuracyMean: number
  /** Their sample standard deviation (n − 1); 0 for one run. */
  accuracyStd: number
}

/** What `model.predict` gives. */
export interface Prediction {
  /** The most probable label of each sample: its value, or its name where the classes have names. */
  labels: Int32Array | string[]
  /** One array a sample: the probability of each class, in the order of `classes`. Unlikely ones are exactly 0. */
  probabilities: Float32Array[]
  /** The label values or names in the order of the probabilities. */
  classes: Label[]
  /** How many blocks each sample went through: all, but with `confidence` or `stopAfter`. */
  blocks: Uint32Array
}

/** What `model.predict` gives with `states`. */
export interface TracedPrediction extends Prediction {
  states: PredictionStates
}

/** How the chain of blocks came to a prediction. Every list of arrays has one array a sample, with the values of an embedding. */
export interface PredictionStates {
  /** z_0, the noise that the chain starts from. */
  start: Float32Array[]
  /**
   * The steps of the chain, first to last: one a block for 'dt', `stepsPerBlock` a block for 'diffusion-blocks', `steps` of the one net of
   * 'ct', 'fm' and 'adjoint', and for 'backprop' and 'forward-forward' one through the whole.
   */
  steps: StepStates[]
}

/** One step of the chain. */
export interface StepStates {
  /** The block, from 1. */
  block: number
  /** û: what the block takes the clean label for. Of 'fm' and 'adjoint' the velocity; of the two of 'heun' the first. */
  estimate: Float32Array[]
  /** z_t: the state that the step leads to. */
  state: Float32Array[]
}

/** Evaluates `model` on labelled data, once or, with `runs`, several times. */
export async function evaluate(
  model: NativeModel,
  data: Data,
  options: EvaluateOptions,
): Promise<EvaluateResult | RunsResult> {
  const { signal, runs, blocks, ...sampler } = requireObject(options, 'the options of evaluate')
  const config = JSON.parse(native(() => model.config)) as ModelConfig
  requireDevice(sampler.device)
  const count = runs === undefined ? 1 : requireCount(runs, 'runs', 1)
  const reports = requireSwitch(blocks, 'blocks')
  throwIfAborted(signal)
  const results: EvaluateResult[] = []
  const seeds = seedsOf(sampler, count)
  await withDataset(data, config.input, async (native) => {
    for (const seed of seeds) {
      const json = toJson({ ...sampler, seed })
      results.push(JSON.parse(await withStopSignal(signal, (stop) => model.evaluate(native, json, stop))))
    }
    if (!reports) return
    const json = toJson({ ...sampler, seed: seeds[0] })
    const first = results[0] as EvaluateResult
    first.blocks = JSON.parse(await withStopSignal(signal, (stop) => model.contributions(native, json, stop)))
  })
  const first = results[0] as EvaluateResult
  if (runs === undefined) return first
  const accuracies = results.map((result) => result.accuracy)
  const accuracyMean = accuracies.reduce((sum, accuracy) => sum + accuracy, 0) / count
  const squares = accuracies.reduce((sum, accuracy) => sum + (accuracy - accuracyMean) ** 2, 0)
  return { ...first, accuracies, accuracyMean, accuracyStd: count > 1 ? Math.sqrt(squares / (count - 1)) : 0 }
}

/** What each confidence gives and costs, from one pass of all samples through all blocks. */
export async function exitCurve(model: NativeModel, data: Data, options: ExitCurveOptions): Promise<ExitPoint[]> {
  const { signal, confidences, ...sampler } = requireObject(options, 'the options of exitCurve')
  const asked = confidences ?? CONFIDENCES
  if (!Array.isArray(asked) || asked.some((confidence) => typeof confidence !== 'number')) {
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: 'option confidences cannot be used',
      expected: 'a list of numbers above 0 and at most 1',
      received: typeof confidences,
    })
  }
  return asks(model, data, { ...sampler, signal }, (...given) =>
    model.exitCurve(given[0], given[1], [...asked], given[2]),
  )
}

/** Fits a readout to labelled data, which the model keeps. */
export async function fitReadout(model: NativeModel, data: Data, options: PredictOptions): Promise<FittedReadout> {
  return asks(model, data, requireObject(options, 'the options of fitReadout'), (...given) =>
    model.fitReadout(...given),
  )
}

/** What the core answers in JSON about labelled data. */
async function asks(
  model: NativeModel,
  data: Data,
  { signal, ...sampler }: PredictOptions,
  ask: (...given: Parameters<NativeModel['fitReadout']>) => Promise<string>,
) {
  requireDevice(sampler.device)
  const json = toJson(sampler)
  throwIfAborted(signal)
  const { input } = JSON.parse(native(() => model.config)) as ModelConfig
  return withDataset(data, input, async (native) =>
    JSON.parse(await withStopSignal(signal, (stop) => ask(native, json, stop))),
  )
}

/** The seed of each run: the given one, then the next ones. */
function seedsOf(sampler: SamplerOptions, count: number): (number | undefined)[] {
  // Refuses what is no number before anything is added to it.
  toJson(sampler)
  requireSeeds(sampler.seed, count)
  const first = sampler.seed ?? 0
  return Array.from({ length: count }, (_, run) => (run === 0 ? sampler.seed : first + run))
}

/** Runs `use` with rows as the model sees them. Throws NOPROP_OPTION where the model was not trained on a table. */
export async function withRows<Result>(
  rows: readonly Row[],
  { preprocessing }: ModelConfig,
  use: (data: Dataset) => Promise<Result>,
): Promise<Result> {
  if (preprocessing?.type !== 'table') {
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: 'the model takes no rows of a table',
      expected: 'samples in arrays',
      received: `a list of ${rows.length} objects`,
      hint: 'a model that is made with the preprocessing of a table takes its rows',
    })
  }
  const data = await datasetFromRows(rows, preprocessing)
  try {
    return await use(data)
  } finally {
    data.dispose()
  }
}

/** Predicts the labels of samples; bare typed arrays have the model's own shape. */
export async function predict(
  model: NativeModel,
  images: Data | SampleArray | readonly Row[],
  options: PredictOptions,
): Promise<Prediction | TracedPrediction> {
  const { signal, states, ...sampler } = requireObject(options, 'the options of predict')
  const config = JSON.parse(native(() => model.config)) as ModelConfig
  requireDevice(sampler.device)
  const isTraced = requireSwitch(states, 'states')
  const json = toJson(sampler)
  requireSeeds(sampler.seed, 1)
  throwIfAborted(signal)
  const predictOn = (data: Data) =>
    withDataset(data, config.input, (native) =>
      withStopSignal(signal, (stop): Promise<NativePrediction | NativeTrace> => {
        return isTraced ? model.trace(native, json, stop) : model.predict(native, json, stop)
      }),
    )
  const found = isRows(images)
    ? await withRows(images, config, predictOn)
    : await predictOn(ArrayBuffer.isView(images) ? { images } : (images as Data))
  const { classes } = config
  const samples = found.labels.length
  /** The samples' rows of the table that is `index`th of several. */
  const rows = (values: Float32Array, width: number, index = 0) =>
    Array.from({ length: samples }, (_, sample) => {
      const row = index * samples + sample
      return values.subarray(row * width, (row + 1) * width)
    })
  const probabilities = rows(found.probabilities, classes.length)
  const prediction = { labels: named(found.labels, classes), probabilities, classes }
  if (!isTraced) return { ...prediction, blocks: found.blocks }
  const { blocks, start, states: after, estimates } = found as NativeTrace
  const width = start.length / samples
  const steps = Array.from(blocks, (block, step): StepStates => {
    return { block, estimate: rows(estimates, width, step), state: rows(after, width, step) }
  })
  const through = new Uint32Array(samples).fill(config.blocks)
  return { ...prediction, blocks: through, states: { start: rows(start, width), steps } }
}

/** Each run adds its number to the seed, and beyond 2^53 − 1 adding 1 may change nothing. */
function requireSeeds(seed: unknown, runs: number): void {
  const most = Number.MAX_SAFE_INTEGER - (runs - 1)
  if (typeof seed !== 'number' || seed <= most) return
  throw new NoPropError({
    code: 'NOPROP_OPTION',
    what: 'seed is out of range',
    expected: `an integer from 0 to ${most}${runs > 1 ? `, so that all ${runs} runs have a seed of their own` : ''}`,
    received: String(seed),
  })
}
