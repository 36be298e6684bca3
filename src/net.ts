import { NoPropError } from './errors.js'

/**
 * The net every block is built as. A bare name means that net with its defaults.
 * `cnn`, `resnet` and `vit` take images (`[height, width, channels]`); `mlp` takes anything, also plain feature vectors (`[n]`); `graph` is your own.
 */
export type Net = 'cnn' | 'mlp' | 'resnet' | 'vit' | CnnNet | MlpNet | ResnetNet | VitNet | GraphNet

/** The paper's convolutional block (its Figure 6), any widths. */
export interface CnnNet {
  type: 'cnn'
  /** Output channels of the three 3×3 convolutions. Default [32, 64, 128] (paper, Figure 6). */
  widths?: readonly number[]
  /** Units of the fully connected layers of the image, label and fuse paths. Default 256 (paper, Figure 6). */
  hidden?: number
  /** Share of the values that dropout zeroes, from 0 to below 1. Default 0.2 (paper, Figure 6). */
  dropout?: number
}

/** The block of the original sketch: features and noised label concatenated, then hidden layers. */
export interface MlpNet {
  type: 'mlp'
  /** Units of each hidden layer. Default [512, 512, 512] (this package). */
  hidden?: readonly number[]
  /** Share of the values that dropout zeroes, from 0 to below 1. Default 0 (this package). */
  dropout?: number
}

/** A residual network with batch norm (He et al. 2016), pooled between its stages; the noised label joins at the head. */
export interface ResnetNet {
  type: 'resnet'
  /** Channels of each stage. Every stage but the first begins with 2×2 max pooling. Default [32, 64, 128] (this package). */
  widths?: readonly number[]
  /** Residual blocks of two 3×3 convolutions in each stage, 0 to 64. Default 1 (this package). */
  depth?: number
  /** Units of the fully connected layers. Default 256 (this package). */
  hidden?: number
  /** What follows each norm. Default 'relu'. */
  activation?: 'relu' | 'gelu'
  /**
   * Filters of a frozen first layer that whitens 3×3 patches of the training images, at most 18 per channel; 0 for none. Default 0.
   */
  whitening?: number
  /** Whether the first channels of each convolution begin as copies of its input's (a Dirac kernel). Default false. */
  identity?: boolean
}

/** A Vision Transformer (Dosovitskiy et al. 2021), norms first; the noised label is a token, and the estimate is read off it. */
export interface VitNet {
  type: 'vit'
  /** Height and width of a patch, which must divide those of the image. Default 4 (this package). */
  patch?: number
  /** Values of a token. Default 128 (this package). */
  width?: number
  /** Layers of attention, 1 to 64. Default 4 (this package). */
  depth?: number
  /** Attention heads, which must divide `width`. Default 4 (this package). */
  heads?: number
  /** Width of the hidden fully connected layers, in widths of a token. Default 4 (Vaswani et al. 2017). */
  mlpRatio?: number
  /** Share of the values that dropout zeroes after the positions and after each layer. Default 0 (this package). */
  dropout?: number
}

/** A net of your own, as JSON. {@link buildNet} writes it for you. */
export interface GraphNet {
  type: 'graph'
  /** The operations in the order of their computation; the last gives the estimate, one value per class. At most 1,000. */
  nodes: readonly GraphNode[]
}

/** An operation of a {@link GraphNet}: `{ op: 'linear', from: ['x', 'z'], units: 64 }`. */
export type GraphNode = {
  /** Name for `from` of later nodes, and of the layer's tensors. Default: the operation and its place. */
  name?: string
  /** What it reads: `x` (the sample), `z` (the noised label), `time` (of methods with one), or earlier nodes. Default: the node before it, and `x` for the first. */
  from?: string | readonly string[]
} & GraphOp

/** What a node computes. */
export type GraphOp =
  /** Fully connected, on inputs side by side; an image counts as a vector, and each token is projected alike. */
  | { op: 'linear'; units: number | 'classes' }
  /** Convolution with kernel 1 or 3 (default 3), stride 1 or 2 (default 1), padding 'valid' (default) or 'same', a bias unless `bias: false`. */
  | {
      op: 'conv'
      channels: number
      kernel?: 1 | 3
      stride?: 1 | 2
      padding?: 'valid' | 'same'
      bias?: boolean
      /** How weights begin: at random (default), as copies, or as frozen filters that whiten patches of `x`. */
      init?: 'random' | 'identity' | 'whitening'
    }
  /** Zeroes values at random in training. */
  | { op: 'dropout'; rate: number }
  /** Cuts an image into patches of `size` × `size` pixels: tokens. */
  | { op: 'patches'; size: number }
  /** Multi-head attention over tokens that hold queries, keys and values side by side, [count, 3 · width] → [count, width]. */
  | { op: 'attention'; heads: number }
  /** Sines and cosines of a time in [0, 1]. */
  | { op: 'time-features'; width: number }
  | { op: PlainOp }

/** A {@link Net} with every default filled in. */
export type NetConfig =
  | { type: 'cnn'; widths: number[]; hidden: number; dropout: number }
  | { type: 'mlp'; hidden: number[]; dropout: number }
  | { type: 'resnet'; widths: number[]; depth: number; hidden: number; activation: 'relu' | 'gelu' }
  | {
      type: 'vit'
      patch: number
      width: number
      depth: number
      heads: number
      mlpRatio: number
      dropout: number
    }
  | { type: 'graph'; nodes: GraphNode[] }

