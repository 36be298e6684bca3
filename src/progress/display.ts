import type { BlockEvent, ChainEvent, FitEvent, ProgressEvent, StartEvent } from '../events.js'
import { counted } from '../summary.js'
import { duration, layoutFor, type Part, type ProgressLine, percentage, setLines } from './lines.js'
import { hasUnicode } from './unicode.js'

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

/** Between these a terminal cuts lines at its edge instead of going on in the next one. */
const [NO_WRAP, WRAP] = ['\x1b[?7l', '\x1b[?7h']

/**
 * Shows a training run as it goes. On a terminal: one line a block, redrawn in place, and one for the whole, as wide as the
 * terminal allows. Elsewhere (a log, a pipe): a line for each finished block, and every few seconds one for each block that
 * trains. Give it every event of a run, and end it:
 *
 * ```ts
 * const display = new ProgressDisplay(process.stderr)
 * for await (const event of run) display.show(event)
 * display.end()
 * ```
 */
export class ProgressDisplay {
  readonly #screen: Screen
  readonly #live: boolean
  /** The name of the one job that it shows, where that is no block. */
  readonly #only: string | undefined
  /** Shows the encoder that blocks share, which is trained before them. */
  #encoder: ProgressDisplay | undefined
  readonly #cells: readonly [string, string] = hasUnicode() ? ['█', '░'] : ['#', '-']
  readonly #progress = new Map<number, ProgressEvent>()
  readonly #finished = new Map<number, BlockEvent>()
  /** Each block's newest accuracy on the validation samples. */
  readonly #validated = new Map<number, number>()
  /** The whole model on the validation samples, when all blocks were last at the same epoch. */
  #whole: ChainEvent | undefined
  #start: StartEvent | undefined
  /** How many threads work on how many blocks. */
  #work: string | undefined
  #began = 0
  /** Share of each block that an earlier run had trained. */
  readonly #before = new Map<number, number>()
  #shown = Number.NEGATIVE_INFINITY
  /** Lengths of the lines on the screen that the next drawing overwrites. */
  #drawn: number[] = []

  /** Shows on `screen`, such as `process.stderr`. `only` is for its own use. */
  constructor(screen: Screen, only?: string) {
    this.#screen = screen
    this.#only = only
    this.#live = Boolean(screen.isTTY) && process.env.TERM !== 'dumb'
  }

