import {
  type Data,
  Dataset,
  datasets,
  type EvaluateResult,
  type History,
  NoProp,
  NoPropError,
  type SamplerOptions,
  version,
} from '../index.js'
import { methodName, methodTitle, modelLine } from '../summary.js'
import { denoisingOf, firstOf } from './denoising.js'
import type { Curves, ReportDocument, ShownSample } from './document.js'
import { pageOf } from './html.js'
import { MOST_CLASSES, MOST_PAIRS } from './limits.js'
import { numbersOf } from './numbers.js'
import { shownSample } from './sample.js'
import { writeWhole } from './write.js'

/** Options of {@link createReport}. */
export interface ReportOptions extends SamplerOptions {
  /** The heading. Default: 'A model'. */
  title?: string
  /** What the data are called. Default: none. */
  dataName?: string
  /** The command line that asks for the report. Default: none. */
  command?: string
  /** The history of the run, which knows more than the model file keeps. Default: that of the model. */
  history?: History
  /** Samples on which each block is measured, the first ones; 0 leaves it out. Default 500. */
  blockSamples?: number
  /** Stops the work; the promise then rejects with the signal's reason. */
  signal?: AbortSignal
}

/** Samples that are kept of each cell of the confusion matrix. */
const MOST_OF_CELL = 12
/** Samples that are shown at all, and the characters that they may take. */
const MOST_SHOWN = 1200
const MOST_CHARACTERS = 6e6
const BLOCK_SAMPLES = 500

/** A finished report. */
export interface Report {
  /** What it says. */
  document: ReportDocument
  /** The page, one self-contained file of HTML. */
  html(): string
  /** Writes the page; the file appears whole or not at all. Rejects with NOPROP_OUTPUT. */
  save(path: string): Promise<void>
}

/**
 * Makes a report of a trained model: how it was trained, and, with labelled `data`, how good it is on them and where it is wrong.
 * Every figure is one of `model.evaluate` and `model.history`. Rejects as `model.evaluate` does.
 */
export async function createReport(model: NoProp, data: Data | null, options: ReportOptions = {}): Promise<Report> {
  const { title, dataName, command, history, blockSamples = BLOCK_SAMPLES, signal, ...sampler } = options
  checkCount(blockSamples)
  if (!(model instanceof NoProp)) {
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: 'a report is made of a model',
      expected: 'createReport(model, data), with a model of NoProp.create or NoProp.load',
    })
  }
  if (!model.trained) {
    throw new NoPropError({
      code: 'NOPROP_NOT_TRAINED',
      what: 'the model has no trained weights to report on',
      expected: 'a model that has been trained or loaded',
      hint: 'call fit first, or load a model file',
    })
  }
  const { config, parameters, layers, training } = model
  const document: ReportDocument = {
    format: 'noprop-report',
    version: 1,
    title: title ?? 'A model',
    made: { at: new Date().toISOString(), version, ...(command === undefined ? {} : { command }) },
    model: {
      method: methodTitle(config),
      line: modelLine(config, parameters, true),
      config,
      layers,
      parameters,
      weightsSha256: await model.weightsSha256(),
    },
    training,
    samples: {},
    missing: {},
  }
  takeCurves(document, model, history)
  const owned = data !== null && !(data instanceof Dataset)
  const dataset =
    data === null || data instanceof Dataset ? data : datasets.fromArrays({ shape: config.input, ...data })
  try {
    if (dataset) await measure(document, model, dataset, { dataName, blockSamples, signal, sampler })
    else document.missing.evaluation = 'No labelled samples were given to measure the model on.'
  } finally {
    if (owned) dataset?.dispose()
  }
  return {
    document,
    html: () => pageOf(document),
    save: (path) => writeWhole(path, pageOf(document)),
  }
}

function checkCount(blockSamples: unknown): void {
  if (Number.isSafeInteger(blockSamples) && (blockSamples as number) >= 0) return
  throw new NoPropError({
    code: 'NOPROP_OPTION',
    what: 'option blockSamples is out of range',
    expected: 'an integer from 0',
    received: String(blockSamples),
  })
}

/** What is known of the training's course. */
function takeCurves(document: ReportDocument, model: NoProp, history: History | undefined): void {
  const kept = model.history
  const chain = history?.chain
  if (history) {
    const { seconds, samplesPerSecond, device } = history
    document.run = { seconds, samplesPerSecond, device }
  }
  if (!kept) {
    document.missing.curves =
      'The model file does not say how the losses went: an older version of noprop, or another program, wrote it.'
    return
  }
  document.curves = { ...kept, ...(chain && chain.length > 0 ? { chain } : {}) } satisfies Curves
  if (!kept.validationLoss)
    document.missing.validation = 'The training looked at no validation samples (--validation-split).'
}

interface Measuring {
  dataName: string | undefined
  blockSamples: number
  signal: AbortSignal | undefined
  sampler: SamplerOptions
}

