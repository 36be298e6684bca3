/** The typed arrays that may hold samples. */
export type SampleArray = Float32Array | Float64Array | Uint8Array | Uint8ClampedArray

interface View {
  readonly buffer: ArrayBufferLike
  readonly byteOffset: number
  readonly length: number
}

const prototype = Object.getPrototypeOf(Uint8Array.prototype)
const tagOf = Object.getOwnPropertyDescriptor(prototype, Symbol.toStringTag)?.get
const keysOf = prototype.keys as () => Iterator<number>

/**
 * The name of a typed array's kind, for example 'Float32Array'; undefined for everything else. Unlike `instanceof` it
 * knows the arrays of other realms (Jest, `vm`, other frames) and cannot be deceived.
 */
export function kindOf(value: unknown): string | undefined {
  return tagOf?.call(value)
}

/** Why nothing of a typed array can be read any more, though it was made with values; undefined where it can. */
export function unreadable(array: View): string | undefined {
  if (array.length > 0) return undefined
  try {
    // Throws where the view has lost its memory; an array that is just empty has keys.
    keysOf.call(array)
    return undefined
  } catch {
    return isDetached(array.buffer)
      ? 'the buffer was detached: transferred to a worker, by postMessage or structuredClone'
      : 'the buffer was resized and is now smaller than the array'
  }
}

function isDetached(buffer: ArrayBufferLike): boolean {
  try {
    new Uint8Array(buffer)
    return false
  } catch {
    return true
  }
}

/** The same memory as bytes of this realm; a copy where another thread may write to it. */
export function asBytes(array: View): Uint8Array {
  return unshared(new Uint8Array(array.buffer, array.byteOffset, array.length))
}

/** The same memory as floats of this realm; a copy where another thread may write to it. */
export function asFloats(array: View): Float32Array {
  return unshared(new Float32Array(array.buffer, array.byteOffset, array.length))
}

/** The same memory as 32-bit integers of this realm; a copy where another thread may write to it. */
export function asIntegers(array: View): Int32Array {
  return unshared(new Int32Array(array.buffer, array.byteOffset, array.length))
}

/** Native code may not read memory that changes meanwhile. */
function unshared<Numbers extends Uint8Array | Float32Array | Int32Array>(array: Numbers): Numbers {
  const isShared = Object.prototype.toString.call(array.buffer) === '[object SharedArrayBuffer]'
  return isShared ? (array.slice() as Numbers) : array
}
