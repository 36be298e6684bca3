import { randomUUID } from 'node:crypto'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Dataset, readDataset } from '../dataset.js'
import { NoPropError } from '../errors.js'
import { keys } from './keys.js'
import type { StoredData } from './run-file.js'
import type { Store } from './store/store.js'

/** Data sets that are kept open; blocks of one run follow each other. */
const MOST_OPEN = 4

/**
 * The data sets of a worker: fetched from the store once, kept in files for the next start, and checked by their fingerprint each time
 * that they are read.
 */
export class DataCache {
  readonly #store: Store
  readonly #folder: string
  /** The least recently used first. */
  readonly #open = new Map<string, Promise<Dataset>>()

  /** Files are kept in `folder`. */
  constructor(store: Store, folder: string) {
    this.#store = store
    this.#folder = folder
  }

  /** A data set of the store. Rejects with NOPROP_STORE; what cannot be trusted is removed, and clients put it there again. */
  get(data: StoredData): Promise<Dataset> {
    const { fingerprint } = data
    const opened = this.#open.get(fingerprint) ?? this.#read(data)
    this.#open.delete(fingerprint)
    this.#open.set(fingerprint, opened)
    opened.catch(() => this.#open.delete(fingerprint))
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= MOST_OPEN) break
      // Its memory is freed when the last run that uses it lets go of it.
      this.#open.delete(oldest)
    }
    return opened
  }

  async #read(data: StoredData): Promise<Dataset> {
    const file = join(this.#folder, data.fingerprint)
    await mkdir(this.#folder, { recursive: true })
    try {
      const kept = await readDataset(file)
      if (kept.fingerprint === data.fingerprint) return kept
    } catch (error) {
      if (!(error instanceof NoPropError) || error.code === 'NOPROP_MEMORY') throw error
    }
    const temporary = join(this.#folder, `.${randomUUID()}`)
    try {
      if (!(await this.#store.fetch(keys.dataset(data.fingerprint), temporary, data.bytes))) {
        throw new NoPropError({
          code: 'NOPROP_STORE',
          what: 'the data set of the run is not in the store',
          hint: 'its client puts it there again; keep one running (noprop runs attach does not have the data)',
        })
      }
      const dataset = await this.#trusted(temporary, data)
      await rename(temporary, file)
      return dataset
    } finally {
      await rm(temporary, { force: true })
    }
  }

  async #trusted(file: string, { fingerprint }: StoredData): Promise<Dataset> {
    let cause: unknown
    try {
      const dataset = await readDataset(file)
      if (dataset.fingerprint === fingerprint) return dataset
    } catch (error) {
      if (error instanceof NoPropError && error.code === 'NOPROP_MEMORY') throw error
      cause = error
    }
    await this.#store.remove(keys.dataset(fingerprint))
    throw new NoPropError(
      {
        code: 'NOPROP_STORE',
        what: `${keys.dataset(fingerprint)} in the store cannot be trusted, and was removed`,
        expected: 'the data set of that fingerprint',
        received: cause instanceof NoPropError ? cause.what : 'another data set',
        hint: 'its client puts it there again',
      },
      { cause },
    )
  }
}
