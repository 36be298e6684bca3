import type { ProgressEvent } from '../events.js'

/** Milliseconds after which a block of which nothing is told is not at work: its worker may be gone. */
const SILENCE = 15_000

/** Which blocks of a run are trained at this moment. Each worker knows of its own alone. */
export class AtWork {
  readonly #blocks = new Map<number, { threads: number; at: number }>()

  /** What a worker tells of a block, with the blocks and threads of all workers. */
  tell(event: ProgressEvent, now = performance.now()): ProgressEvent {
    this.#blocks.set(event.block, { threads: event.threads / Math.max(1, event.jobs), at: now })
    let threads = 0
    for (const [block, told] of this.#blocks) {
      if (now - told.at > SILENCE) this.#blocks.delete(block)
      else threads += told.threads
    }
    return { ...event, jobs: this.#blocks.size, threads: Math.round(threads) }
  }

  /** A block is finished. */
  end(block: number): void {
    this.#blocks.delete(block)
  }
}
