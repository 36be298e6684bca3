import type { Label } from './data/labels.js'
import type { DeviceOption } from './device.js'
import type { Net, NetConfig } from './net.js'
import type { Preprocessing } from './preprocessing.js'

export type {
  CnnNet,
  GraphNet,
  GraphNode,
  GraphOp,
  MlpNet,
  Net,
  ResnetNet,
  VitNet,
} from './net.js'

/**
 * ᾱ_0 … ᾱ_T, the share of the label's signal in z_0 … z_T. A bare name means that schedule with its defaults.
 */
export type Schedule = 'cosine' | 'linear' | CosineSchedule | LinearSchedule | CustomSchedule

/** ᾱ_t = cos²(π/2 · (T − t)/T), clamped (the paper's "fixed cosine"; the clamp is this package's). */
export interface CosineSchedule {
  type: 'cosine'
  /** Smallest ᾱ. Default 1e-4 (this package). */
  min?: number
  /** Largest ᾱ. Default 0.999 (this package). */
  max?: number
}

/**
 * Per-step factors α evenly spaced from `start` to `end`, multiplied up (the rule of the original sketch). It ends at ᾱ_T = 1, where the SNR is
 * infinite, so it does not go with the 'snr' weighting.
 */
export interface LinearSchedule {
  type: 'linear'
  /** First factor. Default 1 (the original sketch): the last block trains on the clean label. */
  start?: number
  /** Last factor. Default 0.1 (the original sketch). */
  end?: number
}

/** ᾱ_0 … ᾱ_T as given. */
export interface CustomSchedule {
  type: 'custom'
  /** `blocks + 1` numbers from 0 to 1, strictly increasing. No default. */
  alphaBar: readonly number[]
}

/**
 * How a label becomes the vector that the blocks denoise. `one-hot`: the unit vector of its class (paper, fixed identity);
 * `orthogonal`: a fixed random vector of any dimension; `learned`: a vector of any dimension that is trained with the nets;
 * `prototype`: a training sample of its class, which may be trained with the nets, too.
 */
export type Embedding =
  | 'one-hot'
  | { type: 'one-hot' }
  | OrthogonalEmbedding
  | LearnedEmbedding
  | 'prototype'
  | PrototypeEmbedding

/**
 * Vectors that are trained with the nets, and with them a linear head that reads the class off the last state (paper), for `dt`, `ct`, `fm` and
 * `backprop`. They are shared by all blocks, which step together as one job: for blocks that are trained apart there is `orthogonal`.
 */
export interface LearnedEmbedding {
  type: 'learned'
  /** Values of a vector, 1 to 4,096; less where classes are very many. No default (paper: 20). */
  dim: number
}

/**
 * Fixed random vectors that follow from the model's seed. With `dim` of at least the number of classes they are orthonormal; with
 * fewer values their columns are orthogonal, and the mean square of their lengths is 1.
 */
export interface OrthogonalEmbedding {
  type: 'orthogonal'
  /** Values of a vector, 1 to 4,096; less where classes are very many. No default. */
  dim: number
}

/**
 * Of each class the training sample of the least median distance to the others (of at most 500 of a class, spread evenly over the data).
 * States are of the shape of a sample; net 'cnn' convolves them as it does the sample. `fit` finds the samples.
 */
export interface PrototypeEmbedding {
  type: 'prototype'
  /** Their values, class after class, in the configuration of a trained model. `fit` replaces what is given. */
  vectors?: number[]
  /**
   * Whether the samples are only how the vectors begin, which are then trained with the nets as {@link LearnedEmbedding} is (paper), for `dt`, `ct`,
   * `fm` and `backprop`.
   * Default false: they stay fixed.
   */
  learned?: boolean
}

/**
 * The training method. A bare name means that method with its defaults.
 *
 * - `dt`: NoProp-DT (paper, section 3): T blocks, each trained alone on the noise that it will meet.
 * - `ct`: NoProp-CT (paper, section 3.2): one net for all times, with a learned noise schedule.
 * - `fm`: NoProp-FM (paper, section 3.3): flow matching by one net that knows the time.
 * - `diffusion-blocks`: T blocks, each trained alone on a range of noise levels (arXiv 2506.14202).
 * - `backprop`: a baseline, the blocks of `dt` trained end to end by back-propagation, as one job (paper, section 4).
 * - `classifier`: a baseline, one plain net by cross-entropy that is told nothing of the label; an encoder is cut from it.
 * - `forward-forward`: a baseline, fully connected layers that each learn by a loss of their own (Hinton 2022).
 * - `adjoint`: a baseline, a neural differential equation that is trained by the adjoint equation (paper, section 4).
 */
