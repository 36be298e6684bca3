import { describe } from './data/describe.js'
import { NoPropError } from './errors.js'

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
