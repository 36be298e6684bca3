import { NoPropError } from '../errors.js'
import { describe } from './describe.js'
import { kindOf } from './typed-array.js'

/** Numbers to predict: one array `[samples, n]`, a number a sample, or a list of n numbers a sample. */
export type Targets = Float32Array | Float64Array | readonly number[] | readonly (readonly number[])[]

/** Numbers to predict as the addon takes them. */
export interface NativeTargets {
  values: Float32Array
  /** Numbers of a sample. */
  width: number
}

/** Throws NOPROP_COUNT unless there is the same count of numbers for each of so many samples, NOPROP_VALUE for what is no number. */
export function toTargets(targets: unknown, samples: number): NativeTargets {
  const kind = kindOf(targets)
  if (kind === 'Float32Array' || kind === 'Float64Array') {
    return whole(Float32Array.from(targets as ArrayLike<number>), samples)
  }
  if (!Array.isArray(targets)) {
    throw new NoPropError({
      code: 'NOPROP_VALUE',
      what: 'the targets cannot be used',
      expected: 'a Float32Array of samples × numbers, a list of numbers, or a list of lists of them',
      received: describe(targets),
    })
  }
  const width = Array.isArray(targets[0]) ? targets[0].length : 1
  for (const [sample, row] of targets.entries()) {
    const numbers: unknown[] = Array.isArray(row) ? row : [row]
    const bad = numbers.find((value) => typeof value !== 'number')
    if (numbers.length === width && bad === undefined) continue
    throw new NoPropError({
      code: numbers.length === width ? 'NOPROP_VALUE' : 'NOPROP_COUNT',
      what: `the targets of sample ${sample} cannot be used`,
      expected: width === 1 ? 'one number' : `${width} numbers, as the first sample has`,
      received: numbers.length === width ? describe(bad) : `${numbers.length} values`,
      hint: 'samples are counted from 0',
    })
  }
  return whole(Float32Array.from(targets.flat() as number[]), samples)
}

function whole(values: Float32Array, samples: number): NativeTargets {
  const width = values.length / samples
  if (Number.isInteger(width) && width >= 1) return { values, width }
  throw new NoPropError({
    code: 'NOPROP_COUNT',
    what: 'targets and samples differ in number',
    expected: `a multiple of ${samples} numbers, as many for each of ${samples} samples`,
    received: `${values.length} numbers`,
  })
}
