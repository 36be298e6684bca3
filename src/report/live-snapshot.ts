import type { StartEvent } from '../events.js'

/** What a live page is told of a run, again and again and whole: a page that comes late, or back, needs no more. */
export interface LiveSnapshot {
  state: 'preparing' | 'training' | 'finished' | 'failed'
  /** Why the run failed. */
  error?: string
  start?: StartEvent
  /** Seconds since the training began. */
  seconds: number
  secondsLeft?: number
  /** Training samples through all blocks a second. */
  samplesPerSecond?: number
  /** Blocks that train at this moment, and the threads that work on them. */
  jobs?: number
  threads?: number
  /** Share of all steps of all blocks that is made. */
  share: number
  /** Blocks that are finished. */
  finished: number
  groups: LiveGroup[]
  loss: LiveLines
  validationLoss: LiveLines
  validationAccuracy: LiveLines
  /** The whole model on the validation samples. */
  chain: { epoch: number; accuracy: number; loss: number }[]
}

/** Neighbouring blocks, or one. */
export interface LiveGroup {
  from: number
  to: number
  share: number
  finished: number
  /** Mean of the newest losses. */
  loss: number | null
}

/** Lines over the epochs: of each block by its number, or of all together by what they are. */
export interface LiveLines {
  epochs: number[]
  lines: { name: number | string; values: (number | null)[] }[]
}
