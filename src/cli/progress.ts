import type { BlockEvent, FitEvent, ProgressEvent, StartEvent } from '../events.js'

/** As much of a stream as the display needs; `process.stderr` fits. */
export interface Screen {
  write(text: string): unknown
  isTTY?: boolean
  columns?: number
  rows?: number
}

/** Milliseconds between two drawings on a terminal, and between two reports in a log. */
const REDRAW = 100
const REPORT = 5000
const BAR = 20

/**
 * Shows a training run as it goes. On a terminal: one line a block, redrawn in place, and one for the whole. Elsewhere (a log,
 * a pipe): a line for each finished block, and every few seconds one for each block that trains.
 */
export class ProgressDisplay {
  readonly #screen: Screen
  readonly #live: boolean
  readonly #progress = new Map<number, ProgressEvent>()
  readonly #finished = new Map<number, BlockEvent>()
  #start: StartEvent | undefined
  #began = 0
  /** Share of each block that an earlier run had trained. */
  readonly #before = new Map<number, number>()
  #shown = Number.NEGATIVE_INFINITY
  /** Lines on the screen that the next drawing overwrites. */
  #drawn = 0

  constructor(screen: Screen) {
    this.#screen = screen
    this.#live = Boolean(screen.isTTY) && process.env.TERM !== 'dumb'
  }

  /** Takes in an event of the run and shows it if it is time. */
  show(event: FitEvent): void {
    if (event.event === 'start') {
      this.#start = event
      this.#began = performance.now()
      this.#shown = this.#live ? Number.NEGATIVE_INFINITY : this.#began
    } else if (event.event === 'progress') {
      // What a resumed run says first of a block is where the earlier run left it.
      if (this.#start?.resume && !this.#before.has(event.block)) this.#before.set(event.block, event.step / event.steps)
      this.#progress.set(event.block, event)
    } else if (event.event === 'block') {
      if (event.resumed) this.#before.set(event.block, 1)
      this.#progress.delete(event.block)
      this.#finished.set(event.block, event)
      if (!this.#live) this.#screen.write(`${this.#blockLine(event.block)}\n`)
    } else return
    const now = performance.now()
    if (now - this.#shown < (this.#live ? REDRAW : REPORT)) return
    this.#shown = now
    if (this.#live) this.#draw()
    else for (const line of this.#lines(8)) this.#screen.write(`${line}\n`)
  }

  /** Draws the last state and leaves it standing. */
  end(): void {
    if (this.#live && this.#start) this.#draw(true)
    this.#drawn = 0
  }

  #seconds(): number {
    return (performance.now() - this.#began) / 1000
  }

  #draw(last = false): void {
    const rows = Math.max(4, this.#screen.rows ?? 24)
    const width = (this.#screen.columns ?? 80) - 1
    const lines = this.#lines(rows - 2, last)
    const back = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : ''
    const surplus = this.#drawn > lines.length ? '\x1b[J' : ''
    this.#screen.write(back + surplus + lines.map((line) => `\x1b[2K${line.slice(0, width)}\n`).join(''))
    this.#drawn = lines.length
  }

  /** On a terminal all blocks that have begun, if there is room, else those that train; in a log those that train. */
  #lines(most: number, last = false): string[] {
    const all = [...this.#finished.keys(), ...this.#progress.keys()].sort((a, b) => a - b)
    const blocks =
      this.#live && all.length <= most ? all : [...this.#progress.keys()].sort((a, b) => a - b).slice(0, most)
    return [...blocks.map((block) => this.#blockLine(block)), this.#totalLine(last)]
  }

  #blockLine(block: number): string {
    const name = `block ${String(block).padStart(String(this.#start?.blocks ?? block).length)}`
    const finished = this.#finished.get(block)
    if (finished) {
      const how = finished.resumed ? 'kept from the checkpoint' : `finished in ${finished.seconds.toFixed(1)} s`
      return `${name}  ${this.#bar(1)}${how}, loss ${finished.loss.toFixed(4)}`
    }
    const { epoch, epochs, step, steps, loss, samplesPerSecond, secondsLeft } = this.#progress.get(
      block,
    ) as ProgressEvent
    const rate = `${Math.round(samplesPerSecond).toLocaleString('en-US')} samples/s`
    return `${name}  ${this.#bar(step / steps)}epoch ${epoch}/${epochs}, ${rate}, ${loss === null ? '' : `loss ${loss.toFixed(4)}, `}${duration(secondsLeft)} left`
  }

  #totalLine(last: boolean): string {
    const { blocks, epochs, samples } = this.#start as StartEvent
    const shares = [...this.#progress.values()].map(({ step, steps }) => step / steps)
    const share = (this.#finished.size + shares.reduce((sum, value) => sum + value, 0)) / blocks
    const before = [...this.#before.values()].reduce((sum, value) => sum + value, 0) / blocks
    const seconds = this.#seconds()
    const made = share - before
    const rate = Math.round((made * samples * epochs) / seconds)
    const left = made > 0 ? duration((seconds * (1 - share)) / made) : 'unknown time'
    const time = last && this.#finished.size === blocks ? `in ${duration(seconds)}` : `${left} left`
    const name = 'all'.padEnd(`block ${blocks}`.length)
    return `${name}  ${this.#bar(share)}${this.#finished.size}/${blocks} blocks, ${rate.toLocaleString('en-US')} samples/s through all, ${time}`
  }

  #bar(share: number): string {
    const full = Math.round(Math.min(1, Math.max(0, share)) * BAR)
    return this.#live
      ? `${'█'.repeat(full)}${'░'.repeat(BAR - full)}  `
      : `${String(Math.floor(100 * share)).padStart(3)} %  `
  }
}

/** Seconds as `0:07`, `12:30` or `3:05:00`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?'
  const whole = Math.max(0, Math.round(seconds))
  const pad = (value: number) => String(value).padStart(2, '0')
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60]
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`
}
