import { expect, test } from 'vitest'
import type {
  AdjointMethod,
  Augment,
  CnnNet,
  CosineSchedule,
  CtMethod,
  CustomSchedule,
  DiffusionBlocksMethod,
  EarlyStopping,
  FmMethod,
  ForwardForwardMethod,
  GraphOp,
  LinearSchedule,
  Method,
  MlpNet,
  ModelOptions,
  Net,
  NoPropError,
  OnnxOptions,
  Precision,
  ResnetNet,
  SamplerOptions,
  Schedule,
  TrainOptions,
  VitNet,
} from '../src/index.js'
import { NoProp } from '../src/index.js'

// The types of options stand in src/options.ts, and what the core reads in Rust. `tsc` checks these lists against the types,
// and the tests below against what the core says that there is.

/** Each of `Names`, and nothing else. */
type All<Names extends PropertyKey> = Record<Names, true>
const names = (all: object) => Object.keys(all).sort()

const MODEL: All<keyof ModelOptions> = {
  method: true,
  blocks: true,
  input: true,
  classes: true,
  targets: true,
  features: true,
  encoder: true,
  net: true,
  schedule: true,
  embedding: true,
  head: true,
  seed: true,
  preprocessing: true,
}
const TRAIN: All<keyof TrainOptions> = {
  epochs: true,
  batch: true,
  learningRate: true,
  learningRateSchedule: true,
  warmup: true,
  optimizer: true,
  weightDecay: true,
  labelSmoothing: true,
  clipNorm: true,
  ema: true,
  classWeights: true,
  mixup: true,
  weighting: true,
  eta: true,
  precision: true,
  augment: true,
  validationEvery: true,
  earlyStopping: true,
  continue: true,
  retrain: true,
  append: true,
  seed: true,
  onlyBlocks: true,
  threads: true,
  inFlight: true,
  device: true,
  checkpoint: true,
  checkpointSeconds: true,
  resume: true,
}
/** What an evaluation names of its samples is read together with how they are sampled. */
const SAMPLER: All<keyof SamplerOptions | 'worst' | 'examples'> = {
  sampler: true,
  stochastic: true,
  steps: true,
  stepsPerBlock: true,
  confidence: true,
  stopAfter: true,
  views: true,
  readout: true,
  seed: true,
  threads: true,
  device: true,
  worst: true,
  examples: true,
}
const ONNX: All<keyof Omit<OnnxOptions, 'signal'>> = {
  sampler: true,
  steps: true,
  stepsPerBlock: true,
  stopAfter: true,
  seed: true,
  input: true,
}
const CNN: All<keyof Omit<CnnNet, 'type'>> = { widths: true, hidden: true, dropout: true }
const MLP: All<keyof Omit<MlpNet, 'type'>> = { hidden: true, dropout: true }
const RESNET: All<keyof Omit<ResnetNet, 'type'>> = {
  widths: true,
  depth: true,
  hidden: true,
  activation: true,
  whitening: true,
  identity: true,
}
const VIT: All<keyof Omit<VitNet, 'type'>> = {
  patch: true,
  width: true,
  depth: true,
  heads: true,
  mlpRatio: true,
  dropout: true,
}
const CONV: All<Exclude<keyof Extract<GraphOp, { op: 'conv' }>, 'op'>> = {
  channels: true,
  kernel: true,
  stride: true,
  padding: true,
  bias: true,
  init: true,
}
const OPS: All<GraphOp['op']> = {
  linear: true,
  conv: true,
  'batch-norm': true,
  'layer-norm': true,
  'adaptive-layer-norm': true,
  relu: true,
  gelu: true,
  silu: true,
  softmax: true,
  'max-pool': true,
  'mean-pool': true,
  'global-pool': true,
  dropout: true,
  add: true,
  multiply: true,
  concatenate: true,
  flatten: true,
  patches: true,
  positions: true,
  attention: true,
  'join-tokens': true,
  'first-token': true,
  'time-features': true,
}
const COSINE: All<keyof Omit<CosineSchedule, 'type'>> = { min: true, max: true }
const LINEAR: All<keyof Omit<LinearSchedule, 'type'>> = { start: true, end: true }
const CUSTOM: All<keyof Omit<CustomSchedule, 'type'>> = { alphaBar: true }
const AUGMENT: All<keyof Augment> = { shift: true, flip: true, cutout: true }
const EARLY_STOPPING: All<keyof EarlyStopping> = { patience: true, minDelta: true, restoreBest: true }
const NETS: All<Exclude<Net, string>['type']> = { cnn: true, mlp: true, resnet: true, vit: true, graph: true }
const SCHEDULES: All<Exclude<Schedule, string>['type']> = { cosine: true, linear: true, custom: true }
const METHODS: All<Exclude<Method, string>['type']> = {
  dt: true,
  ct: true,
  fm: true,
  'diffusion-blocks': true,
  backprop: true,
  'forward-forward': true,
  classifier: true,
  adjoint: true,
}
const DIFFUSION_BLOCKS: All<keyof Omit<DiffusionBlocksMethod, 'type'>> = {
  partition: true,
  overlap: true,
  loss: true,
  preconditioning: true,
  sigmaMin: true,
  sigmaMax: true,
}
const CT: All<keyof Omit<CtMethod, 'type'>> = { eta: true, units: true, gamma0: true, gamma1: true }
const FM: All<keyof Omit<FmMethod, 'type'>> = { noise: true }
const FORWARD_FORWARD: All<keyof Omit<ForwardForwardMethod, 'type'>> = { peer: true, momentum: true }
const ADJOINT: All<keyof Omit<AdjointMethod, 'type'>> = { steps: true }
const PRECISIONS: All<Precision> = { f32: true, tf32: true, bf16: true }
const WEIGHTINGS: All<NonNullable<TrainOptions['weighting']>> = { uniform: true, snr: true }
const COURSES: All<NonNullable<TrainOptions['learningRateSchedule']>> = {
  constant: true,
  'one-cycle': true,
  'cool-down': true,
  cosine: true,
}
const SAMPLERS: All<NonNullable<SamplerOptions['sampler']>> = {
  posterior: true,
  resample: true,
  ddim: true,
  euler: true,
  heun: true,
}

