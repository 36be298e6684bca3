// `npm run bench:peers`: noprop, PyTorch and candle's autograd on the same work, in turns; figures into docs/benchmarks.md.
// `--rounds N` (default 3), `--only ROW` (may be repeated; the other rows keep their figures), `--threads N` (default 2),
// `--quick` (one short round, which shows that everything runs and is not written into the document).
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bootstrap } from '../setup/bootstrap.mjs'
import { median } from '../support/figures.mjs'
import { crateVersion, packageVersion, processor, versionOf } from '../support/machine.mjs'
import { root, StepFailed, script, step } from '../support/steps.mjs'
import { requireRust } from '../support/toolchain.mjs'
import { figures, writeDocument } from './peers/document.mjs'
import { buildCandle, findTorch, programs } from './peers/programs.mjs'
import { ratio, rows } from './peers/rows.mjs'

const kept = join(root, '.noprop/peers.json')

function options() {
  const number = (name, text) => {
    if (/^[1-9]\d{0,3}$/.test(text)) return Number(text)
    throw new StepFailed(`the value of --${name} must be a number from 1, not ${text}.`)
  }
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string' },
      threads: { type: 'string', default: '2' },
      only: { type: 'string', multiple: true, default: [] },
      quick: { type: 'boolean', default: false },
    },
  })
  const rounds = number('rounds', values.rounds ?? (values.quick ? '1' : '3'))
  return { ...values, rounds, threads: number('threads', values.threads) }
}

/** Every run of a row once a round, noprop first. */
async function measure(row, rounds) {
  const results = row.runs.map(({ name, extra }) => ({ name, extra, values: [] }))
  for (let round = 1; round <= rounds; round++) {
    for (const [index, { run }] of row.runs.entries()) {
      const result = results[index]
      if (result.failure) continue
      try {
        result.values.push(await run())
        console.log(`   round ${round}, ${result.name}: ${result.values.at(-1).toFixed(1)} ${row.unit}`)
      } catch (error) {
        // A peer that runs out of memory, or lacks a compiler, must not end the comparison of the others.
        if (index === 0) throw new StepFailed(`noprop failed: ${error.message}`)
        result.failure = error.killed ? 'it took more than 20 minutes' : 'it failed'
        console.log(
          `   ${result.name} failed: ${String(error.stderr ?? error.message)
            .trim()
            .split('\n')
            .at(-1)}`,
        )
      }
    }
  }
  for (const result of results) if (!result.failure) result.median = median(result.values)
  const { id, title, unit, better } = row
  return { id, title, unit, better, rounds, results }
}

/** The rows of earlier runs that were measured on the same machine with the same versions. */
function earlier(machine) {
  if (!existsSync(kept)) return []
  const { machine: then, rows } = JSON.parse(readFileSync(kept, 'utf8'))
  const comparable = ({ command, ...rest }) => JSON.stringify(rest)
  return comparable(then) === comparable(machine) ? rows : []
}

await script(async () => {
  const { rounds, threads, only, quick } = options()
  const ids = rows(programs({ quick, torch: undefined, candle: undefined }), threads).map(({ id }) => id)
  const unknown = only.find((id) => !ids.includes(id))
  if (unknown) throw new StepFailed(`there is no row ${unknown}; there are ${ids.join(', ')}.`)
  requireRust('build noprop and the program of candle')
  const torch = findTorch()
  if (!torch) console.log('There is no Python that can import torch: PyTorch is left out (NOPROP_PYTHON names one).')
  await bootstrap()
  const candle = await step("candle's program", buildCandle)
  const doctor = execFileSync(process.execPath, ['dist/cli.js', 'doctor', '--json'], { cwd: root, encoding: 'utf8' })
  const machine = {
    processor: processor(),
    instructionSet: JSON.parse(doctor).instructionSet,
    threads,
    noprop: packageVersion(),
    Node: process.versions.node,
    rustc: versionOf('rustc'),
    candle: crateVersion('candle-core'),
    torch: torch?.version,
    command: `npm run bench:peers -- --rounds ${rounds} --threads ${threads}`,
  }
  const measured = []
  for (const row of rows(programs({ quick, torch, candle }), threads)) {
    if (only.length > 0 && !only.includes(row.id)) continue
    measured.push(await step(row.title, () => measure(row, rounds)))
    const found = ratio(measured.at(-1))
    if (found) console.log(`   noprop ÷ ${found.peer}: ${found.value.toFixed(2)}`)
  }
  const others = quick ? [] : earlier(machine).filter(({ id }) => !measured.some((row) => row.id === id))
  const all = ids.flatMap((id) => [...measured, ...others].filter((row) => row.id === id))
  const text = figures(machine, all)
  console.log(`\n${text}`)
  if (quick) return
  mkdirSync(join(root, '.noprop'), { recursive: true })
  writeFileSync(kept, JSON.stringify({ machine, rows: all }))
  writeDocument(text)
  console.log('These figures are in docs/benchmarks.md now.')
})
