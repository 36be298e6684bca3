/** How an event may give way while nobody reads. */
interface Push {
  /** It replaces an unread event of the same key. */
  key?: string
  /** Of such unread events only the newest {@link MOST_PASSING} are kept. */
  passing?: boolean
}

/** Unread passing events that are kept. */
export const MOST_PASSING = 10_000

interface Reader<Event> {
  resolve(event: Event | undefined): void
  reject(error: unknown): void
}

/**
 * Hands events from the run that makes them to the one who iterates over them. However slow the reader is, and if there is
 * none, the queue holds at most one event a key, {@link MOST_PASSING} passing ones, and those that were pushed as neither.
 */
export class EventQueue<Event> {
  /** Unread events in order; those without a key are filed under a number. */
  readonly #unread = new Map<string | number, Event>()
  /** Behind what was read: what is deleted there is not walked over again. */
  #next = this.#unread.entries()
  #serial = 0
  /** The numbers of the newest passing events, in a ring; they may have been read. */
  readonly #passing: number[] = []
  #passed = 0
  #end: { error?: unknown } | undefined
  /** Calls of `next` that wait, first come first served; there are none while anything is unread. */
  #readers: Reader<Event>[] = []
  /** Who is told of every event when it is pushed. */
  readonly #watchers = new Set<(event: Event) => void>()

  /** Number of unread events. */
  get size(): number {
    return this.#unread.size
  }

  /** Calls `watcher` with every event from now on, beside whoever reads; what it throws is ignored. Returns what ends this. */
  watch(watcher: (event: Event) => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  push(event: Event, { key, passing }: Push = {}): void {
    for (const watcher of this.#watchers) tell(watcher, event)
    if (this.#end) return
    const reader = this.#readers.shift()
    if (reader) {
      reader.resolve(event)
      return
    }
    if (key !== undefined) this.#unread.delete(key)
    const place = key ?? this.#serial++
    if (passing && typeof place === 'number') this.#pass(place)
    this.#unread.set(place, event)
  }

  /** No event follows: readers get what is unread, then the end. */
  finish(): void {
    this.#end ??= {}
    for (const reader of this.#readers.splice(0)) reader.resolve(undefined)
  }

  /** The run failed: what is unread is dropped, one reader gets `error`, and all after it the end. */
  fail(error: unknown): void {
    if (this.#end) return
    this.#clear()
    const [first, ...others] = this.#readers.splice(0)
    this.#end = first ? {} : { error }
    first?.reject(error)
    for (const reader of others) reader.resolve(undefined)
  }

  /** The reader has left: what is unread is dropped, and all further reading gives the end. */
  leave(): void {
    this.#clear()
    this.#end = {}
    this.finish()
  }

  /** The next event; undefined at the end. Rejects with the error of `fail`, once. Calls are served in their order. */
  async next(): Promise<Event | undefined> {
    const first = this.#first()
    if (first) {
      this.#unread.delete(first[0])
      return first[1]
    }
    if (!this.#end) return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }))
    if ('error' in this.#end) {
      const { error } = this.#end
      this.#end = {}
      throw error
    }
    return undefined
  }

  /** Drops the passing event that is one too many. */
  #pass(place: number): void {
    const slot = this.#passed++ % MOST_PASSING
    const oldest = this.#passing[slot]
    if (oldest !== undefined) this.#unread.delete(oldest)
    this.#passing[slot] = place
  }

  #first(): [string | number, Event] | undefined {
    const next = this.#next.next()
    if (!next.done) return next.value
    // An iterator that has come to the end stays there.
    this.#next = this.#unread.entries()
    return this.#next.next().value
  }

  #clear(): void {
    this.#unread.clear()
    this.#next = this.#unread.entries()
  }
}

/** One who only watches cannot end a run. */
function tell<Event>(watcher: (event: Event) => void, event: Event): void {
  try {
    watcher(event)
  } catch {
    // As above.
  }
}
