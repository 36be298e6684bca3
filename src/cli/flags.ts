import type { Command } from 'commander'
import type { FitOptions } from '../fit.js'
import { NoProp } from '../model.js'
import type {
  Augment,
  Embedding,
  EncoderOptions,
  Method,
  ModelOptions,
  Net,
  SamplerOptions,
  Schedule,
} from '../options.js'
import { addFlags, badValue, Flag, number, numbers, optionsOf, parseNumber, type Values } from './flag.js'
import { type NetFile, readNetFile } from './net-file.js'
import { shapeOf } from './shape.js'
import { usage } from './usage.js'

/** Where to compute, for every command that does. */
const THREADS = new Flag('--threads <number>', 'cores to use (default: all)', { read: number })
const IN_FLIGHT = new Flag('--in-flight <number>', 'blocks trained at the same time (default: up to 16)', {
  read: number,
})
const PRECISION = new Flag('--precision <f32|tf32|bf16>', 'rounding of factors in training (default: f32)')

const BLOCKS = new Flag(
  '--blocks <number>',
  'number of blocks T (default: 10; 3 for diffusion-blocks, 1 for methods of one net)',
  { read: number },
)

/** The training method and its options. */
const METHOD = [
  new Flag(
    '--method <name>',
    'dt, ct, fm, diffusion-blocks, backprop, forward-forward, classifier or adjoint (default: dt)',
    {
      sets: 'method.type',
    },
  ),
  new Flag('--method-eta <number>', 'ct: weight of denoising beside the head (default: 1)', {
    read: number,
    sets: 'method.eta',
  }),
  new Flag('--gamma-units <number>', 'ct: units of the net that learns the noise schedule (default: 32)', {
    read: number,
    sets: 'method.units',
  }),
  new Flag('--gamma0 <number>', 'ct: γ at the end, before training (default: -1)', {
    read: number,
    sets: 'method.gamma0',
  }),
  new Flag('--gamma1 <number>', 'ct: γ at the beginning, before training (default: 4)', {
    read: number,
    sets: 'method.gamma1',
  }),
  new Flag('--noise <number>', 'fm: noise around the way from noise to label (default: 0)', {
    read: number,
    sets: 'method.noise',
  }),
  new Flag('--partition <edm|equal-information>', 'diffusion-blocks: how noise is shared out (default: edm)', {
    sets: 'method.partition',
  }),
  new Flag('--overlap <number>', 'diffusion-blocks: how far ranges of noise overlap (default: 0.05)', {
    read: number,
    sets: 'method.overlap',
  }),
  new Flag('--loss <ce|mse>', 'dt, diffusion-blocks: cross-entropy or squared error (default: mse for dt, else ce)', {
    sets: 'method.loss',
  }),
  new Flag('--preconditioning', 'diffusion-blocks: scale input and output by the noise, with --loss mse', {
    sets: 'method.preconditioning',
  }),
  new Flag('--sigma-min <number>', 'diffusion-blocks: least noise level (default: 0.002)', {
    read: number,
    sets: 'method.sigmaMin',
  }),
  new Flag('--sigma-max <number>', 'diffusion-blocks: greatest noise level (default: 80)', {
    read: number,
    sets: 'method.sigmaMax',
  }),
  new Flag('--peer <number>', 'forward-forward: weight of the peer normalisation (default: 0.03)', {
    read: number,
    sets: 'method.peer',
  }),
  new Flag('--momentum <share>', 'forward-forward: how much of a movement goes on (default: 0.9)', {
    read: number,
    sets: 'method.momentum',
  }),
  new Flag('--ode-steps <number>', 'adjoint: steps from noise to class (default: 10)', {
    read: number,
    sets: 'method.steps',
  }),
]

const EMBEDDING = [
  new Flag(
    '--embedding <type>',
    'label embedding: one-hot, orthogonal, learned, prototype (default: one-hot, with --embedding-dim orthogonal)',
    { sets: 'embedding.type' },
  ),
  new Flag('--embedding-dim <number>', 'orthogonal, learned: values of an embedding', {
    read: number,
    sets: 'embedding.dim',
  }),
  new Flag('--embedding-learned', 'with --embedding prototype: train the prototypes with the nets', {
    sets: 'embedding.learned',
  }),
]

