import type { EvaluateResult } from './inference.js'
import type { NumberResult } from './numbers.js'
import type { EndReason, TrainingRecord } from './options.js'

/** A block's state while it trains; of several unread ones only the newest of each block is kept. */
export interface ProgressEvent {
  event: 'progress'
  /** Block, from 1 (the first that inference runs). */
  block: number
  /** Epoch in which the block is, from 1. */
  epoch: number
  epochs: number
  /** Optimiser steps that the block has made, of `steps`. */
  step: number
  steps: number
  /**
   * Mean loss of the epoch so far: Σ_k (û_k − u_k)² per sample. A GPU is asked at the end of an epoch alone: before that
   * it is the loss of the last epoch, and null in the first.
   */
  loss: number | null
  /** Training samples per second through this block. */
  samplesPerSecond: number
  /** Estimated seconds until this block is finished. */
  secondsLeft: number
  /** Blocks that the run trains at this moment. */
  jobs: number
  /** Threads that work on them: where fewer blocks train than there are threads, several share one. On GPUs, one for each. */
  threads: number
}

/** A block has finished an epoch. */
export interface EpochEvent {
  event: 'epoch'
  block: number
  epoch: number
  /** Mean of Σ_k (û_k − u_k)² per sample over the epoch. */
  loss: number
  /**
   * The same of the validation samples, of whose labels the block gets noised ones, as in training; where it was looked at after this
   * epoch. The noise is the same each time.
   */
  validationLoss?: number
  /** Share of the validation samples whose class the block's estimate says. */
  validationAccuracy?: number
}

/**
 * All blocks together, as they were at the end of the same epoch, were measured on the validation samples. There is such an
 * event only where all blocks are in flight at once (`inFlight`), and not after the last epoch, when the whole is evaluated.
 */
export interface ChainEvent {
  event: 'chain'
  epoch: number
  /** Share of the samples whose class is right. */
  accuracy: number
  /** The Brier score, as `evaluate` has it. */
  loss: number
}

/** How a block did on the validation samples. */
export interface BlockValidation {
  /** After this epoch, from 1. */
  epoch: number
  loss: number
  accuracy: number
}

/** A block is finished. */
export interface BlockEvent {
  event: 'block'
  block: number
  /** Mean of Σ_k (û_k − u_k)² per sample over its last epoch. */
  loss: number
  /** The same of every epoch, those of an earlier, resumed run included. */
  losses: number[]
  /** Its validations. */
  validation?: BlockValidation[]
  /** The epoch whose weights it has, with `earlyStopping.restoreBest`. */
  bestEpoch?: number
  /** Why it ended. */
  reason: EndReason
  /** Seconds that it trained. */
  seconds: number
  /** Whether it came finished from the checkpoint directory. */
  resumed: boolean
}

/** The state of a block is safely on disk. */
export interface CheckpointEvent {
  event: 'checkpoint'
  block: number
  /** Optimiser steps that the kept state has made. */
  step: number
}

/** Training begins. */
export interface StartEvent {
  event: 'start'
  blocks: number
  epochs: number
  /** Samples per optimiser step. */
  batch: number
  /** Training samples. */
  samples: number
  /** Optimiser steps of one block over all epochs. */
  stepsPerBlock: number
  /** Parameters of all blocks. */
  parameters: number
  threads: number
  inFlight: number
  /** Whether it may go on from a checkpoint. */
  resume: boolean
  /** What validations measure: the accuracy of classes, or R² of numbers, which later events have as `accuracy`. */
  measure: 'accuracy' | 'r2'
  /** With `cluster`: the id of the run. */
  run?: string
  /** Where it trains: 'cpu', 'cuda:0'. */
  device: string
  /** With `device: 'auto'` and no GPU that can be used: why not, in one line. */
  whyNoGpu?: string
}

/** A learning rate was found, before the training (`learningRate: 'find'`). */
export interface LearningRateEvent extends LearningRateSearch {
  event: 'learning-rate'
}

