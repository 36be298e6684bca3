// Every kernel against the reference in double precision, as it is and under NVIDIA's sanitizer.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { CheckFailed, execute, isGpu, job, keeping, lastLine, NotRun, resultOf } from '../child.mjs'

/** Counts what was compared and names what is wrong. */
export function judge({ comparisons, leftOut, failures }) {
  const failed = comparisons.filter(({ passed }) => !passed)
  const worst = comparisons.reduce((most, one) => (share(one) > share(most) ? one : most), comparisons[0])
  const measured = { compared: comparisons.length, leftOut, worst, failed, failures }
  const problems = [
    ...failures.map(({ multiply, error }) => `${multiply}: ${[error.what, error.received].filter(Boolean).join(', ')}`),
    ...failed
      .slice(0, 3)
      .map(({ case: name, multiply, error }) => `${name} in ${multiply} is off by ${error ?? 'NaN'}`),
  ]
  if (comparisons.length === 0 && failures.length === 0) problems.push('nothing was compared')
  if (problems.length === 0) return measured
  throw new CheckFailed(
    `${failed.length} of ${comparisons.length} comparisons failed: ${problems.join('; ')}`,
    measured,
  )
}

/** An error as a share of what is allowed; one that is no number is infinite. */
function share({ error, tolerance }) {
  return error === null ? Number.POSITIVE_INFINITY : error / tolerance
}

export async function parity({ device, env, until, sizes }) {
  const options = { env, until }
  try {
    return judge(await job('parity', { device, ...(sizes.parityMost && { most: sizes.parityMost }) }, options))
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
export async function sanitizer({ device, env, until, sizes }) {
  const program = isGpu(device) ? findSanitizer() : undefined
  if (!program) throw new NotRun('compute-sanitizer is not installed')
  const measured = {}
  for (const [index, tool] of ['memcheck', 'racecheck'].entries()) {
    const input = JSON.stringify({ device, most: sizes.sanitizerMost })
    const args = ['--tool', tool, '--error-exitcode', '9', '--print-limit', '5', process.execPath]
    const half = Date.now() + (until - Date.now()) / (2 - index)
    const outcome = await execute(program, [...args, 'scripts/gpu/jobs/parity.mjs', input], { env, until: half })
    if (outcome.code === 9) throw new CheckFailed(`${tool} found errors: ${firstError(outcome.stdout)}`, measured)
    // The sanitizer writes among the program's lines.
    const lines = outcome.stdout.split('\n').filter((line) => !line.startsWith('='))
    const work = () => judge(resultOf(tool, { ...outcome, stdout: lines.join('\n') }))
    const { compared, leftOut } = await keeping(measured, work)
    const { version } = outcome.stdout.match(/Version (?<version>[\d.]+)/)?.groups ?? {}
    measured[tool] = { compared, leftOut, ...(version && { version }) }
  }
  return measured
}

function firstError(text) {
  return (text.match(/^=+ ((?:Invalid|Error|Race|Program hit|Potential|Misaligned).*)$/m)?.[1] ?? lastLine(text)).trim()
}