  /** Takes in an event of the run and shows it if it is time. */
  show(event: FitEvent): void {
    if (event.event === 'encoder') {
      this.#encoder ??= new ProgressDisplay(this.#screen, 'encoder')
      this.#encoder.show(event.of)
      if (event.of.event !== 'block') return
      this.#encoder.end()
      this.#encoder = undefined
      return
    }
    if (event.event === 'start') {
      this.#start = event
      this.#began = performance.now()
      this.#shown = this.#live ? Number.NEGATIVE_INFINITY : this.#began
    } else if (event.event === 'progress') {
      // What a resumed run says first of a block is where the earlier run left it.
      if (this.#start?.resume && !this.#before.has(event.block)) this.#before.set(event.block, event.step / event.steps)
      this.#progress.set(event.block, event)
      this.#work = `${counted(event.threads, 'thread')} on ${counted(event.jobs, 'block')}`
    } else if (event.event === 'epoch') {
      if (event.validationAccuracy === undefined) return
      this.#validated.set(event.block, event.validationAccuracy)
    } else if (event.event === 'chain') {
      this.#whole = event
    } else if (event.event === 'block') {
      if (event.resumed) this.#before.set(event.block, 1)
      this.#progress.delete(event.block)
      this.#finished.set(event.block, event)
      if (!this.#live) this.#log([this.#blockLine(event.block)])
    } else return
    const now = performance.now()
    if (now - this.#shown < (this.#live ? REDRAW : REPORT)) return
    this.#shown = now
    if (this.#live) this.#draw()
    else this.#log(this.#lines(8))
  }

  /** Draws the last state and leaves it standing, the cursor at the beginning of the line below. */
  end(): void {
    this.#encoder?.end()
    if (this.#live && this.#start) this.#draw(true)
    this.restart()
  }

  /** Begins the next drawing where the cursor is: others have written to the screen. */
  restart(): void {
    this.#encoder?.restart()
    this.#drawn = []
  }

  #log(lines: readonly ProgressLine[]): void {
    for (const { name, share, parts } of lines) {
      const texts = parts.map(({ text }) => text)
      this.#screen.write(`${name}  ${percentage(share)}  ${texts.join(', ')}\n`)
    }
  }

  #draw(last = false): void {
    const columns = this.#screen.columns || 80
    const lines = this.#lines(Math.max(4, this.#screen.rows || 24) - 2, last)
    const layout = layoutFor(lines, columns)
    // Terminals set lines anew when they become narrower: what was one line may be several.
    const rows = this.#drawn.reduce((sum, length) => sum + Math.max(1, Math.ceil(length / columns)), 0)
    const texts = setLines(lines, layout, this.#cells).map((text) => text.slice(0, columns))
    // To the beginning of the line first: Ctrl-C has shown ^C there. What is left below is erased.
    const back = rows > 0 ? `\r\x1b[${rows}A` : '\r'
    this.#screen.write(`${NO_WRAP}${back}${texts.map((text) => `\x1b[2K${text}\n`).join('')}\x1b[J${WRAP}`)
    this.#drawn = texts.map((text) => text.length)
  }

  /** On a terminal all blocks that have begun, if there is room, else those that train; in a log those that train. */
  #lines(most: number, last = false): ProgressLine[] {
    const all = [...this.#finished.keys(), ...this.#progress.keys()].sort((a, b) => a - b)
    const blocks =
      this.#live && all.length <= most ? all : [...this.#progress.keys()].sort((a, b) => a - b).slice(0, most)
    const lines = blocks.map((block) => this.#blockLine(block))
    return this.#only ? lines : [...lines, this.#totalLine(last)]
  }

  #blockLine(block: number): ProgressLine {
    const name = this.#only ?? `block ${String(block).padStart(String(this.#start?.blocks ?? block).length)}`
    const finished = this.#finished.get(block)
    if (finished) {
      const how = finished.resumed ? 'from the checkpoint' : `${ended(finished)} in ${finished.seconds.toFixed(1)} s`
      return {
        name,
        share: 1,
        parts: [
          { text: how, weight: 2 },
          { text: `loss ${finished.loss.toFixed(4)}`, weight: 3 },
          ...this.#validation(block),
        ],
      }
    }
    const { epoch, epochs, step, steps, loss, samplesPerSecond, secondsLeft } = this.#progress.get(
      block,
    ) as ProgressEvent
    const parts: Part[] = [
      { text: `epoch ${epoch}/${epochs}`, weight: 2 },
      { text: speed(samplesPerSecond), weight: 1 },
      ...(loss === null ? [] : [{ text: `loss ${loss.toFixed(4)}`, weight: 3 }]),
      ...this.#validation(block),
      { text: `${duration(secondsLeft)} left`, weight: 4 },
    ]
    return { name, share: step / steps, parts }
  }

  #validation(block: number): Part[] {
    const accuracy = this.#validated.get(block)
    return accuracy === undefined ? [] : [{ text: `validation ${measured(accuracy, this.#start)}`, weight: 2 }]
  }

  #totalLine(last: boolean): ProgressLine {
    const { blocks, epochs, samples } = this.#start as StartEvent
    const shares = [...this.#progress.values()].map(({ step, steps }) => step / steps)
    const share = (this.#finished.size + shares.reduce((sum, value) => sum + value, 0)) / blocks
    const before = [...this.#before.values()].reduce((sum, value) => sum + value, 0) / blocks
    const seconds = (performance.now() - this.#began) / 1000
    const made = share - before
    const isDone = last && this.#finished.size === blocks
    const time = isDone ? `in ${duration(seconds)}` : `${duration((seconds * (1 - share)) / made)} left`
    return {
      name: 'all'.padEnd(`block ${blocks}`.length),
      share,
      parts: [
        { text: `${this.#finished.size}/${blocks} blocks`, weight: 3 },
        { text: `${speed((made * samples * epochs) / seconds)} through all`, weight: 1 },
        ...(this.#work && !last ? [{ text: this.#work, weight: 0 }] : []),
        ...(this.#whole ? [{ text: validated(this.#whole, this.#start), weight: 2 }] : []),
        // Before anything is made nobody knows how long it takes.
        ...(made > 0 || isDone ? [{ text: time, weight: 4 }] : []),
      ],
    }
  }
}

function ended({ reason, losses }: BlockEvent): string {
  if (reason === 'early-stopping') return `ended early after ${losses.length} epochs`
  return reason === 'stopped' ? 'stopped' : 'finished'
}

function validated({ epoch, accuracy }: ChainEvent, start: StartEvent | undefined): string {
  return `validation ${measured(accuracy, start)} after epoch ${epoch}`
}

/** An accuracy, or R² of a model of numbers. */
function measured(value: number, start: StartEvent | undefined): string {
  return start?.measure === 'r2' ? `R² ${value.toFixed(3)}` : `${(100 * value).toFixed(1)} %`
}

function speed(samplesPerSecond: number): string {
  return `${Math.round(samplesPerSecond).toLocaleString('en-US')} samples/s`
}
