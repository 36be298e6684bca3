import type { Command } from 'commander'
import type { Label } from '../data/labels.js'
import type { Dataset } from '../dataset.js'
import type { RunsResult } from '../inference.js'
import { NoProp } from '../model.js'
import { printable } from '../printable.js'
import { accuracyAfterBlocks, counted, percent, r2AfterBlocks, table, thousands } from '../summary.js'
import { HELD_OUT, layoutFlags, openSplits, openTest } from './data.js'
import {
  blockTable,
  classTable,
  idleBlocks,
  metricFields,
  type ReadoutFigures,
  readoutTable,
  worstTable,
} from './eval-report.js'
import { exitFields, exitTable, numberExitFields } from './exit-report.js'
import { type Field, wrapped } from './fields.js'
import { addFlags, Flag, number } from './flag.js'
import { addSamplerFlags, samplerOf } from './flags.js'
import { addExamples } from './help.js'
import type { Io } from './io.js'
import {
  INTERVAL,
  intervalFields,
  numberFields,
  refuseInterval,
  targetNames,
  targetTable,
  worstNumberTable,
} from './number-report.js'
import { required, usage } from './usage.js'

/** The flags that this command itself reads; the others become options of the evaluation. */
interface EvalFlags {
  interval?: number
  confidence?: number | true
  data?: string
  runs?: number
  blocks?: boolean
  readouts?: boolean
  testSplit?: number
  stopAfter?: number
  readout?: string
  worst?: number
}

/** Most classes whose confusions are printed as a table. */
const MOST_CLASSES = 12

const DATA = [
  new Flag(
    '--data <name|dir|file>',
    'labelled samples: those of the test of a name or a directory, a folder of pictures, or a table',
  ),
  new Flag('--runs <number>', 'repeat N times, with the seeds from --seed on; adds mean and deviation', {
    read: number,
  }),
  INTERVAL,
  HELD_OUT,
  ...layoutFlags(),
  new Flag('--worst [number]', 'list the N samples of greatest loss, with their files or rows (default: 20)', {
    read: number,
  }).preset('20') as Flag,
  new Flag('--readouts', 'compare what can be read: last state, mean of the estimates, fitted weights'),
  new Flag('--blocks', 'measure also what each block adds, and name those that add nothing'),
]

export function define(command: Command, io: Io): void {
  command.argument('<file>', 'model file')
  addFlags(command, 'Data', DATA)
  addSamplerFlags(command, true)
  addExamples(
    command,
    'noprop eval digits.safetensors --data mnist',
    'noprop eval digits.safetensors --data mnist --stochastic --runs 5',
    'noprop eval digits.safetensors --data mnist --blocks',
    'noprop eval photos.safetensors --data photos/ --worst 50',
    'noprop eval digits.safetensors --data mnist --confidence',
  )
  command.action((file: string, flags: EvalFlags) => evaluate(file, flags, io))
}

export async function evaluate(file: string, flags: EvalFlags, io: Io): Promise<void> {
  const data = required(flags.data, '--data NAME|DIR|FILE')
  refuseTogether(flags)
  const model = await NoProp.load(file)
  const test = await testOf(data, model, flags, io)
  if (model.config.targets) return evaluateNumbers(model, test, flags, io)
  refuseInterval(flags)
  const { runs, blocks, worst } = flags
  const result = await model.evaluate(test, { ...samplerOf(flags), runs, blocks, worst, signal: io.signal })
  const curve = flags.confidence === true ? await curveOf(model, test, flags, io) : undefined
  const readouts = flags.readouts ? await readoutsOf(model, test, flags, io) : undefined
  io.emit({ event: 'done', ...result, ...(curve ? { curve } : {}), ...(readouts ? { readouts } : {}) })
  const rows: Field[] = [
    ['accuracy', `${percent(result.accuracy)} of ${thousands(result.samples)} samples`],
    ['loss', result.loss.toFixed(4)],
    ...metricFields(result),
    ['after block', accuracyAfterBlocks(result.accuracyPerBlock)],
    ...exitFields(result),
    ['speed', `${thousands(Math.round(result.samplesPerSecond))} samples/s`],
  ]
  if (flags.runs !== undefined) {
    const { accuracyMean, accuracyStd, accuracies } = result as RunsResult
    rows.push([`over ${counted(accuracies.length, 'run')}`, `${percent(accuracyMean)} ± ${percent(accuracyStd)}`])
  }
  io.printFields(rows)
  if (worst !== undefined && result.worst.length > 0) printTable(worstTable(result), 'worst samples', io)
  if (curve) printTable(exitTable(curve), 'confidences', io)
  if (readouts) printTable(readoutTable(readouts), 'readouts', io)
  if (result.blocks) {
    printTable(blockTable(result.blocks), 'blocks', io)
    // Named in any case: they are what was asked for.
    for (const line of idleBlocks(result.blocks)) io.print(wrapped(line, io.width).join('\n'))
  }
  if (result.confusion === undefined || result.classes.length > MOST_CLASSES) return
  printTable(classTable(result), 'classes', io)
  printTable(confusionTable(result.classes, result.confusion), 'confusions', io)
}