/** Operations without options. */
type PlainOp =
  | 'batch-norm'
  | 'layer-norm'
  | 'adaptive-layer-norm'
  | 'relu'
  | 'gelu'
  | 'silu'
  | 'softmax'
  | 'max-pool'
  | 'mean-pool'
  | 'global-pool'
  | 'add'
  | 'multiply'
  | 'concatenate'
  | 'flatten'
  | 'positions'
  | 'join-tokens'
  | 'first-token'

/** The options of a convolution, see {@link GraphOp}. */
type ConvOptions = Omit<Extract<GraphOp, { op: 'conv' }>, 'op'>

/** A value of a net in the making. Each method adds an operation that reads it, and returns its output. */
export class NetValue {
  readonly #nodes: GraphNode[]
  readonly #name: string

  /** @internal */
  constructor(nodes: GraphNode[], name: string) {
    if (!Array.isArray(nodes)) {
      throw new NoPropError({
        code: 'NOPROP_OPTION',
        what: 'a value of a net is not made with new',
        expected: 'buildNet((x, z) => …), whose x and z others are made from',
      })
    }
    this.#nodes = nodes
    this.#name = name
  }

  /** Any operation, on this value and on `others`, as a node of this name. */
  apply(op: GraphOp, others: readonly NetValue[] = [], name = `${op.op}${this.#nodes.length + 2}`): NetValue {
    this.#nodes.push({ ...op, name, from: [this.#name, ...others.map((other) => other.#name)] })
    return new NetValue(this.#nodes, name)
  }

  /** Fully connected layer, on this value and on `others` side by side. */
  linear(units: number | 'classes', others: readonly NetValue[] = []): NetValue {
    return this.apply({ op: 'linear', units }, others)
  }
  /** Convolution to so many channels. */
  conv(channels: number, options: Omit<ConvOptions, 'channels'> = {}): NetValue {
    return this.apply({ op: 'conv', channels, ...options })
  }
  /** Zeroes values with this probability in training. */
  dropout(rate: number): NetValue {
    return this.apply({ op: 'dropout', rate })
  }
  /** Normalises over the batch. */
  batchNorm(): NetValue {
    return this.apply({ op: 'batch-norm' })
  }
  /** Normalises each vector, pixel or token by itself. */
  layerNorm(): NetValue {
    return this.apply({ op: 'layer-norm' })
  }
  /** max(x, 0). */
  relu(): NetValue {
    return this.apply({ op: 'relu' })
  }
  /** GELU, tanh form. */
  gelu(): NetValue {
    return this.apply({ op: 'gelu' })
  }
  /** x · sigmoid(x). */
  silu(): NetValue {
    return this.apply({ op: 'silu' })
  }
  /** Probabilities. */
  softmax(): NetValue {
    return this.apply({ op: 'softmax' })
  }
  /** The greatest of 2×2 pixels. */
  maxPool(): NetValue {
    return this.apply({ op: 'max-pool' })
  }
  /** The mean of 2×2 pixels. */
  meanPool(): NetValue {
    return this.apply({ op: 'mean-pool' })
  }
  /** The mean over all pixels or tokens. */
  globalPool(): NetValue {
    return this.apply({ op: 'global-pool' })
  }
  /** An image or tokens as a vector. */
  flatten(): NetValue {
    return this.apply({ op: 'flatten' })
  }
  /** The sum with values of the same shape. */
  add(...others: readonly NetValue[]): NetValue {
    return this.apply({ op: 'add' }, others)
  }
  /** The product, value by value, with one of the same shape. */
  multiply(other: NetValue): NetValue {
    return this.apply({ op: 'multiply' }, [other])
  }
  /** This and others behind one another, along the last dimension. */
  concatenate(...others: readonly NetValue[]): NetValue {
    return this.apply({ op: 'concatenate' }, others)
  }
  /** Patches of `size` × `size` pixels as tokens. */
  patches(size: number): NetValue {
    return this.apply({ op: 'patches', size })
  }
  /** Adds a learned vector to each token. */
  positions(): NetValue {
    return this.apply({ op: 'positions' })
  }
  /** Attention; this value holds queries, keys and values side by side. */
  attention(heads: number): NetValue {
    return this.apply({ op: 'attention', heads })
  }
  /** This and others as one sequence of tokens; a vector is one token. */
  joinTokens(...others: readonly NetValue[]): NetValue {
    return this.apply({ op: 'join-tokens' }, others)
  }
  /** The first token. */
  firstToken(): NetValue {
    return this.apply({ op: 'first-token' })
  }
}

/**
 * Writes a net of your own as JSON: `buildNet((x, z) => x.conv(32).relu().linear(64, [z]).relu().linear('classes').softmax())`. The
 * methods `ct`, `fm` and `diffusion-blocks` have a third input, the time of each sample: `time.apply({ op: 'time-features', width: 64 })`. It only
 * writes; whether the shapes fit is checked where the net is used, and an error names the node.
 */
export function buildNet(build: (x: NetValue, z: NetValue, time: NetValue) => NetValue): GraphNet {
  const nodes: GraphNode[] = []
  build(new NetValue(nodes, 'x'), new NetValue(nodes, 'z'), new NetValue(nodes, 'time'))
  return { type: 'graph', nodes }
}
