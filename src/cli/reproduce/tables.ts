import type { DatasetName } from '../../data/catalogue.js'
import type { ModelOptions, SamplerOptions, TrainOptions } from '../../options.js'

/** What is trained for a row, and what comes of it. */
export interface Row {
  /** Unique in its table; its files have this name. */
  id: string
  /** The method, as a reader knows it. */
  system: string
  data: DatasetName
  /** Accuracy in per cent, memory in MB, or the time to the accuracy that all rows of a `race` reach. */
  measure: 'accuracy' | 'memory' | 'time'
  /** What the document says, in the measure's unit; null where it says nothing. */
  theirs: number | null
  /** `race`: the same network and data, of which the time to the same accuracy is compared. */
  race?: string
  model: Partial<ModelOptions>
  training: Omit<TrainOptions, 'epochs'>
  /** As many as the document takes. */
  epochs: number
  /** Whether the document says nothing of epochs, so that `epochs` are the most of ours. */
  epochsAreOurs?: true
  /** What is always otherwise than in the document. */
  differs?: string
  /** How the document samples. Within a budget the defaults do. */
  sampling?: SamplerOptions
  /** What is smaller within a budget, and how to say so. */
  within?: { model: Partial<ModelOptions>; note: string }
}

/** A table of a document. */
export interface Table {
  title: string
  /** Where the figures of `theirs` stand. */
  source: string
  rows: Row[]
  /** How many times as long one row of a race takes as another. */
  ratios?: Ratio[]
}

/** How many times as long the row `slow` takes as `fast`. */
export interface Ratio {
  id: string
  system: string
  data: DatasetName
  theirs: number | null
  slow: string
  fast: string
}

/** A method with what the paper trains it by (its appendix). */
interface System {
  name: string
  model: Partial<ModelOptions>
  epochs: Record<'mnist' | 'cifar10' | 'cifar100', number>
  sampling?: SamplerOptions
  training?: Omit<TrainOptions, 'epochs'>
  within?: Row['within']
}

const SETS = ['mnist', 'cifar10', 'cifar100'] as const
const PAPER: Omit<TrainOptions, 'epochs'> = { batch: 128, learningRate: 1e-3, weightDecay: 1e-3 }
/** As the paper says of CT and FM: "Adam" with weight decay, which in PyTorch is an L2 penalty. */
const ADAM: Omit<TrainOptions, 'epochs'> = { ...PAPER, optimizer: 'adam' }
const STEPS = 1000

const SYSTEMS = {
  backprop: { name: 'Back-propagation', model: { method: 'backprop', blocks: 10 }, epochs: epochs(100, 150, 150) },
  dt: {
    name: 'NoProp-DT',
    model: { method: 'dt', blocks: 10 },
    epochs: epochs(100, 150, 150),
    // Its steps draw from the posterior (paper, Eq. 3 and 6).
    sampling: { stochastic: true },
  },
  adjoint: {
    name: 'Adjoint',
    model: { method: { type: 'adjoint', steps: STEPS } },
    epochs: epochs(2, 4, 4),
    within: { model: { method: { type: 'adjoint', steps: 10 } }, note: '10 steps in place of 1,000' },
  },
  ct: {
    name: 'NoProp-CT',
    model: { method: 'ct' },
    epochs: epochs(100, 500, 1000),
    sampling: { steps: STEPS, stochastic: true },
    training: ADAM,
  },
  fm: {
    name: 'NoProp-FM',
    model: { method: 'fm' },
    epochs: epochs(100, 500, 1000),
    sampling: { steps: STEPS },
    training: ADAM,
  },
  'forward-forward': {
    name: 'Forward-Forward',
    model: { method: 'forward-forward' },
    epochs: epochs(100, 100, 100),
    training: { batch: 100, learningRate: 1e-3, weightDecay: 3e-4, learningRateSchedule: 'cool-down' },
  },
} satisfies Record<string, System>

type Name = keyof typeof SYSTEMS

function epochs(mnist: number, cifar10: number, cifar100: number) {
  return { mnist, cifar10, cifar100 }
}

/** A system with another option, such as an embedding: what its rows are called. */
interface Variant {
  id: string
  label: string
  model: Partial<ModelOptions>
}

const DIM20: Variant = {
  id: 'dim20',
  label: 'learned embedding of 20 values',
  model: { embedding: { type: 'learned', dim: 20 } },
}
/** Methods go on from the medoids. */
const PROTOTYPE: Variant = {
  id: 'prototype',
  label: 'prototypes',
  model: { embedding: { type: 'prototype', learned: true } },
}

/** A row of a system on a data set. */
function row(
  name: Name,
  data: (typeof SETS)[number],
  measure: Row['measure'],
  theirs: number | null,
  variant?: Variant,
): Row {
  const { name: system, model, epochs, sampling, training = PAPER, within }: System = SYSTEMS[name]
  const id = [data, name, ...(variant ? [variant.id] : []), ...(measure === 'accuracy' ? [] : [measure])].join('-')
  return {
    ...{ id, system: variant ? `${system}, ${variant.label}` : system, data, measure, theirs },
    ...{ model: { ...model, ...variant?.model }, training, epochs: epochs[data] },
    ...(sampling ? { sampling } : {}),
    ...(within ? { within } : {}),
  }
}

/** What the document says of a system on MNIST, CIFAR-10 and CIFAR-100, as far as it says something. */
type Line = [name: Name, theirs: readonly (number | null)[], variant?: Variant]

function rowsOf(measure: Row['measure'], ...lines: Line[]): Row[] {
  return SETS.flatMap((data, set) =>
    lines.flatMap(([name, theirs, variant]) => {
      const figure = theirs[set] ?? null
      return figure === null ? [] : [row(name, data, measure, figure, variant)]
    }),
  )
}

