/*
 * The native contract: what the addon (crates/noprop-napi) offers to the TypeScript in src/, and nobody else calls. Options and
 * results are JSON. The API that users import is src/index.ts.
 *
 * napi-rs generates this file from the Rust code: `npm run build` renews it, and `npm test` fails if it is stale.
 */
/* eslint-disable */

/** Samples of one shape, with or without labels; native memory that never changes, until it is disposed of. */
export declare class NativeDataset {
  /**
   * Copies arrays, so that JavaScript may change them afterwards. `shape` is that of one sample. With `names`, labels are
   * positions in them.
   */
  static fromArrays(images: Uint8Array | Float32Array, shape: Array<number>, labels: Int32Array | null, names: Array<string> | null): NativeDataset
  /** The same with numbers to predict instead of labels, so many a sample. */
  static withTargets(images: Uint8Array | Float32Array, shape: Array<number>, targets: Float32Array, width: number): NativeDataset
  /**
   * Reads a directory of IDX or CIFAR files; `split` is `train` or `test`, `limit` the number of first samples or null.
   * Without `labels` no file of labels is needed.
   */
  static load(directory: string, split: string, limit: number | null, labels: boolean): Promise<NativeDataset>
  /** Writes the data set to one file, atomically, for another machine. */
  save(path: string): Promise<void>
  /** Reads what `save` wrote. Of a large file the samples stay there. */
  static read(path: string): Promise<NativeDataset>
  /** Which parts a directory of IDX or CIFAR files has: `train`, `test`, both or none. */
  static parts(directory: string): Array<string>
  /**
   * Reads pictures as samples of a shape, without labels. `fit` is `cover`, `contain` or `stretch`, or null where pictures of
   * other sizes are refused. Those that cannot be read are left out and told.
   */
  static fromImages(paths: Array<string>, shape: Array<number>, fit: string | null, stop: StopSignal): Promise<NativePictures>
  /** Reads a folder of pictures, and that of the test if there is one; options are JSON. */
  static fromFolder(folder: string, test: string | null, options: string, stop: StopSignal): Promise<NativeSplits>
  /** Reads pictures that lie in another file, and those of the test if there are any; options are JSON as those of `fromFolder`. */
  static fromEncoded(train: NativeEncoded, test: NativeEncoded | null, options: string, stop: StopSignal): Promise<NativeSplits>
  /** Reads a table, and that of the test if there is one; options are JSON. */
  static fromTable(source: NativeTable, test: NativeTable | null, options: string): Promise<NativeSplits>
  /** The samples to train on, and those held out: a share of each class. Errors name `option`. */
  split(option: string, share: number, seed: number): Promise<NativeSplits>
  /** What is worth knowing of the samples, as JSON; with `test` also which of its samples are here as well. */
  statistics(test: NativeDataset | null): Promise<string>
  /** How large the pictures of this data set and of the test are in their files, as JSON, or null where that is not known. */
  pictureSizes(test: NativeDataset | null, stop: StopSignal): Promise<string>
  /** What was done to raw data to get the samples, as JSON, or null. */
  get preprocessing(): string | null
  /** Number of samples. */
  get samples(): number
  /** Shape of one sample. */
  get shape(): Array<number>
  /** The different labels, sorted, all numbers or all names; empty without labels. */
  get classes(): Array<number> | Array<string>
  /** SHA-256 of shape, values and labels, in hexadecimal. */
  get fingerprint(): string
  /** A copy of the labels; where classes have names, their positions among the classes. */
  labels(): Int32Array | null
  /** A copy of the numbers to predict, `[samples, targets]`, or null. */
  targets(): Float32Array | null
  /** Numbers to predict of each sample; 0 without. */
  get targetCount(): number
  /** One sample's values as the net sees them: bytes scaled to 0..1, floats as they are. */
  sample(index: number): Float32Array
  /** Frees the memory, or lets those free it who still use it. May be called again. */
  dispose(): void
  /** Whether it was disposed of. */
  get disposed(): boolean
}

