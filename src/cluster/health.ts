import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { NoPropError } from '../errors.js'
import type { EpochEvent, ProgressEvent } from '../events.js'

/** Milliseconds that jobs may wait beside a free slot, or the queue be out of reach, before a worker is not healthy. */
const PATIENCE = 60_000
/** Milliseconds between two looks at the queue. */
const LOOK = 5000

/** What a worker does, for Prometheus (`/metrics`) and for whoever starts workers anew (`/healthz`). */
export class Health {
  readonly #kind: string
  readonly #slots: number
  readonly #waiting: () => Promise<number>
  readonly #blocks = new Map<string, number>()
  readonly #speed = new Map<number, number>()
  #running = 0
  #steps = 0
  readonly #step = new Map<number, number>()
  #queued = 0
  /** When jobs began to wait beside a free slot. */
  #idleSince: number | undefined
  /** When the queue last answered. */
  #answered = performance.now()
  #isLooking = false
  #timer: NodeJS.Timeout | undefined
  #server: Server | undefined

  constructor(kind: string, slots: number, waiting: () => Promise<number>) {
    this.#kind = kind
    this.#slots = slots
    this.#waiting = waiting
  }

  begun(): void {
    this.#running += 1
    this.#idleSince = undefined
  }

  progress(event: ProgressEvent | EpochEvent): void {
    if (event.event !== 'progress') return
    this.#speed.set(event.block, event.samplesPerSecond)
    const before = this.#step.get(event.block)
    if (before !== undefined && event.step > before) this.#steps += event.step - before
    this.#step.set(event.block, event.step)
  }

  ended(outcome: string, block: number): void {
    this.#running -= 1
    this.#blocks.set(outcome, (this.#blocks.get(outcome) ?? 0) + 1)
    this.#speed.delete(block)
    this.#step.delete(block)
  }

  /** Serves on 127.0.0.1; resolves with the port. Rejects with NOPROP_OPTION for a port that is not free. */
  async serve(port: number): Promise<number> {
    const server = createServer((request, response) => {
      const path = request.url?.split('?')[0]
      if (path === '/metrics') response.setHeader('content-type', 'text/plain; version=0.0.4')
      const reason = path === '/healthz' ? this.#trouble() : undefined
      response.statusCode = path === '/metrics' || path === '/healthz' ? (reason ? 503 : 200) : 404
      response.end(
        path === '/metrics' ? this.#metrics() : `${reason ?? (response.statusCode === 404 ? 'not here' : 'ok')}\n`,
      )
    })
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.on('error', (cause) =>
        reject(
          new NoPropError(
            {
              code: 'NOPROP_OPTION',
              what: 'option metricsPort cannot be used',
              expected: 'a port of this machine that is free, or 0',
              received: cause.message,
            },
            { cause },
          ),
        ),
      )
      try {
        server.listen(port, '127.0.0.1', resolve)
      } catch (cause) {
        server.emit('error', cause)
      }
    })
    this.#timer = setInterval(() => void this.#look(), LOOK)
    await this.#look()
    return (server.address() as AddressInfo).port
  }

  close(): void {
    clearInterval(this.#timer)
    this.#server?.close()
    this.#server?.closeAllConnections()
  }

  async #look(): Promise<void> {
    // A queue that is away answers late.
    if (this.#isLooking) return
    this.#isLooking = true
    try {
      this.#queued = await this.#waiting()
      this.#answered = performance.now()
      const isIdle = this.#queued > 0 && this.#running < this.#slots
      this.#idleSince = isIdle ? (this.#idleSince ?? performance.now()) : undefined
    } catch {
      // `#answered` tells.
    } finally {
      this.#isLooking = false
    }
  }

  /** Why the worker does not do its work; undefined where it does. That it answers here says nothing. */
  #trouble(): string | undefined {
    const now = performance.now()
    if (now - this.#answered > PATIENCE) return 'the queue does not answer'
    if (this.#idleSince !== undefined && now - this.#idleSince > PATIENCE) return 'blocks wait, and are not fetched'
    return undefined
  }

  #metrics(): string {
    const labels = `kind="${this.#kind}"`
    const lines: string[] = []
    const add = (name: string, type: string, help: string, values: readonly (readonly [string, number])[]) => {
      lines.push(`# HELP noprop_${name} ${help}`, `# TYPE noprop_${name} ${type}`)
      for (const [more, value] of values) lines.push(`noprop_${name}{${labels}${more}} ${value}`)
    }
    const ends = [...this.#blocks].map(([outcome, count]) => [`,outcome="${outcome}"`, count] as const)
    add('blocks_total', 'counter', 'Blocks that this worker has ended with, by outcome.', ends)
    add('blocks_running', 'gauge', 'Blocks in training.', [['', this.#running]])
    add('slots', 'gauge', 'Blocks that it trains at once.', [['', this.#slots]])
    add('steps_total', 'counter', 'Optimiser steps made.', [['', this.#steps]])
    const speed = [...this.#speed.values()].reduce((sum, value) => sum + value, 0)
    add('samples_per_second', 'gauge', 'Samples a second through the blocks in training.', [['', speed]])
    add('queue_waiting', 'gauge', 'Jobs that wait in the queue of this kind.', [['', this.#queued]])
    add('healthy', 'gauge', 'Whether jobs are fetched.', [['', this.#trouble() ? 0 : 1]])
    return `${lines.join('\n')}\n`
  }
}
