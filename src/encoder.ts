import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { linkAbort } from './abort.js'
import { cacheDirectory } from './cache-directory.js'
import { type Dataset, nativeDataset, wrapDataset } from './dataset.js'
import { NoPropError, native } from './errors.js'
import type { FitEvent, History } from './events.js'
import { toJson } from './json.js'
import type { Native } from './native.js'
import type { EncoderTraining, TrainOptions } from './options.js'
import { withStopSignal } from './stop-signal.js'

type NativeModel = InstanceType<Native['NativeModel']>
type Sets = [Dataset, Dataset | undefined]

/** Where events go. */
export interface Events {
  push(event: FitEvent, how?: { key?: string | undefined; passing?: boolean }): void
}

/** Trains the jobs of a model of the addon's. */
export type Train = (
  model: NativeModel,
  sets: Sets,
  options: TrainOptions,
  cluster: undefined,
  queue: Events,
  signals: [AbortSignal, AbortSignal],
) => Promise<History>

/** What the jobs of a run are done with. */
interface To {
  train: Train
  queue: Events
  signals: [AbortSignal, AbortSignal]
  cluster: unknown
}

/** What is left to do: the training of the blocks. */
interface Prepared {
  /** What they are trained on, and measured on while they train. */
  sets: Sets
  options: TrainOptions
  /** Puts what has been done into the history of the blocks. */
  complete(history: History): void
}

/** Trains the encoder of a model that has none yet, and lets it see every sample once. */
export async function prepare(
  model: NativeModel,
  sets: Sets,
  given: TrainOptions,
  own: EncoderTraining | undefined,
  to: To,
): Promise<Prepared> {
  const { options, history: trained } = await trainEncoder(model, sets, given, own, to)
  const encoded = await encode(model, sets, options.threads, to.queue, to.signals[0])
  const complete = (history: History) => {
    history.featureSeconds = encoded.seconds
    history.seconds += encoded.seconds + (trained?.seconds ?? 0)
    if (!trained) return
    const { seconds, loss, blocks } = trained
    history.encoder = { loss: loss[0] ?? [], seconds, resumed: blocks[0]?.resumed === true }
  }
  return { sets: encoded.sets, options, complete }
}

/**
 * Trains the encoder of a model that is to have one and has none yet. It then stays with the model, whatever becomes of the blocks. Resolves
 * with what is left to do: the options of the blocks.
 */
async function trainEncoder(
  model: NativeModel,
  [data, held]: Sets,
  options: TrainOptions,
  own: EncoderTraining | undefined,
  to: To,
): Promise<{ options: TrainOptions; history?: History }> {
  const { train, queue } = to
  const [stop, wrapUp] = to.signals
  const classifier = native(() => model.classifier())
  if (!classifier) {
    if (own !== undefined) throw nothingToTrain()
    if (options.augment) throw trainedAlready()
    return { options }
  }
  checkOwn(own)
  const { augment, ...blocks } = options
  if (to.cluster) throw needsTrained('a training on a cluster')
  refuse(options)
  // Before an hour of training, not after it.
  await withStopSignal(stop, (flag) =>
    model.checkBlocks(nativeDataset(data), toJson(fixedRate(blocks)), held ? nativeDataset(held) : null, flag),
  )
  const ending = new AbortController()
  const unlink = linkAbort(stop, ending)
  const onWrapUp = () => ending.abort(cannotWrapUp())
  wrapUp.addEventListener('abort', onWrapUp, { once: true })
  if (wrapUp.aborted) onWrapUp()
  const marked: Events = {
    push: (event, { key, passing = false } = {}) =>
      queue.push({ event: 'encoder', of: event as EncoderStep }, { key: key && `encoder ${key}`, passing }),
  }
  try {
    const never = new AbortController().signal
    const settings = encoderOptions(options, own)
    const history = await train(classifier, [data, undefined], settings, undefined, marked, [ending.signal, never])
    native(() => model.takeEncoder(classifier))
    return { options: blocks, history }
  } catch (error) {
    throw inWords(error, own ?? {})
  } finally {
    unlink()
    wrapUp.removeEventListener('abort', onWrapUp)
    classifier.dispose()
  }
}

/** What says how an encoder is trained: each name of the type, and no other. */
const OF_ENCODER: Readonly<Record<keyof EncoderTraining, true>> = {
  ...({ epochs: true, batch: true, learningRate: true, learningRateSchedule: true, warmup: true } as const),
  ...({ optimizer: true, weightDecay: true, labelSmoothing: true, clipNorm: true, ema: true } as const),
  ...({ mixup: true, augment: true, precision: true } as const),
}

function checkOwn(own: EncoderTraining | undefined): void {
  const unknown = Object.keys(own ?? {}).find((name) => !Object.hasOwn(OF_ENCODER, name))
  if (unknown === undefined) return
  throw new NoPropError({
    code: 'NOPROP_OPTION',
    what: `an encoder has no option ${unknown}`,
    expected: Object.keys(OF_ENCODER).join(', '),
    received: unknown,
  })
}

function nothingToTrain(): NoPropError {
  return new NoPropError({
    code: 'NOPROP_OPTION',
    what: 'it is said how an encoder is trained, and there is none to train',
    expected: 'a model whose blocks share features, and whose encoder is not trained',
    received: 'a model without an encoder, or with a trained one',
    hint: "let its blocks share features (features: 'shared', --features shared), or say nothing of an encoder",
  })
}

