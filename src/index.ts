/**
 * Trains NoProp networks: T blocks that each learn, alone and at the same time, to denoise a label.
 *
 * @packageDocumentation
 */
export type { DatasetName } from './data/catalogue.js'
export type { DownloadProgress } from './data/download.js'
export type { Label } from './data/labels.js'
export type { Samples } from './data/samples.js'
export type { SampleArray } from './data/typed-array.js'
export type { Data, DataInput, Split, Splits } from './dataset.js'
export { Dataset } from './dataset.js'
export type { ImageOptions, LoadOptions, LoadSplitOptions } from './datasets.js'
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
export type { CardOptions } from './export/card.js'
export type { HuggingFaceFiles } from './export/hugging-face.js'
export type { OnnxFile, OnnxOptions, OnnxPort } from './export/onnx.js'
export type { FitOptions } from './fit.js'
export { FitRun } from './fit-run.js'
export type { FolderOptions } from './folder.js'
export type {
  AverageScores,
  BlockContribution,
  Calibration,
  EvaluateResult,
  ExitCurveOptions,
  ExitPoint,
  ExitReport,
  FittedReadout,
  Prediction,
  PredictionStates,
  RunsResult,
  StepStates,
  TracedPrediction,
  WorstSample,
} from './inference.js'
export type { KeptHistory } from './kept-history.js'

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
  NumberExit,
  NumberOptions,
  NumberPrediction,
  NumberResult,
  NumberScores,
  WorstNumbers,
} from './numbers.js'
export type {
  AdjointMethod,
  Augment,
  BackpropMethod,
  BlockChange,
  ClusterOptions,
  CosineSchedule,
  CtMethod,
  CustomSchedule,
  DiffusionBlocksMethod,
  EarlyStopping,
  Embedding,
  EndReason,
  EvaluateOptions,
  FmMethod,
  ForwardForwardMethod,
  LearnedEmbedding,
  LinearSchedule,
  Method,
  ModelConfig,
  ModelOptions,
  Optimizer,
  OrthogonalEmbedding,
  Precision,
  PredictOptions,
  PrototypeEmbedding,
  SamplerOptions,
  Schedule,
  TargetsConfig,
  TrainingRecord,
  TrainOptions,
} from './options.js'
export type {
  CategoryColumn,
  Fit,
  ImagePreprocessing,
  NumberColumn,
  Preprocessing,
  TablePreprocessing,
} from './preprocessing.js'
export type { Screen } from './progress/display.js'
export { ProgressDisplay } from './progress/display.js'
export type { LayerSummary, TensorSummary } from './summary.js'
export type { SweepResult, SweepTrial } from './sweep/run.js'
export type { SweepRange, SweepSpace, SweepValues } from './sweep/space.js'
export type { SweepOptions, SweepSettings } from './sweep/sweep.js'
export { sweep } from './sweep/sweep.js'
export type { Row, TableOptions, TableSource } from './table.js'
export { TensorBoardWriter } from './tensorboard/writer.js'
export { version } from './version.js'