/** What a model is, apart from its net and schedule. */
const MODEL = [
  ...METHOD,
  BLOCKS,
  ...EMBEDDING,
  new Flag('--head <none|softmax|posterior>', 'what gives probabilities at the last state (default: none)'),
  new Flag('--seed <number>', 'seed of every random number (default: 0)', { read: number }),
]

/** How the encoder is trained, where that is otherwise than the blocks. */
const ENCODER_TRAINING = [
  new Flag('--encoder-epochs <number>', 'passes of the encoder over the samples (default: as --epochs)', {
    read: number,
    sets: 'encoder.epochs',
  }),
  new Flag('--encoder-batch <number>', 'its samples per step (default: as --batch)', {
    read: number,
    sets: 'encoder.batch',
  }),
  new Flag('--encoder-lr <rate>', 'its learning rate (default: as --lr)', {
    read: number,
    sets: 'encoder.learningRate',
  }),
  new Flag('--encoder-lr-schedule <name>', 'its learning rate over time (default: as --lr-schedule)', {
    sets: 'encoder.learningRateSchedule',
  }),
  new Flag('--encoder-weight-decay <rate>', 'its weight decay (default: as --weight-decay)', {
    read: number,
    sets: 'encoder.weightDecay',
  }),
  new Flag('--encoder-label-smoothing <share>', 'its label smoothing (default: 0)', {
    read: number,
    sets: 'encoder.labelSmoothing',
  }),
]

const ENCODER = [
  new Flag('--encoder <file>', 'take the encoder of this model file (of method classifier, or with an encoder)', {
    sets: 'encoder.file',
  }),
]

/** A net and its sizes. */
const SIZES = [
  new Flag(
    '--net <cnn|mlp|resnet|vit>',
    'network of each block (default: cnn for images of at least 14×14, else mlp)',
    { sets: 'net.type' },
  ),
  new Flag(
    '--widths <list>',
    'channels: of the three convolutions for cnn, of each stage for resnet (default: 32,64,128)',
    {
      read: numbers,
      sets: 'net.widths',
    },
  ),
  new Flag(
    '--hidden <number|list>',
    'hidden units: one number for cnn and resnet (default: 256), one per layer for mlp (default: 512,512,512)',
    { read: numbers, sets: 'net.hidden' },
  ),
  new Flag('--depth <number>', 'residual blocks per stage for resnet (default: 1), layers for vit (default: 4)', {
    read: number,
    sets: 'net.depth',
  }),
  new Flag('--activation <relu|gelu>', 'resnet: activation (default: relu)', { sets: 'net.activation' }),
  new Flag('--whitening <number>', 'resnet: filters of a frozen first layer that whitens patches (default: none)', {
    read: number,
    sets: 'net.whitening',
  }),
  new Flag('--identity', 'resnet: convolutions begin as copies of their input', { sets: 'net.identity' }),
  new Flag('--patch <number>', 'vit: pixels along a side of a patch (default: 4)', { read: number, sets: 'net.patch' }),
  new Flag('--width <number>', 'vit: values of a token (default: 128)', { read: number, sets: 'net.width' }),
  new Flag('--heads <number>', 'vit: attention heads (default: 4)', { read: number, sets: 'net.heads' }),
  new Flag('--mlp-ratio <number>', 'vit: hidden units in widths of a token (default: 4)', {
    read: number,
    sets: 'net.mlpRatio',
  }),
  new Flag('--dropout <share>', 'share of values that dropout zeroes (default: 0.2 for cnn, 0 for mlp and vit)', {
    read: number,
    sets: 'net.dropout',
  }),
]

const NET = [
  ...SIZES,
  new Flag('--net-file <file>', 'your own net as JSON, instead of --net and its sizes', {
    read: () => readNetFile,
  }).conflicts(SIZES.map((flag) => flag.attributeName())) as Flag,
]

const ENCODER_SIZES = SIZES.map((flag) => flag.of('encoder'))

/** The net of the encoder that blocks share. */
const ENCODER_NET = [
  new Flag('--features <shared>', 'train one encoder first, and the blocks on what it makes of the samples'),
  ...ENCODER_SIZES,
  new Flag('--encoder-net-file <file>', 'its net as JSON, as --net-file', {
    read: () => readNetFile,
  }).conflicts(ENCODER_SIZES.map((flag) => flag.attributeName())) as Flag,
]