/** What a learning rate range test found. */
export interface LearningRateSearch {
  /** The rate that it proposes: a tenth of the one at the least smoothed loss, to two digits. */
  learningRate: number
  /** The block that was trained for it. */
  block: number
  /** The rate of each step, the loss of its batch, and the loss smoothed over the steps before. */
  curve: { learningRate: number; loss: number; smoothed: number }[]
}

/** A step of the training of the encoder, which comes before the blocks (`features: 'shared'`): it is one job, block 1 of its own run. */
export interface EncoderEvent {
  event: 'encoder'
  of: StartEvent | ProgressEvent | EpochEvent | CheckpointEvent | BlockEvent
}

/** The encoder has seen every training sample once: the blocks train on what it made of them. */
export interface FeaturesEvent {
  event: 'features'
  /** Training samples. */
  samples: number
  /** Values of the features of one. */
  width: number
  seconds: number
}

/** The finished model was evaluated on the validation data, after the last block. */
export interface ValidationEvent extends EvaluateResult {
  event: 'validation'
}

/** Training is finished, and the model has its weights. */
export interface DoneEvent {
  event: 'done'
  history: History
}

/** What `for await (const event of model.fit(…))` yields. */
export type FitEvent =
  | EncoderEvent
  | FeaturesEvent
  | LearningRateEvent
  | StartEvent
  | ProgressEvent
  | EpochEvent
  | BlockEvent
  | CheckpointEvent
  | ChainEvent
  | ValidationEvent
  | DoneEvent

/** What `await model.fit(…)` gives. */
export interface History {
  /** `loss[block − 1][epoch − 1]`: mean of Σ_k (û_k − u_k)² per sample over that epoch. */
  loss: number[][]
  /**
   * Each block's last loss and the seconds it trained, its epochs and why it ended; with `earlyStopping.restoreBest` the epoch whose
   * weights it has.
   */
  blocks: {
    block: number
    loss: number
    seconds: number
    resumed: boolean
    epochs: number
    reason: EndReason
    bestEpoch?: number
  }[]
  /**
   * After `run.stop()`: the blocks that had not begun, if any. A new model has none of them; one that went on from its weights has them as they
   * were. A head counts as the block after the last.
   */
  notBegun?: number[]
  /** `validationLoss[block − 1][epoch − 1]`: the same as `loss` on the validation samples; null where they were not looked at. */
  validationLoss?: (number | null)[][]
  /** `validationAccuracy[block − 1][epoch − 1]`: share of the validation samples whose class the block's estimate says. */
  validationAccuracy?: (number | null)[][]
  /** The whole model at the end of epochs that all blocks were at together (see {@link ChainEvent}). */
  chain?: { epoch: number; accuracy: number; loss: number }[]
  /** Seconds of training, without validation; with an encoder those of its training and use included. */
  seconds: number
  /** Where blocks share features: how the encoder's own training went, unless it was trained before. */
  encoder?: { loss: number[]; seconds: number; resumed: boolean }
  /** Seconds in which the encoder saw all samples. */
  featureSeconds?: number
  /**
   * Training samples through **all** blocks a second: samples × epochs / seconds. Blocks that came finished from a
   * checkpoint do not count, and of blocks that ended early the epochs that they made.
   */
  samplesPerSecond: number
  /**
   * The result of the finished model on the validation samples, unless the run was aborted meanwhile.
   */
  validation?: EvaluateResult
  /** The same of a model that predicts numbers. Where there are numbers, accuracies in events and history are R². */
  validationNumbers?: NumberResult
  /** SHA-256 (hexadecimal) over all parameter and running-statistic bytes in name order. */
  weightsSha256: string
  /** The options on which the weights depend, every default filled in. */
  options: TrainingRecord['options']
  /** Where it was trained: 'cpu', 'cuda:0'. */
  device: string
  /** With `device: 'auto'` and no GPU that can be used: why not, in one line. */
  whyNoGpu?: string
}