/** The samples to measure on: with `--test-split` those that a training with the same share held out. */
async function testOf(data: string, { config }: NoProp, flags: EvalFlags, io: Io): Promise<Dataset> {
  const { preprocessing, input, seed } = config
  if (flags.testSplit === undefined) return openTest(data, preprocessing, true, flags, input, io)
  const { train, test } = await openSplits({ data, seed }, flags, io, config)
  train.dispose()
  return test as Dataset
}

/** A curve and a comparison look at all blocks, each in its own way. */
function refuseTogether({ confidence, readouts, stopAfter, readout }: EvalFlags): void {
  const asked = [...(confidence === true ? ['--confidence without a number'] : []), ...(readouts ? ['--readouts'] : [])]
  const given = [
    ...(stopAfter === undefined ? [] : ['--stop-after']),
    ...(readout === undefined ? [] : ['--readout']),
    ...(readouts && typeof confidence === 'number' ? ['--confidence NUMBER'] : []),
  ]
  if (asked[0] === undefined || given[0] === undefined) return
  throw usage(`${given[0]} does not go with ${asked[0]}`, 'ask for them one after the other')
}

/** What several confidences give and cost. */
function curveOf(model: NoProp, test: Dataset, flags: EvalFlags, io: Io) {
  return model.exitCurve(test, { ...samplerOf(flags), signal: io.signal })
}

/** What each readout of the same estimates gives. */
async function readoutsOf(model: NoProp, test: Dataset, flags: EvalFlags, io: Io): Promise<ReadoutFigures[]> {
  const sampler = samplerOf(flags)
  const found: ReadoutFigures[] = []
  for (const readout of ['state', 'mean', ...(model.readout ? ['fitted' as const] : [])] as const) {
    const { accuracy, loss, logLoss, calibration } = await model.evaluate(test, {
      ...sampler,
      readout,
      signal: io.signal,
    })
    found.push({ readout, accuracy, loss, logLoss, ece: calibration.ece })
  }
  return found
}

/** Of a model that predicts numbers. */
async function evaluateNumbers(model: NoProp, test: Dataset, flags: EvalFlags, io: Io): Promise<void> {
  if (flags.blocks)
    throw usage(
      'what blocks add is measured for classes alone',
      'noprop eval shows R² after each block of a model of numbers',
    )
  if (flags.readouts || flags.confidence === true) {
    const flag = flags.readouts ? '--readouts' : '--confidence'
    throw usage(`${flag} does not apply to a model of numbers`, 'leave it out; --stop-after and --readout mean apply')
  }
  const { runs, interval, worst } = flags
  const given = { ...(runs === undefined ? {} : { runs }), ...(worst === undefined ? {} : { worst }) }
  const options = { ...samplerOf(flags), ...given, signal: io.signal }
  const result = await model.evaluateNumbers(test, interval === undefined ? options : { ...options, interval })
  io.emit({ event: 'done', ...result })
  const names = targetNames(model.config)
  io.printFields([
    ...numberFields(result),
    [result.runs > 1 ? 'of one run, after block' : 'after block', r2AfterBlocks(result.r2PerBlock)],
    ...numberExitFields(result),
    ...intervalFields(result),
    ['speed', `${thousands(Math.round(result.samplesPerSecond))} samples/s`],
  ])
  printTable(targetTable(result, names), 'targets', io)
  if (worst !== undefined && result.worst.length > 0) printTable(worstNumberTable(result, names), 'worst samples', io)
}

/** A table with broken lines is none. */
function printTable(text: string, what: string, io: Io): void {
  const columns = Math.max(...text.split('\n').map((line) => line.length))
  if (columns <= (io.width ?? columns)) io.print(`\n${text}`)
  else io.note(`the table of ${what} needs ${columns} columns; this terminal has ${io.width}`)
}

/** Rows are the true labels, columns the predicted ones. */
function confusionTable(classes: readonly Label[], confusion: readonly (readonly number[])[]): string {
  // Names come from the model's file.
  const names = classes.map((label) => printable(String(label)))
  const head = ['true \\ predicted', ...names]
  return table([head, ...confusion.map((row, index) => [names[index] as string, ...row.map(String)])])
}
