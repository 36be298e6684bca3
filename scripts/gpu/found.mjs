// What a comparison of kernels found, also where its process was ended or crashed: the addon writes a log (see `deviceParity`).
import { existsSync, readFileSync } from 'node:fs'
import { CheckFailed, resultOf } from './child.mjs'

/** Counts what was compared and names what is wrong. */
export function judge({ comparisons, leftOut, failures }) {
  const failed = comparisons.filter(({ passed }) => !passed)
  const worst = comparisons.reduce((most, one) => (share(one) > share(most) ? one : most), comparisons[0])
  const measured = { compared: comparisons.length, leftOut, worst, failed, failures }
  const problems = [
    ...failures.map(
      ({ operation, multiply, error }) =>
        `${operation ? `${operation} in ` : ''}${multiply}: ${[error.what, error.received].filter(Boolean).join(', ')}`,
    ),
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

/** The log so far: a report as far as it came, the last operation, and the case that was begun and not ended, if one was. */
export function soFar(log) {
  const found = { comparisons: [], leftOut: 0, failures: [], operation: undefined, within: undefined }
  const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n') : []
  // What stands behind the last newline is nothing, or half a line.
  for (const line of lines.slice(0, -1)) {
    const { operation, begun, leftOut, compared } = JSON.parse(line)
    if (operation) found.operation = operation.operation
    if (begun) found.within = begun
    if (leftOut) found.leftOut++
    if (compared) {
      found.comparisons.push(compared)
      found.within = undefined
    }
  }
  return found
}

/** The report of a process that ended as `outcome` says and wrote `log`; without one, what it had found, and its `end`. */
export function reportOf(name, outcome, log) {
  try {
    return resultOf(name, outcome)
  } catch (error) {
    if (!(error instanceof CheckFailed)) throw error
    return { ...soFar(log), end: outcome.late ? 'time over' : error.message }
  }
}

/** The judgement on such a process. */
export function judged(name, outcome, log) {
  const { end, ...report } = reportOf(name, outcome, log)
  if (end !== undefined) throw unfinished(end, report)
  return judge(report)
}

/** The end of a process without a result, with what it had found. @param {string} end @param {any} report */
export function unfinished(end, report) {
  /** @type {any} */
  const { within, ...found } = report
  const count = found.comparisons.length
  const where = within ? `, in ${within.case} in ${within.multiply}` : ''
  const reason = `${end} after ${count} case${count === 1 ? '' : 's'}${where}`
  try {
    return new CheckFailed(reason, judge(found))
  } catch (error) {
    return new CheckFailed(count === 0 ? reason : `${reason}; ${error.message}`, error.measured)
  }
}