/** A configuration with or without trained weights. */
export declare class NativeModel {
  /** The untrained classifier that the model's encoder is to be cut from; null where it has one, or is to have none. */
  classifier(): NativeModel | null
  /** What the encoder is that another model would take from this one, as JSON. */
  asEncoder(): string
  /** Takes the trained encoder of another model, which is a classifier or has one. Blocks that were trained are untrained then. */
  takeEncoder(other: NativeModel): void
  /** Writes the encoder to a file of its own; resolves with the SHA-256 of its weights, or with null, and no file, without one. */
  saveEncoder(path: string): Promise<string | null>
  /** The model of which `saveEncoder` wrote the encoder, its blocks untrained. Rejects if the weights have another SHA-256. */
  static loadEncoder(path: string, sha256: string): Promise<NativeModel>
  /** The samples of `data` as the encoder sees them, with their labels. More than a gigabyte of them is kept in a file in `cache`. */
  encode(data: NativeDataset, threads: number | null, cache: string | null, stop: StopSignal): Promise<NativeDataset>
  /** Checks what a training of the blocks would check, before there are features. */
  checkBlocks(data: NativeDataset, options: string, validation: NativeDataset | null, stop: StopSignal): Promise<void>
  /** The configuration of the blocks by themselves, as JSON: with an encoder, that of a model of features. */
  get blocksConfig(): string
  /** The layers of the encoder as those of a block, or null. */
  encoderLayers(): string | null
  /** An untrained model from a configuration as JSON. */
  static create(config: string): NativeModel
  /** Reads a model file. */
  static load(path: string): Promise<NativeModel>
  /** Puts the files of parts together to one model, with the history in JSON that its file is to keep. */
  static assemble(paths: Array<string>, history: string): Promise<NativeModel>
  /** The events of the ends of the blocks that parts hold, in their order, as JSON. */
  static partEvents(paths: Array<string>): Promise<string>
  /**
   * Checks the whole file of a part of one block, which must be one of `run`, as [`describe`](Self::describe) has it. Resolves with
   * `{ block, sha256, event }` as JSON.
   */
  static checkPart(path: string, run: string): Promise<string>
  /** Gives the model the weights of parts, which must be those of `run`, with the history in JSON that its file is to keep. */
  takeParts(paths: Array<string>, run: string, history: string): Promise<void>
  /**
   * What other machines are told of a run before it begins, as JSON; everything is checked as by a training. `kind` is that of the
   * machines that are to train it, where these are others.
   */
  describe(data: NativeDataset, options: string, validation: NativeDataset | null, kind: string | null): Promise<string>
  /** A model without the last `count` blocks of this one. */
  withoutLast(count: number): Promise<NativeModel>
  /** The mean of this model and others. */
  average(others: Array<NativeModel>): Promise<NativeModel>
  /** The blocks of a part of a model as JSON; null for a whole one. */
  get part(): string | null
  /**
   * Lets go of the weights and closes their file; work that has begun goes on. Every later call fails with
   * NOPROP_DISPOSED, but this one.
   */
  dispose(): void
  /** The configuration with every default filled in, as JSON. */
  get config(): string
  /** Jobs that are trained, each by itself: the blocks, or one of all of them. */
  get jobs(): number
  /** Trained values of one job: of a block where every block is one. */
  get parametersPerBlock(): number
  /** Trained values of all jobs, and of the encoder. */
  get parameters(): number
  /** Whether there are weights. */
  get trained(): boolean
  /** What trained the weights, as JSON, or null. */
  get training(): string | null
  /** How the losses went while it was trained, as JSON, or null. */
  get history(): string | null
  /** The tensors of one block as JSON `[{ name, shape, parameters }]`; a statistic has 0 parameters. */
  summary(): string
  /** The layers of one block as JSON `[{ name, op, shape, parameters, multiplyAdds }]`. */
  layers(): string
  /** What a run takes, as JSON; its steps are measured where it needs at most `available` bytes. */
  estimate(data: NativeDataset, options: string, available: number, stop: StopSignal): Promise<string>
  /** Tests learning rates on one block; options and result are JSON. */
  findLearningRate(data: NativeDataset, options: string, stop: StopSignal): Promise<string>
  /** Writes the model file atomically. */
  save(path: string): Promise<void>
  /** Writes an ONNX file atomically; options and result, what is in it, are JSON. */
  exportOnnx(path: string, options: string, stop: StopSignal): Promise<string>
  /** Fails as a later save would, for want of room as well; the model need not be trained. */
  probeSave(path: string): Promise<void>
  /** SHA-256 over all weights in the order of their names, in hexadecimal. */
  weightsSha256(): Promise<string>
  /** Compares the model's classes with the data's labels; options and result are JSON. */
  evaluate(data: NativeDataset, options: string, stop: StopSignal): Promise<string>
  /** What each block adds; options and result are JSON. */
  contributions(data: NativeDataset, options: string, stop: StopSignal): Promise<string>
  /** Accuracy and blocks per sample for each of these confidences; options and result are JSON. */
  exitCurve(data: NativeDataset, options: string, confidences: Array<number>, stop: StopSignal): Promise<string>
  /** How classes are read off all blocks, as JSON; null where that has not been fitted. */
  get readout(): string | null
  /** Throws where that cannot be fitted to this model, which may be untrained. */
  checkReadout(): void
  /** Fits how classes are read off all blocks, and keeps it; options and result are JSON. */
  fitReadout(data: NativeDataset, options: string, stop: StopSignal): Promise<string>
  /** Labels and probabilities; options are JSON. */
  predict(data: NativeDataset, options: string, stop: StopSignal): Promise<NativePrediction>
  /** The same with the states and estimates of all blocks; options are JSON. */
  trace(data: NativeDataset, options: string, stop: StopSignal): Promise<NativeTrace>
  /** Compares the model's numbers with those of the data; options, those of runs and intervals, and result are JSON. */
  evaluateNumbers(data: NativeDataset, options: string, numbers: string, stop: StopSignal): Promise<string>
  /** Numbers and intervals; options, and those of runs and intervals, are JSON. */
  predictNumbers(data: NativeDataset, options: string, numbers: string, stop: StopSignal): Promise<NativeNumbers>
  /**
   * Checks options and data, opens devices and checkpoint, and starts the threads of a run. Events arrive as JSON arrays. Blocks
   * are measured on `validation` while they train.
   */
  train(data: NativeDataset, options: string, onEvents: (events: string) => void, validation: NativeDataset | null): Promise<NativeTraining>
}

