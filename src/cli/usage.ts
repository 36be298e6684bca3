import { NoPropError } from '../errors.js'

/** The value of an option that a command cannot do without; unknown options are reported before a missing one. */
export function required(value: string | undefined, flag: string): string {
  if (value !== undefined && value !== '') return value
  throw usage(`the option ${flag} is missing`, `add ${flag}`)
}

/** What was typed is not a command line of this program. */
export function usage(what: string, hint: string): NoPropError {
  return new NoPropError({ code: 'NOPROP_USAGE', what, hint })
}
