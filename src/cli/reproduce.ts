import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { datasets } from '../datasets.js'
import { NoPropError } from '../errors.js'
import { table as lineUp } from '../summary.js'
import { downloadNotes } from './download-note.js'
import { addFlags, badValue, Flag, number, parseNumber } from './flag.js'
import { typedFlags } from './flags.js'
import { addExamples } from './help.js'
import { Interruption } from './interrupts.js'
import type { Io } from './io.js'
import { chart } from './reproduce/chart.js'
import { curves, duration, markdown, measureOf, oursOf, type Result, resultsOf } from './reproduce/document.js'
import { measureMemory, ONE_STEP } from './reproduce/memory.js'
import {
  checkpointsOf,
  loadState,
  type RowData,
  type RowState,
  requireRuns,
  rowState,
  type State,
  saveState,
  writeWhole,
} from './reproduce/state.js'
import { ALIASES, type Row, TABLES, type Table } from './reproduce/tables.js'
import { decideEpochs, type Samples, trainRow } from './reproduce/train-row.js'
import { required } from './usage.js'

/** The flags of this command. */
interface ReproduceFlags {
  table?: string
  data?: string
  budget?: number | 'full'
  seeds?: number
  runs?: number
  only?: string[]
  out?: string
}

/** Minutes for a table where nothing says how many. */
const MINUTES = 30
const MOST = 1000

const NAMES = Object.keys(TABLES)

const FLAGS = [
  new Flag('--table <name>', `${NAMES.join(', ')}; sketch is another name of seed`),
  new Flag('--data <dir>', 'directory that holds mnist, cifar10 and cifar100 (default: where train looks for them)'),
  new Flag('--budget <minutes|full>', `minutes of training, or as many epochs as the document (default: ${MINUTES})`, {
    read: budgetOf,
  }),
  new Flag('--seeds <number>', 'trainings of each row (default: 3)', { read: number }),
  new Flag('--runs <number>', 'sampling runs of each training (default: 5)', { read: number }),
  new Flag('--only <list>', 'rows to measure, by their names (default: all)', {
    read: () => (text) => text.split(',').map((name) => name.trim()),
  }),
  new Flag('--out <dir>', 'directory of the results, and of the state to go on from (default: reproduction)'),
]

export function define(command: Command, io: Io): void {
  addFlags(command, 'Tables', FLAGS)
  addExamples(
    command,
    'noprop reproduce --table sketch --budget 60',
    'noprop reproduce --table paper-accuracy --budget full --out paper',
    'noprop reproduce --table paper-memory --only mnist-dt-memory',
  )
  command.action((flags: ReproduceFlags) => reproduce(flags, io))
}

/** What a run works on. */
interface Work {
  table: Table
  state: State
  directory: string
  data: string | undefined
  seeds: number
  runs: number
  io: Io
  /** Data sets that were read. */
  samples: Map<string, Promise<Samples>>
  save(): void
}

async function reproduce(flags: ReproduceFlags, io: Io): Promise<void> {
  const typed = required(flags.table, '--table NAME')
  const name = Object.hasOwn(ALIASES, typed) ? (ALIASES[typed] as string) : typed
  if (!Object.hasOwn(TABLES, name)) throw badValue('--table', NAMES.join(', '), typed)
  const table = TABLES[name] as Table
  const rows = chosen(table, flags.only)
  const seeds = counted('--seeds', flags.seeds ?? 3)
  const runs = counted('--runs', flags.runs ?? 5)
  const { budget = MINUTES, out: directory = 'reproduction', data } = flags
  const state = loadState(directory, name, budget === 'full' ? null : budget)
  const save = () => saveState(directory, state)
  const call = callOf(name, flags)
  const work: Work = { table, state, directory, data, seeds, runs, io, samples: new Map(), save }
  try {
    await measure(rows, work)
    state.calls = [...(state.calls ?? []).filter((one) => one !== call), call]
    save()
  } catch (error) {
    if (error instanceof Interruption) throw error.withHint(`the same command goes on from what is in ${directory}`)
    throw error
  } finally {
    for (const read of work.samples.values()) {
      const { train, test } = await read.catch(() => ({ train: undefined, test: undefined }))
      train?.dispose()
      test?.dispose()
    }
  }
  const commands = Object.fromEntries(table.rows.map((row) => [row.id, commandOf(row, state, data)]))
  const results = resultsOf(table, state, commands)
  const files = write(name, work, results)
  io.emit({ event: 'done', table: name, budget, rows: results, files })
  const isShown = ({ id, ours }: Result) => ours !== null || rows.some((row) => row.id === id)
  io.print(asText(results.filter(isShown)))
  io.print(`\nwritten: ${files.join('  ')}`)
}

