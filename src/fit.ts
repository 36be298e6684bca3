import { linkAbort, throwIfAborted } from './abort.js'
import { asDataset, checkValidation, type Data, Dataset, holdOut, nativeDataset } from './dataset.js'
import { settleDevice } from './device.js'
import type { Events } from './encoder.js'
import { fromNative, NoPropError, native, nativeAsync } from './errors.js'
import type { EventQueue } from './event-queue.js'
import type { FitEvent, History } from './events.js'
import { trainElsewhere } from './fit-elsewhere.js'
import { historyOf, Records } from './history.js'
import { evaluate, fitReadout } from './inference.js'
import { requireObject, requireSwitch, toJson } from './json.js'
import { keptOf } from './kept-history.js'
import { findLearningRate } from './learning-rate.js'
import { addonSearch, type Native } from './native.js'
import { evaluateNumbers } from './numbers.js'
import type { ClusterOptions, EncoderTraining, ModelConfig, TrainOptions } from './options.js'
import { type OpenWorker, Scheduler, type WorkerEvent } from './scheduler.js'
import { measureOf } from './summary.js'

type NativeModel = InstanceType<Native['NativeModel']>
type NativeTraining = InstanceType<Native['NativeTraining']>

/** Options of `model.fit`. */
export interface FitOptions extends TrainOptions {
  /**
   * Labelled data on which each block is measured while it trains, every `validationEvery` epochs, and the finished model as a whole.
   * On GPUs the finished model alone. Default: none.
   */
  validation?: Data
  /**
   * Holds out this share of the training data as `validation`: the same share of each class, drawn from the model's seed. Above 0,
   * below 1. Default: none.
   */
  validationSplit?: number
  /**
   * Fits a readout of the finished model to the validation samples, as `model.fitReadout` does; needs `validation` or `validationSplit`. Default
   * false.
   */
  fitReadout?: boolean
  /**
   * Stops the run, which then rejects with the signal's reason (see {@link NoProp.fit} on stops after the last block). With a
   * `checkpoint` the blocks in flight are kept there first; if that fails the run rejects with NOPROP_OUTPUT and the reason
   * as its `cause`.
   */
  signal?: AbortSignal
  /**
   * Trains the blocks on the workers of a queue (`noprop worker`), on other machines. An abort cancels the run, unless its reason is
   * `DETACH` of `noprop/cluster`. Default: here.
   */
  cluster?: ClusterOptions
  /**
   * Where blocks share features (`features: 'shared'`): how their encoder is trained, which comes first. What is left out is as for the blocks;
   * `augment` is for the encoder alone. A model whose encoder is trained takes no such option. Default: all as for the blocks.
   */
  encoder?: EncoderTraining
}

/** What the core filled in. */
type Resolved = Required<Pick<TrainOptions, 'epochs' | 'batch' | 'threads' | 'inFlight'>> &
  Pick<TrainOptions, 'onlyBlocks'>

/** Models that are being trained. */
const busy = new WeakSet<NativeModel>()