/** A run: its threads, until [`NativeTraining::finish`] or [`NativeTraining::close`]. */
export declare class NativeTraining {
  /** The options with every default filled in, as JSON. */
  get options(): string
  /** Where the run computes: `cpu`, `cuda:0`. */
  get device(): string
  /** With `auto` and no GPU that can be used: why not, in one line. */
  get whyNoGpu(): string | null
  /** Optimiser steps of one block. */
  get stepsPerBlock(): number
  /** Puts a block (from 1) in flight; its end arrives as an event. */
  startBlock(block: number): void
  /** Asks all threads to stop, with a checkpoint between two steps. Returns at once. */
  stop(): void
  /**
   * Asks every block in flight to end after the step that it is in, with the weights that it has then. Returns at once. Throws where those
   * that have been started are no model.
   */
  wrapUp(): void
  /**
   * After the end of every block that was started: joins the threads and puts the weights into the model, with the history in JSON that its
   * file is to keep.
   */
  finish(history: string): Promise<void>
  /**
   * Stops and joins the threads, and writes the blocks in flight to the checkpoint if there is one, which is then released;
   * rejects if one could not be written. The model keeps what it had.
   */
  close(): Promise<void>
}

/** A flag that native work polls. */
export declare class StopSignal {
  /** A flag that is not raised. */
  constructor()
  /** Asks the work to stop. */
  stop(): void
}