/** Everything that samples tell. */
async function measure(document: ReportDocument, model: NoProp, dataset: Dataset, measuring: Measuring): Promise<void> {
  const { dataName, signal, sampler } = measuring
  const { fingerprint, samples, shape } = dataset
  const isTraining = document.training?.fingerprint === fingerprint
  document.data = { name: dataName ?? 'the given samples', samples, shape, fingerprint, isTraining }
  document.sampler = sampler
  if (document.model.config.targets) {
    document.numbers = await numbersOf(model, dataset, sampler, signal)
    document.missing.denoising = 'Only states of classes are drawn.'
    showSamples(document, dataset, document.numbers.evaluation.worst)
    return
  }
  const { examples, ...evaluation } = await model.evaluate(dataset, { ...sampler, signal, examples: MOST_OF_CELL })
  document.evaluation = shortened(evaluation)
  document.cells = cellsOf(document.evaluation, examples ?? [])
  await measureBlocks(document, model, dataset, measuring)
  const denoising = await denoisingOf(model, dataset, evaluation, sampler, signal)
  if (typeof denoising === 'string') document.missing.denoising = denoising
  else document.denoising = denoising
  showSamples(document, dataset, evaluation.worst)
}

/** An evaluation whose confusions, of many classes, are the most frequent ones alone: the whole table would be megabytes. */
function shortened({ confusion, confusionPairs, ...evaluation }: EvaluateResult): EvaluateResult {
  if (confusion && evaluation.classes.length <= MOST_CLASSES) return { ...evaluation, confusion }
  const pairs = confusionPairs ?? (confusion ?? []).flatMap((row, i) => row.map((count, j): Pair => [i, j, count]))
  const wrong = pairs.filter(([i, j, count]) => i !== j && count > 0)
  const most = wrong.sort((one, other) => other[2] - one[2]).slice(0, MOST_PAIRS)
  return { ...evaluation, confusionPairs: most }
}

type Pair = [target: number, predicted: number, samples: number]

/** The samples of the numbers that are shown. */
function cellsOf({ confusion, confusionPairs }: EvaluateResult, examples: [number, number, number[]][]) {
  if (confusion) return examples
  const shown = new Set(confusionPairs?.map(([i, j]) => `${i} ${j}`))
  return examples.filter(([i, j]) => shown.has(`${i} ${j}`))
}

/** What each block adds, on the first samples: on all of them it would take half as many evaluations as there are blocks. */
async function measureBlocks(
  document: ReportDocument,
  model: NoProp,
  dataset: Dataset,
  measuring: Measuring,
): Promise<void> {
  const { config } = model
  const { blockSamples, sampler, signal } = measuring
  const method = methodName(config)
  if (!['dt', 'diffusion-blocks'].includes(method)) {
    document.missing.blocks = `A model of method ${method} is trained as one; there are no blocks to leave out.`
    return
  }
  const count = Math.min(blockSamples, dataset.samples)
  if (count < 2 || config.blocks > MOST_MEASURED) {
    document.missing.blocks =
      config.blocks > MOST_MEASURED
        ? `Blocks are left out one by one up to ${MOST_MEASURED} blocks.`
        : 'Two samples at least are needed to measure what each block adds.'
    return
  }
  const first = count === dataset.samples ? dataset : firstOf(dataset, count)
  try {
    const { blocks } = await model.evaluate(first, { ...sampler, signal, blocks: true })
    document.blocks = { samples: count, contributions: blocks ?? [] }
  } finally {
    if (first !== dataset) first.dispose()
  }
}

/** Most blocks that are left out one by one, which takes time with their square. */
const MOST_MEASURED = 64

/** Keeps what the samples look like that the report names: first those that it names in its text, then those of the cells in turn. */
function showSamples(document: ReportDocument, dataset: Dataset, worst: readonly { sample: number }[]): void {
  const preprocessing = document.model.config.preprocessing
  let characters = 0
  const show = (sample: number): boolean => {
    if (document.samples[sample]) return true
    if (Object.keys(document.samples).length >= MOST_SHOWN || characters > MOST_CHARACTERS) return false
    const shown: ShownSample = shownSample(dataset.sample(sample), dataset.shape, preprocessing)
    characters += JSON.stringify(shown).length
    document.samples[sample] = shown
    return true
  }
  for (const { sample } of document.denoising?.samples ?? []) show(sample)
  for (const { sample } of worst) show(sample)
  const cells = document.cells ?? []
  for (let place = 0; place < MOST_OF_CELL; place++) {
    for (const [, , samples] of cells) {
      const sample = samples[place]
      if (sample !== undefined) show(sample)
    }
  }
  const left = cells.flatMap(([, , samples]) => samples).filter((sample) => !document.samples[sample]).length
  if (left > 0)
    document.missing.pictures = `${left} samples of the confusion matrix are named without their picture, to keep the file small.`
}