export type Method =
  | 'dt'
  | DtMethod
  | 'ct'
  | CtMethod
  | 'fm'
  | FmMethod
  | 'diffusion-blocks'
  | DiffusionBlocksMethod
  | 'backprop'
  | BackpropMethod
  | 'classifier'
  | ClassifierMethod
  | 'forward-forward'
  | ForwardForwardMethod
  | 'adjoint'
  | AdjointMethod

/** Discrete time: T blocks, each trained alone on the noise that it will meet. */
export interface DtMethod {
  type: 'dt'
  /**
   * Loss: squared error, or cross-entropy of the classes' probabilities. Both are least at the label's mean given image and noised label.
   * Default 'mse' (paper).
   */
  loss?: 'ce' | 'mse'
}

/** Continuous time: one net for all times, a learned noise schedule, and a linear head that reads the class off the last state. */
export interface CtMethod {
  type: 'ct'
  /** η, the weight of the denoising loss beside the head's, from 1e-6 to 1e6. Default 1 (paper). */
  eta?: number
  /** Units of the net that the noise schedule γ is learned by, 1 to 1,024. Default 32 (this package). */
  units?: number
  /** γ at the end, before training: the share of signal there is 1 / (1 + e^γ). From −20 to 20. Default −1 (this package). */
  gamma0?: number
  /** γ at the beginning, before training; more than `gamma0`, at most 40. Default 4 (this package). */
  gamma1?: number
}

/** Flow matching: one net learns the velocity from noise to the label; inference follows it in `steps` steps. */
export interface FmMethod {
  type: 'fm'
  /** Standard deviation σ of the noise around the way, from 0 to 10. Default 0 (this package; the paper gives no value). */
  noise?: number
}

/** T blocks that each own a range of noise levels σ, σ² = (1 − ᾱ)/ᾱ, and are told the level (arXiv 2506.14202). */
export interface DiffusionBlocksMethod {
  type: 'diffusion-blocks'
  /**
   * How noise levels are shared out: 'edm' by the log-normal distribution that image models are trained on (paper), or
   * 'equal-information' by what a one-hot label with that noise still tells of its class (this package). Default 'edm'.
   */
  partition?: 'edm' | 'equal-information'
  /** Exponent by which every range is widened on both sides, from 0 to 1. Default 0.05 (paper). */
  overlap?: number
  /** Loss: cross-entropy or squared error. Default 'ce' (paper). */
  loss?: 'ce' | 'mse'
  /** Whether the net's input and output are scaled by the noise level, with the loss 'mse' alone. Default false. */
  preconditioning?: boolean
  /** Least noise level. Default 0.002 (paper). */
  sigmaMin?: number
  /** Greatest noise level. Default 80 (paper). */
  sigmaMax?: number
}

/** The same T blocks end to end: z_t = (1 − k_t) z_{t−1} + k_t û_t with learned k_t, a linear head, cross-entropy. */
export interface BackpropMethod {
  type: 'backprop'
}

/** One net by cross-entropy that is told nothing of the label: what blocks are compared with, and what an encoder is cut from. */
export interface ClassifierMethod {
  type: 'classifier'
}

/**
 * Layers that learn, each by itself, to be active for a sample with its label and quiet for the same sample with a wrong one; a head on
 * all but the first reads the class off. The net is an `mlp` without dropout, of three layers of 1,000 units if nothing else is said. It
 * is trained by descent with momentum; the recipe is `batch: 100, weightDecay: 3e-4, learningRateSchedule: 'cool-down'`.
 */
export interface ForwardForwardMethod {
  type: 'forward-forward'
  /** Weight of the peer normalisation, which keeps units from always or never being active: from 0. Default 0.03. */
  peer?: number
  /** How much of the last movement of a parameter goes on: 0 to below 1. Default 0.9. */
  momentum?: number
}

