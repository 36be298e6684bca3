import { constants } from 'node:os'
import { NoPropError } from '../errors.js'

/** The reason of an abort by SIGINT (Ctrl-C) or SIGTERM. */
export class Interruption extends NoPropError {
  /** 128 + the signal's number, as shells have it: 130 or 143. */
  readonly exitCode: number

  constructor(
    readonly signal: 'SIGINT' | 'SIGTERM',
    hint?: string,
  ) {
    super({ code: 'NOPROP_CANCELLED', what: `interrupted by ${signal}`, hint })
    this.exitCode = 128 + constants.signals[signal]
  }

  /** The same with what is kept and how to go on. */
  withHint(hint: string): Interruption {
    return new Interruption(this.signal, hint)
  }
}

/** Milliseconds that work has to stop by itself after the first interruption. */
const GRACE = 3000

/**
 * A signal that aborts with an {@link Interruption} at the first SIGINT or SIGTERM. The second one ends the process at
 * once, and so does work that has not stopped after a while.
 */
export function interruptible(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      const interruption = new Interruption(name)
      if (controller.signal.aborted) process.exit(interruption.exitCode)
      controller.abort(interruption)
      setTimeout(() => process.exit(interruption.exitCode), GRACE).unref()
    })
  }
  return controller.signal
}
