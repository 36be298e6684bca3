import { NoPropError } from '../errors.js'
import { article, describe } from './describe.js'
import { asIntegers, kindOf, unreadable } from './typed-array.js'

const EXPECTED = 'an integer from -2147483648 to 2147483647'
const MIXED = 'only numbers, or only names'

/** A class: an integer, or its name. Those of a data set or a model are all of one kind. */
export type Label = number | string

/** Labels as the addon takes them. */
export interface NativeLabels {
  /** A label a sample; with `names` its position in them. */
  labels: Int32Array
  names: string[] | null
}

/**
 * Labels as 32-bit integers, which a plain conversion would silently wrap or truncate, or as names. The first label decides
 * which they are. Throws NOPROP_LABEL.
 */
export function toLabels(labels: unknown): NativeLabels {
  const kind = kindOf(labels)
  if (kind !== undefined) {
    const reason = unreadable(labels as Int32Array)
    if (reason !== undefined) {
      throw new NoPropError({
        code: 'NOPROP_LABEL',
        what: `the labels cannot be read: ${reason}`,
        expected: 'an array that still has its memory',
        received: `${article(kind)} of length 0`,
        hint: 'hand over the array before its buffer is transferred or resized, or a copy of it',
      })
    }
    if (kind === 'Int32Array') return { labels: asIntegers(labels as Int32Array), names: null }
  }
  const list = requireList(labels)
  return typeof list[0] === 'string' ? toNames(list) : { labels: toIntegers(list), names: null }
}

function toIntegers(labels: ArrayLike<unknown>): Int32Array {
  const integers = new Int32Array(labels.length)
  for (let sample = 0; sample < labels.length; sample++) {
    const label = labels[sample]
    if (typeof label !== 'number' || !Number.isInteger(label) || label < -(2 ** 31) || label >= 2 ** 31) {
      throw badLabel(label, sample, typeof labels[0] === 'number' && isName(label) ? MIXED : EXPECTED)
    }
    integers[sample] = label
  }
  return integers
}

/** Each different name once, in the order of their first samples. */
function toNames(labels: ArrayLike<unknown>): NativeLabels {
  const places = new Map<string, number>()
  const positions = new Int32Array(labels.length)
  for (let sample = 0; sample < labels.length; sample++) {
    const label = labels[sample]
    if (!isName(label)) throw badLabel(label, sample, typeof label === 'number' ? MIXED : 'the name of a class')
    const place = places.get(label)
    if (place === undefined) places.set(label, places.size)
    positions[sample] = place ?? places.size - 1
  }
  return { labels: positions, names: [...places.keys()] }
}

function isName(label: unknown): label is string {
  return typeof label === 'string' && label.trim() !== ''
}

/** Arrays and what else has a length and items; not text, whose items are characters. */
function requireList(labels: unknown): ArrayLike<unknown> {
  if (typeof labels === 'object' && labels !== null) {
    const { length } = labels as { length?: unknown }
    if (typeof length === 'number' && Number.isInteger(length) && length >= 0 && length < 2 ** 32) {
      return labels as ArrayLike<unknown>
    }
  }
  const isIterable = typeof labels === 'object' && labels !== null && Symbol.iterator in labels
  throw new NoPropError({
    code: 'NOPROP_LABEL',
    what: 'the labels are not a list',
    expected: 'one integer or one name a sample, in an array or a typed array',
    received: describe(labels),
    hint: isIterable ? 'spread them: [...labels]; mind that a Set holds each label once' : undefined,
  })
}

function badLabel(label: unknown, sample: number, expected: string): NoPropError {
  const isMissing = label === undefined || label === null || (typeof label === 'string' && label.trim() === '')
  return new NoPropError({
    code: 'NOPROP_LABEL',
    what: `the label of sample ${sample} ${isMissing ? 'is missing' : problem(expected)}`,
    expected,
    received: describe(label),
    hint: hintOf(label),
  })
}

function problem(expected: string): string {
  if (expected === EXPECTED) return 'is not a 32-bit integer'
  return expected === MIXED ? 'is of another kind than those before' : 'is not a text'
}

function hintOf(label: unknown): string {
  if (typeof label === 'bigint') return 'convert them: Array.from(labels, Number)'
  if (Array.isArray(label) || kindOf(label) !== undefined) {
    return 'one-hot rows become labels by labels.map((row) => row.indexOf(1))'
  }
  return 'samples are counted from 0'
}
