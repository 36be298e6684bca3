/**
 * Hands events from the run that makes them to the one who iterates over them. Events pushed with a key replace an
 * unread event of the same key, so however slow the reader is, the queue holds at most one of those a key; events without a
 * key are all kept.
 */
export class EventQueue<Event> {
  /** Unread events in order; those without a key are filed under a number. */
  readonly #unread = new Map<string | number, Event>()
  #serial = 0
  #end: { error?: unknown } | undefined
  #wake: (() => void) | undefined

  /** Number of unread events. */
  get size(): number {
    return this.#unread.size
  }

  push(event: Event, key?: string): void {
    if (this.#end) return
    if (key !== undefined) this.#unread.delete(key)
    this.#unread.set(key ?? this.#serial++, event)
    this.#wake?.()
  }

  /** No event follows: readers get what is unread, then the end. */
  finish(): void {
    this.#end ??= {}
    this.#wake?.()
  }

  /** The run failed: what is unread is dropped, and readers get `error`. */
  fail(error: unknown): void {
    if (this.#end) return
    this.#end = { error }
    this.#unread.clear()
    this.#wake?.()
  }

  /** The next event; undefined at the end. Rejects with the error of `fail`, once. For one reader at a time. */
  async next(): Promise<Event | undefined> {
    while (this.#unread.size === 0 && !this.#end) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    for (const [key, event] of this.#unread) {
      this.#unread.delete(key)
      return event
    }
    if (this.#end && 'error' in this.#end) {
      const { error } = this.#end
      this.#end = {}
      throw error
    }
    return undefined
  }
}
