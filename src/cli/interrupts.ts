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

  /** The same, saying what is kept and how to resume. */
  withHint(hint: string): Interruption {
    return new Interruption(this.signal, hint)
  }
}

/** Milliseconds that work has to stop, and to save its checkpoint, after the first interruption. */
const GRACE = 60_000

/**
 * A signal that aborts with an {@link Interruption} at the first SIGINT or SIGTERM. The second one ends the process at
 * once, and so does work that has not stopped after a minute.
 */
export function interruptible(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      const interruption = new Interruption(name)
      if (controller.signal.aborted) end(interruption)
      controller.abort(interruption)
      setTimeout(() => end(interruption), GRACE).unref()
    })
  }
  return controller.signal
}

/** Ends the process; the shell's prompt begins a line of its own, below the ^C that a terminal shows. */
function end({ exitCode }: Interruption): never {
  try {
    if (process.stderr.isTTY) process.stderr.write('\n')
  } finally {
    process.exit(exitCode)
  }
}
