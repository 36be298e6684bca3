import type { Command } from 'commander'
import type { Label } from '../data/labels.js'
import { type Dataset, datasetFromImages } from '../dataset.js'
import type { Prediction, TracedPrediction } from '../inference.js'
import { NoProp } from '../model.js'
import type { PredictOptions } from '../options.js'
import { printable } from '../printable.js'
import { isFile, layoutFlags, openTest } from './data.js'
import { addFlags, Flag, number } from './flag.js'
import { addSamplerFlags, samplerOf } from './flags.js'
import { addExamples } from './help.js'
import type { Io } from './io.js'
import { INTERVAL, refuseInterval, targetNames } from './number-report.js'
import { findPictures, groups } from './pictures.js'
import { usage } from './usage.js'

interface PredictFlags {
  runs?: number
  interval?: number
  confidence?: number
  stopAfter?: number
  data?: string
  trace?: boolean
}

export function define(command: Command, io: Io): void {
  command
    .argument('<file>', 'model file')
    .argument(
      '[images...]',
      'pictures, folders of them, or - for a list of paths on stdin; for a model of a table a table',
    )
  addFlags(command, 'Data', [
    new Flag('--data <name|dir|file>', 'predict the test samples of a data set: a name, a directory or a table'),
    new Flag('--runs <number>', 'numbers: the mean of so many runs (default: 1, with --interval 20)', { read: number }),
    INTERVAL,
    ...layoutFlags(),
  ])
  addFlags(command, 'Result', [
    new Flag('--trace', 'print also what each block makes of every sample: its estimate, and with --json the states', {
      sets: 'states',
    }),
  ])
  addSamplerFlags(command)
  addExamples(
    command,
    'noprop predict digits.safetensors picture.png',
    'noprop predict digits.safetensors --data mnist --json',
    'noprop predict wine.safetensors new.csv',
  )
  command.action((file: string, images: string[], flags: PredictFlags) => predict(file, images, flags, io))
}

async function predict(file: string, images: string[], flags: PredictFlags, io: Io): Promise<void> {
  if ((flags.data === undefined) === (images.length === 0)) {
    throw usage(
      images.length === 0 ? 'nothing to predict is named' : 'both --data and images are named',
      'name either --data NAME|DIR|FILE or pictures, folders of them, or -',
    )
  }
  const model = await NoProp.load(file)
  const { preprocessing, input } = model.config
  const table = preprocessing?.type === 'table' ? tableOf(images) : undefined
  if (!model.config.targets) refuseInterval(flags)
  if (images.length > 0 && table === undefined) return predictPictures(model, images, flags, io)
  const samples = await openTest(table ?? (flags.data as string), preprocessing, false, flags, input, io)
  if (model.config.targets) return predictNumbers(model, samples, flags, io)
  const prediction = await model.predict(samples, optionsOf(flags, io))
  let index = 0
  for (const row of rowsOf(prediction, flags)) {
    if (io.closed) break
    await show(row, { index }, String(index), io)
    index++
  }
  if (flags.confidence !== undefined) {
    const run = prediction.blocks.reduce((sum, blocks) => sum + blocks, 0) / prediction.blocks.length
    io.note(`blocks run: ${run.toFixed(2)} of ${model.config.blocks} a sample`)
  }
  io.emit({ event: 'done', samples: prediction.labels.length, classes: prediction.classes })
}

/** The options of a prediction. */
function optionsOf(flags: PredictFlags, io: Io): PredictOptions {
  return { ...samplerOf(flags), signal: io.signal, states: flags.trace === true }
}

/** Of a model that predicts numbers. */
async function predictNumbers(model: NoProp, samples: Dataset, flags: PredictFlags, io: Io): Promise<void> {
  const { runs, interval } = flags
  const found = await model.predictNumbers(samples, {
    ...samplerOf(flags),
    ...(runs === undefined ? {} : { runs }),
    ...(interval === undefined ? {} : { interval }),
    signal: io.signal,
  })
  for (const [index, row] of found.values.entries()) {
    if (io.closed) break
    io.signal.throwIfAborted()
    const [low, high] = [found.interval?.low[index], found.interval?.high[index]]
    const values = rounded(row)
    io.emit({ event: 'prediction', index, values, ...(low && high ? { low: rounded(low), high: rounded(high) } : {}) })
    const cells = values.map((value, k) =>
      low && high ? `${value} [${shown(low[k])}, ${shown(high[k])}]` : String(value),
    )
    io.print([String(index), ...cells].join('\t'))
    await io.drain()
  }
  io.emit({ event: 'done', samples: found.values.length, targets: targetNames(model.config) })
}

/** Seven digits, as 32 bits have. */
function shown(value: number | undefined): number {
  return Number((value ?? Number.NaN).toPrecision(7))
}

