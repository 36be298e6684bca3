// `npm run bench:instructions`: counts the instructions of the main kernels under valgrind and fails when one has grown.
// Unlike times, counts are the same on an idle machine and on a busy one. `--record` rewrites bench/instructions.json.
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { builtPrograms } from '../support/cargo.mjs'
import { table } from '../support/figures.mjs'
import { versionOf } from '../support/machine.mjs'
import { root, StepFailed, script } from '../support/steps.mjs'
import { requireRust } from '../support/toolchain.mjs'

const recorded = join(root, 'bench/instructions.json')
/** What counts may grow by: below it lie unrelated changes of code that the compiler inlines differently. */
const TOLERANCE = 0.03
/** Counts below this share of what is recorded should be recorded, or the gain could be lost again unseen. */
const GAIN = 0.9
/** valgrind knows no AVX-512, so the AVX2 kernels stand for all: they are compiled from the same source. */
const INSTRUCTION_SET = 'avx2'
/** The set-up is the same for both, so that their difference is the kernel's work alone. */
const [FEW, MANY] = [1, 2]

const execute = promisify(execFile)

/** Builds the example in the profile and with the features of the tests, which have built all it needs. Returns its path. */
async function build(features) {
  const args = ['build', '--workspace', ...features, '--example', 'instructions']
  return (await builtPrograms('the example instructions', args)).find(
    (path) => basename(path, '.exe') === 'instructions',
  )
}

/** Instructions of a whole process that does a kernel's work `times` times. */
async function instructions(program, kernel, times) {
  const tool = ['--tool=cachegrind', '--cache-sim=no', '--cachegrind-out-file=/dev/null']
  const env = { ...process.env, NOPROP_SIMD: INSTRUCTION_SET }
  const { stderr } = await execute('valgrind', [...tool, program, kernel, String(times)], { env }).catch((error) => {
    throw new StepFailed(`valgrind cannot run ${kernel}: ${error.stderr.trim().split('\n').at(-1)}`)
  })
  return Number(stderr.match(/I\s+refs:\s+([\d,]+)/)[1].replaceAll(',', ''))
}

/** Instructions of one call of each kernel, by name. */
async function count(program) {
  const kernels = (await execute(program)).stdout.trim().split('\n')
  const counts = {}
  const waiting = [...kernels]
  const work = async () => {
    for (let kernel = waiting.shift(); kernel; kernel = waiting.shift()) {
      const [few, many] = [await instructions(program, kernel, FEW), await instructions(program, kernel, MANY)]
      counts[kernel] = Math.round((many - few) / (MANY - FEW))
    }
  }
  await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, work))
  return Object.fromEntries(kernels.map((kernel) => [kernel, counts[kernel]]))
}

function show(counts, before) {
  const rows = Object.entries(counts).map(([kernel, now]) => {
    const change = before[kernel] ? `${(100 * (now / before[kernel] - 1)).toFixed(2)} %` : 'new'
    return [kernel, now.toLocaleString('en'), before[kernel]?.toLocaleString('en') ?? '', change]
  })
  console.log(table(['kernel', 'instructions', 'recorded', 'change'], rows))
}

/** Throws StepFailed when counts and recorded ones differ by more than they may. */
export function compare(counts, before) {
  const again = 'run `npm run bench:instructions -- --record`'
  const names = [...new Set([...Object.keys(counts), ...Object.keys(before)])]
  const unmatched = names.filter((name) => !counts[name] || !before[name])
  if (unmatched.length > 0)
    throw new StepFailed(`kernels that are not on both sides: ${unmatched.join(', ')}; ${again}.`)
  const grown = names.filter((name) => counts[name] > before[name] * (1 + TOLERANCE))
  if (grown.length > 0) {
    throw new StepFailed(
      `more than ${100 * TOLERANCE} % more instructions than recorded: ${grown.join(', ')}; mend it, or if it is meant, ${again}.`,
    )
  }
  const shrunk = names.filter((name) => counts[name] < before[name] * GAIN)
  if (shrunk.length > 0) console.log(`far fewer instructions than recorded: ${shrunk.join(', ')}; ${again}.`)
}

/** Why the guard cannot run here, or undefined. */
function obstacle() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'its counts are those of Linux on x86-64'
  if (versionOf('valgrind') === undefined) return 'valgrind is missing'
}

export async function guardInstructions({ record = false, features = [] } = {}) {
  const reason = obstacle()
  if (reason && record) throw new StepFailed(`nothing can be recorded, because ${reason}.`)
  if (reason) return console.log(`the guard of instruction counts was not run, because ${reason}.`)
  const rustc = versionOf('rustc')
  const counts = await count(await build(features))
  const before = existsSync(recorded) ? JSON.parse(readFileSync(recorded, 'utf8')) : { kernels: {} }
  show(counts, before.kernels)
  if (record) {
    writeFileSync(
      recorded,
      `${JSON.stringify({ rustc, profile: 'dev', instructionSet: INSTRUCTION_SET, kernels: counts }, null, 2)}\n`,
    )
  } else if (rustc === before.rustc) compare(counts, before.kernels)
  else {
    console.log(
      `the counts were not compared, because they were recorded with rustc ${before.rustc} and this is ${rustc}.`,
    )
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await script(async () => {
    requireRust('count the instructions of its kernels')
    const unknown = process.argv.slice(2).find((argument) => argument !== '--record')
    if (unknown) throw new StepFailed(`there is no option ${unknown}; there is --record.`)
    await guardInstructions({ record: process.argv.includes('--record') })
  })
}