/** dz/dt = net(z, x, t) from noise at t = 0 to a linear head at t = 1, trained by the adjoint equation. */
export interface AdjointMethod {
  type: 'adjoint'
  /** Steps from noise to class in training, and at inference without `steps`: 1 to 10,000. Default 10 (the paper takes 1,000). */
  steps?: number
}

/** What a model is; `NoProp.create` takes it. */
export interface ModelOptions {
  /** The training method. Default 'dt' (paper: NoProp-DT, discrete time, one network per block). */
  method?: Method
  /** Number of blocks T, each a denoising step. Default 10 (paper); 3 for 'diffusion-blocks', 1 for methods of one net ('ct', 'fm', 'classifier', 'forward-forward', 'adjoint'). */
  blocks?: number
  /** Shape of one sample: `[height, width, channels]`, `[height, width]` or `[n]`; usually `dataset.shape`. No default. */
  input: readonly number[]
  /**
   * The label values in ascending order, the names of the classes, or their number n for the labels 0 … n − 1; usually
   * `dataset.classes`. No default; left out with `targets`.
   */
  classes?: number | readonly Label[]
  /**
   * Numbers to predict of each sample instead of classes, 1 to 4,096: usually `dataset.targetCount`. For methods 'dt' and
   * 'diffusion-blocks' with the loss 'mse', and 'fm'. No default.
   */
  targets?: number | TargetsConfig
  /**
   * What the blocks see of a sample: with 'shared' what one encoder makes of it, which is trained first, by itself, and sees each sample once.
   * Default: the sample itself.
   */
  features?: 'shared'
  /**
   * The encoder of blocks that share features: its net, or a trained model of method 'classifier' (or one with an encoder) whose encoder it
   * takes. Default with `features: 'shared'`: a net as blocks have it by default.
   */
  encoder?: EncoderOptions | EncoderSource
  /**
   * The denoiser of each block. Default 'cnn' (paper) for images of at least 14×14, else 'mlp'; with an encoder an 'mlp' with one hidden layer
   * of 32 units, more where there are more than 16 classes.
   */
  net?: Net
  /** The noise schedule of the method 'dt'. Default 'cosine' (paper). */
  schedule?: Schedule
  /** The label embedding. Default 'one-hot' (paper). */
  embedding?: Embedding
  /**
   * How probabilities of the classes are read off the last state: by the nearest embedding ('none', nothing is learned), by the
   * 'softmax' of a linear layer, or by the 'posterior' p(y) ∝ exp(−‖ỹ − u_y‖² / 2σ²) with ỹ = softmax(linear layer) · W (paper). A head is a
   * job of its own. 'ct' and 'backprop' have one that is trained with their nets, and take no other. Default 'none'.
   */
  head?: 'none' | 'softmax' | 'posterior'
  /** Seed of every random number of the model and its training: an integer from 0. Default 0 (this package). */
  seed?: number
  /**
   * How raw data become samples, which the model file keeps and `predict` applies to rows; usually `dataset.preprocessing`.
   * Default: none, the samples are what they are.
   */
  preprocessing?: Preprocessing | null
}

/** Which net an encoder is. Its last fully connected layer is left out; what that layer reads are the features. */
export interface EncoderOptions {
  /** The net. Default 'cnn' for images of at least 14×14, else 'mlp'. */
  net?: Net
}

/** A trained model of method 'classifier', or one with an encoder: what `NoProp.load` gives, or `NoProp.create` and `fit`. */
export interface EncoderSource {
  readonly trained: boolean
  readonly config: ModelConfig
}

/** An encoder in a configuration. */
export interface EncoderConfig {
  net: NetConfig
  /** Classes that it was trained to tell apart. */
  classes: number
}

/** How an encoder is trained; what is left out is as for the blocks. */
export type EncoderTraining = Omit<
  Pick<
    TrainOptions,
    | 'epochs'
    | 'batch'
    | 'learningRate'
    | 'learningRateSchedule'
    | 'warmup'
    | 'optimizer'
    | 'weightDecay'
    | 'labelSmoothing'
    | 'clipNorm'
    | 'ema'
    | 'mixup'
    | 'augment'
    | 'precision'
  >,
  'learningRate'
> & {
  /** Step size; with 'one-cycle' its peak. Default: that of the blocks, or 1e-3 where theirs is found. */
  learningRate?: number
}