function rounded(values: Float32Array): number[] {
  return Array.from(values, shown)
}

/** The one file that is named for a model that takes rows of a table. */
function tableOf(files: readonly string[]): string | undefined {
  const [file, other] = files
  if (file === undefined) return undefined
  if (other === undefined && isFile(file)) return file
  throw usage(
    other === undefined ? `there is no table ${file}` : 'several tables are named',
    'this model takes rows of a table: name one file (.csv, .tsv, .ndjson, …)',
  )
}

/** Predicts what can be read, group by group, and reports the rest: one damaged picture does not lose the others. */
async function predictPictures(model: NoProp, images: string[], flags: PredictFlags, io: Io): Promise<void> {
  const { input, classes, preprocessing } = model.config
  const fit = preprocessing?.type === 'images' ? preprocessing.fit : undefined
  if (model.config.targets) throw usage('this model predicts numbers of vectors', 'name a table, or samples by --data')
  const values = Math.max(
    input.reduce((product, side) => product * side, 1),
    classes.length,
  )
  // A group takes at most 64 MiB.
  const most = Math.max(1, Math.min(1024, Math.floor(2 ** 24 / values)))
  let [samples, failed] = [0, 0]
  for await (const group of groups(findPictures(images, process.stdin, io.signal), most)) {
    const errors = group.map(({ error }) => error)
    const found = [...group.keys()].filter((index) => errors[index] === undefined)
    let rows: Iterator<Row> | undefined
    io.signal.throwIfAborted()
    if (found.length > 0) {
      const paths = found.map((index) => group[index]?.path as string)
      const { dataset, failures } = await datasetFromImages(paths, input, fit, io.signal)
      for (const { index, error } of failures) errors[found[index] as number] = error
      if (dataset) rows = rowsOf(await model.predict(dataset, optionsOf(flags, io)), flags)
      dataset?.dispose()
    }
    for (const [index, { path }] of group.entries()) {
      if (io.closed) return
      const error = errors[index]
      if (error === undefined) {
        samples++
        await show(rows?.next().value as Row, { path }, path, io)
      } else {
        failed++
        io.exitCode = 1
        io.emit({ event: 'error', path, ...error.toJSON() })
        io.complain(error)
      }
    }
  }
  io.emit({ event: 'done', samples, failed, classes })
}

/** The prediction of one sample. */
interface Row {
  label: Label
  probabilities: number[]
  /** Probability of `label`. */
  probability: number
  /** Blocks that the sample went through, where it could end early. */
  blocks?: number
  /** With `--trace`: z_0, and what each step made of it. */
  trace?: { start: number[]; steps: Step[] }
}

interface Step {
  block: number
  estimate: number[]
  state: number[]
  /** The class that the estimate names first, and its value there; not for programs. */
  leads: { label: Label; value: number }
}

/** Rows of a prediction, with the blocks of each where flags ask for an early end. */
function* rowsOf(prediction: Prediction | TracedPrediction, flags: PredictFlags): Generator<Row> {
  const early = flags.confidence !== undefined || flags.stopAfter !== undefined
  const { labels, probabilities, classes } = prediction
  const rounded = (values: Float32Array | undefined) =>
    Array.from(values ?? [], (value) => Number(value.toPrecision(6)))
  for (const [index, label] of labels.entries()) {
    const row = rounded(probabilities[index])
    const found: Row = { label, probabilities: row, probability: row[classes.indexOf(label)] ?? Number.NaN }
    const blocks = early ? prediction.blocks[index] : undefined
    if (blocks !== undefined) found.blocks = blocks
    if ('states' in prediction) {
      const steps = prediction.states.steps.map(({ block, estimate, state }): Step => {
        const values = rounded(estimate[index])
        const value = values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY)
        const leads = { label: classes[values.indexOf(value)] as Label, value }
        return { block, estimate: values, state: rounded(state[index]), leads }
      })
      found.trace = { start: rounded(prediction.states.start[index]), steps }
    }
    yield found
  }
}

/** Shows a prediction of what is called `source` for programs and `name` for people. */
async function show(row: Row, source: object, name: string, io: Io): Promise<void> {
  const { label, probabilities, probability, blocks, trace } = row
  io.signal.throwIfAborted()
  const steps = trace?.steps.map(({ leads, ...step }) => step)
  const further = { ...(blocks === undefined ? {} : { blocks }), ...(trace && { start: trace.start, steps }) }
  io.emit({ event: 'prediction', ...source, label, probabilities, ...further })
  io.print(`${printable(name)}\t${printable(String(label))}\t${probability.toFixed(4)}`)
  for (const { block, leads } of trace?.steps ?? []) {
    io.print(`${printable(name)}\tblock ${block}\t${printable(String(leads.label))}\t${leads.value.toFixed(4)}`)
  }
  await io.drain()
}
