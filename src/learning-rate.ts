import { type Data, withDataset } from './dataset.js'
import type { LearningRateSearch } from './events.js'
import { requireObject, toJson } from './json.js'
import type { Native } from './native.js'
import type { ModelConfig, TrainOptions } from './options.js'
import { withStopSignal } from './stop-signal.js'

type NativeModel = InstanceType<Native['NativeModel']>

/** Options of `fit`; those of validation have no part in it. */
interface Options extends TrainOptions {
  validation?: unknown
  validationSplit?: unknown
  fitReadout?: unknown
  signal?: AbortSignal
  cluster?: unknown
}

/** Trains one block for some steps of rising learning rates, on the processor, and proposes a rate. The model stays as it is. */
export async function findLearningRate(model: NativeModel, data: Data, options: Options): Promise<LearningRateSearch> {
  // What has no part in it, or would look for what is not there.
  const { signal, validation, validationSplit, fitReadout, learningRate, checkpoint, resume, cluster, ...rest } =
    requireObject(options, 'the options of findLearningRate')
  const json = toJson(rest)
  const { input } = JSON.parse(model.config) as ModelConfig
  return withDataset(data, input, async (native) =>
    JSON.parse(await withStopSignal(signal, (stop) => model.findLearningRate(native, json, stop))),
  )
}