const INPUTS: All<NonNullable<OnnxOptions['input']>> = { uint8: true, float32: true }

/** What the core says that there is where it is given what there is not: `a, b or c`, without the path of what they lie in. */
async function offered(call: () => unknown): Promise<string[]> {
  const error = await Promise.resolve()
    .then(call)
    .then(
      () => undefined,
      (error: NoPropError) => error,
    )
  expect(error?.code).toBe('NOPROP_OPTION')
  const { expected = '' } = error as NoPropError
  return expected
    .split(/, | or /)
    .map((name) => name.split('.').at(-1) as string)
    .sort()
}

const shape = { input: [4], classes: 2 }
const create = (options: object) => () => NoProp.create({ ...shape, ...options })
const data = { images: new Float32Array(16), shape: [4], labels: [0, 1, 0, 1] }
const train = (options: object) => () => NoProp.create(shape).fit(data, options as TrainOptions)
const predict = (options: object) => async () => {
  const model = NoProp.create({ ...shape, blocks: 1, net: { type: 'mlp', hidden: [2] } })
  await model.fit(data)
  return model.predict(data.images, options)
}
const exportOnnx = (options: object) => () => create({})().exportOnnx('/nowhere.onnx', options as OnnxOptions)
const none = { nothing: 1 }

test.each<[string, object, () => unknown]>([
  ['a model', MODEL, create(none)],
  ['training', TRAIN, train(none)],
  ['a sampler', SAMPLER, predict(none)],
  ['an ONNX file', ONNX, exportOnnx(none)],
  ['the method ct', CT, create({ method: { type: 'ct', ...none } })],
  ['the method fm', FM, create({ method: { type: 'fm', ...none } })],
  ['the method diffusion-blocks', DIFFUSION_BLOCKS, create({ method: { type: 'diffusion-blocks', ...none } })],
  ['the method forward-forward', FORWARD_FORWARD, create({ method: { type: 'forward-forward', ...none } })],
  ['the method adjoint', ADJOINT, create({ method: { type: 'adjoint', ...none } })],
  ['the net cnn', CNN, create({ net: { type: 'cnn', ...none } })],
  ['the net mlp', MLP, create({ net: { type: 'mlp', ...none } })],
  ['the net resnet', RESNET, create({ net: { type: 'resnet', ...none } })],
  ['the net vit', VIT, create({ net: { type: 'vit', ...none } })],
  ['a convolution', CONV, create({ net: { type: 'graph', nodes: [{ op: 'conv', ...none }] } })],
  ['the cosine schedule', COSINE, create({ schedule: { type: 'cosine', ...none } })],
  ['the linear schedule', LINEAR, create({ schedule: { type: 'linear', ...none } })],
  ['a custom schedule', CUSTOM, create({ schedule: { type: 'custom', ...none } })],
  ['augmentation', AUGMENT, train({ augment: none })],
  ['early stopping', EARLY_STOPPING, train({ earlyStopping: none })],
])('TypeScript and the core have the same options of %s', async (_, all, call) => {
  expect(await offered(call)).toEqual(names(all))
})

test.each<[string, object, () => unknown]>([
  ['op', OPS, create({ net: { type: 'graph', nodes: [{ op: 'nothing' }] } })],
  ['method', METHODS, create({ method: 'nothing' })],
  ['net', NETS, create({ net: { type: 'nothing' } })],
  ['schedule', SCHEDULES, create({ schedule: { type: 'nothing' } })],
  ['precision', PRECISIONS, train({ precision: 'nothing' })],
  ['weighting', WEIGHTINGS, train({ weighting: 'nothing' })],
  ['learningRateSchedule', COURSES, train({ learningRateSchedule: 'nothing' })],
  ['sampler', SAMPLERS, predict({ sampler: 'nothing' })],
  ['sampler of an ONNX file', SAMPLERS, exportOnnx({ sampler: 'nothing' })],
  ['input', INPUTS, exportOnnx({ input: 'nothing' })],
])('TypeScript and the core have the same values of %s', async (_, all, call) => {
  expect(await offered(call)).toEqual(names(all))
})
