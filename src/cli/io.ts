import type { NoPropError } from '../errors.js'

/** What a command writes to: results on stdout, messages on stderr, with `--json` one object a line on stdout. */
export class Io {
  /** Whether the reader of stdout is gone (`noprop … | head`): what is written then goes nowhere, and nothing fails. */
  closed = false
  /** What the process ends with when nothing is thrown; a command that reports problems as its result sets it. */
  exitCode = 0

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

  #ended(error: NodeJS.ErrnoException): void {
    if (error.code !== 'EPIPE') throw error
    this.closed = true
  }

  /** A result for people; nothing with `--json`. */
  print(text: string): void {
    if (!this.json) this.#write(text)
  }

  /** A result for programs; nothing without `--json`. */
  emit(event: object): void {
    if (this.json) this.#write(JSON.stringify(event))
  }

  /** A message for people, not a result; nothing with `--json`. */
  note(text: string): void {
    if (!this.json) process.stderr.write(`${text}\n`)
  }

  /** Waits until stdout has taken what was written, so that long results do not pile up in memory. */
  async drain(): Promise<void> {
    if (!this.closed && process.stdout.writableNeedDrain) {
      await new Promise<void>((resolve) => {
        process.stdout.once('drain', resolve).once('error', () => resolve())
      })
    }
  }

  /** The one line of a failure, and with `--verbose` its stack and what caused it. */
  fail(error: NoPropError): void {
    if (this.json) this.#write(JSON.stringify({ event: 'error', ...error.toJSON() }))
    this.complain(error)
  }

  /** The one line on stderr alone, for a command whose result tells of the failure already. */
  complain(error: NoPropError): void {
    process.stderr.write(`error ${error.code}: ${error.message.replace(/\s*\n\s*/g, ' ')}\n`)
    if (!this.verbose) return
    for (let at: unknown = error; at instanceof Error; at = at.cause) process.stderr.write(`${at.stack}\n`)
  }

  #write(text: string): void {
    if (!this.closed) process.stdout.write(`${text}\n`)
  }
}
