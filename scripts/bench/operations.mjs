// `npm run bench`: runs the Rust benchmarks and makes one table of them, on stdout and in `.noprop/bench.md`.
// Arguments are names of benchmarks: `npm run bench -- conv3x3 step`. Without any, all run.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { target } from '../support/cargo.mjs'
import { table } from '../support/figures.mjs'
import { processor, versionOf } from '../support/machine.mjs'
import { root, run, StepFailed, script, step } from '../support/steps.mjs'
import { requireRust } from '../support/toolchain.mjs'

/** The files of `crates/noprop-core/benches/ops/`, operations first and whole steps last. */
function benchmarks(asked) {
  const last = ['step', 'parts', 'inference', 'memory']
  const names = readdirSync(join(root, 'crates/noprop-core/benches/ops'))
    .filter((name) => name.endsWith('.rs') && !['main.rs', 'support.rs'].includes(name))
    .map((name) => name.slice(0, -3))
    .sort((a, b) => last.indexOf(a) - last.indexOf(b) || (a < b ? -1 : 1))
  const unknown = asked.find((name) => !names.includes(name))
  if (unknown) throw new StepFailed(`there is no benchmark ${unknown}; there are ${names.join(', ')}.`)
  return names.filter((name) => asked.length === 0 || asked.includes(name))
}

/** A unit for `nanoseconds` of three or four digits, and what writes others in it. */
function time(nanoseconds) {
  const unit = nanoseconds < 1e3 ? 'ns' : nanoseconds < 1e6 ? 'µs' : 'ms'
  const scale = { ns: 1, µs: 1e3, ms: 1e6 }[unit]
  return { unit, text: (value) => (value / scale).toPrecision(value / scale < 1000 ? 3 : 4) }
}

function row(record) {
  const { operation, direction, shape, instructionSet } = record
  const name = [operation, direction, shape]
  if (record.mebibytes !== undefined) return [...name, `${record.mebibytes.toFixed(0)} MiB`, '', '', '', instructionSet]
  if (record.share !== undefined) {
    const { unit, text } = time(record.meanNs)
    const share = `${(100 * record.share).toFixed(1)} % of the step`
    return [...name, `${text(record.meanNs)} ${unit}`, share, '', '', instructionSet]
  }
  const { medianNs, deviationNs, rate, unit, peak } = record
  const { unit: scale, text } = time(medianNs)
  const spread = `${text(medianNs)} ± ${text(deviationNs)} ${scale}`
  const share = `${((100 * rate) / peak).toFixed(0)} %`
  return [...name, spread, `${rate.toFixed(1)} ${unit}`, peak.toFixed(1), share, instructionSet]
}

function report(names) {
  const files = names.map((name) => join(target, 'bench', `${name}.json`)).filter(existsSync)
  const records = files.flatMap((file) => JSON.parse(readFileSync(file, 'utf8')))
  const threads = `1 thread of ${availableParallelism()}`
  return [
    `${processor()}, ${threads}, rustc ${versionOf('rustc')}. Times are medians ± median absolute deviation. A peak is`,
    'what one core reaches in multiply-adds alone (GFLOP/s), or in reading and writing as much memory (GB/s).',
    '',
    table(['operation', 'direction', 'shape', 'time', 'rate', 'peak', 'of peak', 'instructions'], records.map(row)),
    '',
  ].join('\n')
}

await script(async () => {
  requireRust('run its benchmarks')
  const names = benchmarks(process.argv.slice(2))
  for (const name of names) rmSync(join(target, 'bench', `${name}.json`), { force: true })
  const filter = process.argv.length > 2 ? ['--', `^(${names.join('|')})/`] : []
  await step('benchmarks (criterion)', () =>
    run('cargo', ['bench', '--package', 'noprop-core', '--bench', 'ops', ...filter]),
  )
  const text = report(names)
  mkdirSync(join(root, '.noprop'), { recursive: true })
  writeFileSync(join(root, '.noprop/bench.md'), text)
  console.log(`\n${text}\nAlso in .noprop/bench.md.`)
})
