import type { Dataset } from '../../dataset.js'
import { classesOf } from '../../dataset.js'
import { NoProp } from '../../model.js'
import type { ModelOptions } from '../../options.js'
import type { Point, RowState, Trained } from './state.js'
import type { Row, Table } from './tables.js'

/** Most points of a curve. */
const POINTS = 10
/** Of the time that a row may take, what is left to measuring accuracies. */
const FOR_TRAINING = 0.85

/** Training and test samples of a row. */
export interface Samples {
  train: Dataset
  test: Dataset
}

/** What a row is trained under. */
export interface Under {
  samples: Samples
  /** Seconds for one training; null for as long as it takes. */
  seconds: number | null
  /** Sampling runs at the end. */
  runs: number
  /** Where checkpoints are kept. */
  checkpoint: string
  signal: AbortSignal
  /** Keeps what there is. */
  save(): void
}

/** The options of the model of a row. */
export function modelOf(row: Row, { train, test }: Samples, seed: number, isFull: boolean): ModelOptions {
  const smaller = isFull ? {} : row.within?.model
  return { input: train.shape, classes: classesOf(train, test), ...row.model, ...smaller, seed }
}

/** Decides how many epochs there is time for; says why where there is none for a single one. */
export async function decideEpochs(row: Row, state: RowState, under: Under): Promise<void> {
  if (state.epochs !== undefined || state.skipped !== undefined) return
  if (under.seconds === null) {
    state.epochs = row.epochs
    return
  }
  const model = NoProp.create(modelOf(row, under.samples, 0, false))
  const options = { ...row.training, epochs: 1, device: 'cpu' as const, signal: under.signal }
  const { time } = await model.estimate(under.samples.train, options)
  const seconds = time?.seconds ?? Number.POSITIVE_INFINITY
  const most = Math.floor((FOR_TRAINING * under.seconds) / seconds)
  if (most >= 1) state.epochs = Math.min(most, row.epochs)
  else if (time === null) state.skipped = 'it needs more memory than is free'
  else state.skipped = `an epoch takes ${minutes(seconds)}, and there are ${minutes(under.seconds)} for it`
}

function minutes(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`
}

/** The epochs after which the model is measured; a rate that is laid out over all epochs allows the last alone. */
export function measuredAt(row: Row, epochs: number): number[] {
  if ((row.training.learningRateSchedule ?? 'constant') !== 'constant') return [epochs]
  const count = Math.min(POINTS, epochs)
  return Array.from({ length: count }, (_, index) => Math.ceil((epochs * (index + 1)) / count))
}

/** Trains what is missing of a row with one seed, and measures it. */
export async function trainRow(row: Row, state: RowState, seed: number, under: Under): Promise<Trained> {
  const { samples, signal, save } = under
  const trained = trainedOf(state, seed)
  if (trained.accuracies) return trained
  const isFull = under.seconds === null
  const model = NoProp.create(modelOf(row, samples, seed, isFull))
  const epochs = state.epochs as number
  const done = trained.points.at(-1)?.epoch ?? 0
  for (const epoch of measuredAt(row, epochs).filter((epoch) => epoch > done || epoch === epochs)) {
    const began = performance.now()
    try {
      const options = { ...row.training, epochs: epoch, checkpoint: under.checkpoint, resume: true, signal }
      const history = await model.fit(samples.train, options)
      // The model of an earlier run is in its checkpoint alone, from which it has now been read.
      if (epoch === done) continue
      const loss = history.blocks.reduce((sum, block) => sum + block.loss, 0) / history.blocks.length
      const seconds = (trained.points.at(-1)?.seconds ?? 0) + trained.pending + (performance.now() - began) / 1000
      trained.pending = 0
      const { accuracy } = await model.evaluate(samples.test, { signal })
      trained.points.push({ epoch, seconds, loss, accuracy })
      save()
    } catch (error) {
      trained.pending += (performance.now() - began) / 1000
      save()
      throw error
    }
  }
  const sampling = isFull ? row.sampling : {}
  const { accuracies } = await model.evaluate(samples.test, { ...sampling, runs: under.runs, seed: 0, signal })
  trained.accuracies = accuracies
  save()
  return trained
}

function trainedOf(state: RowState, seed: number): Trained {
  const found = state.trained.find((one) => one.seed === seed)
  if (found) return found
  const begun: Trained = { seed, points: [], pending: 0 }
  state.trained.push(begun)
  return begun
}

/** The accuracy that all finished rows of a race reach, and the first moment at which each has it. */
export function raceTimes(
  table: Table,
  rows: Readonly<Record<string, RowState>>,
  race: string,
): { accuracy: number; seconds: Record<string, number[]> } | undefined {
  const runners = table.rows
    .filter((row) => row.race === race)
    .map((row) => [row.id, (rows[row.id]?.trained ?? []).filter((one) => one.accuracies)] as const)
    .filter(([, trained]) => trained.length > 0)
  if (runners.length < 2) return undefined
  // Other samples are another race.
  const data = new Set(runners.map(([id]) => JSON.stringify(rows[id]?.data?.fingerprints)))
  if (data.size > 1) return undefined
  const best = (points: readonly Point[]) => Math.max(...points.map((point) => point.accuracy))
  const accuracy = Math.min(...runners.flatMap(([, trained]) => trained.map((one) => best(one.points))))
  const reached = (one: Trained) => one.points.find((point) => point.accuracy >= accuracy)?.seconds as number
  return { accuracy, seconds: Object.fromEntries(runners.map(([id, trained]) => [id, trained.map(reached)])) }
}
