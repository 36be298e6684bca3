import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { remember } from './leftovers.js'

// Whoever runs the tests may want colour, but not in what they compare.
delete process.env.FORCE_COLOR
delete process.env.NO_COLOR

/** The repository's root. */
export const root = fileURLToPath(new URL('../..', import.meta.url))

/** The command line as users run it. */
export const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

/** How a process ended and what it wrote. */
export interface Outcome {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** A process that has been started. */
export interface Started {
  child: ChildProcess
  /** Resolves when it has ended and its output is complete. */
  ended: Promise<Outcome>
  /** Resolves with the text written so far once `pattern` occurs in it; rejects when the process ends before. */
  wrote(pattern: RegExp): Promise<string>
}

/** Starts node with `args`; `through` is a command that runs it. */
export function startNode(
  args: readonly string[],
  options: SpawnOptions = {},
  through: readonly string[] = [],
): Started {
  const [program, ...rest] = [...through, process.execPath, ...args] as [string, ...string[]]
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
  let stdout = ''
  let stderr = ''
  remember(child, args, () => stdout + stderr)
  const listeners = new Set<() => void>()
  const take = (write: (text: string) => void) => (chunk: Buffer) => {
    write(chunk.toString())
    for (const listener of listeners) listener()
  }
  child.stdout?.on(
    'data',
    take((text) => (stdout += text)),
  )
  child.stderr?.on(
    'data',
    take((text) => (stderr += text)),
  )
  const ended = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      resolve({ code, signal, stdout, stderr })
    })
  })
  const wrote = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        if (!pattern.test(stdout + stderr)) return
        listeners.delete(look)
        resolve(stdout + stderr)
      }
      listeners.add(look)
      look()
      ended.then(() => reject(new Error(`ended before it wrote ${pattern}:\n${stdout}${stderr}`)), reject)
    })
  return { child, ended, wrote }
}

/** Runs node with `args` to its end. */
export function runNode(args: readonly string[], options: SpawnOptions = {}): Promise<Outcome> {
  return startNode(args, options).ended
}

/** Starts the command line. */
export function startCli(
  args: readonly string[],
  options: SpawnOptions = {},
  through: readonly string[] = [],
): Started {
  return startNode([cli, ...args], options, through)
}

/** Runs the command line to its end. */
export function runCli(args: readonly string[], options: SpawnOptions = {}): Promise<Outcome> {
  return startCli(args, options).ended
}

/** The JSON lines of `--json`. */
export function events({ stdout }: Outcome): Record<string, unknown>[] {
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

/** The last object of a command that succeeded: `weightsSha256` and the like, by name. */
export interface Done {
  event: 'done'
  testAccuracy: number
  accuracy: number
  weightsSha256: string
  peakMemoryMiB: number
  parameters: number
  [name: string]: unknown
}

/** Runs the command line with `--json`, expects it to succeed, and returns its last object. */
export async function done(args: readonly string[], options: SpawnOptions = {}): Promise<Done> {
  const outcome = await runCli([...args, '--json'], options)
  const last = events(outcome).at(-1)
  if (outcome.code !== 0 || last?.event !== 'done') {
    throw new Error(
      `noprop ${args.join(' ')} ended with ${outcome.code ?? outcome.signal}:\n${outcome.stdout}${outcome.stderr}`,
    )
  }
  return last as Done
}