function trainedAlready(): NoPropError {
  return new NoPropError({
    code: 'NOPROP_OPTION',
    what: 'option augment does not apply: the encoder is trained already, and blocks see its features',
    expected: 'no augmentation',
    hint: 'leave it out; what is augmented is the training of the encoder',
  })
}

type EncoderStep = Extract<FitEvent, { event: 'encoder' }>['of']

/** What the encoder makes of data, each sample seen once; tells how long it took. */
async function encode(
  model: NativeModel,
  sets: Sets,
  threads: number | undefined,
  queue: Events,
  signal: AbortSignal,
): Promise<{ sets: Sets; seconds: number }> {
  const began = performance.now()
  const [data, held] = sets
  const features = await featuresOf(model, data, threads, signal)
  const validated = held && (await featuresOf(model, held, threads, signal))
  const seconds = (performance.now() - began) / 1000
  queue.push({ event: 'features', samples: data.samples, width: features.shape[0] as number, seconds })
  return { sets: [features, validated], seconds }
}

/** The samples as the encoder sees them. */
export async function featuresOf(
  model: NativeModel,
  data: Dataset,
  threads?: number,
  signal?: AbortSignal,
): Promise<Dataset> {
  return wrapDataset(
    await withStopSignal(signal, (stop) =>
      model.encode(nativeDataset(data), threads ?? null, cacheDirectory() ?? null, stop),
    ),
  )
}

/** The options with a rate that is a number: one that is still to be found takes as long as any other. */
function fixedRate(options: TrainOptions): TrainOptions {
  return options.learningRate === 'find' ? { ...options, learningRate: undefined } : options
}

/** What is not said of the encoder is as for the blocks, but for what only blocks have. It is trained on the processor. */
function encoderOptions(options: TrainOptions, own: EncoderTraining = {}): TrainOptions {
  const { weighting, eta, labelSmoothing, classWeights, inFlight, device, ...common } = fixedRate(options)
  const { earlyStopping, validationEvery, retrain, append, seed, ...rest } = common
  const checkpoint = rest.checkpoint && join(rest.checkpoint, 'encoder')
  return { ...rest, checkpoint, ...own, continue: undefined, device: 'cpu' }
}

/** What needs a trained encoder, or would be found out after its training. */
function refuse({ onlyBlocks, checkpoint, resume }: TrainOptions): void {
  if (onlyBlocks) throw needsTrained('option onlyBlocks')
  if (!checkpoint || resume || !existsSync(join(checkpoint, 'run.json'))) return
  throw new NoPropError({
    code: 'NOPROP_CHECKPOINT_EXISTS',
    what: `${checkpoint} already holds a run`,
    expected: 'an empty directory, or resume',
    hint: 'resume the run, or choose another directory',
  })
}

/** The error of what goes with a trained encoder alone. */
function needsTrained(what: string): NoPropError {
  return new NoPropError({
    code: 'NOPROP_OPTION',
    what: `${what} needs an encoder that is trained already`,
    expected: 'a trained encoder, the same for all parts',
    received: 'one that is still to be trained',
    hint: "train it first by method 'classifier', then give it to the model (encoder, --encoder FILE)",
  })
}

function cannotWrapUp(): NoPropError {
  return new NoPropError({
    code: 'NOPROP_CANCELLED',
    what: 'the run was stopped before its encoder was trained, so there is no whole model',
    hint: 'keep a checkpoint and resume the run',
  })
}

/** An error of the encoder's training names it, and its own options. */
function inWords(error: unknown, own: object): unknown {
  if (!(error instanceof NoPropError)) return error
  const { code, what, expected, received, hint } = error
  const reword = (text: string | undefined) =>
    text
      ?.replace(/\boption (\w+)/g, (whole, name) => (name in own ? `option encoder.${name}` : whole))
      .replace(/^block 1\b/, 'the encoder')
  const reworded = { code, what: reword(what) as string, expected: reword(expected), received, hint: reword(hint) }
  return new NoPropError(reworded, { cause: error })
}

/** As much of an estimate as is put together here. */
interface Taken {
  samples: number
  epochs: number
  memory: { total: number }
  time: { seconds: number; samplesPerSecond: number } | null
}

/** What encoder and blocks take, each by `estimate`; where the encoder is trained, what the blocks take. */
export async function estimateBoth<Found extends Taken>(
  model: NativeModel,
  options: TrainOptions,
  own: EncoderTraining | undefined,
  estimate: (model: NativeModel, options: TrainOptions) => Promise<Found>,
): Promise<Found & { encoder?: Found }> {
  const classifier = native(() => model.classifier())
  if (!classifier) return estimate(model, options)
  checkOwn(own)
  const { augment, ...blocks } = options
  const encoder = await estimate(classifier, encoderOptions(options, own))
  const found = await estimate(model, blocks)
  const memory = encoder.memory.total > found.memory.total ? encoder.memory : found.memory
  if (!found.time || !encoder.time) return { ...found, memory, time: null, encoder }
  const seconds = found.time.seconds + encoder.time.seconds
  const samplesPerSecond = (found.samples * found.epochs) / seconds
  return { ...found, memory, time: { ...found.time, seconds, samplesPerSecond }, encoder }
}
