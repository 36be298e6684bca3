import { NoPropError } from '../../errors.js'

/** What is put into a store: bytes, or a file, which is read piece by piece. */
export type Content = Uint8Array | { file: string }

/** What a store tells of an object. */
export interface Listed {
  /** The rest of its key behind the prefix that was asked for. */
  name: string
  bytes: number
  /** When it was written, milliseconds since 1970. */
  modified: number
}

/**
 * Where a run's data, states and weights are: objects under keys such as `runs/ID/blocks/0001`, whole or not there at all. No key is below
 * another. Every method rejects with NOPROP_STORE where the store cannot do it.
 */
export interface Store {
  /** The bytes of an object, at most so many; null where there is none. */
  read(key: string, most: number): Promise<Buffer | null>
  /** Writes an object of at most so many bytes to a file; false where there is none. */
  fetch(key: string, file: string, most: number): Promise<boolean>
  /** Puts an object where there is none; false, and nothing changes, where there is one. */
  create(key: string, content: Content): Promise<boolean>
  /** Puts an object, in the place of one that may be there. */
  replace(key: string, content: Content): Promise<void>
  /** Whether there is an object. */
  has(key: string): Promise<boolean>
  /** Removes an object, if there is one. */
  remove(key: string): Promise<void>
  /** The objects whose keys begin with `prefix`, which ends with `/`. */
  list(prefix: string): Promise<Listed[]>
  /** Lets go of connections. */
  close(): void
}

export function tooLarge(key: string, bytes: number, most: number): NoPropError {
  return new NoPropError({
    code: 'NOPROP_STORE',
    what: `${key} in the store is too large`,
    expected: `at most ${most} bytes`,
    received: `${bytes} bytes`,
    hint: 'noprop did not write this; remove it from the store',
  })
}

export function storeError(what: string, cause: unknown, hint: string): NoPropError {
  const { name, message } = cause as Error
  const received = message && message !== 'UnknownError' ? message : name
  return new NoPropError({ code: 'NOPROP_STORE', what, received, hint }, { cause })
}
