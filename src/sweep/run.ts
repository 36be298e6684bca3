import { throwIfAborted } from '../abort.js'
import { asDataset, checkValidation, classesOf, type Data, type Dataset, holdOut } from '../dataset.js'
import { NoPropError } from '../errors.js'
import type { FitEvent } from '../events.js'
import type { FitOptions } from '../fit.js'
import { NoProp } from '../model.js'
import type { Net } from '../net.js'
import type { ModelConfig, ModelOptions } from '../options.js'
import { version } from '../version.js'
import type { SweepValues } from './space.js'
import { type Outcome, TrialStore } from './store.js'

/** A trial of a sweep and what it came to. */
export interface SweepTrial extends Outcome {
  /** Its number, from 1. */
  trial: number
  /** The values that it tried, by the paths of their options. */
  values: SweepValues
  /** Whether it came finished from the directory. */
  resumed: boolean
}

/** What a sweep found. */
export interface SweepResult {
  /** All trials in their order. */
  trials: SweepTrial[]
  /** The one with the highest validation accuracy; of several, that with the lowest loss, then the first. */
  best: SweepTrial
  /** Its model, trained on the samples that were not held out. */
  model: NoProp
  /** Samples that the accuracies are of. */
  samples: number
}

/** A trial that is to be run. */
export interface Planned {
  values: SweepValues
  model: Partial<ModelOptions>
  fit: FitOptions
}

/** How trials are run. */
export interface Running {
  validation?: Data | undefined
  validationSplit?: number | undefined
  seed: number
  directory?: string | undefined
  signal?: AbortSignal | undefined
  onTrial?: ((trial: SweepTrial, trials: number) => void) | undefined
  onEvent?: ((event: FitEvent, trial: number) => void) | undefined
}

/** The share of the samples that a sweep validates on where nothing is said of it. */
const SHARE = 0.2

/**
 * Trains the trials one after the other, each on all lanes, and measures each on the same validation samples. Every model is made
 * before the first is trained, so that an option that cannot be used fails at once.
 */
export async function runTrials(data: Data, planned: readonly Planned[], running: Running): Promise<SweepResult> {
  const { validation, validationSplit, seed, directory, signal, onTrial, onEvent } = running
  throwIfAborted(signal)
  if (validation !== undefined && validationSplit !== undefined) throw bothValidations()
  const owned: Dataset[] = []
  const own = (set: Dataset, given?: Data) => {
    if (set !== given) owned.push(set)
    return set
  }
  try {
    const whole = own(asDataset(data), data)
    let [train, held] = [
      whole,
      validation === undefined ? undefined : own(asDataset(validation, whole.shape), validation),
    ]
    if (held === undefined) {
      const parts = await holdOut(whole, validationSplit ?? SHARE, seed)
      train = own(parts.train)
      held = own(parts.test)
    }
    const sweep = new Sweep(train, held, classesOf(whole, held), directory, signal)
    const trials = planned.map((trial) => sweep.prepare(trial))
    const done: SweepTrial[] = []
    for (const [index, trial] of trials.entries()) {
      const { outcome, resumed } = await sweep.run(trial, (event) => onEvent?.(event, index + 1))
      const made = { trial: index + 1, values: trial.values, ...outcome, resumed }
      done.push(made)
      onTrial?.(made, trials.length)
    }
    const best = bestOf(done)
    if (!best)
      throw new NoPropError({ ...(done[0]?.error as NoPropError), what: 'the training of every trial diverged' })
    const model = await sweep.model(trials[best.trial - 1] as Prepared, best, (event) => onEvent?.(event, best.trial))
    return { trials: done, best, model, samples: held.samples }
  } finally {
    for (const dataset of owned) dataset.dispose()
  }
}

/** The trial of the highest accuracy, if any has a model. */
export function bestOf(trials: readonly SweepTrial[]): SweepTrial | undefined {
  return trials.reduce<SweepTrial | undefined>((best, trial) => (isBetter(trial, best) ? trial : best), undefined)
}

function isBetter(one: Outcome, other: Outcome | undefined): boolean {
  if (one.accuracy === null || one.loss === null) return false
  if (!other || other.accuracy === null || other.loss === null) return true
  return one.accuracy === other.accuracy ? one.loss < other.loss : one.accuracy > other.accuracy
}

/** A trial that can be run. */
interface Prepared extends Planned {
  config: ModelConfig
  key: string
}