const SCHEDULE = [
  new Flag('--schedule <cosine|linear|custom>', 'noise schedule (default: cosine)', { sets: 'schedule.type' }),
  new Flag('--schedule-min <share>', 'cosine: smallest signal share (default: 0.0001)', {
    read: number,
    sets: 'schedule.min',
  }),
  new Flag('--schedule-max <share>', 'cosine: largest signal share (default: 0.999)', {
    read: number,
    sets: 'schedule.max',
  }),
  new Flag('--schedule-start <factor>', 'linear: first factor (default: 1)', { read: number, sets: 'schedule.start' }),
  new Flag('--schedule-end <factor>', 'linear: last factor (default: 0.1)', { read: number, sets: 'schedule.end' }),
  new Flag('--alpha-bar <list>', 'custom: signal shares in ascending order, one more than blocks', {
    read: numbers,
    sets: 'schedule.alphaBar',
  }),
]

const OPTIMIZER = [
  new Flag(
    '--optimizer <adamw|adam|sgd>',
    'optimiser: weight decay decoupled, or in the gradients; sgd with momentum (default: adamw)',
    { sets: 'optimizer.type' },
  ),
  new Flag('--sgd-momentum <share>', 'sgd: how much of a movement goes on (default: 0.9)', {
    read: number,
    sets: 'optimizer.momentum',
  }),
]

const TRAINING = [
  new Flag('--epochs <number>', 'passes over the training samples (default: 1)', { read: number }),
  new Flag('--batch <number>', 'samples per step (default: 128, or all where there are fewer)', { read: number }),
  new Flag('--lr <rate|find>', 'learning rate, with one-cycle its peak; find looks for one (default: 0.001)', {
    read: rateOf,
    sets: 'learningRate',
  }),
  new Flag(
    '--lr-schedule <name>',
    'learning rate over time: constant, one-cycle, cool-down or cosine (default: constant)',
    { sets: 'learningRateSchedule' },
  ),
  new Flag('--warmup <epochs>', 'epochs over which the learning rate rises first (default: 0)', { read: number }),
  ...OPTIMIZER,
  new Flag('--weight-decay <rate>', 'weight decay of the optimiser (default: 0.001)', { read: number }),
  new Flag('--label-smoothing <share>', 'with cross-entropy: share of labels spread over all classes (default: 0)', {
    read: number,
  }),
  new Flag('--clip-norm <number>', 'greatest norm of the gradients of a block (default: none)', { read: number }),
  new Flag('--ema <share>', 'end blocks with an average of their weights, of which this much stays in a step', {
    read: number,
  }),
  new Flag('--class-weights <list|balanced>', 'how much the samples of each class count (default: all alike)', {
    read: weightsOf,
  }),
  new Flag('--mixup <number>', 'α by which training samples are mixed with others (default: 0)', { read: number }),
  new Flag('--weighting <uniform|snr>', "factor of each block's loss (default: uniform)"),
  new Flag('--eta <number>', 'snr: its factor η (default: 0.1)', { read: number }),
  new Flag(
    '--augment <list>',
    'augment training images: shift=PIXELS, flip or flip=alternating, cutout=PIXELS (default: none)',
    {
      read: () => augmentOf,
    },
  ),
  PRECISION,
]

const VALIDATION = [
  new Flag('--validation-split <share>', 'hold out this share of the training samples to validate on (default: none)', {
    read: number,
  }),
  new Flag('--validation-every <epochs>', 'epochs between two validations of a block (default: 1)', { read: number }),
  new Flag('--patience <number>', 'end a block after so many validations without a better loss (default: never)', {
    read: number,
    sets: 'earlyStopping.patience',
  }),
  new Flag('--min-delta <loss>', 'how much lower a better loss must be (default: 0)', {
    read: number,
    sets: 'earlyStopping.minDelta',
  }),
  new Flag('--keep <best|last>', 'whose weights a block with --patience ends with (default: best)', {
    read: () => keepsBest,
    sets: 'earlyStopping.restoreBest',
  }),
]

