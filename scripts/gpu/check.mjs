// `npm run gpu:check`: everything that only a machine with a GPU can check and measure, in less than ten minutes, without a
// network; see docs/gpu.md. `--quick` (two minutes, figures are not kept in the document), `--only STEP` (may be repeated),
// `--device cuda:1` (default cuda), `--minutes N` (all of it in so many, default 8.5), `--out FOLDER` (for gpu-check.json and
// gpu-check.md, default .noprop), `--document FILE` (puts the figures of such a JSON file into docs/gpu.md and does nothing
// else).
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { root, StepFailed, script, step } from '../support/steps.mjs'
import { cifar10, mnist } from './checks/accuracy.mjs'
import { bench, memory } from './checks/bench.mjs'
import { parity, sanitizer } from './checks/parity.mjs'
import { determinism, training } from './checks/training.mjs'
import { CheckFailed, isGpu, NotRun } from './child.mjs'
import { figures, writeDocument } from './document.mjs'
import { preconditions } from './preconditions.mjs'
import { Report } from './report.mjs'
import { deadline, full, inMinutes, quick, tiny } from './sizes.mjs'

/** In the order in which they run: what is wrong shows before what is slow. */
const CHECKS = { parity, training, determinism, bench, memory, sanitizer, mnist, cifar10 }

function options() {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      device: { type: 'string', default: 'cuda' },
      out: { type: 'string', default: join(root, '.noprop') },
      document: { type: 'string' },
      minutes: { type: 'string' },
      // For the tests and for rehearsals: other sizes (JSON, see sizes.mjs).
      sizes: { type: 'string', default: '{}' },
    },
  })
  return values
}

/** Refuses what cannot be meant. */
function checked(values) {
  const unknown = values.only.find((name) => !Object.hasOwn(CHECKS, name))
  if (unknown) throw new StepFailed(`there is no step ${unknown}; there are ${Object.keys(CHECKS).join(', ')}.`)
  // The processor, and its emulation of a GPU, serve the tests of this script.
  if (!/^(cpu|emulated|cuda(:\d+)?)$/.test(values.device)) {
    throw new StepFailed(`the value of --device must be cuda or cuda:N, not ${values.device}.`)
  }
  if (values.minutes !== undefined && !(Number(values.minutes) > 0)) {
    throw new StepFailed(`the value of --minutes must be a number above 0, not ${values.minutes}.`)
  }
  return values
}

/** Runs one check until its time is over; never throws, unless this script itself is wrong. */
async function run(check, context, until) {
  const began = Date.now()
  const result = { seconds: 0, limit: Math.max(0, (until - began) / 1000) }
  try {
    if (until <= began) throw new CheckFailed('there was no time left for it')
    Object.assign(result, { status: 'passed', measured: await check({ ...context, until }) })
  } catch (error) {
    if (error instanceof NotRun) Object.assign(result, { status: 'not run', reason: error.message })
    // A defect of this script must not cost the other steps their figures either.
    else
      Object.assign(result, {
        status: 'failed',
        reason: error.message,
        ...(error.measured && { measured: error.measured }),
      })
    if (!(error instanceof NotRun || error instanceof CheckFailed)) console.error(error)
  }
  result.seconds = (Date.now() - began) / 1000
  console.log(`   ${result.status}${result.reason ? `: ${result.reason}` : ''}`)
  return result
}

function sizesOf({ device, quick: isQuick, minutes, sizes: others }) {
  const sizes = { ...(!isGpu(device) ? tiny : isQuick ? quick : full), ...JSON.parse(others) }
  return minutes ? inMinutes(sizes, Number(minutes)) : sizes
}

/** `npm run gpu:check -- …` as it was called. */
function command() {
  const args = process.argv.slice(2)
  return ['npm run gpu:check', ...(args.length > 0 ? ['--', ...args] : [])].join(' ')
}

await script(async () => {
  const values = checked(options())
  if (values.document) {
    const report = JSON.parse(readFileSync(values.document, 'utf8'))
    writeDocument(figures(report))
    return
  }
  const sizes = sizesOf(values)
  const began = Date.now()
  const end = began + 60_000 * sizes.minutes
  const { problems, notes, machine, ...found } = await step('preconditions', () =>
    preconditions(values.device, 1000 * sizes.seconds.preconditions),
  )
  if (!isGpu(values.device)) notes.push(`${values.device} is no GPU: these figures say nothing of one`)
  for (const note of notes) console.log(`   ${note}`)
  if (problems.length > 0) throw new StepFailed(problems.map((problem) => `gpu:check: ${problem}.`).join('\n'))
  const { precisions } = found.probe
  const folder = mkdtempSync(join(tmpdir(), 'noprop-gpu-check-'))
  const precision = precisions.at(-1)
  // What earlier steps have measured helps later ones to plan.
  const context = { device: values.device, sizes, folder, precisions, precision, measured: {}, ...found }
  const date = new Date(began).toISOString()
  const head = { format: 1, date, command: command(), quick: values.quick, machine, notes, precisions }
  const report = new Report(resolve(values.out), head)
  try {
    const names = Object.keys(CHECKS).filter((name) => values.only.length === 0 || values.only.includes(name))
    for (const name of names) {
      const until = deadline(name, names, sizes.seconds, end)
      report.begin(name)
      const result = await step(name, () => run(CHECKS[name], context, until))
      report.end(name, result)
      context.measured[name] = result.measured
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  const failed = report.finish()
  const text = report.text()
  console.log(`\n${text}\n\nThe report is in ${report.path}.`)
  const isWhole = isGpu(values.device) && !values.quick && values.only.length === 0
  if (isWhole) writeDocument(text)
  if (failed.length > 0) throw new StepFailed(`These steps failed: ${failed.join(', ')}.`)
})