class Sweep {
  readonly #store: TrialStore | undefined
  /** The best model so far of those trained here. */
  #best: { outcome: Outcome; model: NoProp } | undefined

  constructor(
    readonly train: Dataset,
    readonly held: Dataset,
    readonly classes: ReturnType<typeof classesOf>,
    directory: string | undefined,
    readonly signal: AbortSignal | undefined,
  ) {
    this.#store = directory === undefined ? undefined : new TrialStore(directory)
  }

  /** Checks what can be checked without training. */
  prepare(trial: Planned): Prepared {
    const model = this.#create(trial)
    const { config } = model
    model.dispose()
    checkValidation(this.held, config)
    // Where and how fast changes nothing of the result.
    const { threads, inFlight, device, signal, checkpoint, checkpointSeconds, resume, ...fit } = trial.fit
    const data = [this.train.fingerprint, this.held.fingerprint]
    return { ...trial, config, key: TrialStore.key({ version, data, model: config, fit }) }
  }

  async run(trial: Prepared, onEvent: (event: FitEvent) => void): Promise<{ outcome: Outcome; resumed: boolean }> {
    const kept = this.#store?.read(trial.key)
    if (kept) return { outcome: kept, resumed: true }
    return { outcome: await this.#train(trial, onEvent), resumed: false }
  }

  /** The model of a trial that is finished. It is trained again only where another's is kept. */
  async model(trial: Prepared, outcome: Outcome, onEvent: (event: FitEvent) => void): Promise<NoProp> {
    const sha256 = outcome.weightsSha256 as string
    const here = this.#best?.outcome.weightsSha256 === sha256 ? this.#best.model : undefined
    const model = here ?? (await this.#store?.model(sha256))
    if (model) return model
    this.#best?.model.dispose()
    this.#best = undefined
    await this.#train(trial, onEvent)
    return (this.#best as unknown as { model: NoProp }).model
  }

  #create({ model }: Planned): NoProp {
    const { shape: input, preprocessing } = this.train
    const options = { classes: this.classes, preprocessing, input, ...model } as ModelOptions
    const { net } = options
    if (typeof net === 'object' && net.type === undefined) {
      // Sizes without a name are those of the net that the shape implies.
      const { type } = NoProp.create({ input, classes: 2, blocks: 1 }).config.net
      options.net = { ...(net as object), type } as Net
    }
    return NoProp.create(options)
  }

  async #train(trial: Prepared, onEvent: (event: FitEvent) => void): Promise<Outcome> {
    const model = this.#create(trial)
    const { fit, key } = trial
    const { signal } = this
    const checkpoint = this.#store?.checkpoint(key)
    const watched = fit.earlyStopping !== undefined || fit.validationEvery !== undefined
    const options: FitOptions = {
      ...fit,
      ...(signal ? { signal } : {}),
      ...(watched ? { validation: this.held } : {}),
      ...(checkpoint === undefined ? {} : { checkpoint, resume: true }),
    }
    let outcome: Outcome
    const began = performance.now()
    try {
      const run = model.fit(this.train, options)
      for await (const event of run) onEvent(event)
      const history = await run
      const where = { threads: fit.threads, device: fit.device, signal }
      const found = history.validation ?? (await model.evaluate(this.held, where))
      const { seconds, weightsSha256 } = history
      outcome = { accuracy: found.accuracy, loss: found.loss, seconds, weightsSha256 }
    } catch (error) {
      model.dispose()
      if (!(error instanceof NoPropError) || error.code !== 'NOPROP_DIVERGED') throw error
      const seconds = (performance.now() - began) / 1000
      outcome = { accuracy: null, loss: null, seconds, weightsSha256: null, error: error.toJSON() }
    }
    if (isBetter(outcome, this.#best?.outcome)) {
      this.#best?.model.dispose()
      this.#best = { outcome, model }
      // Before its result is kept: what the file holds can be told by its weights.
      if (this.#store) await model.save(this.#store.best)
    } else model.dispose()
    this.#store?.write(key, outcome, trial.values)
    return outcome
  }
}

function bothValidations(): NoPropError {
  return new NoPropError({
    code: 'NOPROP_OPTION',
    what: 'both validation and validationSplit are given',
    expected: 'one of the two',
    hint: 'leave validationSplit out to validate on data of your own',
  })
}