/** What a model of numbers predicts. */
export interface TargetsConfig {
  /** Numbers of a sample. */
  count: number
  /** Mean of each over the training samples; left out while the model is untrained. */
  mean?: number[]
  /** Standard deviation of each (divided by n); 1 where all are equal. */
  std?: number[]
}

/** {@link ModelOptions} with every default filled in, as the model file records them. */
export interface ModelConfig {
  /** `dt` by squared error is its name alone. */
  method:
    | 'dt'
    | Required<DtMethod>
    | Required<CtMethod>
    | Required<FmMethod>
    | Required<DiffusionBlocksMethod>
    | BackpropMethod
    | ClassifierMethod
    | Required<ForwardForwardMethod>
    | Required<AdjointMethod>
  blocks: number
  input: number[]
  /** Empty where the model predicts numbers. */
  classes: Label[]
  /** Only where the model predicts numbers. */
  targets?: TargetsConfig
  /** Only where blocks share features. */
  encoder?: EncoderConfig
  net: NetConfig
  /** Only for methods that have one. */
  schedule?: Required<CosineSchedule> | Required<LinearSchedule> | { type: 'custom'; alphaBar: number[] }
  embedding: { type: 'one-hot' } | OrthogonalEmbedding | LearnedEmbedding | PrototypeEmbedding
  /** Left out for 'none'. */
  head?: 'softmax' | 'posterior'
  seed: number
  /** Left out where the model has none. */
  preprocessing?: Preprocessing
}

/**
 * What the factors in the products and convolutions of training are rounded to. Sums, weights, gradients, AdamW's moments and
 * every other operation are f32 in any case, and so is inference. `bf16` has 8 significant bits instead of 24, `tf32` 11; GPUs
 * alone have `tf32`.
 */
export type Precision = 'f32' | 'tf32' | 'bf16'

/**
 * How training images are changed, differently in every epoch; what happens to an image follows from seed, epoch and sample alone,
 * so all blocks see the same. Evaluation and prediction see images as they are. (Of this package; the paper states no
 * augmentation.)
 */
export interface Augment {
  /**
   * Greatest shift in pixels: an image moves up or down, and left or right, by as much as this, each place as likely as the
   * others; uncovered pixels become 0. From 0 to below the image's smaller side. Default 0.
   */
  shift?: number
  /**
   * Mirrors every second image, by chance, left to right; with 'alternating' those of the first epoch are drawn, and every other epoch has the
   * others, so that any two epochs show each image either way. Default false.
   */
  flip?: boolean | 'alternating'
  /**
   * Side of a square in pixels that becomes 0, its centre being any pixel of the image; what lies outside is cut off (cutout, arXiv
   * 1708.04552). From 0 to below the image's smaller side. Default 0.
   */
  cutout?: number
}

/** An optimiser, by its name or as an object with it. */
export type Optimizer = 'adamw' | 'adam' | 'sgd' | { type: 'adamw' } | { type: 'adam' } | SgdOptimizer

/** Stochastic gradient descent with Nesterov's momentum. */
export interface SgdOptimizer {
  type: 'sgd'
  /** How much of the last movement of a parameter goes on: 0 to below 1. Default 0.9. */
  momentum?: number
}

