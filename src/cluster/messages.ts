import type { EpochEvent, ProgressEvent } from '../events.js'

/** What a worker tells the run's client of a block: where it is, and the epochs that it has finished since it told the last time. */
export interface Message {
  progress?: ProgressEvent
  epochs: EpochEvent[]
}

/** Milliseconds between two messages of a block. */
const BETWEEN = 1000
/** Most epochs in a message; the finished block tells of all of them again. */
const MOST_EPOCHS = 30

/** Gathers events, and sends them some at a time. */
export class Messages {
  readonly #send: (message: Message) => Promise<unknown>
  #progress: ProgressEvent | undefined
  #epochs: EpochEvent[] = []
  #sent = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  constructor(send: (message: Message) => Promise<unknown>) {
    this.#send = send
  }

  add(event: ProgressEvent | EpochEvent): void {
    if (event.event === 'progress') this.#progress = event
    else this.#epochs.push(event)
    if (this.#timer) return
    const wait = Math.max(0, BETWEEN - (performance.now() - this.#sent))
    this.#timer = setTimeout(() => this.#flush(), wait)
  }

  /** What was not sent is in the finished block. */
  end(): void {
    clearTimeout(this.#timer)
  }

  #flush(): void {
    this.#timer = undefined
    this.#sent = performance.now()
    const progress = this.#progress ? { progress: this.#progress } : {}
    const epochs = this.#epochs.slice(-MOST_EPOCHS)
    this.#epochs = []
    // Only for looking at: a server that is away misses some.
    this.#send({ ...progress, epochs }).catch(() => {})
  }
}

/** Reads a message; what is not one is nothing. Queues are open to others. */
export function readMessage(data: unknown, block: number): (ProgressEvent | EpochEvent)[] {
  const { progress, epochs } = (data ?? {}) as Partial<Message>
  const events: unknown[] = [...(Array.isArray(epochs) ? epochs.slice(0, MOST_EPOCHS) : []), progress]
  return events.flatMap((event) => {
    if (typeof event !== 'object' || event === null || (event as EpochEvent).block !== block) return []
    const { event: name, ...numbers } = event as ProgressEvent
    const wanted = NUMBERS[name as keyof typeof NUMBERS]
    const isSound = wanted?.every((each) => Number.isFinite((numbers as Record<string, unknown>)[each]))
    const known = Object.entries(numbers).every(([, value]) => value === null || Number.isFinite(value))
    return isSound && known ? [event as ProgressEvent] : []
  })
}

const NUMBERS = {
  progress: ['epoch', 'epochs', 'step', 'steps', 'samplesPerSecond', 'secondsLeft', 'jobs', 'threads'],
  epoch: ['epoch', 'loss'],
} as const
