import { fromDetails, NoPropError } from './errors.js'
import type { BlockEvent, ChainEvent, CheckpointEvent, EpochEvent, ProgressEvent } from './events.js'

/** A block failed; `error` is the JSON of a NoPropError. */
interface FailedEvent {
  event: 'failed'
  block: number
  error: unknown
}

/** What a worker reports about the blocks it runs. */
export type WorkerEvent = ProgressEvent | EpochEvent | BlockEvent | CheckpointEvent | ChainEvent

/**
 * What runs blocks: the addon's threads now, a GPU or another machine as well one day. It is told to start a
 * block and reports through the sink that it was made with.
 */
export interface BlockWorker {
  /** How many blocks it takes at once. */
  readonly slots: number
  /** Starts block `block` (from 1). */
  start(block: number): void
  /**
   * Asks its blocks to end with the weights that they have; returns at once. Each still reports its end, and no other is started.
   * Throws where those that have been started would be no model.
   */
  wrapUp(): void
  /** Asks its blocks to stop; returns at once. */
  stop(): void
  /** Resolves when nothing of it runs any more; rejects if something that was to be kept could not be. */
  close(): Promise<void>
}

/** Makes a worker that reports each event to `sink`. */
export type OpenWorker = (sink: (event: WorkerEvent | FailedEvent) => void) => BlockWorker

interface Assignment {
  worker: BlockWorker
  /** Blocks that it has begun and not finished. */
  running: Set<number>
}

/**
 * Owns which blocks run where: hands every block to the next worker with a free slot, passes on what workers report, and
 * ends when all blocks are finished, one has failed, or `signal` aborts. Blocks need nothing of each other, so their
 * order is free and no block waits for another.
 */
export class Scheduler {
  readonly #waiting: number[]
  readonly #assignments: Assignment[]
  readonly #onEvent: (event: WorkerEvent) => void
  readonly #notBegun: number[] = []
  #left: number
  #settle: { resolve: () => void; reject: (error: unknown) => void } | undefined

  /** `blocks` are counted from 1: how many there are, or those to run. Opens the workers, which may throw. */
  constructor(
    blocks: number | readonly number[],
    workers: readonly OpenWorker[],
    onEvent: (event: WorkerEvent) => void,
  ) {
    this.#waiting = typeof blocks === 'number' ? Array.from({ length: blocks }, (_, index) => index + 1) : [...blocks]
    this.#left = this.#waiting.length
    this.#onEvent = onEvent
    this.#assignments = []
    for (const open of workers) {
      const running = new Set<number>()
      this.#assignments.push({ worker: open((event) => this.#receive(running, event)), running })
    }
  }

  /**
   * Runs all blocks. On failure and on abort it stops and closes the workers, then rejects with the error or the reason; on abort
   * with what went wrong at closing, if anything did, and the reason as its cause.
   */
  async run(signal: AbortSignal): Promise<void> {
    let onAbort: (() => void) | undefined
    try {
      signal.throwIfAborted()
      await new Promise<void>((resolve, reject) => {
        this.#settle = { resolve, reject }
        onAbort = () => this.#fail(signal.reason)
        signal.addEventListener('abort', onAbort, { once: true })
        this.#fill()
      })
    } catch (error) {
      const [problem] = await this.close()
      if (problem instanceof NoPropError && signal.aborted && error === signal.reason) {
        throw new NoPropError(problem.toJSON(), { cause: error })
      }
      throw error
    } finally {
      if (onAbort) signal.removeEventListener('abort', onAbort)
    }
  }

  /** Blocks that had not begun when the run was told to end. */
  get notBegun(): readonly number[] {
    return this.#notBegun
  }

  /** Ends all blocks in flight with the weights that they have; those that wait are not begun. */
  wrapUp(): void {
    try {
      for (const { worker } of this.#assignments) worker.wrapUp()
    } catch (error) {
      this.#fail(error)
      return
    }
    const waiting = this.#waiting.splice(0)
    this.#notBegun.push(...waiting)
    this.#left -= waiting.length
  }

  /** Stops whatever runs and waits until nothing does. Resolves with what went wrong. */
  async close(): Promise<unknown[]> {
    for (const { worker } of this.#assignments) worker.stop()
    const closed = await Promise.allSettled(this.#assignments.map(({ worker }) => worker.close()))
    return closed.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
  }

  #fill(): void {
    try {
      for (const { worker, running } of this.#assignments) {
        while (running.size < worker.slots && this.#waiting.length > 0) {
          const block = this.#waiting.shift() as number
          running.add(block)
          worker.start(block)
        }
      }
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Ends the run; whatever workers still report while they are being stopped concerns nobody any more. */
  #fail(error: unknown): void {
    const settle = this.#settle
    this.#settle = undefined
    settle?.reject(error)
  }

  #receive(running: Set<number>, event: WorkerEvent | FailedEvent): void {
    if (!this.#settle) return
    if (event.event === 'failed') {
      this.#fail(fromDetails(event.error))
      return
    }
    this.#onEvent(event)
    if (event.event !== 'block' || !running.delete(event.block)) return
    this.#left -= 1
    if (this.#left === 0) this.#settle.resolve()
    else this.#fill()
  }
}