/** How a model is trained. Time and place (`threads`, `inFlight`, checkpoints) never change the weights that result. */
export interface TrainOptions {
  /** Passes over the training data. Default 1 (this package; the paper trains MNIST for 100). */
  epochs?: number
  /**
   * Samples per optimiser step. Default 128 (paper), or all samples where there are fewer. At least 2 for a net with batch norm
   * (`cnn`, `resnet`), which has nothing to compare in a single sample.
   */
  batch?: number
  /**
   * Step size; with 'one-cycle' its peak. 'find' has `fit` look for one first, as `findLearningRate` does. Default 1e-3
   * (paper).
   */
  learningRate?: number | 'find'
  /**
   * Whether the step size stays, rises and falls once over the training, falls to 0 in the second half of it, or along half a cosine to
   * nearly 0. Default 'constant' (paper).
   */
  learningRateSchedule?: 'constant' | 'one-cycle' | 'cool-down' | 'cosine'
  /**
   * Epochs over which the step size rises in equal parts from nearly 0 to `learningRate`, before the schedule begins; 0.5 is half an
   * epoch. With 'constant' and 'cosine'. Default 0.
   */
  warmup?: number
  /**
   * What moves parameters by their gradients: 'adamw', whose weight decay is decoupled; 'adam', whose weight decay is part of the
   * gradients as of an L2 penalty (the paper's for CT and FM); or 'sgd', descent with Nesterov's momentum and the same decay.
   * Default 'adamw' (paper, for DT).
   */
  optimizer?: Optimizer
  /** Weight decay: decoupled with 'adamw', in the gradients with 'adam' and 'sgd'. Default 1e-3 (paper). */
  weightDecay?: number
  /**
   * The share of every label that is spread evenly over all classes, 0 to below 1. For methods that are trained by cross-entropy: 'dt' and
   * 'diffusion-blocks' with the loss 'ce', 'backprop', 'classifier' and the head of 'forward-forward'. Default 0 (paper).
   */
  labelSmoothing?: number
  /**
   * Greatest norm of the gradients of all parameters of a block together: longer ones are shortened to it, above 0.
   * Default: none.
   */
  clipNorm?: number
  /**
   * Ends each block with a moving average of its weights and running statistics instead of the last ones: of every step so much of the average
   * stays (at first less, (1 + steps) / (10 + steps)), above 0 and below 1; 0.999 is usual. Validations measure the average. On the
   * processor. Default: none.
   */
  ema?: number
  /**
   * Factors of the losses of samples by their classes: a number from 0 for each class in their order, or 'balanced' for samples / (classes ·
   * samples of the class). For 'dt', 'diffusion-blocks', 'fm', 'backprop' and 'classifier'; the reported loss is the one without factors.
   * Default: all count alike.
   */
  classWeights?: 'balanced' | readonly number[]
  /**
   * α of mixup, 0 to 100; 0.2 is usual. Every training sample is mixed with another one, anew in every epoch, and keeps its label: λ of it and 1 − λ of
   * the other with λ ~ Beta(α + 1, α), which has the mean gradient of mixed labels. On the processor. Default 0.
   */
  mixup?: number
  /**
   * Factor of each block's loss: 1, or (T/2) η (SNR(t) − SNR(t−1)) (paper, the DT objective). Default 'uniform' (this
   * package: the factor is constant within a block, and Adam does not see constant factors).
   */
  weighting?: 'uniform' | 'snr'
  /** η of the 'snr' weighting, which no other takes. Default 0.1 (paper). */
  eta?: number
  /**
   * Precision of the factors. Default 'f32' (paper). 'bf16' trains faster and needs a GPU or a processor with bf16 dot
   * products (AVX-512 BF16), 'tf32' a GPU; others refuse it with NOPROP_DEVICE. `noprop doctor` says what a machine can do.
   */
  precision?: Precision
  /** How training images are changed: `{ shift: 4, flip: true }`. Vectors refuse it with NOPROP_OPTION. Default: not at all. */
  augment?: Augment
  /** Epochs between two validations of a block, with `validation` or `validationSplit`: from 1. On the processor. Default 1. */
  validationEvery?: number
  /**
   * Ends a block before its last epoch when its own validation loss does not get better; needs `validation` or `validationSplit`.
   * Other blocks go on, and what a block becomes depends on nothing but itself. A method of one job ends as a whole. On the processor.
   * Default: never.
   */
  earlyStopping?: EarlyStopping
  /**
   * Goes on from the weights that the model has, instead of from the beginning: on the same data or on others of its shape and
   * classes. AdamW's moments and the learning rate schedule begin anew. Default false.
   */
  continue?: boolean
  /**
   * Blocks (from 1) of a trained model that are trained anew, from their beginning or, with `continue`, from their weights; the others stay as they
   * are. For 'dt' and 'diffusion-blocks'. Default: all blocks are trained.
   */
  retrain?: readonly number[]
  /**
   * Trains further blocks behind those of a trained model, which stay as they are: so many, at levels of noise between that of the last block and the
   * end of the chain, or at these shares ᾱ of signal. For 'dt'. Default: none.
   */
  append?: number | readonly number[]
  /** Seed of what `retrain` draws: an integer from 0. Default: that of the model. */
  seed?: number
  /**
   * Trains these blocks (from 1) alone, the others being trained by other processes or machines; the model is then a part, whose
   * `save` writes a file for {@link NoProp.assemble}. What a block becomes is the same as in the whole run. Default: all blocks.
   */
  onlyBlocks?: readonly number[]
  /** Threads that train. Each advances a block of its own; those for whom there is none help with another's. Default: the cores there are. */
  threads?: number
  /** Most blocks that train at the same time. Default: the smaller of `blocks` and 16; on GPUs as many as fit (this package). */
  inFlight?: number
  /**
   * Where to train. 'auto' takes the first GPU that works, else the processor; the `start` event and the history say why no
   * GPU was taken. 'cuda' (the first GPU), 'cuda:1', 'cuda:0,1' and 'cuda:all' take these and nothing else, and throw
   * NOPROP_CUDA_ADDON, NOPROP_CUDA_DRIVER, NOPROP_CUDA_DRIVER_OLD, NOPROP_CUDA_LIBRARY, NOPROP_DEVICE or
   * NOPROP_DEVICE_MEMORY where they cannot be had. GPUs need the package `@noprop/cuda-linux-x64`. Default 'auto'.
   */
  device?: DeviceOption
  /**
   * Directory in which the state of the run is saved, so that it can be resumed. A stop finishes the step that each block is in,
   * and saves all blocks in flight. Default: none is saved, and a stop interrupts steps.
   */
  checkpoint?: string
  /** Longest time in seconds that a block in flight trains without being saved in `checkpoint`. Default 30 (this package). */
  checkpointSeconds?: number
  /** Resumes the run in `checkpoint`, or starts it if there is none. Default false. */
  resume?: boolean
}

