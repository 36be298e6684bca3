import type { History } from '../events.js'
import type { BlockContribution, EvaluateResult } from '../inference.js'
import type { NumberResult } from '../numbers.js'
import type { ModelConfig, SamplerOptions, TrainingRecord } from '../options.js'
import type { LayerSummary } from '../summary.js'

/** What a report says, as JSON; the page draws it and computes nothing of it. */
export interface ReportDocument {
  format: 'noprop-report'
  version: 1
  /** What the report is about, such as the name of the data or of the model's file. */
  title: string
  made: {
    /** When, in ISO 8601. */
    at: string
    /** The version of noprop that made it. */
    version: string
    /** The command line that made it, where one did. */
    command?: string
  }
  model: {
    /** The method as papers call it, `NoProp-DT`. */
    method: string
    /** The model in one line. */
    line: string
    config: ModelConfig
    layers: LayerSummary[]
    parameters: number
    weightsSha256: string
  }
  training: TrainingRecord | null
  /** How long the training took and where it ran, where the report was made by the run itself. */
  run?: { seconds: number; samplesPerSecond: number; device: string }
  curves?: Curves
  data?: {
    name: string
    samples: number
    shape: number[]
    fingerprint: string
    /** Whether these are the samples that trained the model. */
    isTraining: boolean
  }
  evaluation?: EvaluateResult
  /** In place of the evaluation, of a model that predicts numbers. */
  numbers?: Numbers
  /** How classes were read off the chain. */
  sampler?: SamplerOptions
  blocks?: {
    /** Samples on which they were measured, which are the first ones. */
    samples: number
    contributions: BlockContribution[]
  }
  denoising?: Denoising
  /** The first samples of each pair of classes: label, prediction, and their places in the data. */
  cells?: [target: number, predicted: number, samples: number[]][]
  /** What samples look like, by their places in the data. */
  samples: Record<string, ShownSample>
  /** Why a part is missing, by the part's name. */
  missing: Partial<Record<'curves' | 'validation' | 'evaluation' | 'blocks' | 'denoising' | 'pictures', string>>
}

/** Losses and validations over the epochs; null where a block was not looked at or had ended. */
export interface Curves extends Pick<History, 'chain'> {
  /** The epochs that the rows below tell of, from 1. */
  epochs: number[]
  /** `loss[block − 1][place in epochs]` */
  loss: (number | null)[][]
  validationLoss?: (number | null)[][]
  validationAccuracy?: (number | null)[][]
}

/** How good predicted numbers are. */
export interface Numbers {
  /** What the targets are called. */
  names: string[]
  evaluation: NumberResult
  /** The places of the samples whose numbers are drawn. */
  samples: number[]
  /** True and predicted number of these samples, for each target that is drawn. */
  points: [truth: number, predicted: number][][]
}

/** How a few samples come out of the noise. */
export interface Denoising {
  /**
   * What is drawn of a state: a bar for each class (one-hot embeddings), a bar for each value of the vector (`orthogonal`, `learned`), or a
   * picture (prototypes of pictures).
   */
  drawn: 'classes' | 'values' | 'pictures'
  /** Which classes or values the bars are, by their places; all of them where they are few, none of a picture. */
  places: number[]
  /** The steps that are drawn, by their blocks, from 1; with `isOne`, where one net makes them all, by their numbers. */
  steps: number[]
  isOne: boolean
  /** What an estimate is of. */
  estimates: 'label' | 'velocity'
  samples: {
    sample: number
    target: number
    predicted: number
    /** z_0. */
    initial: DrawnState
    /** û and z after each drawn step. */
    steps: { estimate: DrawnState; state: DrawnState }[]
  }[]
}

/** The values of the drawn places, or a picture as a data URI. */
export type DrawnState = number[] | string

/** What a sample looks like. */
export interface ShownSample {
  /** A picture as a data URI. */
  picture?: string
  /** The columns of a row. */
  fields?: [name: string, value: string][]
  /** The values of a vector. */
  values?: number[]
}