/** Measures training steps on random data; options and result are JSON. */
export declare function bench(options: string, stop: StopSignal): Promise<string>

/**
 * Compares every kernel of a GPU with the plain reference in double precision, in every precision, for `npm run gpu:check`;
 * options (`device`, `most`, `log`, `multiply`, `after`) and result are JSON.
 */
export declare function deviceParity(options: string, stop: StopSignal): Promise<string>

/** Bytes outside its heap that V8 knows of; `process.memoryUsage()` does not count all of them. For tests. */
export declare function externalMemory(): number

/** Pictures that lie in another file. */
export interface NativeEncoded {
  /** That file. */
  place: string
  /** What each picture is called. */
  names: Array<string>
  /** What picture files would hold. */
  pictures: Array<Uint8Array>
  /** A label each; with `classes`, its position in them. */
  labels: Int32Array
  /** The names of the classes, if they have any. */
  classes?: Array<string>
}

/** Numbers and their intervals. */
export interface NativeNumbers {
  /** `[samples, targets]`. */
  values: Float32Array
  /** The lower ends of the intervals, if these were asked for. */
  low?: Float32Array | null
  /** The upper ends. */
  high?: Float32Array | null
}

/** What was read of a list of pictures. */
export interface NativePictures {
  /** The samples of those that could be read, if there are any. */
  dataset?: NativeDataset | null
  /** The others as JSON: `[[index, error], …]`. */
  failures: string
}

/** Labels and probabilities of a prediction. */
export interface NativePrediction {
  /** One label a sample; where classes have names, its position among them. */
  labels: Int32Array
  /** `[samples, classes]`. */
  probabilities: Float32Array
  /** `[samples]`: how many blocks each went through. */
  blocks: Uint32Array
}

/** Data sets for training and test. */
export interface NativeSplits {
  /** The samples to train on. */
  train: NativeDataset
  /** The samples for the test, if there are any. */
  test?: NativeDataset | null
  /** What users should know of the reading, in sentences without a full stop. */
  notes: Array<string>
  /** Files that could not be read and were left out, as JSON: `[[path, error], …]`. */
  failures: string
  /** What the columns of a table hold, as JSON: `[{ name, kind, categories?, missing }, …]`. */
  columns: string
}

/** Where a table is; one of the two. */
export interface NativeTable {
  /** Path of a file. */
  path?: string
  /** A JSON list of rows, which are objects. */
  rows?: string
}

/** A prediction with the states and estimates on the way to it. */
export interface NativeTrace {
  /** One label a sample; where classes have names, its position among them. */
  labels: Int32Array
  /** `[samples, classes]`. */
  probabilities: Float32Array
  /** The block of each move, from 1. */
  blocks: Uint32Array
  /** z_0, `[samples, classes]`. */
  start: Float32Array
  /** The state after each move, `[moves, samples, classes]`. */
  states: Float32Array
  /** What each move was made by, `[moves, samples, classes]`. */
  estimates: Float32Array
}

/**
 * What this addon can do with GPUs, as JSON: `{"built":false}`, `{"built":true,"devices":[…]}` with every GPU tried, or
 * `{"built":true,"error":{…}}`. May crash or hang where a driver is broken: ask it in a process of its own.
 */
export declare function probeCuda(): string

/** Fails with NOPROP_OUTPUT if a file could not be written at `path`. */
export declare function probeOutput(path: string): void

/** Version, processor and devices as JSON. */
export declare function systemInfo(): string

/** The version that this addon was built as. Cheap: the loader asks before anything else is used. */
export declare function version(): string