/** Where a run finds its workers. */
export interface ClusterOptions {
  /** URL of the queue: `redis://HOST:6379`, `rediss://HOST:6380`, `postgres://HOST:5432/DATABASE`. */
  queue: string
  /** URL of what all machines share: `s3://BUCKET/PREFIX`, `file:///FOLDER`. */
  store: string
  /** Kind of device that the blocks are trained on: 'cpu-avx512', 'cpu-avx2'. Default: that of this machine, as `device` says. */
  kind?: string
  /** Whether OpenTelemetry is told of jobs, by the package bullmq-otel. Default false. */
  telemetry?: boolean
}

/** When a block ends before its last epoch. */
export interface EarlyStopping {
  /** Validations in a row without a better loss after which a block ends: from 1. Default 3. */
  patience?: number
  /** A loss is better if it is lower than the best so far by more than this. Default 0. */
  minDelta?: number
  /** Whether a block ends with the weights of its best validation instead of its last ones. Default true. */
  restoreBest?: boolean
}

/** Why a block ended: all its epochs are done, its validation loss got no better, or the run was told to end (`run.stop()`). */
export type EndReason = 'epochs' | 'early-stopping' | 'stopped'

/** What trained a model, as its file records it. */
export interface TrainingRecord {
  /** The options on which the weights depend, every default filled in; `augment` only where images were changed. */
  options: Required<
    Pick<TrainOptions, 'epochs' | 'batch' | 'learningRateSchedule' | 'weightDecay' | 'weighting' | 'eta' | 'precision'>
  > & {
    learningRate: number
    /** Left out where there is none. */
    warmup?: number
    /** Left out for 'adamw'. */
    optimizer?: 'adam' | Required<SgdOptimizer>
    /** Left out where there is none. */
    labelSmoothing?: number
    /** Left out where there is none. */
    clipNorm?: number
    /** Left out where there is none. */
    ema?: number
    /** Left out where there are none. */
    classWeights?: 'balanced' | number[]
    /** Left out where there is none. */
    mixup?: number
    /** `cutout` only where there is a square. */
    augment?: Required<Omit<Augment, 'cutout'>> & Pick<Augment, 'cutout'>
    validationEvery?: number
    earlyStopping?: Required<EarlyStopping>
  }
  /** Where blocks share features: the SHA-256 of the encoder's weights, and what trained it. */
  encoder?: { weightsSha256: string; training: TrainingRecord | null }
  /** Where it was trained, for example 'cpu'. */
  device: string
  /** The kernels that trained it, for example 'avx512'. */
  instructionSet: string
  /** Training samples. */
  samples: number
  /** `fingerprint` of the training data. */
  fingerprint: string
  /** The version of noprop that trained it. */
  version: string
  /** How often it had been trained before, where it went on from its weights (`continue`). The rest tells of the last training. */
  round?: number
  /** The blocks that ended before their last epoch. */
  ended?: { block: number; epochs: number; reason: EndReason }[]
  /** What was done to single blocks since then, in its order; left out where nothing was. */
  changes?: BlockChange[]
}

