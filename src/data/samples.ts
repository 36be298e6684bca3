import { NoPropError } from '../errors.js'
import { article, describe } from './describe.js'
import { asBytes, asFloats, kindOf, type SampleArray, unreadable } from './typed-array.js'

/** Samples as JavaScript holds them. */
export type Samples = SampleArray | readonly (readonly number[] | SampleArray)[]

/** The kinds that are bytes, which the net sees divided by 255. */
const BYTES = ['Uint8Array', 'Uint8ClampedArray']
/** The kinds that are taken as they are. */
const FLOATS = ['Float32Array', 'Float64Array', 'Float16Array']

/** Number of values of the first sample of a list; undefined for typed arrays, and where there is none. */
export function lengthOfFirst(samples: unknown): number | undefined {
  const first = Array.isArray(samples) ? samples[0] : undefined
  return Array.isArray(first) || kindOf(first) !== undefined ? (first as ArrayLike<unknown>).length : undefined
}

/**
 * Samples as the addon takes them, without a copy where none is needed. `size` is the number of values of a sample. Throws
 * NOPROP_OPTION (another kind of array), NOPROP_SHAPE (a sample of another size), NOPROP_VALUE (what is not a number, is not finite
 * or does not fit 32-bit floats).
 */
export function toNative(samples: unknown, size: number): Float32Array | Uint8Array {
  if (Array.isArray(samples)) return fromRows(samples, size)
  const kind = requireKind(samples, 'the samples')
  return BYTES.includes(kind) ? asBytes(samples as Uint8Array) : floats(samples as Float32Array, kind, size)
}

/** The kind of a typed array that can be read and may hold samples. */
function requireKind(array: unknown, name: string): string {
  const kind = kindOf(array)
  if (kind !== undefined && [...BYTES, ...FLOATS].includes(kind)) {
    const reason = unreadable(array as Float32Array)
    if (reason === undefined) return kind
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: `${name} cannot be read: ${reason}`,
      expected: 'an array that still has its memory',
      received: `${article(kind)} of length 0`,
      hint: 'hand over the array before its buffer is transferred or resized, or a copy of it',
    })
  }
  throw new NoPropError({
    code: 'NOPROP_OPTION',
    what: `${name} cannot be used`,
    expected: 'a Float32Array or Float64Array, a Uint8Array or Uint8ClampedArray, or one list of numbers a sample',
    received: kind ? article(kind) : describe(array),
    hint: kind
      ? kind.startsWith('Big')
        ? 'convert them: Float32Array.from(array, Number)'
        : 'Float32Array.from(array) is taken as it is, Uint8Array.from(array) as bytes that are divided by 255; scale other ranges first'
      : undefined,
  })
}

/** The values of a typed array as 32-bit floats, those of doubles checked. */
function floats(array: Float32Array | Float64Array, kind: string, size: number): Float32Array {
  if (kind === 'Float32Array') return asFloats(array)
  const converted = new Float32Array(array.length)
  for (let at = 0; at < array.length; at++) {
    converted[at] = array[at] as number
    if (!Number.isFinite(converted[at])) throw badValue(array[at], Math.floor(at / size), at % size)
  }
  return converted
}

/** One list or typed array a sample, as one array: bytes where every sample is, else floats. */
function fromRows(rows: readonly unknown[], size: number): Float32Array | Uint8Array {
  if (rows.length > 0 && rows.every((row) => typeof row === 'number')) {
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: 'the samples are one flat list of numbers',
      expected: 'a typed array, or one list of numbers a sample',
      received: describe(rows),
      hint: 'use Float32Array.from(list), or Uint8Array.from(list) for bytes',
    })
  }
  // Not `map`, which leaves out holes.
  const kinds = Array.from(rows, (row, sample) => requireRow(row, sample, size))
  const areBytes = kinds.map((kind) => kind !== undefined && BYTES.includes(kind))
  if (areBytes.length > 0 && areBytes.every(Boolean)) {
    const bytes = new Uint8Array(rows.length * size)
    for (const [sample, row] of rows.entries()) bytes.set(row as Uint8Array, sample * size)
    return bytes
  }
  const mixed = areBytes.indexOf(true)
  if (mixed >= 0) {
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: 'some samples are bytes and others are not',
      expected: `every sample as bytes, or none; bytes are divided by 255`,
      received: `sample ${mixed} as ${article(kinds[mixed] as string)}, sample ${areBytes.indexOf(false)} not`,
    })
  }
  const images = new Float32Array(rows.length * size)
  for (const [sample, row] of rows.entries()) {
    const values = row as ArrayLike<unknown>
    for (let position = 0; position < size; position++) {
      const value = values[position]
      const at = sample * size + position
      if (typeof value !== 'number') throw badValue(value, sample, position)
      images[at] = value
      if (!Number.isFinite(images[at])) throw badValue(value, sample, position)
    }
  }
  return images
}

/** Checks that a sample is a list or a typed array of the right size; returns the kind of a typed array. */
function requireRow(row: unknown, sample: number, size: number): string | undefined {
  const isList = Array.isArray(row)
  if (row === undefined || row === null || (!isList && kindOf(row) === undefined)) {
    throw new NoPropError({
      code: 'NOPROP_VALUE',
      what:
        row === undefined || row === null ? `sample ${sample} is missing` : `sample ${sample} is not a list of numbers`,
      expected: `a list of ${size} numbers, or a typed array`,
      received: describe(row),
      hint: 'samples are counted from 0',
    })
  }
  const kind = isList ? undefined : requireKind(row, `sample ${sample}`)
  const { length } = row as ArrayLike<unknown>
  if (length === size) return kind
  const nested = isList && row.every((item) => Array.isArray(item))
  throw new NoPropError({
    code: 'NOPROP_SHAPE',
    what: nested ? `sample ${sample} is a list of lists` : `sample ${sample} has another size than the shape says`,
    expected: `${size} numbers${nested ? ' in one list' : ''}`,
    received: nested ? `${length} lists` : `${length} numbers`,
    hint: nested ? 'flatten each sample: images.map((rows) => rows.flat(2))' : 'samples are counted from 0',
  })
}

/** The error of a value that is not a number that 32-bit floats can hold. */
function badValue(value: unknown, sample: number, position: number): NoPropError {
  const place = `value ${position} of sample ${sample}`
  const counted = 'samples and values are counted from 0'
  const error = (what: string, expected: string, hint: string) =>
    new NoPropError({ code: 'NOPROP_VALUE', what: `${place} ${what}`, expected, received: describe(value), hint })
  if (typeof value === 'number') {
    return Number.isFinite(value)
      ? error(
          'is too large for a 32-bit float',
          'numbers from -3.4028235e38 to 3.4028235e38',
          `${counted}; scale the data`,
        )
      : error('is not a finite number', 'finite numbers', `${counted}; replace or leave out the bad sample`)
  }
  if (value === undefined || value === null || (typeof value === 'string' && value.trim() === '')) {
    return error('is missing', 'a number', `${counted}; fill in missing values, or leave the sample out`)
  }
  if (typeof value === 'string') {
    return error(
      'is text, not a number',
      'a number',
      `${counted}; convert text first, and decide what an empty cell means`,
    )
  }
  if (typeof value === 'bigint') return error('is a BigInt', 'a number', `${counted}; convert it: Number(value)`)
  if (Array.isArray(value)) {
    return error('is a list', 'a number', `${counted}; flatten each sample: images.map((rows) => rows.flat(2))`)
  }
  return error('is not a number', 'a number', `${counted}; convert it first`)
}
