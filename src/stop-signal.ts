import { throwIfAborted } from './abort.js'
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
  throwIfAborted(signal)
  const stop = new (getNative().StopSignal)()
  return abortable(signal, stop, () => nativeAsync(() => work(stop)))
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
