import { describe } from './data/describe.js'
import { kindOf } from './data/typed-array.js'
import { NoPropError } from './errors.js'

/**
 * Options as JSON for the core, which alone validates them. JSON would silently turn NaN into null, and drop functions
 * and `undefined`; so what JSON cannot carry is refused here, and typed arrays become lists.
 * Throws NOPROP_OPTION naming the option.
 */
export function toJson(options: object): string {
  return JSON.stringify(plain(options, '', []))
}

/** Levels of lists and objects in one another; the deepest option that there is has four. */
const MOST_LEVELS = 32

/** `options` if it is an object; JavaScript callers may pass anything. Throws NOPROP_OPTION. */
export function requireObject<Options extends object>(options: Options, what: string): Options {
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) return options
  throw new NoPropError({
    code: 'NOPROP_OPTION',
    what: `${what} must be an object`,
    expected: 'an object of options',
    received: describe(options),
  })
}

/** `above`: the lists and objects that `value` lies in. */
function plain(value: unknown, path: string, above: readonly unknown[]): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return value
    throw refused(path, 'a finite number', String(value))
  }
  if (above.includes(value)) throw refused(path, 'options that do not contain themselves', 'a cycle')
  if (above.length === MOST_LEVELS) {
    throw refused(path, `at most ${MOST_LEVELS} levels of lists and objects in one another`, 'more')
  }
  const within = [...above, value]
  if (Array.isArray(value) || kindOf(value) !== undefined) {
    return Array.from(value as Uint8Array, (item, index) => plain(item, `${path}[${index}]`, within))
  }
  if (Object.prototype.toString.call(value) === '[object Object]') {
    const entries = Object.entries(value as object).filter(([, item]) => item !== undefined)
    return Object.fromEntries(entries.map(([key, item]) => [key, plain(item, path ? `${path}.${key}` : key, within)]))
  }
  throw refused(path, 'a number, text, true or false, a list or an object of these', describe(value))
}

function refused(path: string, expected: string, received: string): NoPropError {
  return new NoPropError({ code: 'NOPROP_OPTION', what: `the option ${path} cannot be used`, expected, received })
}

/** An integer that the native side takes as an unsigned 32-bit number, which would silently wrap others. */
export function requireCount(value: unknown, name: string, least = 0): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value < 2 ** 32) return value
  throw new NoPropError({
    code: 'NOPROP_OPTION',
    what: `${name} is out of range`,
    expected: `an integer from ${least} to ${2 ** 32 - 1}`,
    received: describe(value),
  })
}

/** An option that is on or off, by default off. Throws NOPROP_OPTION for anything else. */
export function requireSwitch(value: unknown, name: string): boolean {
  if (value === undefined || typeof value === 'boolean') return value ?? false
  throw new NoPropError({
    code: 'NOPROP_OPTION',
    what: `option ${name} is neither on nor off`,
    expected: 'true or false',
    received: describe(value),
  })
}