/** Which blocks of a trained model are trained. */
const KEPT = [
  new Flag('--block <list>', 'retrain: the blocks to train anew: 3-6,9', { read: blocksOf, sets: 'retrain' }),
  new Flag('--continue', 'retrain: go on from their weights (default: from the beginning)'),
  new Flag('--seed <number>', "retrain: seed of what they draw (default: the model's)", { read: number }),
  new Flag('--levels <list>', 'append: signal shares of what the blocks get, instead of --count', {
    read: numbers,
    sets: 'append',
  }),
  new Flag('--count <number>', 'append, drop: how many blocks (default: 1)', { read: number, sets: 'append' }),
]

const FIT_READOUT = new Flag('--fit-readout', 'fit weights of the blocks to the samples held out, for --readout fitted')

const PARTS = [
  new Flag('--only-blocks <list>', 'train these blocks alone, as a part for noprop assemble: 3-6,9 (default: all)', {
    read: blocksOf,
  }),
]

const CLUSTER = [
  new Flag('--queue <url>', 'train on workers: redis://…, rediss://…, postgres://…'),
  new Flag('--store <url>', 'what workers share: s3://…, file:///…'),
  new Flag('--kind <name>', 'kind of the workers: cpu-avx512, … (default: as this machine)'),
  new Flag('--telemetry', 'tell OpenTelemetry of jobs (package bullmq-otel)'),
  new Flag('--detach', 'leave the run to its workers (noprop runs attach)'),
]

const CHECKPOINTS = [
  new Flag('--checkpoint <dir>', 'save the state of the run in this directory'),
  new Flag('--checkpoint-seconds <number>', 'save at least this often (default: 30)', { read: number }),
  new Flag('--resume', 'resume the run in --checkpoint, or start it if there is none'),
]

const PLACE = [
  new Flag(
    '--device <auto|cpu|cuda[:i]>',
    'where to train: auto, cpu, cuda, cuda:1, cuda:0,1, cuda:all (default: auto)',
  ),
  THREADS,
  IN_FLIGHT,
]

const SAMPLER = [
  new Flag(
    '--sampler <name>',
    'rule from state to state: posterior, resample, ddim, euler, heun (default: that of the method)',
  ),
  new Flag('--steps <number>', 'steps from noise to label, for methods of one net (default: 20)', { read: number }),
  new Flag('--steps-per-block <number>', 'diffusion-blocks: steps within each block (default: 1)', { read: number }),
  new Flag('--stop-after <block>', 'end after this block (default: the last one)', { read: number }),
  new Flag(
    '--readout <state|mean|fitted>',
    'read the last state, the mean of the estimates of the blocks, or their fitted sum (default: state)',
  ),
  new Flag('--views <number>', 'views of each image to average: mirrored, moved by a pixel (default: 1)', {
    read: number,
  }),
  new Flag('--stochastic', 'add the noise of each step (default: use its mean)'),
  new Flag('--seed <number>', 'seed of the initial state and of the noise (default: 0)', { read: number }),
]

const INFERENCE_PLACE = [new Flag('--device <auto|cpu|cuda[:i]>', 'where to compute (default: auto)'), THREADS]

const BENCH = [
  new Flag('--mode <train|inference>', 'what to measure (default: train)'),
  new Flag('--seconds <number>', 'how long to measure (default: 5)', { read: number }),
  new Flag('--batch <number>', 'samples per step or prediction (default: 128)', { read: number }),
]

const BENCH_SHAPE = [
  new Flag('--shape <shape>', 'mnist, cifar10, cifar100, HxWxC or N (default: mnist)', { sets: 'input' }),
  new Flag('--classes <number>', 'number of classes (default: that of the shape, else 10)', { read: number }),
]
const INSPECTED = [
  new Flag('--input <shape>', 'shape of a sample for the net: mnist, cifar10, cifar100, HxWxC or N (default: mnist)'),
  new Flag('--classes <number>', 'number of classes (default: that of the shape, else 10)', { read: number }),
]

const BENCH_PLACE = [...INFERENCE_PLACE, IN_FLIGHT, PRECISION]

/** Flags of `train` beside the data set. */
export function addTrainFlags(command: Command): void {
  addFlags(command, 'Model', [...MODEL, ...NET])
  addFlags(command, 'Shared features', [
    ...ENCODER_NET.slice(0, 1),
    ...ENCODER,
    ...ENCODER_NET.slice(1),
    ...ENCODER_TRAINING,
  ])
  addFlags(command, 'Noise schedule', SCHEDULE)
  addFlags(command, 'Training', TRAINING)
  addFlags(command, 'Validation', [...VALIDATION, FIT_READOUT])
  addFlags(command, 'Parts of a model', PARTS)
  addFlags(command, 'Cluster', CLUSTER)
  addFlags(command, 'Checkpoints', CHECKPOINTS)
  addFlags(command, 'Device and threads', PLACE)
}

