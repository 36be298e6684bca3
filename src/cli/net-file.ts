import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { describe } from '../data/describe.js'
import { fromSystem, NoPropError } from '../errors.js'
import type { Net } from '../options.js'

/** Greatest size of a file: a thousand nodes with long names take a fifth of it. */
const MOST_BYTES = 1 << 20

/** What `--net-file` gives. */
export interface NetFile {
  /** The file, for errors. */
  file: string
  net: Net
}

/**
 * Reads a net as JSON: a list of nodes, or an object with a `type`. What it says is for the core to judge.
 * Throws NOPROP_FILE_NOT_FOUND, NOPROP_FILE_FORMAT, NOPROP_IO.
 */
export function readNetFile(file: string): NetFile {
  const text = readText(file)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw badFile(file, `is not JSON`, 'a list of nodes, or an object with a type', placed(error as Error, text))
  }
  if (Array.isArray(value)) return { file, net: { type: 'graph', nodes: value } }
  if (typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string') {
    return { file, net: value as Net }
  }
  const received = typeof value === 'object' && value !== null ? 'an object without a type' : describe(value)
  throw badFile(file, 'holds no net', 'a list of nodes, or an object such as {"type":"graph","nodes":[…]}', received)
}

function readText(file: string): string {
  let descriptor: number | undefined
  try {
    // A pipe that nobody writes to would keep its reader waiting. Windows has no such flag.
    descriptor = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    const stat = fstatSync(descriptor)
    if (stat.isDirectory()) throw badFile(file, 'cannot be read', 'a file', 'a directory')
    if (stat.size > MOST_BYTES) {
      throw badFile(file, 'is too large', `at most ${MOST_BYTES} bytes`, `${stat.size} bytes`)
    }
    if (!stat.isFile()) throw badFile(file, 'cannot be read', 'a file', 'a pipe or a device')
    return readFileSync(descriptor, 'utf8').replace(/^\uFEFF/, '')
  } catch (error) {
    if (error instanceof NoPropError) throw error
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fromSystem(`${file} cannot be read`, error)
    throw new NoPropError({
      code: 'NOPROP_FILE_NOT_FOUND',
      what: `there is no file ${file}`,
      hint: 'check the path of --net-file',
    })
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

/** What the parser says, with line and column where it tells a position. */
function placed({ message }: Error, text: string): string {
  const position = message.match(/at position (\d+)/)?.[1]
  if (position === undefined || message.includes('line')) return message
  const lines = text.slice(0, Number(position)).split('\n')
  return `${message} (line ${lines.length}, column ${(lines.at(-1) as string).length + 1})`
}

function badFile(file: string, what: string, expected: string, received: string): NoPropError {
  const hint = 'docs/nets.md has examples'
  return new NoPropError({ code: 'NOPROP_FILE_FORMAT', what: `${file} ${what}`, expected, received, hint })
}
