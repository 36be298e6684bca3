import { NoPropError } from './errors.js'
import { EventQueue } from './event-queue.js'
import type { FitEvent, History, StartEvent } from './events.js'
import { inspectCustom } from './inspect.js'

/**
 * A training run, which has already begun. `await` it for its {@link History}, or iterate over its events, or both.
 * Leaving the loop early (`break`, `return`, `throw`) stops the run as an abort of its signal does: unless all blocks are
 * finished, awaiting it then rejects with NOPROP_CANCELLED.
 * A run that fails and that nobody awaits or iterates over ends silently, its model as it was before.
 */
export class FitRun implements PromiseLike<History>, AsyncIterable<FitEvent> {
  readonly #queue = new EventQueue<FitEvent>()
  readonly #stop = new AbortController()
  readonly #wrapUp = new AbortController()
  readonly #result: Promise<History>
  #read = false
  #state = 'running'
  #start: StartEvent | undefined

  /**
   * @internal `train` pushes its events, stops when `stop` aborts, and may abort it for a signal of its own; it ends with what there is
   * when `wrapUp` aborts.
   */
  constructor(train?: (queue: EventQueue<FitEvent>, stop: AbortController, wrapUp: AbortSignal) => Promise<History>) {
    if (typeof train !== 'function') {
      throw new NoPropError({ code: 'NOPROP_OPTION', what: 'a run is not made with new', expected: 'model.fit(data)' })
    }
    this.#queue.watch((event) => {
      if (event.event === 'start') this.#start = event
    })
    this.#result = train(this.#queue, this.#stop, this.#wrapUp.signal)
    // Whoever awaits the run or iterates over it gets the error there; this only keeps Node from ending the process.
    this.#result.then(
      () => {
        this.#state = 'finished'
        this.#queue.finish()
      },
      (error) => {
        this.#state = `failed: ${error instanceof NoPropError ? error.code : (error?.name ?? typeof error)}`
        this.#queue.fail(error)
      },
    )
  }

  /**
   * Ends the training with what there is: each block ends after the step that it is in, and the run resolves as it would have at its
   * end, with a usable model. Its history says which blocks ended so. With a `checkpoint` the states are kept, and the run can be resumed.
   * Blocks that have not begun (fewer in flight than there are) are named in `history.notBegun`: a new model has none of them, as after
   * `dropBlocks`, and one that goes on has them as they were. Where a new model cannot do without them (method 'diffusion-blocks'), the run
   * rejects with NOPROP_CANCELLED.
   * Returns at once; may be called again, and does nothing after the last block. (An abort of the signal, by contrast, leaves the
   * model as it was.)
   */
  stop(): void {
    this.#wrapUp.abort()
  }

  /**
   * Calls `watcher` with every event, when it happens, beside whoever iterates over them, and however slowly: a page or a log. One that
   * comes late is told of the start first. What it throws is ignored. Returns a function that ends it.
   */
  watch(watcher: (event: FitEvent) => void): () => void {
    if (typeof watcher !== 'function') {
      throw new NoPropError({
        code: 'NOPROP_OPTION',
        what: 'there is nothing to call',
        expected: 'run.watch((event) => …)',
      })
    }
    const end = this.#queue.watch(watcher)
    try {
      if (this.#start) watcher(this.#start)
    } catch {
      // As for every other event.
    }
    return end
  }

  /** One line: `FitRun(running)`, `FitRun(finished)`, `FitRun(failed: NOPROP_DIVERGED)`. */
  toString(): string {
    return `FitRun(${this.#state})`
  }

  get [Symbol.toStringTag](): string {
    return 'FitRun'
  }

  /** What `console.log` prints. */
  [inspectCustom](): string {
    return this.toString()
  }

  // biome-ignore lint/suspicious/noThenProperty: a run is awaited for its history
  then<Result = History, Failure = never>(
    onFulfilled?: ((history: History) => Result | PromiseLike<Result>) | null,
    onRejected?: ((error: unknown) => Failure | PromiseLike<Failure>) | null,
  ): Promise<Result | Failure> {
    return this.#result.then(onFulfilled, onRejected)
  }

  /** As `Promise.prototype.catch`. */
  catch<Failure = never>(
    onRejected?: ((error: unknown) => Failure | PromiseLike<Failure>) | null,
  ): Promise<History | Failure> {
    return this.#result.catch(onRejected)
  }

  /** As `Promise.prototype.finally`. */
  finally(onFinally?: (() => void) | null): Promise<History> {
    return this.#result.finally(onFinally)
  }

  /**
   * The run's events, those from before the call included. What nobody has read yet is bounded: of progress and checkpoint
   * events the newest of each block is kept, of epoch events the newest 10,000 of all blocks (each `block` event has the
   * losses of all its epochs); every other event is kept. One reader: a second call throws NOPROP_BUSY. `next` may be
   * called several times at once; the calls are served in their order.
   */
  [Symbol.asyncIterator](): AsyncIterator<FitEvent, undefined> {
    if (this.#read) {
      throw new NoPropError({
        code: 'NOPROP_BUSY',
        what: 'the events of this run are already being read',
        hint: 'iterate over a run once, and pass the events on from there',
      })
    }
    this.#read = true
    return {
      next: async () => {
        const value = await this.#queue.next()
        return value === undefined ? { done: true, value } : { done: false, value }
      },
      return: async () => {
        this.#queue.leave()
        this.#stop.abort(
          new NoPropError({ code: 'NOPROP_CANCELLED', what: 'the loop over the events of the run was left' }),
        )
        await this.#result.catch(() => {})
        return { done: true, value: undefined }
      },
    }
  }
}
