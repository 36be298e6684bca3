import { nativeAsync } from './errors.js'
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
  signal?.throwIfAborted()
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