/** Flags of `blocks` beside the data set. */
export function addBlocksFlags(command: Command): void {
  addFlags(command, 'Which blocks', KEPT)
  addFlags(command, 'Training', TRAINING)
  addFlags(command, 'Validation', [...VALIDATION, FIT_READOUT])
  addFlags(command, 'Checkpoints', CHECKPOINTS)
  addFlags(command, 'Device and threads', PLACE)
}

/** Flags of `sweep` beside the data set: those of `train`, without its checkpoints. */
export function addSweepFlags(command: Command): void {
  addFlags(command, 'Model', [...MODEL, ...NET])
  addFlags(command, 'Noise schedule', SCHEDULE)
  addFlags(command, 'Training', TRAINING)
  addFlags(command, 'Validation', VALIDATION)
  addFlags(command, 'Device and threads', PLACE)
}

/** The flags whose options a sweep may vary. */
export function sweptFlags(): Flag[] {
  return [...MODEL, ...SIZES, ...SCHEDULE, ...TRAINING, ...VALIDATION.filter(({ path }) => path !== 'validationSplit')]
}

/** The name of a net. */
type NetType = Exclude<Net, string>['type']

/** The options of a model that flags set; `netType` is the net that they mean where they name none. */
export function modelOptionsOf(values: Values, netType: NetType, input: readonly number[] = []): Partial<ModelOptions> {
  return {
    ...optionsOf<Partial<ModelOptions>>(values, [...MODEL, ...ENCODER_NET.slice(0, 1)]),
    ...withoutUndefined({
      method: methodOf(values),
      net: netOf(values, netType),
      encoder: encoderOf(values, input),
      schedule: scheduleOf(values),
      embedding: embeddingOf(values),
    }),
  }
}

/** The method as the core reads it: options without a name are those of the default, which refuses what it has not. */
function methodOf(values: Values): Method | undefined {
  const { method } = optionsOf<{ method?: Record<string, unknown> }>(values, METHOD)
  return method && ({ type: 'dt', ...method } as Method)
}

/** The embedding as the core reads it: one that is not named and has a dimension is orthogonal. Throws NOPROP_USAGE for a learned one without a name. */
function embeddingOf(values: Values): Embedding | undefined {
  const { embedding } = optionsOf<{ embedding?: Record<string, unknown> }>(values, EMBEDDING)
  if (embedding?.learned && embedding.type === undefined) {
    const learned = '--embedding learned --embedding-dim N trains vectors'
    throw usage(
      '--embedding-learned needs --embedding prototype',
      `${learned}, --embedding prototype --embedding-learned prototypes`,
    )
  }
  return embedding && ({ type: 'orthogonal', ...embedding } as unknown as Embedding)
}

/** The options of a training of some blocks that flags set. */
export function keptOptionsOf(values: Values): FitOptions {
  return { ...fitOptionsOf(values), ...optionsOf<FitOptions>(values, KEPT) }
}

/** The options of a training run that flags set. */
export function fitOptionsOf(values: Values): FitOptions {
  const flags = [...TRAINING, ...ENCODER_TRAINING, ...VALIDATION, FIT_READOUT, ...PARTS, ...CHECKPOINTS, ...PLACE]
  const options = optionsOf<FitOptions>(values, flags)
  const { optimizer } = options
  // One that is not named and has a momentum is sgd.
  return optimizer === undefined ? options : { ...options, optimizer: { type: 'sgd', ...(optimizer as object) } }
}

/** The flags of `train` that set these options of a model and its training, as they are typed. */
export function typedFlags(options: Partial<ModelOptions> & FitOptions): string[] {
  const flags = [...MODEL, ...SIZES, ...SCHEDULE, ...TRAINING, ...PLACE]
  return flags.flatMap((flag) => {
    const value = valueAt(options, flag.path)
    if (value === undefined || value === false) return []
    if (value === true) return [flag.long as string]
    const text = Array.isArray(value) ? value.join(',') : typeof value === 'object' ? typedParts(value) : String(value)
    return [flag.long as string, text]
  })
}

