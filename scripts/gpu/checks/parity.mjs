// Every kernel against the reference in double precision, as it is and under NVIDIA's sanitizer.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { CheckFailed, execute, isGpu, lastLine, NotRun } from '../child.mjs'
import { judge, judged, reportOf, soFar, unfinished } from '../found.mjs'

const JOB = join('scripts', 'gpu', 'jobs', 'parity.mjs')

const PRECISIONS = ['f32', 'tf32', 'bf16']

/**
 * All cases, in a process for each precision: the fault of a kernel lasts until its process ends. Where one faults or crashes
 * another process compares the operations behind it.
 */
export async function parity({ device, env, until, sizes, folder }) {
  const found = { comparisons: [], leftOut: 0, failures: [] }
  const compare = async (multiply, after) => {
    const log = join(folder, `parity-${multiply}-${after ?? 'all'}.jsonl`)
    const options = {
      device,
      log,
      multiply,
      ...(after && { after }),
      ...(sizes.parityMost && { most: sizes.parityMost }),
    }
    const outcome = await execute(process.execPath, [JOB, JSON.stringify(options)], { env, until })
    return { ...reportOf('parity', outcome, log), late: outcome.late }
  }
  for (const multiply of PRECISIONS) {
    let after
    do {
      const { comparisons, leftOut, failures, ended, end, late, operation, within } = await compare(multiply, after)
      found.comparisons.push(...comparisons)
      found.failures.push(...failures)
      found.leftOut += leftOut
      // Tests run on an addon for the processor, which may not have the emulation either.
      if (!isGpu(device) && end?.includes('no kernels of a GPU')) throw new NotRun('this addon has no kernels')
      if (end && (late || !operation)) throw unfinished(end, { ...found, within })
      if (end) found.failures.push({ operation, multiply, error: { what: end, received: within?.case ?? '' } })
      after = end ? operation : ended
    } while (after)
  }
  return judge(found)
}

/** NVIDIA's compute-sanitizer, in the path or in a CUDA installation. */
function findSanitizer() {
  const places = [process.env.CUDA_HOME, '/usr/local/cuda', '/opt/cuda'].filter(Boolean)
  const known = places.map((home) => join(home, 'bin/compute-sanitizer')).find(existsSync)
  if (known) return known
  return spawnSync('compute-sanitizer', ['--version'], { timeout: 30_000 }).status === 0
    ? 'compute-sanitizer'
    : undefined
}

/** The small cases under memcheck (accesses outside of memory) and racecheck (shared memory without a barrier). */
export async function sanitizer(context) {
  const program = isGpu(context.device) ? findSanitizer() : undefined
  if (!program) throw new NotRun('compute-sanitizer is not installed')
  const tools = ['memcheck', 'racecheck']
  const [measured, problems] = [{}, []]
  for (const [index, tool] of tools.entries()) {
    const until = Date.now() + (context.until - Date.now()) / (tools.length - index)
    try {
      await sanitize(program, tool, { ...context, until }, measured)
    } catch (error) {
      if (!(error instanceof CheckFailed)) throw error
      // What the other tool says is worth knowing too.
      problems.push(error.message)
    }
  }
  if (problems.length > 0) throw new CheckFailed(problems.join('; '), measured)
  return measured
}

/** The cases under one tool; what it found goes into `measured`, also if that is a failure. */
async function sanitize(program, tool, { device, env, until, sizes, folder }, measured) {
  const log = join(folder, `${tool}.jsonl`)
  const input = JSON.stringify({ device, log, most: sizes.sanitizerMost })
  const args = ['--tool', tool, '--error-exitcode', '9', '--print-limit', '5', process.execPath]
  const outcome = await execute(program, [...args, JOB, input], { env, until })
  // The sanitizer writes among the program's lines.
  const lines = outcome.stdout.split('\n')
  const [told, printed] = [lines.filter((line) => line.startsWith('=')), lines.filter((line) => !line.startsWith('='))]
  const { version } = outcome.stdout.match(/Version (?<version>[\d.]+)/)?.groups ?? {}
  const keep = ({ compared, leftOut }) => {
    measured[tool] = { compared, leftOut, ...(version && { version }) }
  }
  const error = errorOf(told.join('\n'))
  if (outcome.code === 9 || error) {
    const { comparisons, leftOut } = soFar(log)
    keep({ compared: comparisons.length, leftOut })
    throw new CheckFailed(`${tool} found errors: ${error ?? lastLine(outcome.stdout)}`)
  }
  try {
    keep(judged(tool, { ...outcome, stdout: printed.join('\n') }, log))
  } catch (error) {
    if (error.measured) keep(error.measured)
    error.message = `${tool}: ${error.message}`
    throw error
  }
}

/** The first thing that a sanitizer complains of. */
function errorOf(text) {
  return text.match(/^=+ ((?:Invalid|Error:|Race|Program hit|Potential|Misaligned).*)$/m)?.[1].trim()
}
