// Runs what a step does in processes of their own, so that a crash or a hang ends that step alone.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { root } from '../support/steps.mjs'

/** A check that did not hold, or could not be made; `message` is one sentence, `measured` what is known nevertheless. */
export class CheckFailed extends Error {
  constructor(message, measured) {
    super(message)
    this.measured = measured
  }
}

/** Does part of a check; where that fails, `measured` so far is reported nevertheless. */
export async function keeping(measured, work) {
  try {
    return await work()
  } catch (error) {
    if (error instanceof CheckFailed) error.measured ??= measured
    throw error
  }
}

/** A check that there is no way to make here; `message` says why. */
export class NotRun extends Error {}

/** Whether it is a GPU, not the processor or its emulation of a GPU, which serve the tests. */
export const isGpu = (device) => device.startsWith('cuda')

/** The last line of a text that says something. */
export function lastLine(text) {
  return text.trim().split('\n').at(-1).slice(0, 500)
}

/** The message of the error that ended a program of Node or Python, else the last line. */
export function errorIn(text) {
  // The addon's own errors are JSON.
  const [, what, received] = text.match(/"what":"([^"]*)".*?"received":"([^"]*)"/) ?? []
  if (what) return [what, received].filter(Boolean).join(', ')
  return text.match(/^\[?((?:[\w.]*Error\b|error NOPROP_).*)$/m)?.[1].slice(0, 500) ?? lastLine(text)
}

/**
 * Runs a program until `until` (a time of `Date.now()`); returns exit code, outputs, and whether its time was over. The whole
 * group of processes is ended then, so that a sanitizer takes its program with it.
 */
export function execute(program, args, { env = {}, until }) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: root,
      env: { ...process.env, NOPROP_STARTED_BY: String(process.pid), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: process.platform !== 'win32',
    })
    const outcome = { code: null, stdout: '', stderr: '', late: false }
    child.stdout.on('data', (chunk) => (outcome.stdout += chunk))
    child.stderr.on('data', (chunk) => (outcome.stderr += chunk))
    const end = () => {
      outcome.late = true
      endGroup(child)
    }
    const timer = setTimeout(end, Math.max(0, until - Date.now()))
    child.on('error', (error) => {
      clearTimeout(timer)
      resolve({ ...outcome, stderr: `${program} cannot be started: ${error.message}` })
    })
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ ...outcome, code: code ?? signal })
    })
  })
}

/** Ends a process that was started as the first of a group, and its children. */
export function endGroup(child) {
  try {
    if (process.platform === 'win32') child.kill('SIGKILL')
    else process.kill(-child.pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

/** The JSON in the last line of what a program printed. Throws {@link CheckFailed} in words for every other end. */
export function resultOf(name, { code, stdout, stderr, late }) {
  if (late) throw new CheckFailed(`${name} did not end in its time`)
  try {
    if (code === 0) return JSON.parse(stdout.trim().split('\n').at(-1))
  } catch {
    throw new CheckFailed(`${name} printed no result: ${lastLine(stdout)}`)
  }
  throw new CheckFailed(`${name} failed (${code}): ${errorIn(stderr) || lastLine(stdout)}`)
}

/** Runs `scripts/gpu/jobs/NAME.mjs` with `input`, and returns its result. */
export async function job(name, input, options) {
  const args = [join('scripts', 'gpu', 'jobs', `${name}.mjs`), JSON.stringify(input)]
  return resultOf(name, await execute(process.execPath, args, options))
}

/** Runs a command of noprop with `--json`, and returns its last object. */
export async function noprop(args, options) {
  return resultOf(`noprop ${args[0]}`, await execute(process.execPath, ['dist/cli.js', ...args, '--json'], options))
}
