import { throwIfAborted } from './abort.js'
import type { SampleArray } from './data/typed-array.js'
import { type Data, withDataset } from './dataset.js'
import { requireDevice } from './device.js'
import { native } from './errors.js'
import { withRows } from './inference.js'
import { requireObject, toJson } from './json.js'
import type { Native } from './native.js'
import type { ModelConfig, PredictOptions } from './options.js'
import { withStopSignal } from './stop-signal.js'
import { isRows, type Row } from './table.js'

type NativeModel = InstanceType<Native['NativeModel']>

/** Options of `model.predictNumbers` and `model.evaluateNumbers`. */
export interface NumberOptions extends PredictOptions {
  /** `evaluateNumbers`: how many of the samples of greatest loss the result names, 0 to 10,000. Default 20. */
  worst?: number
  /**
   * Runs the chain this many times, with the seeds `seed`, `seed + 1`, …, and takes the mean. Default 1; 20 with `interval`, at
   * least 2 then.
   */
  runs?: number
  /**
   * Adds an interval that is to hold this share of the truth, such as 0.9: quantiles of the runs, each of which is stochastic. How
   * much it does hold, `evaluateNumbers` measures. Default: none.
   */
  interval?: number
}

/** What `model.predictNumbers` gives. */
export interface NumberPrediction {
  /** The numbers of each sample, one array a sample. */
  values: Float32Array[]
  /** With the option `interval`: its ends, one array a sample each. */
  interval?: { low: Float32Array[]; high: Float32Array[] }
}

/** The scores of one target, as scikit-learn has them. */
export interface NumberScores {
  /** Mean squared error. */
  mse: number
  /** Its root. */
  rmse: number
  /** Mean absolute error. */
  mae: number
  /** 1 − Σ (y − ŷ)² / Σ (y − ȳ)². */
  r2: number
}

/** What `model.evaluateNumbers` gives. `r2`, `mse`, `rmse` and `mae` are the means over the targets. */
export interface NumberResult extends NumberScores {
  /** Mean over the samples of Σ_k e_k², in units of the training targets' deviations: the form of the training loss. */
  loss: number
  /** The scores of each target. */
  targets: NumberScores[]
  /** R² of the numbers read after each block, first to last. */
  r2PerBlock: number[]
  /** With the option `interval`: what the intervals are worth. */
  interval?: {
    /** The share of the truth that they were to hold. */
    asked: number
    /** The share that they hold. */
    coverage: number
    /** The same of each target. */
    coveragePerTarget: number[]
    /** Mean width of each target's intervals. */
    meanWidth: number[]
  }
  /** With `stopAfter` or `readout: 'mean'`: what that gave and cost. */
  exit?: NumberExit
  samples: number
  runs: number
  seconds: number
  samplesPerSecond: number
  /** The samples of greatest loss, greatest first: 20, or as many as the option `worst` says. */
  worst: WorstNumbers[]
}

/** What an early end or another readout gave and cost, beside an evaluation of the whole chain, read off its last state. */
export interface NumberExit {
  /** Blocks that a sample went through. */
  blocksPerSample: number
  /** R² of the whole chain. */
  wholeR2: number
  /** What is lost: `wholeR2` less `r2`. */
  cost: number
  /** Seconds that the whole chain took on these samples. */
  wholeSeconds: number
  /** How much faster this evaluation was, as measured. */
  speedUp: number
}

/** A sample that the model is most wrong about. */
export interface WorstNumbers {
  /** Its place in the data, from 0. */
  sample: number
  /** Its numbers. */
  target: number[]
  /** Those that the model has for it. */
  predicted: number[]
  /** Σ_k e_k², in units of the training targets' deviations. */
  loss: number
  /** The file that it came from. */
  path?: string
  /** Its row in the table that it came from, from 0, without the header. */
  row?: number
}

/** Compares the numbers of `model` with those of the data. */
export async function evaluateNumbers(model: NativeModel, data: Data, options: NumberOptions): Promise<NumberResult> {
  const { config, sampler, numbers, signal } = read(model, options, 'the options of evaluateNumbers')
  return withDataset(data, config.input, async (native) =>
    JSON.parse(await withStopSignal(signal, (stop) => model.evaluateNumbers(native, sampler, numbers, stop))),
  )
}

/** Predicts the numbers of samples; bare typed arrays have the model's own shape. */
export async function predictNumbers(
  model: NativeModel,
  samples: Data | SampleArray | readonly Row[],
  options: NumberOptions,
): Promise<NumberPrediction> {
  const { config, sampler, numbers, signal } = read(model, options, 'the options of predictNumbers')
  const predictOn = (data: Data) =>
    withDataset(data, config.input, (native) =>
      withStopSignal(signal, (stop) => model.predictNumbers(native, sampler, numbers, stop)),
    )
  const { values, low, high } = isRows(samples)
    ? await withRows(samples, config, predictOn)
    : await predictOn(ArrayBuffer.isView(samples) ? { images: samples } : (samples as Data))
  const width = config.targets?.count ?? 1
  const rows = (flat: Float32Array) =>
    Array.from({ length: flat.length / width }, (_, sample) => flat.subarray(sample * width, (sample + 1) * width))
  return { values: rows(values), ...(low && high ? { interval: { low: rows(low), high: rows(high) } } : {}) }
}

function read(model: NativeModel, options: NumberOptions, what: string) {
  const { signal, runs, interval, ...sampler } = requireObject(options, what)
  requireDevice(sampler.device)
  throwIfAborted(signal)
  const config = JSON.parse(native(() => model.config)) as ModelConfig
  return { config, sampler: toJson(sampler), numbers: toJson({ runs, interval }), signal }
}
