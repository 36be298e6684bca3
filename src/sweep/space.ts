import { createHash } from 'node:crypto'
import { describe } from '../data/describe.js'
import { NoPropError } from '../errors.js'
import { requireCount, requireObject, toJson } from '../json.js'

/** Numbers that a sweep draws an option's value from. */
export interface SweepRange {
  /** The least number. */
  from: number
  /** The greatest number. */
  to: number
  /** Whether each number is as likely as the others, or each order of magnitude; 'log' needs `from` above 0. Default 'linear'. */
  scale?: 'linear' | 'log'
  /** Whether only whole numbers are drawn. Default false: numbers of four digits. */
  whole?: boolean
}

/** Values of options by their paths: `{ learningRate: 0.001, 'net.hidden': [64] }`. */
export type SweepValues = Readonly<Record<string, unknown>>

/** What a sweep tries. */
export interface SweepSpace {
  /**
   * Values to try, by the path of their option: `{ learningRate: [1e-3, 3e-3], 'net.hidden': [[64], [128]] }`. All combinations are
   * tried, the last option's values first; with `random` each value is drawn from its list.
   */
  grid?: Readonly<Record<string, readonly unknown[]>>
  /** Numbers to draw values from, by the path of their option; needs `random`. */
  ranges?: Readonly<Record<string, SweepRange>>
  /** Try so many random combinations instead of all. */
  random?: number
}

/** More trials than this are a mistake. */
const MOST_TRIALS = 10_000

/**
 * The combinations that a sweep tries, in order, each once. Those of a random search are a function of `seed`, their place and the
 * options' names: asking for more of them, or for another range, changes no other value. Throws NOPROP_OPTION.
 */
export function combinations(space: SweepSpace, seed: number): SweepValues[] {
  const grid = Object.entries(requireObject(space.grid ?? {}, 'option grid'))
  const ranges = Object.entries(requireObject(space.ranges ?? {}, 'option ranges'))
  for (const [path, values] of grid) {
    if (!Array.isArray(values) || values.length === 0) {
      throw bad(`the values of ${path} to try`, 'a list of at least one value', describe(values))
    }
  }
  toJson(Object.fromEntries(grid))
  for (const [path, range] of ranges) checkRange(path, range)
  const twice = ranges.find(([path]) => space.grid && Object.hasOwn(space.grid, path))
  if (twice) throw bad(`${twice[0]} is in grid and in ranges`, 'each option once', twice[0])
  if (grid.length + ranges.length === 0) throw bad('there is nothing to try', 'values in grid or ranges', 'none')
  if (space.random === undefined) {
    if (ranges.length > 0) throw bad('ranges can only be drawn from', 'the number of trials in option random', 'none')
    const trials = grid.reduce((product, [, values]) => product * values.length, 1)
    if (trials > MOST_TRIALS) {
      throw bad(
        'the grid has too many combinations',
        `at most ${MOST_TRIALS}; try some of them with random`,
        `${trials}`,
      )
    }
    return distinct(product(grid))
  }
  const count = requireCount(space.random, 'random', 1)
  if (count > MOST_TRIALS) throw bad('random is out of range', `at most ${MOST_TRIALS}`, String(count))
  return distinct(
    Array.from({ length: count }, (_, trial) => {
      const uniform = (path: string) => uniformOf(seed, trial, path)
      return Object.fromEntries([
        ...grid.map(([path, values]) => [path, values[Math.floor(uniform(path) * values.length)]] as const),
        ...ranges.map(([path, range]) => [path, within(range, uniform(path))] as const),
      ])
    }),
  )
}

function product(grid: readonly (readonly [string, readonly unknown[]])[]): SweepValues[] {
  let all: SweepValues[] = [{}]
  for (const [path, values] of grid) {
    all = all.flatMap((one) => values.map((value) => ({ ...one, [path]: value })))
  }
  return all
}

/** Each combination once, where it came first. */
function distinct(all: readonly SweepValues[]): SweepValues[] {
  return [...new Map(all.map((values) => [JSON.stringify(values), values] as const).reverse()).values()].reverse()
}

/** A number in [0, 1), computed from seed, trial and name rather than drawn one after the other. */
function uniformOf(seed: number, trial: number, path: string): number {
  return createHash('sha256').update(`${seed}/${trial}/${path}`).digest().readUIntBE(0, 6) / 2 ** 48
}

function within({ from, to, scale = 'linear', whole = false }: SweepRange, uniform: number): number {
  // Whole numbers at both ends are as likely as those between.
  const [low, high] = whole && scale === 'linear' ? [from - 0.5, to + 0.5] : [from, to]
  const drawn =
    scale === 'log'
      ? Math.exp(Math.log(low) + uniform * (Math.log(high) - Math.log(low)))
      : low + uniform * (high - low)
  // Four digits, so that the last bits of logarithms, in which machines differ, do not matter.
  const rounded = whole ? Math.round(drawn) : Number(drawn.toPrecision(4))
  return Math.min(Math.max(rounded, from), to)
}

function checkRange(path: string, range: SweepRange): void {
  const { from, to, scale = 'linear', whole = false } = requireObject(range, `the range of ${path}`)
  const isNumber = (value: unknown) => typeof value === 'number' && Number.isFinite(value)
  if (!isNumber(from) || !isNumber(to) || from > to) {
    throw bad(
      `the range of ${path}`,
      'numbers { from, to }, from not above to',
      `${describe(from)} and ${describe(to)}`,
    )
  }
  if (scale !== 'linear' && scale !== 'log') throw bad(`the scale of ${path}`, "'linear' or 'log'", describe(scale))
  if (scale === 'log' && from <= 0) throw bad(`the range of ${path}`, 'numbers above 0 for scale log', String(from))
  if (typeof whole !== 'boolean') throw bad(`option whole of ${path}`, 'true or false', describe(whole))
  if (whole && !(Number.isInteger(from) && Number.isInteger(to))) {
    throw bad(`the range of ${path}`, 'whole numbers', `${from} and ${to}`)
  }
}

function bad(what: string, expected: string, received: string): NoPropError {
  const sentence = /\b(is|are|has|have|can)\b/.test(what) ? what : `${what} cannot be used`
  return new NoPropError({ code: 'NOPROP_OPTION', what: sentence, expected, received })
}