/** Trains `model`, then evaluates it if there is something to evaluate it on. Two runs of one model at once are refused. */
export async function startFit(
  model: NativeModel,
  data: Data,
  options: FitOptions,
  queue: EventQueue<FitEvent>,
  stop: AbortController,
  wrapUp: AbortSignal,
): Promise<History> {
  const {
    validation,
    validationSplit,
    fitReadout: fits,
    signal,
    cluster,
    encoder,
    ...given
  } = requireObject(options, 'the options of fit')
  if (encoder !== undefined) requireObject(encoder, 'option encoder')
  throwIfAborted(signal)
  const config = JSON.parse(model.config) as ModelConfig
  if (validation && validationSplit !== undefined) throw bothValidations()
  if (requireSwitch(fits, 'fitReadout')) {
    if (!validation && validationSplit === undefined) throw noValidation()
    if (given.onlyBlocks !== undefined) throw partOnly()
    native(() => model.checkReadout())
  }
  if (busy.has(model)) {
    throw new NoPropError({
      code: 'NOPROP_BUSY',
      what: 'the model is being trained',
      hint: 'await the run that it is in, or create another model',
    })
  }
  busy.add(model)
  const unlink = linkAbort(signal, stop)
  const owned: Dataset[] = []
  const own = (dataset: Dataset) => {
    owned.push(dataset)
    return dataset
  }
  try {
    let dataset = data instanceof Dataset ? data : own(asDataset(data, config.input))
    let held = validation && (validation instanceof Dataset ? validation : own(asDataset(validation, config.input)))
    if (validationSplit !== undefined) {
      const parts = await holdOut(dataset, validationSplit, config.seed)
      dataset = own(parts.train)
      held = own(parts.test)
    }
    if (held) checkValidation(held, config)
    const signals: [AbortSignal, AbortSignal] = [stop.signal, wrapUp]
    // Read only where it is asked for.
    const shared = config.encoder || encoder ? await import('./encoder.js') : undefined
    const to = { train, queue, signals, cluster }
    const prepared = await shared?.prepare(model, [dataset, held], given, encoder, to)
    const sets: [Dataset, Dataset | undefined] = prepared?.sets ?? [dataset, held]
    if (prepared) for (const set of sets) if (set) own(set)
    const trainOptions = prepared?.options ?? given
    if (trainOptions.learningRate === 'find') {
      const found = await findLearningRate(model, sets[0], { ...trainOptions, signal: stop.signal })
      queue.push({ event: 'learning-rate', ...found })
      trainOptions.learningRate = found.learningRate
    }
    const history = await train(model, sets, trainOptions, cluster, queue, signals)
    prepared?.complete(history)
    // A part of a model cannot be asked.
    const isWhole = trainOptions.onlyBlocks === undefined
    if (held && isWhole && fits) {
      const { threads } = trainOptions
      await unlessAborted(stop.signal, (signal) => fitReadout(model, held, { threads, signal }))
    }
    if (held && isWhole && config.targets) {
      const numbers = await unlessAborted(stop.signal, (signal) => {
        const { threads, device } = trainOptions
        return evaluateNumbers(model, held, { threads, device, signal })
      })
      if (numbers) history.validationNumbers = numbers
    } else if (held && isWhole) {
      const validation = await validate(model, held, trainOptions, stop.signal)
      if (validation) {
        history.validation = validation
        queue.push({ event: 'validation', ...validation })
      }
    }
    queue.push({ event: 'done', history })
    return history
  } finally {
    busy.delete(model)
    unlink()
    // Those made here; data sets of the caller stay.
    for (const dataset of owned) dataset.dispose()
  }
}

/** The result on the validation data; undefined when `signal` aborts first: what is trained is trained. */
async function validate(model: NativeModel, held: Dataset, { threads, device }: TrainOptions, signal: AbortSignal) {
  return unlessAborted(signal, (signal) => evaluate(model, held, { threads, device, signal }))
}

/** What `measure` gives; undefined when `signal` aborts first. */
async function unlessAborted<Result>(signal: AbortSignal, measure: (signal: AbortSignal) => Promise<Result>) {
  try {
    return await measure(signal)
  } catch (error) {
    if (signal.aborted && error === signal.reason) return undefined
    throw error
  }
}

