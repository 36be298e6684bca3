import { fromDetails, NoPropError } from './errors.js'
import type { BlockEvent, CheckpointEvent, EpochEvent, ProgressEvent } from './events.js'

/** A block failed; `error` is the JSON of a NoPropError. */
interface FailedEvent {
  event: 'failed'
  block: number
  error: unknown
}

/** What a lane reports about the blocks it runs. */
export type LaneEvent = ProgressEvent | EpochEvent | BlockEvent | CheckpointEvent

/**
 * A place where blocks run: the addon's threads now, a GPU or another machine as well one day. It is told to start a
 * block and reports through the sink that it was made with.
 */
export interface Lane {
  /** How many blocks it takes at once. */
  readonly slots: number
  /** Starts block `block` (from 1). */
  start(block: number): void
  /** Asks its blocks to stop; returns at once. */
  stop(): void
  /** Resolves when nothing of it runs any more; rejects if something that was to be kept could not be. */
  close(): Promise<void>
}

/** Makes a lane that reports each event to `sink`. */
export type OpenLane = (sink: (event: LaneEvent | FailedEvent) => void) => Lane

interface Place {
  lane: Lane
  /** Blocks that it has begun and not finished. */
  running: Set<number>
}

/**
 * Owns which blocks run where: hands every block to the next lane with a free slot, passes on what lanes report, and
 * ends when all blocks are finished, one has failed, or `signal` aborts. Blocks need nothing of each other, so their
 * order is free and no block waits for another.
 */
export class Scheduler {
  readonly #waiting: number[]
  readonly #places: Place[]
  readonly #onEvent: (event: LaneEvent) => void
  #left: number
  #settle: { resolve: () => void; reject: (error: unknown) => void } | undefined

  /** `blocks` are counted from 1. Opens the lanes, which may throw. */
  constructor(blocks: number, lanes: readonly OpenLane[], onEvent: (event: LaneEvent) => void) {
    this.#waiting = Array.from({ length: blocks }, (_, index) => index + 1)
    this.#left = blocks
    this.#onEvent = onEvent
    this.#places = []
    for (const open of lanes) {
      const running = new Set<number>()
      this.#places.push({ lane: open((event) => this.#receive(running, event)), running })
    }
  }

  /**
   * Runs all blocks. On failure and on abort it stops and closes the lanes, then rejects with the error or the reason; on abort
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

  /** Stops whatever runs and waits until nothing does. Resolves with what went wrong. */
  async close(): Promise<unknown[]> {
    for (const { lane } of this.#places) lane.stop()
    const closed = await Promise.allSettled(this.#places.map(({ lane }) => lane.close()))
    return closed.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
  }

  #fill(): void {
    try {
      for (const { lane, running } of this.#places) {
        while (running.size < lane.slots && this.#waiting.length > 0) {
          const block = this.#waiting.shift() as number
          running.add(block)
          lane.start(block)
        }
      }
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Ends the run; whatever lanes still report while they are being stopped concerns nobody any more. */
  #fail(error: unknown): void {
    const settle = this.#settle
    this.#settle = undefined
    settle?.reject(error)
  }

  #receive(running: Set<number>, event: LaneEvent | FailedEvent): void {
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
