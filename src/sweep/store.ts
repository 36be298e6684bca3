import { createHash, randomUUID } from 'node:crypto'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ErrorDetails, NoPropError } from '../errors.js'
import { makeDirectory } from '../make-directory.js'
import { NoProp } from '../model.js'

/** What a trial came to, as it is kept. */
export interface Outcome {
  /** Share of the validation samples whose most probable class is their label; null where training diverged. */
  accuracy: number | null
  /** The evaluation's loss; null where training diverged. */
  loss: number | null
  /** Seconds of training. */
  seconds: number
  weightsSha256: string | null
  /** Why there is no model. */
  error?: ErrorDetails
}

/** A file that a later version of this package may find. */
const FORMAT = 1

/**
 * A directory that keeps what trials came to: a small file a trial, named by what the trial is; states of the one that runs;
 * and the best model. So any sweep over the same data takes from it what it has tried already.
 */
export class TrialStore {
  /** Where the best model of the last sweep is. */
  readonly best: string

  /** Makes the directory unless it is there. Throws NOPROP_OUTPUT. */
  constructor(readonly directory: string) {
    this.best = join(directory, 'best.safetensors')
    this.#write(() => makeDirectory(directory))
  }

  /** The name of a trial: a hash of all that its result follows from. */
  static key(trial: object): string {
    return createHash('sha256')
      .update(JSON.stringify(sorted(trial)))
      .digest('hex')
      .slice(0, 16)
  }

  /** Where the states of a trial that runs are kept. */
  checkpoint(key: string): string {
    return join(this.directory, `trial-${key}`)
  }

  /** What a trial came to, if it is finished. A damaged file counts as none. */
  read(key: string): Outcome | undefined {
    try {
      const { format, ...outcome } = JSON.parse(readFileSync(this.#file(key), 'utf8'))
      return format === FORMAT && isOutcome(outcome) ? outcome : undefined
    } catch {
      return undefined
    }
  }

  /** Keeps what a trial came to, whole or not at all, and removes its states. Throws NOPROP_OUTPUT. */
  write(key: string, outcome: Outcome, values: object): void {
    const partial = `${this.#file(key)}.${process.pid}.${randomUUID()}.part`
    this.#write(() => {
      try {
        writeFileSync(partial, `${JSON.stringify({ format: FORMAT, ...outcome, values })}\n`)
        renameSync(partial, this.#file(key))
      } finally {
        rmSync(partial, { force: true })
      }
      rmSync(this.checkpoint(key), { recursive: true, force: true })
    })
  }

  /** The best model, if it has these weights. */
  async model(weightsSha256: string): Promise<NoProp | undefined> {
    try {
      const model = await NoProp.load(this.best)
      if ((await model.weightsSha256()) === weightsSha256) return model
      model.dispose()
    } catch {
      // None, or a damaged one: it is trained again.
    }
    return undefined
  }

  #file(key: string): string {
    return join(this.directory, `trial-${key}.json`)
  }

  #write(work: () => void): void {
    try {
      work()
    } catch (cause) {
      throw new NoPropError(
        {
          code: 'NOPROP_OUTPUT',
          what: `the results of the sweep cannot be kept in ${this.directory}`,
          received: (cause as Error).message,
          hint: 'choose a directory that can be written',
        },
        { cause },
      )
    }
  }
}

function isOutcome(outcome: Partial<Outcome>): outcome is Outcome {
  const { accuracy, loss, seconds, weightsSha256, error } = outcome
  if (typeof seconds !== 'number') return false
  if (accuracy === null) return typeof error === 'object' && error !== null
  return typeof accuracy === 'number' && typeof loss === 'number' && typeof weightsSha256 === 'string'
}

/** The same with the keys of all objects in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  return Object.fromEntries(entries.sort(([one], [other]) => (one < other ? -1 : 1)).map(([k, v]) => [k, sorted(v)]))
}
