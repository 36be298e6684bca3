// The report of `npm run gpu:check` as Markdown, and its place in docs/gpu.md.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { number, percent, plural, putFigures, table } from '../support/figures.mjs'
import { root } from '../support/steps.mjs'
import { goalRows } from './goals.mjs'

const path = join(root, 'docs/gpu.md')

const optional = (value, unit = '') => (value === null || value === undefined ? '–' : `${number(value)}${unit}`)
const time = (seconds) => (seconds < 100 ? seconds.toFixed(1) : number(seconds))

const short = ({ weightsSha256 }) => weightsSha256.slice(0, 12)

/** One line for each step of the first table. */
const SUMMARIES = {
  parity: ({ compared, failed, leftOut, worst }) =>
    `${plural(compared, 'comparison')}, ${failed.length} failed, ${leftOut} left out` +
    (worst
      ? `; closest to its tolerance: ${worst.case} in ${worst.multiply}, ${worst.error?.toExponential(1)} of ${worst.tolerance}`
      : ''),
  training: ({ steps, parameters, statistics, losses, tolerances }) =>
    `after ${steps} steps parameters differ by ${number(parameters)} (of ${tolerances.parameters}), ` +
    `statistics by ${number(statistics)} (of ${tolerances.statistics}), losses by ${number(losses)} (of ${tolerances.losses})`,
  determinism: (found) =>
    Object.entries(found)
      .map(
        ([precision, { runs, resumed }]) =>
          `${precision}: ${plural(runs.length, 'run')} ${[...new Set(runs.map(short))].join(' and ')}` +
          (resumed ? `, resumed ${short({ weightsSha256: resumed })}` : ''),
      )
      .join('; '),
  bench: ({ overEager, overBest }) =>
    `noprop ÷ PyTorch eager bf16 ${optional(overEager)}, ÷ the best of PyTorch ${optional(overBest)}`,
  memory: ({ manyBlocks, manySeconds }) =>
    manySeconds ? `an epoch of ${manyBlocks} blocks in ${number(manySeconds)} s` : '',
  sanitizer: (found) =>
    Object.entries(found)
      .map(([tool, { compared, leftOut }]) => `${tool}: ${plural(compared, 'case')}, ${leftOut} left out`)
      .join('; '),
  mnist: accuracy,
  cifar10: accuracy,
}

function accuracy({ runs, goal }) {
  const { epochs, precision, testAccuracy, trainSeconds } = runs.at(-1)
  const wanted = goal === undefined ? '' : ` (goal ${percent(goal)})`
  return `${percent(testAccuracy)}${wanted} after ${plural(epochs, 'epoch')} in ${number(trainSeconds)} s, ${precision}`
}

/** A step's line; of one that failed early there may be half of the figures, or none. */
function summary([name, { status, reason, measured, seconds }]) {
  let told = ''
  try {
    told = measured ? SUMMARIES[name](measured) : ''
  } catch {
    told = ''
  }
  return [name, status, [reason, told].filter(Boolean).join('; ').replaceAll('|', '\\|'), time(seconds)]
}

function speeds({ shape, net, blocks, batch, rounds, programs }) {
  const lines = programs.map(({ name, failure, samplesPerSecond, least, greatest, floorShare, memoryMiB }) => {
    if (samplesPerSecond === undefined) return [name, `not measured: ${failure}`, '–', '–']
    const speed = `${number(samplesPerSecond)} (${number(least)}–${number(greatest)})`
    return [name, speed, floorShare === undefined ? '–' : percent(floorShare), optional(memoryMiB)]
  })
  const [floor] = programs.filter(({ floorGigabytes, peakGigabytes }) => floorGigabytes && peakGigabytes)
  const told = floor
    ? `A step of all blocks moves at least ${number(floor.floorGigabytes)} GB; the card copies ${number(floor.peakGigabytes)} GB/s.`
    : ''
  return [
    `### Training, ${net ? `a small ${net.type} (PyTorch: of 512 hidden values)` : "the paper's block"}, ${shape}'s shape, ${blocks} blocks, batch ${batch}`,
    table(['program', 'samples/s', 'share of the memory floor', 'memory, MiB'], lines),
    `Medians of ${plural(rounds, 'round')}, with the range. ${told}`.trim(),
  ]
}

function memories({ precision, allInFlightMiB, oneInFlightMiB, manyBlocks, manyInFlightMiB }, bench) {
  const peer = bench?.programs.find(({ name }) => name.startsWith('PyTorch back-propagation'))?.memoryMiB
  const lines = [
    [`noprop, all blocks in flight, ${precision}`, optional(allInFlightMiB)],
    [`noprop, one block in flight, ${precision}`, optional(oneInFlightMiB)],
    [`noprop, 10 of ${manyBlocks} blocks in flight, ${precision}`, optional(manyInFlightMiB)],
    ['PyTorch back-propagation, bf16', optional(peer)],
  ]
  const share =
    oneInFlightMiB && peer ? `One in flight ÷ back-propagation: **${(oneInFlightMiB / peer).toFixed(2)}**.` : ''
  return ['### Memory of the GPU', table(['program', 'MiB'], lines), share].filter(Boolean)
}

/** The report as Markdown. */
export function figures({ date, command, machine, notes, steps, seconds, passed, finished = true }) {
  const outcome = passed ? 'every check that was made passed' : '**some checks failed**'
  const tools = Object.entries(machine).map(([name, value]) => `${name} ${value ?? 'missing'}`)
  const parts = [
    `${date}, \`${command}\`: ${outcome}, in ${time(seconds)} s${finished ? '' : '; **it was ended before its end**'}.`,
    `${tools.join(', ')}.`,
    ...(notes.length > 0 ? [notes.map((note) => `- ${note}`).join('\n')] : []),
    table(['step', 'outcome', 'what was found', 'seconds'], Object.entries(steps).map(summary)),
    '### Goals on one H100',
    table(['what', 'goal', 'moonshot', 'measured', 'reached'], goalRows(steps)),
    ...(steps.bench?.measured?.programs ? speeds(steps.bench.measured) : []),
    ...(steps.memory?.measured ? memories(steps.memory.measured, steps.bench?.measured) : []),
  ]
  return parts.join('\n\n')
}

/** Puts the report into docs/gpu.md. A machine to which only what the check needs was packed may lack it. */
export function writeDocument(text) {
  if (!existsSync(path)) return
  putFigures(path, 'gpu:check', text)
  console.log('These figures are in docs/gpu.md now.')
}
