import { NoPropError, nativeAsync } from './errors.js'
import { typeName } from './json.js'
import { getNative } from './native.js'

interface Stop {
  stop(): void
}

/**
 * `signal` if it is an `AbortSignal`, also one of another realm, or none (undefined or null). Throws NOPROP_OPTION; JavaScript
 * callers may pass anything.
 */
export function requireSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal === undefined || signal === null) return undefined
  const { aborted, addEventListener, throwIfAborted } = Object(signal) as Partial<AbortSignal>
  if (typeof aborted === 'boolean' && typeof addEventListener === 'function' && typeof throwIfAborted === 'function') {
    return signal
  }
  throw new NoPropError({
    code: 'NOPROP_OPTION',
    what: 'the option signal cannot be used',
    expected: 'an AbortSignal',
    received: typeName(signal),
    hint: 'pass the `signal` of an AbortController, not the controller itself',
  })
}

/**
 * Runs native work that polls a stop flag, and ties the flag to `signal`: an aborted signal rejects with its reason, at
 * once when it was aborted before, else as soon as the work has stopped.
 */
export async function withStopSignal<Result>(
  signal: AbortSignal | undefined,
  work: (stop: InstanceType<ReturnType<typeof getNative>['StopSignal']>) => Promise<Result>,
): Promise<Result> {
  requireSignal(signal)?.throwIfAborted()
  const stop = new (getNative().StopSignal)()
  return abortable(signal, stop, () => nativeAsync(() => work(stop)))
}

/** Aborts `to` with the reason of `from` when that aborts, or at once when it has. Returns what undoes the link. */
export function linkAbort(from: AbortSignal | undefined, to: AbortController): () => void {
  if (from?.aborted) to.abort(from.reason)
  const onAbort = () => to.abort(from?.reason)
  from?.addEventListener('abort', onAbort, { once: true })
  return () => from?.removeEventListener('abort', onAbort)
}

/** Calls `stop.stop()` when `signal` aborts while `work` runs; then its reason is what the promise rejects with. */
async function abortable<Result>(
  signal: AbortSignal | undefined,
  stop: Stop,
  work: () => Promise<Result>,
): Promise<Result> {
  signal?.throwIfAborted()
  const onAbort = () => stop.stop()
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    const result = await work()
    signal?.throwIfAborted()
    return result
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}
