// Every kernel against the reference in double precision, as it is and under NVIDIA's sanitizer.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { CheckFailed, execute, isGpu, lastLine, NotRun } from '../child.mjs'
import { judged, soFar } from '../found.mjs'

const JOB = join('scripts', 'gpu', 'jobs', 'parity.mjs')

export async function parity({ device, env, until, sizes, folder }) {
  const log = join(folder, 'parity.jsonl')
  const input = JSON.stringify({ device, log, ...(sizes.parityMost && { most: sizes.parityMost }) })
  const outcome = await execute(process.execPath, [JOB, input], { env, until })
  try {
    return judged('parity', outcome, log)
  } catch (error) {
    // Tests run on an addon for the processor, which may not have the emulation either.
    if (!isGpu(device) && error.message.includes('no kernels of a GPU')) throw new NotRun('this addon has no kernels')
    throw error
  }
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