/** A change of some blocks of a trained model. What trained blocks is told as for a whole model. */
export type BlockChange =
  | (Omit<TrainingRecord, 'changes'> & {
      /** Blocks that were trained anew. */
      retrained: number[]
      /** Their seed, where one was given. */
      seed?: number
    })
  | (Omit<TrainingRecord, 'changes'> & {
      /** Blocks that were added. */
      appended: number[]
    })
  | {
      /** Blocks that were taken away, or that had not begun when the training was stopped. */
      dropped: number[]
    }
  | {
      /** The models of whose weights it has the mean; the rest of the record is the first one's. */
      averaged: { weightsSha256: string; training: TrainingRecord }[]
    }

/** Which rule leads from state to state at inference, and how often. */
export interface SamplerOptions {
  /**
   * For 'dt' and 'ct' 'posterior' (paper, Eq. 3), 'resample' (the rule of the original sketch) or 'ddim' (deterministic). For 'ct',
   * 'fm' and 'adjoint' 'euler' or 'heun' (two estimates a step, of second order). 'diffusion-blocks' has those of 'dt'.
   * 'backprop' and 'forward-forward' have none. Default 'posterior', for 'fm' and 'adjoint' 'euler'.
   */
  sampler?: 'posterior' | 'resample' | 'ddim' | 'euler' | 'heun'
  /** Whether each step adds its noise; without it the step takes the mean. Default false (this package). */
  stochastic?: boolean
  /** Steps from noise to label, for methods of one net: 1 to 50,000. Default 20 (this package; the paper takes 1,000), for 'adjoint' its own. */
  steps?: number
  /** Steps within each block, for 'diffusion-blocks'. Default 1 (paper). */
  stepsPerBlock?: number
  /**
   * Ends each sample after the first block whose estimate gives its class at least this probability, above 0 and at most 1; the class
   * is then that of the estimate. For methods 'dt' and 'diffusion-blocks', on the processor. Default: after the last block.
   */
  confidence?: number
  /** The block (from 1) after which every sample ends, read off that block's estimate. For the same methods. Default: the last one. */
  stopAfter?: number
  /**
   * Views of each image whose states are averaged before the class is read: the image, mirrored, and both moved by a pixel to each of the four
   * corners, in that order; 1 to 10. On the processor. Default 1.
   */
  views?: number
  /**
   * What is read at the end: the last state; the mean of the estimates of the blocks that a sample went through, which are an
   * ensemble; or the 'fitted' readout of a model that has one, which weighs these estimates and takes no early ends. The last two are for the same
   * methods. Default 'state' (paper).
   */
  readout?: 'state' | 'mean' | 'fitted'
  /** Seed of z_0 and of the steps' noise: an integer from 0. Default 0. */
  seed?: number
  /** Cores that compute. Default: the cores there are. */
  threads?: number
  /**
   * Where to compute, as in training; of several GPUs the first. A model keeps its weights on the GPU that it was last used
   * on. Default 'auto'.
   */
  device?: DeviceOption
}

/** Options of `model.predict`. */
export interface PredictOptions extends SamplerOptions {
  /** Stops the work; the promise then rejects with the signal's reason. */
  signal?: AbortSignal
  /**
   * Adds the state z_t and the estimate û of every block to the result: two values for each class, sample and step. Computed on the
   * processor. Default false.
   */
  states?: boolean
}

/** Options of `model.evaluate`. */
export interface EvaluateOptions extends Omit<PredictOptions, 'states'> {
  /** Names this many samples of each pair of a label and a prediction, the first ones. Default 0. */
  examples?: number
  /** Evaluates this many times, with the seeds `seed`, `seed + 1`, …, and adds mean and deviation. Default 1. */
  runs?: number
  /** How many samples of greatest loss are named, with the files or rows that they are from: 0 to 10,000. Default 20. */
  worst?: number
  /**
   * Measures also what each block adds: accuracy after it, with it skipped, and with another sample's image. Computed on the
   * processor; it takes about half as many evaluations as there are blocks, and at least two samples. For methods 'dt' and 'diffusion-blocks'. Default false.
   */
  blocks?: boolean
}