/** What an option of that path is set to; a bare name stands for an object with that type. */
function valueAt(options: object, path: string): unknown {
  return path.split('.').reduce<unknown>((at, key) => {
    if (typeof at === 'string') return key === 'type' ? at : undefined
    return (at as Record<string, unknown> | undefined)?.[key]
  }, options)
}

/** `{ shift: 4, flip: true }` as `shift=4,flip`. */
function typedParts(value: object | null): string {
  const parts = Object.entries(value ?? {}).filter(([, part]) => part !== false)
  return parts.map(([name, part]) => (part === true ? name : `${name}=${part}`)).join(',')
}

/** The flags among `values` that say what a model is, as they are typed. */
export function modelFlagsIn(values: Values): string[] {
  const given = values as Record<string, unknown>
  const all = [...MODEL, ...METHOD, ...ENCODER, ...ENCODER_NET, ...NET, ...SCHEDULE]
  const flags = all.filter((flag) => given[flag.attributeName()] !== undefined)
  return flags.map((flag) => flag.long as string)
}

/** The flags among `values` that say which encoder is to be trained and how, as they are typed. */
export function encoderFlagsIn(values: Values): string[] {
  const given = values as Record<string, unknown>
  const flags = [...ENCODER_NET.slice(1), ...ENCODER_TRAINING]
  return flags.filter((flag) => given[flag.attributeName()] !== undefined).map((flag) => flag.long as string)
}

/** The net as the core reads it; undefined when no flag names anything of it. */
function netOf(values: Values, netType: NetType): Net | undefined {
  const { netFile } = values as { netFile?: NetFile }
  if (netFile) return netFile.net
  return sized(optionsOf<{ net?: NetFlags }>(values, SIZES).net, netType)
}

/** What flags say of a net. */
interface NetFlags {
  type?: string
  hidden?: number[]
}

function sized(net: NetFlags | undefined, netType: NetType): Net | undefined {
  if (!net) return undefined
  const { type = netType, hidden } = net
  // A list of one number is that number for a cnn or a resnet, and one layer for an mlp.
  const units = type !== 'mlp' && hidden?.length === 1 ? hidden[0] : hidden
  return withoutUndefined({ ...net, type, hidden: units }) as Net
}

/** The net that flags mean where they name none: the core decides it by shape and method. */
export function netFor(input: readonly number[], values: Values = {}): NetType {
  const method = methodOf(values) ?? 'dt'
  const { features } = values as { features?: 'shared' }
  const shared = features ?? (sharesFeatures(values) ? 'shared' : undefined)
  const options = { input, classes: 2, blocks: 1, method }
  return NoProp.create(shared ? { ...options, features: shared } : options).config.net.type
}

/** Whether flags ask for an encoder, whatever else they say of features. */
function sharesFeatures(values: Values): boolean {
  const given = values as Record<string, unknown>
  return [...ENCODER, ...ENCODER_NET].some((flag) => given[flag.attributeName()] !== undefined)
}

/** The encoder as the core reads it: sizes without a type are those of the net that a sample's shape means. */
function encoderOf(values: Values, input: readonly number[]): EncoderOptions | undefined {
  const { encoderNetFile } = values as { encoderNetFile?: NetFile }
  if (encoderNetFile) return { net: encoderNetFile.net }
  const { encoder } = optionsOf<{ encoder?: { net?: NetFlags } }>(values, ENCODER_SIZES)
  const net = encoder && sized(encoder.net, netFor(input))
  return net && { net }
}

/** The schedule as the core reads it; its type follows from the flags when it is not named. */
function scheduleOf(values: Values): Schedule | undefined {
  const { schedule } = optionsOf<{ schedule?: Record<string, unknown> }>(values, SCHEDULE)
  if (!schedule) return undefined
  const isLinear = schedule.start !== undefined || schedule.end !== undefined
  const implied = schedule.alphaBar ? 'custom' : isLinear ? 'linear' : 'cosine'
  return { type: implied, ...schedule } as unknown as Schedule
}

/** Flag of the early end of samples. */
const CONFIDENCE_TEXT = 'end a sample after the first block that is so sure of its class (default: after the last one)'
const CONFIDENCE = new Flag('--confidence <share>', CONFIDENCE_TEXT, { read: number })
const CONFIDENCE_OR_CURVE = new Flag(
  '--confidence [share]',
  `${CONFIDENCE_TEXT}; without a share: a table of several`,
  {
    read: number,
  },
)

