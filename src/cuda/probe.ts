import { spawnSync } from 'node:child_process'
import { type CudaReport, readAnswer, unusable } from './report.js'

/** Longest time that a driver may take to show its GPUs and run something on each. */
const TIMEOUT_MS = 20_000

/** Set in the processes of a probe, which therefore never begin one themselves. */
export const PROBING = 'NOPROP_PROBING'

const MARK = 'noprop-probe:'

/** Ends a probe's process when the one that started it is gone: a thread of its own, since the driver may keep the first. */
const WATCH = `
  const parent = Number(process.argv[2])
  setInterval(() => { if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL') }, 200)`

/** Loads the addon and prints its answer behind a mark, since a driver may print as well. */
const ASK = `
  const { Worker } = require('node:worker_threads')
  new Worker(${JSON.stringify(WATCH)}, { eval: true, argv: [process.argv[2]] }).unref()
  let answer
  try {
    answer = require(process.argv[1]).probeCuda()
  } catch (error) {
    while (error && error.cause instanceof Error) error = error.cause
    answer = JSON.stringify({ failed: String((error && error.message) || error) })
  }
  process.stdout.write('\\n${MARK}' + answer + '\\n', () => process.exit(0))`

/**
 * Runs ASK in a process of its own and tells how it went, within the time. A driver that hangs in the kernel cannot even be
 * killed; so this program, not the one that users run, is the one that would wait for it, and it does not. If this program
 * is ended, by Ctrl-C or otherwise, so is that process.
 */
const SUPERVISE = `
  const [, addon, timeout, ask] = process.argv
  const child = require('node:child_process').spawn(process.execPath, ['-e', ask, addon, process.pid], {
    stdio: ['ignore', 'pipe', 'pipe'] })
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(name, () => { child.kill('SIGKILL'); process.exit(1) })
  const outcome = { stdout: '', stderr: '' }
  const tell = (more) => process.stdout.write(JSON.stringify({ ...outcome, ...more }), () => process.exit(0))
  for (const name of ['stdout', 'stderr'])
    child[name].setEncoding('utf8').on('data', (text) => { outcome[name] = (outcome[name] + text).slice(-65536) })
  child.on('error', (error) => tell({ error: error.message }))
  child.on('close', (code, signal) => tell({ code, signal }))
  setTimeout(() => { child.kill('SIGKILL'); tell({ timedOut: true }) }, Number(timeout))`

/** How a probe's process went. */
interface Outcome {
  stdout: string
  stderr: string
  error?: string
  code?: number | null
  signal?: string | null
  timedOut?: boolean
}

/**
 * Asks an addon, in a process of its own, for the GPUs that it can use. Never throws and never takes much longer than
 * `timeoutMs`: whatever goes wrong is the report's problem.
 */
export function probe(addon: string, { timeoutMs = TIMEOUT_MS } = {}): CudaReport {
  const { status, stdout, error } = spawnSync(process.execPath, ['-e', SUPERVISE, addon, String(timeoutMs), ASK], {
    encoding: 'utf8',
    // NODE_OPTIONS could load the program's own hooks there; Electron needs to be told that it is Node.
    env: { ...process.env, NODE_OPTIONS: '', ELECTRON_RUN_AS_NODE: '1', [PROBING]: '1' },
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: timeoutMs + 5_000,
    killSignal: 'SIGKILL',
    maxBuffer: 1 << 20,
    windowsHide: true,
  })
  if (error || status !== 0) return failed(`its process could not be run (${error?.message ?? `exit code ${status}`})`)
  let outcome: Outcome
  try {
    outcome = JSON.parse(stdout) as Outcome
  } catch {
    return failed('its process gave no answer')
  }
  return reportOf(outcome, timeoutMs)
}

function reportOf(outcome: Outcome, timeoutMs: number): CudaReport {
  const answer = outcome.stdout.split('\n').findLast((line) => line.startsWith(MARK))
  // What was answered counts, even if the driver then fell over while the process ended.
  const report = answer === undefined ? undefined : readAnswer(answer.slice(MARK.length))
  if (report) return report
  const said = outcome.stderr.trim().split('\n').at(-1)
  if (outcome.error) return failed(`its process could not be run (${outcome.error})`)
  if (outcome.timedOut) return failed(`it did not answer within ${timeoutMs / 1000} s`)
  if (answer !== undefined) return failed('it gave an answer that cannot be read')
  const end = outcome.signal ? `was ended by ${outcome.signal}` : `ended with exit code ${outcome.code} and no answer`
  return failed(`its process ${end}${said ? `, saying: ${said.slice(0, 300)}` : ''}`)
}

function failed(received: string): CudaReport {
  return unusable({
    code: 'NOPROP_DEVICE',
    what: 'the GPU could not be tried',
    expected: 'an answer of the CUDA addon',
    received,
    hint: 'look whether `nvidia-smi` answers; a driver that was updated needs a restart of the machine',
  })
}