async function train(
  model: NativeModel,
  [dataset, held]: [Dataset, Dataset | undefined],
  options: TrainOptions,
  cluster: ClusterOptions | undefined,
  queue: Events,
  [stop, wrapUp]: [AbortSignal, AbortSignal],
): Promise<History> {
  const began = performance.now()
  const records = new Records()
  const onEvent = (event: WorkerEvent) => {
    if (event.event === 'block' || event.event === 'chain') records.add(event)
    const replaceable = event.event === 'progress' || event.event === 'checkpoint'
    const key = replaceable ? `${event.event} ${event.block}` : undefined
    queue.push(event, { key, passing: event.event === 'epoch' || event.event === 'chain' })
  }
  if (cluster) {
    const to = { records, onEvent, push: (event: FitEvent) => queue.push(event) }
    return trainElsewhere(model, [dataset, held], options, cluster, to, [stop, wrapUp])
  }
  const reason = settleDevice(options.device, addonSearch())
  let receive: Parameters<OpenWorker>[0] | undefined
  // Opening a GPU takes a while, on a thread of its own; whatever is wrong rejects here.
  const training = await nativeAsync(() =>
    model.train(
      nativeDataset(dataset),
      toJson(options),
      (json) => receive && deliver(json, receive),
      held ? nativeDataset(held) : null,
    ),
  )
  const { epochs, batch, threads, inFlight, onlyBlocks } = JSON.parse(training.options) as Resolved
  const blocks = onlyBlocks?.length ?? model.jobs
  const scheduler = new Scheduler(
    onlyBlocks ?? blocks,
    [
      (sink) => {
        receive = sink
        return nativeWorker(training, inFlight)
      },
    ],
    onEvent,
  )
  const { samples } = dataset
  const { stepsPerBlock, device } = training
  // Where the CUDA addon is loaded, its core may choose the processor, and says why.
  const whyNoGpu = reason ?? training.whyNoGpu
  const where = { device, ...(whyNoGpu ? { whyNoGpu } : {}) }
  queue.push({
    event: 'start',
    blocks,
    epochs,
    batch,
    samples,
    stepsPerBlock,
    parameters: model.parameters,
    threads,
    inFlight,
    resume: options.resume === true,
    measure: measureOf(JSON.parse(model.config) as ModelConfig),
    ...where,
  })
  const onWrapUp = () => scheduler.wrapUp()
  wrapUp.addEventListener('abort', onWrapUp, { once: true })
  try {
    const running = scheduler.run(stop)
    if (wrapUp.aborted) onWrapUp()
    await running
  } finally {
    wrapUp.removeEventListener('abort', onWrapUp)
  }
  try {
    await nativeAsync(() => training.finish(JSON.stringify(keptOf(records.summary()))))
  } catch (error) {
    await scheduler.close()
    throw error
  }
  return historyOf(model, records, { began, samples, notBegun: scheduler.notBegun, where })
}

function noValidation(): NoPropError {
  return new NoPropError({
    code: 'NOPROP_OPTION',
    what: 'option fitReadout needs validation samples',
    expected: 'option validation or validationSplit',
    received: 'neither',
  })
}

function partOnly(): NoPropError {
  return new NoPropError({
    code: 'NOPROP_OPTION',
    what: 'option fitReadout does not go with onlyBlocks',
    expected: 'all blocks, whose weights are fitted together',
    received: 'both',
    hint: 'put the parts together (assemble), and fit the readout of the whole: model.fitReadout(samples)',
  })
}

function bothValidations(): NoPropError {
  return new NoPropError({
    code: 'NOPROP_OPTION',
    what: 'both validation and validationSplit are given',
    expected: 'one of the two',
    hint: 'leave validationSplit out to validate on data of your own',
  })
}

/** The addon's threads as a worker. */
function nativeWorker(training: NativeTraining, slots: number): ReturnType<OpenWorker> {
  return {
    slots,
    start: (block) => native(() => training.startBlock(block)),
    wrapUp: () => native(() => training.wrapUp()),
    stop: () => training.stop(),
    close: () => nativeAsync(() => training.close()),
  }
}

/** Passes on a list of events in JSON. It is called from native code, where nobody could catch what it throws. */
function deliver(json: string, sink: Parameters<OpenWorker>[0]): void {
  try {
    for (const event of JSON.parse(json)) sink(event)
  } catch (error) {
    sink({ event: 'failed', block: 0, error: fromNative(error).toJSON() })
  }
}