/** Flags of how a class is read off the blocks, and where. */
export function addSamplerFlags(command: Command, withCurve = false): void {
  addFlags(command, 'Sampling', [...SAMPLER, withCurve ? CONFIDENCE_OR_CURVE : CONFIDENCE])
  addFlags(command, 'Device and threads', INFERENCE_PLACE)
}

export function samplerOf(values: Values): SamplerOptions {
  const options = optionsOf<Record<string, unknown>>(values, [...SAMPLER, CONFIDENCE, ...INFERENCE_PLACE])
  // Without a share the flag asks for the curve.
  if (options.confidence === true) delete options.confidence
  return options
}

/** Flags of `inspect` for a net without a model file. */
export function addInspectFlags(command: Command): void {
  addFlags(command, 'A net without a model file', [...INSPECTED, BLOCKS, ...NET])
}

/** The options of the model that `inspect` shows; undefined where no flag names any of it. */
export function inspectedOptionsOf(values: Values): ModelOptions | undefined {
  const options = optionsOf(values, [...INSPECTED, BLOCKS, ...NET])
  if (Object.keys(options).length === 0) return undefined
  const { input, classes } = shapeOf('--input', (values as { input?: string }).input ?? 'mnist')
  const net = netOf(values, netFor(input))
  return { classes, ...optionsOf(values, [...INSPECTED, BLOCKS]), input, ...withoutUndefined({ net }) }
}

export function addBenchFlags(command: Command): void {
  addFlags(command, 'Benchmark', BENCH)
  addFlags(command, 'Model', [...BENCH_SHAPE, BLOCKS, ...NET])
  addFlags(command, 'Device and threads', BENCH_PLACE)
}

/** The options of a benchmark that flags set, without those of its shape. */
export function benchOptionsOf(values: Values): Record<string, unknown> {
  return {
    ...optionsOf(values, [...BENCH, BLOCKS, ...BENCH_PLACE]),
    ...withoutUndefined({ net: netOf(values, 'cnn') }),
  }
}

/** Reads a learning rate, or that one is to be found. */
function rateOf(flag: string): (text: string) => number | 'find' {
  return (text) => (text === 'find' ? text : parseNumber(flag, text))
}

/** More blocks than this are refused before a list of them is made; the core refuses them as well. */
const MOST_BLOCKS = 9999

/** Reads `3-6,9`. */
function blocksOf(flag: string): (text: string) => number[] {
  return (text) => blockList(flag, text)
}

function blockList(flag: string, text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [, first, last] = part.trim().match(/^(\d{1,4})(?:-(\d{1,4}))?$/) ?? []
    const [from, to] = [Number(first), Number(last ?? first)]
    if (first === undefined || from > to || to > MOST_BLOCKS) {
      throw badValue(flag, 'blocks and ranges of blocks, counted from 1: 3-6,9', text)
    }
    return Array.from({ length: to - from + 1 }, (_, index) => from + index)
  })
}

/** Reads numbers, or the name of a rule. */
function weightsOf(flag: string): (text: string) => 'balanced' | number[] {
  return (text) => (text === 'balanced' ? text : numbers(flag)(text))
}

/** Reads which weights a block ends with. */
function keepsBest(text: string): boolean {
  if (text === 'best' || text === 'last') return text === 'best'
  throw badValue('--keep', 'best or last', text)
}

/** Reads `shift=4,flip`; what the values mean is for the core to judge. */
function augmentOf(text: string): Augment {
  const augment: Augment = {}
  for (const part of text.split(',').map((part) => part.trim())) {
    const [, name, pixels] = part.match(/^(shift|cutout)=(.*)$/) ?? []
    if (name !== undefined) augment[name as 'shift' | 'cutout'] = parseNumber(`--augment ${name}`, pixels as string)
    else if (part === 'flip') augment.flip = true
    else if (part === 'flip=alternating') augment.flip = 'alternating'
    else if (part !== 'none' || text.trim() !== 'none')
      throw badValue('--augment', 'shift=PIXELS, flip or flip=alternating, cutout=PIXELS, by commas, or none', text)
  }
  return augment
}

function withoutUndefined<Options extends object>(options: Options): Options {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options
}
