import { freemem } from 'node:os'
import { type Data, withDataset } from './dataset.js'
import { requireDevice } from './device.js'
import { native } from './errors.js'
import type { FitOptions } from './fit.js'
import { requireObject, requireSwitch, toJson } from './json.js'
import type { Native } from './native.js'
import type { ModelConfig, Precision, TrainOptions } from './options.js'
import { withStopSignal } from './stop-signal.js'

type NativeModel = InstanceType<Native['NativeModel']>

/** What a training run takes, as `model.estimate` gives it. */
export interface Estimate {
  blocks: number
  epochs: number
  /** Samples per optimiser step. */
  batch: number
  /** Training samples. */
  samples: number
  /** Optimiser steps of one block over all epochs. */
  stepsPerBlock: number
  threads: number
  inFlight: number
  /** Where it trains: 'cpu', 'cuda:0'. */
  device: string
  precision: Precision
  parametersPerBlock: number
  /** Floating-point operations of one sample through one block, forward; 2 a multiply-add. */
  forwardFlops: number
  /** The same, forward and backward. */
  trainingFlops: number
  /** Bytes that the run holds at once, without those of the program itself. */
  memory: {
    /** Weights and AdamW's moments of the blocks in flight; on a GPU their gradients and activations too. */
    blocks: number
    /** Activations and gradients of all threads; 0 on a GPU. */
    buffers: number
    /** Training samples and batches. */
    data: number
    total: number
  }
  /** From steps that were measured; null where the run needs more memory than is free, and on GPUs. */
  time: {
    /** Seconds of the whole run. */
    seconds: number
    /** Samples through all blocks per second. */
    samplesPerSecond: number
    measuredSteps: number
  } | null
  /** Where blocks share features whose encoder is still to be trained: what that takes; the time above is that of both. */
  encoder?: Estimate
}

/** Checks everything that training checks, and says what it takes. Steps are measured for about half a second. */
export async function estimate(model: NativeModel, data: Data, options: FitOptions): Promise<Estimate> {
  const {
    signal,
    validation: _,
    validationSplit: __,
    fitReadout: fits,
    cluster: ___,
    encoder: own,
    ...rest
  } = requireObject(options, 'the options of estimate')
  // A rate that is still to be found takes as long as any other.
  const fixed = rest.learningRate === 'find' ? { ...rest, learningRate: undefined } : rest
  requireDevice(rest.device)
  if (requireSwitch(fits, 'fitReadout')) native(() => model.checkReadout())
  const { input, encoder } = JSON.parse(model.config) as ModelConfig
  return withDataset(data, input, async (dataset) => {
    const of = async (model: NativeModel, options: TrainOptions): Promise<Estimate> =>
      JSON.parse(await withStopSignal(signal, (stop) => model.estimate(dataset, toJson(options), freeMemory(), stop)))
    // Read only where it is asked for.
    return encoder ? (await import('./encoder.js')).estimateBoth(model, fixed, own, of) : of(model, fixed)
  })
}

/** Bytes that may still be had; a container may have less than the machine. */
function freeMemory(): number {
  return process.availableMemory?.() ?? freemem()
}
