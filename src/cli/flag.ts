import { type Command, Option } from 'commander'
import { NoPropError } from '../errors.js'
import { usage } from './usage.js'

/** What commander parsed, by the names that it gives flags: `--lr-schedule` as `lrSchedule`. */
export type Values = object

/**
 * How the text of a flag is read; the flag is for the message, and `before` what it had been read as where it is given again.
 * Without one, the text is the value.
 */
type Read = (flag: string) => (text: string, before: unknown) => unknown

/**
 * A flag of the command line, and which option of the API it sets. Options are built from flags, and errors are put into the
 * words of flags, by this alone.
 */
export class Flag extends Option {
  /** Path of the option: `inFlight`, `net.widths`. It follows from the flag's name unless it is given. */
  readonly path: string
  readonly #read: Read | undefined

  constructor(flags: string, text: string, { read, sets }: { read?: Read; sets?: string } = {}) {
    super(flags, text)
    if (read) this.argParser(read(this.long as string))
    this.#read = read
    this.path = sets ?? this.attributeName()
  }

  /** The same flag of a part that has such options of its own: of `encoder`, `--widths` is `--encoder-widths` and sets `encoder.net.widths`. */
  of(part: string): Flag {
    const name = (this.long as string).slice(2).replaceAll('-', ' ')
    const flags = `--${part}-${this.flags.slice(2)}`
    return new Flag(flags, `its ${name}, as ${this.long}`, {
      ...(this.#read && { read: this.#read }),
      sets: `${part}.${this.path}`,
    })
  }
}

/** Adds flags under a heading of the help. */
export function addFlags(command: Command, heading: string, flags: readonly Option[]): Command {
  for (const flag of flags) command.addOption(flag.helpGroup(`${heading}:`))
  return command
}

/** The options that the flags among `values` set, nested by their paths; what was not given is left out. */
export function optionsOf<Options = Record<string, unknown>>(values: Values, flags: readonly Flag[]): Options {
  const options: Record<string, unknown> = {}
  for (const flag of flags) {
    const value = (values as Record<string, unknown>)[flag.attributeName()]
    if (value === undefined) continue
    const keys = flag.path.split('.')
    const last = keys.pop() as string
    let at = options
    for (const key of keys) {
      at[key] ??= {}
      at = at[key] as Record<string, unknown>
    }
    at[last] = value
  }
  return options as Options
}

/** Reads a number; what it means is for the core to judge. */
export function number(flag: string): (text: string) => number {
  return (text) => parseNumber(flag, text)
}

/** Reads numbers separated by commas. */
export function numbers(flag: string): (text: string) => number[] {
  return (text) => text.split(',').map((part) => parseNumber(flag, part))
}

export function parseNumber(flag: string, text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (Number.isFinite(value)) return value
  if (text.startsWith('--')) throw usage(`${flag} has no value before ${text}`, `write a number behind ${flag}`)
  throw badValue(flag, 'a number', text)
}

/** NOPROP_OPTION for a text that a flag cannot take. */
export function badValue(flag: string, expected: string, text: string): NoPropError {
  return new NoPropError({
    code: 'NOPROP_OPTION',
    what: `${flag} has a bad value`,
    expected,
    received: text === '' ? 'empty text' : text,
  })
}
