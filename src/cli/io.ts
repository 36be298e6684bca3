import { once } from 'node:events'
import { fstatSync, writeFileSync } from 'node:fs'
import { NoPropError } from '../errors.js'
import { printable, printableJson } from '../printable.js'
import type { Screen } from '../progress/display.js'
import { type Field, fields, wrapped } from './fields.js'
import { Interruption } from './interrupts.js'
import { painter } from './style.js'

/** What a command writes to: results on stdout, messages on stderr, with `--json` one object a line on stdout. */
export class Io {
  /** Whether stdout takes no more, its reader gone (`noprop … | head`) or its disk full: what is written then is dropped. */
  closed = false
  /** What the process ends with when nothing is thrown; a command that reports problems as its result sets it. */
  exitCode = 0
  /** The model that the command has saved, for the message of a failure to write. */
  saved: string | undefined
  /** Whether stdout is written without a stream: streams take a write that a full disk cut short for a whole one. */
  readonly #isFile = isFile()
  #error: NodeJS.ErrnoException | undefined

  constructor(
    /** Results as JSON, one object a line, and no progress display. */
    readonly json: boolean,
    /** Failures with their stack. */
    readonly verbose: boolean,
    /** Aborts at the first Ctrl-C. */
    readonly signal: AbortSignal,
  ) {
    process.stdout.on('error', (error) => this.#ended(error))
    process.stderr.on('error', () => {})
  }

  /** The columns that results are set to; undefined where stdout is no terminal. */
  get width(): number | undefined {
    return process.stdout.isTTY ? process.stdout.columns : undefined
  }

  /** Stderr for a display that is redrawn. */
  get screen(): Screen {
    const { isTTY } = process.stderr
    const write = (text: string) => this.#say(text)
    return {
      write,
      isTTY,
      get columns() {
        return process.stderr.columns
      },
      get rows() {
        return process.stderr.rows
      },
    }
  }

  /** Why stdout could not be written. A reader that went away is no failure. */
  get failure(): NoPropError | undefined {
    const { message } = this.#error ?? {}
    if (message === undefined) return undefined
    const kept = this.saved === undefined ? '' : `; the model was saved to ${this.saved}`
    return new NoPropError(
      {
        code: 'NOPROP_OUTPUT',
        what: 'the results cannot be written to stdout',
        received: message,
        hint: `make room on its disk, or write somewhere else${kept}`,
      },
      { cause: this.#error },
    )
  }

  #ended(error: NodeJS.ErrnoException): void {
    if (!this.closed && error.code !== 'EPIPE') this.#error = error
    this.closed = true
  }

  /** A result for people, whose parts are printable; nothing with `--json`. */
  print(text: string): void {
    if (!this.json) this.write(`${text}\n`)
  }

  /** Results for people with their labels; nothing with `--json`. */
  printFields(rows: readonly Field[]): void {
    this.print(fields(rows, this.width))
  }

  /** A result for programs; nothing without `--json`. */
  emit(event: object): void {
    if (this.json) this.write(`${printableJson(event)}\n`)
  }

  /** A message for people, not a result: one line. Nothing with `--json`. */
  note(text: string): void {
    if (!this.json)
      this.#say(`${wrapped(printable(text), process.stderr.isTTY ? process.stderr.columns : undefined).join('\n')}\n`)
  }

  /** Waits until stdout has taken what was written, so that long results do not pile up in memory. */
  async drain(): Promise<void> {
    if (this.closed || !process.stdout.writableNeedDrain) return
    // It rejects when stdout fails, which `#ended` sees to, and when the signal aborts, which the caller does.
    await once(process.stdout, 'drain', { signal: this.signal }).catch(() => {})
  }

  /** Waits until all is written, or is known to have failed. */
  async flush(): Promise<void> {
    if (this.closed || this.#isFile) return
    await new Promise<void>((resolve) => {
      process.stdout.write('', (error) => {
        if (error) this.#ended(error)
        resolve()
      })
    })
  }

  /** The one line of a failure, and with `--verbose` its stack and what caused it. */
  fail(error: NoPropError): void {
    if (this.json) this.emit({ event: 'error', ...error.toJSON() })
    this.complain(error)
  }

  /** The one line on stderr alone, for a command whose result tells of the failure already. */
  complain(error: NoPropError): void {
    const paint = painter(process.stderr)
    // A terminal has just shown ^C at the beginning of this line.
    const clear = error instanceof Interruption && process.stderr.isTTY ? '\r\x1b[K' : ''
    const message = printable(error.message.replace(/\s*\n\s*/g, ' '))
    this.#say(`${clear}${paint(['bold', 'red'], 'error')} ${error.code}: ${message}\n`)
    if (!this.verbose) return
    for (let at: unknown = error; at instanceof Error; at = at.cause) {
      this.#say(`${String(at.stack).split('\n').map(printable).join('\n')}\n`)
    }
  }

  /** Text as it is, on stdout. */
  write(text: string): void {
    if (this.closed) return
    try {
      if (this.#isFile) writeFileSync(1, text)
      else process.stdout.write(text)
    } catch (error) {
      this.#ended(error as NodeJS.ErrnoException)
    }
  }

  /** Text as it is, on stderr. Where even that fails, the exit code remains. */
  #say(text: string): void {
    try {
      process.stderr.write(text)
    } catch {
      // As above.
    }
  }
}

/** Whether stdout is a file or a device such as /dev/full, which are written at once. */
function isFile(): boolean {
  try {
    const stat = fstatSync(1)
    return stat.isFile() || (stat.isCharacterDevice() && !process.stdout.isTTY)
  } catch {
    return false
  }
}
