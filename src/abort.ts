import { describe } from './data/describe.js'
import { NoPropError, nativeAsync } from './errors.js'
import { getNative } from './native.js'

interface Stop {
  stop(): void
}

/**
 * Runs native work that polls a stop flag, and ties the flag to `signal`: an aborted signal rejects with its reason, at
 * once when it was aborted before, else as soon as the work has stopped.
 */
export async function withStopSignal<Result>(
  signal: AbortSignal | undefined,
  work: (stop: InstanceType<ReturnType<typeof getNative>['StopSignal']>) => Promise<Result>,
): Promise<Result> {
  throwIfAborted(signal)
  const stop = new (getNative().StopSignal)()
  return abortable(signal, stop, () => nativeAsync(() => work(stop)))
}

/**
 * Throws the signal's reason if it is aborted, and NOPROP_OPTION for what is no signal. Signals are known by what they can do, so
 * that those of another realm or of a library serve.
 */
export function throwIfAborted(signal: AbortSignal | null | undefined): void {
  if (signal === undefined || signal === null) return
  const { aborted, throwIfAborted, addEventListener, removeEventListener } = signal
  const methods: unknown[] = [throwIfAborted, addEventListener, removeEventListener]
  if (typeof aborted === 'boolean' && methods.every((method) => typeof method === 'function')) {
    signal.throwIfAborted()
    return
  }
  throw new NoPropError({
    code: 'NOPROP_OPTION',
    what: 'signal cannot be used',
    expected: 'an AbortSignal',
    received: describe(signal),
    hint: 'pass controller.signal, not the controller; or AbortSignal.timeout(milliseconds)',
  })
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