/** A row whose data are there. */
interface Ready {
  row: Row
  found: RowState
  samples: Samples
}

/** Every row that can be measured, each seed of all rows before the next seed. */
async function measure(rows: readonly Row[], work: Work): Promise<void> {
  const { io, state, seeds, save } = work
  const trainings = rows.filter((row) => row.measure !== 'memory').length * seeds
  const seconds = state.budget === null ? null : (60 * state.budget) / Math.max(1, trainings)
  const ready = await readyOf(rows, work)
  for (const { row, found } of ready.filter(({ row }) => row.measure === 'memory')) {
    await measureRowMemory(row, found, work)
  }
  for (let seed = 0; seed < seeds; seed++) {
    for (const { row, found, samples } of ready.filter(({ row }) => row.measure !== 'memory')) {
      io.signal.throwIfAborted()
      const checkpoint = join(checkpointsOf(work.directory, state.table), `${row.id}-${seed}`)
      const under = { samples, seconds, runs: work.runs, checkpoint, signal: io.signal, save }
      await decideEpochs(row, found, under)
      save()
      if (found.skipped !== undefined) {
        if (seed === 0) io.note(`${row.id}: left out, ${found.skipped}`)
        continue
      }
      if (found.trained.some((one) => one.seed === seed && one.accuracies)) continue
      const of = row.epochsAreOurs ? '' : ` of ${row.epochs}`
      io.note(`${row.id}, seed ${seed}: ${found.epochs}${of} epochs`)
      const { points, accuracies = [] } = await trainRow(row, found, seed, under)
      const last = points.at(-1)
      io.emit({ event: 'trained', row: row.id, seed, epochs: found.epochs, seconds: last?.seconds, accuracies })
      io.note(
        `${row.id}, seed ${seed}: ${(100 * (accuracies[0] ?? 0)).toFixed(2)} % in ${duration(last?.seconds ?? 0)}`,
      )
      rmSync(checkpoint, { recursive: true, force: true })
    }
  }
}

/**
 * The rows whose data can be had, with what there is of them; the others are left out, for this time. Throws NOPROP_OPTION where
 * one was sampled another number of times, and what was wrong with the data where none can be had.
 */
async function readyOf(rows: readonly Row[], work: Work): Promise<Ready[]> {
  const { io, state, directory } = work
  const ready: Ready[] = []
  let first: NoPropError | undefined
  for (const row of rows) {
    const place = placeOf(row, work.data)
    const samples = await samplesOf(place, work).catch((error) => {
      if (error instanceof NoPropError && !(error instanceof Interruption)) return error
      throw error
    })
    if (samples instanceof NoPropError) {
      const found = rowState(state, row, directory)
      found.skipped = `${NO_DATA}: ${samples.what}`
      io.note(`${row.id}: left out, ${found.skipped}`)
      first ??= samples
      continue
    }
    const before = state.rows[row.id]
    const fingerprints: RowData['fingerprints'] = [samples.train.fingerprint, samples.test.fingerprint]
    const found = rowState(state, row, directory, { place, fingerprints })
    const isAnew = before !== found && (before?.trained.length || before?.memory !== undefined)
    if (isAnew) io.note(`${row.id}: begins anew, its data or options are others than before`)
    if (row.measure !== 'memory') requireRuns(row, found, work.runs, directory)
    if (found.skipped?.startsWith(NO_DATA)) delete found.skipped
    ready.push({ row, found, samples })
  }
  if (ready.length > 0 || !first) return ready
  const { code, what, expected, hint } = first
  throw new NoPropError(
    { code, what: `no row can be measured, for none has its data: ${what}`, expected, hint },
    { cause: first },
  )
}

async function measureRowMemory(row: Row, found: RowState, { io, state, data, save }: Work): Promise<void> {
  if (found.memory !== undefined) return
  io.note(`${row.id}: measuring memory`)
  const flags = typedFlags({ ...row.model, ...(state.budget === null ? {} : row.within?.model), ...row.training })
  found.memory = await measureMemory(placeOf(row, data), flags, io.signal)
  save()
  io.emit({ event: 'measured', row: row.id, memoryMiB: found.memory })
}

