/**
 * Trains NoProp networks: T blocks that each learn, alone and at the same time, to denoise a label.
 *
 * @packageDocumentation
 */
export type { DatasetName } from './data/catalogue.js'
export type { DownloadProgress } from './data/download.js'
export type { Samples } from './data/samples.js'
export type { SampleArray } from './data/typed-array.js'
export type { Data, DataInput, Split } from './dataset.js'
export { Dataset } from './dataset.js'
export type { LoadOptions, LoadSplitOptions, PngOptions } from './datasets.js'
export { datasets } from './datasets.js'
export type { DeviceOption } from './device.js'
export type { ErrorCode, ErrorDetails } from './errors.js'
export { NoPropError } from './errors.js'
export type { Estimate } from './estimate.js'
export type {
  BlockEvent,
  BlockValidation,
  ChainEvent,
  CheckpointEvent,
  DoneEvent,
  EpochEvent,
  FitEvent,
  History,
  LearningRateEvent,
  LearningRateSearch,
  ProgressEvent,
  StartEvent,
  ValidationEvent,
} from './events.js'
export type { FitOptions } from './fit.js'
export { FitRun } from './fit-run.js'
export type {
  AverageScores,
  BlockContribution,
  Calibration,
  EvaluateResult,
  Prediction,
  RunsResult,
  WorstSample,
} from './inference.js'
export { NoProp } from './model.js'
export type {
  CnnNet,
  GraphNet,
  GraphNode,
  GraphOp,
  MlpNet,
  Net,
  NetConfig,
  ResnetNet,
  VitNet,
} from './net.js'
export { buildNet, NetValue } from './net.js'
export type {
  Augment,
  CosineSchedule,
  CustomSchedule,
  EarlyStopping,
  Embedding,
  EndReason,
  EvaluateOptions,
  LinearSchedule,
  ModelConfig,
  ModelOptions,
  Precision,
  PredictOptions,
  SamplerOptions,
  Schedule,
  TrainingRecord,
  TrainOptions,
} from './options.js'
export type { Screen } from './progress/display.js'
export { ProgressDisplay } from './progress/display.js'
export type { LayerSummary, TensorSummary } from './summary.js'
export { TensorBoardWriter } from './tensorboard/writer.js'
export { version } from './version.js'
