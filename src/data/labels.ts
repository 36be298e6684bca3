import { NoPropError } from '../errors.js'
import { article, describe } from './describe.js'
import { asIntegers, kindOf, unreadable } from './typed-array.js'

const EXPECTED = 'an integer from -2147483648 to 2147483647'

/** Labels as 32-bit integers, which a plain conversion would silently wrap or truncate. Throws NOPROP_LABEL. */
export function toLabels(labels: unknown): Int32Array {
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
    if (kind === 'Int32Array') return asIntegers(labels as Int32Array)
  }
  const { length } = requireList(labels)
  const integers = new Int32Array(length)
  for (let sample = 0; sample < length; sample++) {
    const label: unknown = (labels as ArrayLike<unknown>)[sample]
    if (typeof label !== 'number' || !Number.isInteger(label) || label < -(2 ** 31) || label >= 2 ** 31) {
      throw badLabel(label, sample)
    }
    integers[sample] = label
  }
  return integers
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
    expected: 'one integer a sample, in an array or a typed array',
    received: describe(labels),
    hint: isIterable ? 'spread them: [...labels]; mind that a Set holds each label once' : undefined,
  })
}

function badLabel(label: unknown, sample: number): NoPropError {
  const isMissing = label === undefined || label === null || (typeof label === 'string' && label.trim() === '')
  return new NoPropError({
    code: 'NOPROP_LABEL',
    what: `the label of sample ${sample} ${isMissing ? 'is missing' : 'is not a 32-bit integer'}`,
    expected: EXPECTED,
    received: describe(label),
    hint: hintOf(label),
  })
}

function hintOf(label: unknown): string {
  if (typeof label === 'bigint') return 'convert them: Array.from(labels, Number)'
  if (Array.isArray(label) || kindOf(label) !== undefined) {
    return 'one-hot rows become labels by labels.map((row) => row.indexOf(1))'
  }
  if (typeof label === 'string') return 'number the classes, for example labels.map((name) => names.indexOf(name))'
  return 'samples are counted from 0'
}