/** The samples of a place, read once. */
function samplesOf(place: string, { samples, io }: Work): Promise<Samples> {
  const read = samples.get(place) ?? datasets.load(place, { signal: io.signal, ...downloadNotes(io) })
  samples.set(place, read)
  return read
}

const NO_DATA = 'no data'

/** Where the data of a row are. */
function placeOf(row: Row, data: string | undefined): string {
  return data === undefined ? row.data : join(data, row.data)
}

/** The call as the document names it: with the flags that say what was measured. */
function callOf(name: string, { seeds, runs, only }: ReproduceFlags): string {
  const given = [
    ...(seeds === undefined ? [] : ['--seeds', seeds]),
    ...(runs === undefined ? [] : ['--runs', runs]),
    ...(only === undefined ? [] : ['--only', only.join(',')]),
  ]
  return ['noprop reproduce --table', name, ...given].join(' ')
}

/** The command that trains a row once, as it was trained here. */
function commandOf(row: Row, state: State, data: string | undefined): string {
  const found = state.rows[row.id]
  const isFull = state.budget === null
  const model = { ...row.model, ...(isFull ? {} : row.within?.model) }
  const epochs = row.measure === 'memory' ? 1 : (found?.epochs ?? row.epochs)
  const flags = typedFlags({ ...model, ...row.training, epochs, seed: 0 })
  const rest = row.measure === 'memory' ? ONE_STEP : []
  // Another call may have been about other data.
  const place = found?.data?.place ?? placeOf(row, data)
  const train = ['noprop train --data', place, ...flags, ...rest].join(' ')
  if (!isFull || row.measure !== 'accuracy' || !row.sampling) return train
  const { steps, stochastic } = row.sampling
  const sampler = [...(steps ? [`--steps ${steps}`] : []), ...(stochastic ? ['--stochastic'] : [])].join(' ')
  const file = `${row.id}.safetensors`
  return `${train} --out ${file} && noprop eval ${file} --data ${place} ${sampler}`
}

/** Writes the table, its figures and its curves; returns the paths. */
function write(name: string, { table, state, directory }: Work, results: readonly Result[]): string[] {
  const pictures = curves(table, state).map(({ name: data, axis, lines }) => {
    const file = `${name}-${data}.svg`
    writeWhole(join(directory, file), chart(`${table.title}: ${data}`, [axis, 'accuracy, %'], lines))
    return file
  })
  const document = `${name}.md`
  writeWhole(join(directory, document), markdown(table, state, results, pictures))
  const figures = `${name}-results.json`
  writeWhole(join(directory, figures), `${JSON.stringify(results, null, 2)}\n`)
  const checkpoints = checkpointsOf(directory, state.table)
  if (existsSync(checkpoints) && results.every((result) => result.ours !== null)) {
    rmSync(checkpoints, { recursive: true, force: true })
  }
  return [document, figures, ...pictures].map((file) => join(directory, file))
}

function asText(results: readonly Result[]): string {
  const theirs = ({ theirs }: Result) => (theirs === null ? '–' : `${theirs}`)
  const lines = results.map((result) => [result.system, result.data, measureOf(result), theirs(result), oursOf(result)])
  // What is not as in the document stands behind the columns, however long it is.
  const notes = ['', ...results.map((result) => result.notes.join('; '))]
  const lined = lineUp([['', 'data', 'measure', 'theirs', 'ours'], ...lines], 3).split('\n')
  return lined.map((line, index) => `${line}  ${notes[index]}`.trimEnd()).join('\n')
}

function chosen(table: Table, only: readonly string[] | undefined): readonly Row[] {
  if (only === undefined) return table.rows
  const ids = table.rows.map((row) => row.id)
  const unknown = only.find((id) => !ids.includes(id))
  if (unknown !== undefined) throw badValue('--only', ids.join(', '), unknown)
  return table.rows.filter((row) => only.includes(row.id))
}

function counted(flag: string, value: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= MOST) return value
  throw badValue(flag, `a whole number from 1 to ${MOST}`, String(value))
}

function budgetOf(flag: string): (text: string) => number | 'full' {
  return (text) => {
    if (text === 'full') return text
    const minutes = parseNumber(flag, text)
    if (minutes > 0) return minutes
    throw badValue(flag, 'minutes above 0, or full', text)
  }
}