/** The same network and samples in one worker and in two. */
function raceRows(): Row[] {
  const blocks = { net: { type: 'cnn' }, blocks: 10 } as const
  return (['dt', 'backprop'] as const).flatMap((name) =>
    [1, 2].map((threads) => ({
      ...row(name, 'mnist', 'time', null),
      ...{ id: `mnist-${name}-time-${threads}`, race: 'mnist' },
      system: `${SYSTEMS[name].name}, ${threads === 1 ? 'one worker' : 'two workers'}`,
      ...{
        model: { ...SYSTEMS[name].model, ...blocks },
        training: { ...PAPER, threads },
        epochs: 10,
        epochsAreOurs: true as const,
      },
    })),
  )
}

/** How these differ from the publication's, beside the data. */
const TRANSFORMER = 'a constant rate in place of a cosine with warm-up, no RandAugment'

/** A transformer on CIFAR-10, in three blocks that own ranges of noise or end to end; the publication has twelve layers. */
function transformers(): Row[] {
  const net = { type: 'vit', patch: 4, width: 128, depth: 4, heads: 4, dropout: 0.1 } as const
  const training = { batch: 128, learningRate: 5e-4, weightDecay: 1e-2, augment: { flip: true } }
  const methods: [string, string, ModelOptions['method']][] = [
    ['edm', 'DiffusionBlocks, partition edm', { type: 'diffusion-blocks', partition: 'edm' }],
    [
      'information',
      'DiffusionBlocks, partition equal-information',
      { type: 'diffusion-blocks', partition: 'equal-information' },
    ],
    ['backprop', 'Back-propagation, the same three blocks', 'backprop'],
  ]
  return methods.flatMap(([name, system, method]) =>
    (['accuracy', 'memory'] as const).map((measure) => {
      const model = { method: method as NonNullable<ModelOptions['method']>, blocks: 3, net }
      const id = `cifar10-vit-${name}${measure === 'memory' ? '-memory' : ''}`
      const asked = { model, training, epochs: 500, ...(measure === 'accuracy' ? { differs: TRANSFORMER } : {}) }
      return { id, system, data: 'cifar10', measure, theirs: null, ...asked } satisfies Row
    }),
  )
}

const ARXIV = 'arXiv 2503.24322'

/** The tables, by the names that users type. */
export const TABLES: Readonly<Record<string, Table>> = {
  seed: {
    title: 'The original sketch',
    source: 'the document that this project began with',
    rows: [
      ...rowsOf('accuracy', ['dt', [99.5, 80.5]], ['backprop', [99.4, 79.9]], ['forward-forward', [98.6]]),
      ...[row('dt', 'cifar10', 'memory', 640), row('backprop', 'cifar10', 'memory', 1170)],
      row('forward-forward', 'mnist', 'memory', 1050),
      ...raceRows(),
    ],
    ratios: [1, 2].map((workers) => ({
      id: `mnist-ratio-${workers}`,
      system: `Back-propagation ÷ NoProp-DT, ${workers === 1 ? 'one worker' : 'two workers'}`,
      data: 'mnist',
      // "on multi-GPU setups"
      theirs: workers === 1 ? null : 3,
      slow: `mnist-backprop-time-${workers}`,
      fast: `mnist-dt-time-${workers}`,
    })),
  },
  'paper-accuracy': {
    title: 'Accuracy in the paper',
    source: `${ARXIV}, accuracy on test samples`,
    rows: rowsOf(
      'accuracy',
      ['backprop', [99.46, 79.92, 45.85]],
      ['dt', [99.47, 79.25, 45.93]],
      ['adjoint', [98.62, 66.78, 25.03]],
      ['ct', [97.84, 73.35, 33.66]],
      ['fm', [99.21, 73.14, 6.38]],
      ['forward-forward', [98.63]],
      ['backprop', [99.43, 79.3, 46.57], DIM20],
      ['dt', [99.49, 79.12, 45.19], DIM20],
      ['ct', [97.7, 71.77, 33.99], DIM20],
      ['fm', [99.29, 73.5, 31.14], DIM20],
      ['backprop', [99.44, 79.58, 47.8], PROTOTYPE],
      ['dt', [99.54, 80.54, 46.06], PROTOTYPE],
      ['ct', [97.17, 66.54, 21.31], PROTOTYPE],
      ['fm', [98.52, 75.18, 37.57], PROTOTYPE],
    ),
  },
  'paper-memory': {
    title: 'Memory in the paper',
    source: `${ARXIV}, memory on a GPU in MB`,
    rows: rowsOf(
      'memory',
      ['backprop', [870, 1170, 1730]],
      ['dt', [490, 640, 1230]],
      ['adjoint', [2320, 6230, 6450]],
      ['ct', [1050, 450, 500]],
      ['fm', [1060, 440, 490]],
    ),
  },
  'paper-speed': {
    title: 'Accuracy against time in the paper',
    source: `${ARXIV}, where these are curves without figures`,
    rows: (['dt', 'backprop', 'adjoint', 'ct', 'fm'] as const).map((name) => ({
      ...row(name, 'mnist', 'time', null),
      race: 'mnist',
    })),
  },
  'diffusion-blocks': {
    title: 'DiffusionBlocks',
    source: 'arXiv 2506.14202, which has CIFAR-100 and Tiny ImageNet, and no figure for CIFAR-10',
    rows: transformers(),
  },
}

/** Other names of tables. */
export const ALIASES: Readonly<Record<string, string>> = { sketch: 'seed' }
