import type { Data } from '../dataset.js'
import { NoPropError } from '../errors.js'
import type { FitEvent } from '../events.js'
import type { FitOptions } from '../fit.js'
import { requireObject, toJson } from '../json.js'
import type { ModelOptions } from '../options.js'
import { type Planned, runTrials, type SweepResult, type SweepTrial } from './run.js'
import { combinations, type SweepSpace, type SweepValues } from './space.js'

/** Options of `model` and of `fit` that all trials of a sweep share. Shape, classes and preprocessing default to those of the data. */
export type SweepSettings = Partial<ModelOptions> &
  Omit<
    FitOptions,
    'validation' | 'validationSplit' | 'signal' | 'checkpoint' | 'checkpointSeconds' | 'resume' | 'continue' | 'cluster'
  >

/** Options of {@link sweep}. */
export interface SweepOptions extends SweepSpace {
  /** What all trials have in common: `{ blocks: 5, net: { type: 'mlp' }, epochs: 3 }`. */
  options?: SweepSettings
  /** Labelled data that trials are compared on. Default: a part of the data, see `validationSplit`. */
  validation?: Data
  /** Share of the data that is held out to compare trials on, of each class alike; all trials have the same one. Default 0.2. */
  validationSplit?: number
  /** Seed of what is held out and of a random search. Default 0. */
  seed?: number
  /**
   * Keeps the results of finished trials, the states of the one that runs and the best model (`best.safetensors`) in this directory.
   * A sweep that finds trials of its own there takes their results and trains the others only.
   */
  directory?: string
  /** Stops the sweep at once, which then rejects with the signal's reason. */
  signal?: AbortSignal
  /** Called with each trial when it is finished. */
  onTrial?: (trial: SweepTrial, trials: number) => void
  /** Called with the events of the trial that is trained. */
  onEvent?: (event: FitEvent, trial: number) => void
}

/** Options that say what a model is; all others are those of its training. */
const MODEL_OPTIONS = ['method', 'blocks', 'input', 'classes', 'net', 'schedule', 'embedding', 'seed', 'preprocessing']

/** Options of `fit` that a sweep itself sees to. */
const NOT_SHARED = [
  'validation',
  'validationSplit',
  'signal',
  'checkpoint',
  'checkpointSeconds',
  'resume',
  'continue',
  'cluster',
]

/**
 * Trains a model for each combination of values, one after the other, and compares them on the same validation samples. Each trial is
 * the training that `fit` would do: its result depends neither on the others nor on their order. A trial that diverges counts as the
 * worst. Rejects as `create`, `fit` and `evaluate` do; with NOPROP_DIVERGED if every trial does.
 */
export async function sweep(data: Data, options: SweepOptions): Promise<SweepResult> {
  const { options: given = {}, seed = 0, ...rest } = requireObject(options, 'the options of sweep')
  const shared = toJson(requireObject(given, 'option options'))
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: 'seed is out of range',
      expected: `an integer from 0 to ${Number.MAX_SAFE_INTEGER}`,
      received: String(seed),
    })
  }
  const { grid, ranges, random, ...running } = rest
  const all = combinations(withoutUndefined({ grid, ranges, random }), seed)
  const trials = all.map((values) => planned(JSON.parse(shared), values))
  return runTrials(data, trials, { ...running, seed })
}

/** The options of a trial: those of all, with its own values in their places. */
function planned(options: Record<string, unknown>, values: SweepValues): Planned {
  for (const [path, value] of Object.entries(values)) set(options, path.split('.'), value, path)
  const misplaced = NOT_SHARED.find((name) => options[name] !== undefined)
  if (misplaced) {
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: `option ${misplaced} is none of a single trial`,
      expected: 'options of the model and of its training',
      hint: 'a sweep has options of its own: validation, validationSplit, directory, signal',
    })
  }
  const of = (wanted: boolean) =>
    Object.fromEntries(Object.entries(options).filter(([name]) => MODEL_OPTIONS.includes(name) === wanted))
  return { values, model: of(true), fit: of(false) as FitOptions }
}

function set(options: Record<string, unknown>, [first = '', ...rest]: string[], value: unknown, path: string): void {
  // Names on the prototype are no options.
  if (first === '' || first in Object.prototype) {
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: `there is no option ${path}`,
      expected: 'the path of an option',
    })
  }
  if (rest.length === 0) {
    options[first] = value
    return
  }
  const inner = options[first]
  if (inner === undefined) options[first] = {}
  else if (typeof inner === 'string') options[first] = { type: inner }
  else if (typeof inner !== 'object' || inner === null) {
    throw new NoPropError({ code: 'NOPROP_OPTION', what: `option ${first} has no option ${rest.join('.')}` })
  }
  set(options[first] as Record<string, unknown>, rest, value, path)
}

function withoutUndefined<Options extends object>(options: Options): Options {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options
}
