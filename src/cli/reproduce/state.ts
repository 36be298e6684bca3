import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromSystem, NoPropError } from '../../errors.js'
import { isDirectory, makeDirectory } from '../../make-directory.js'
import type { Row } from './tables.js'

/** The model after some epochs. */
export interface Point {
  epoch: number
  /** Of training until then. */
  seconds: number
  /** Mean over the blocks, of the last epoch. */
  loss: number
  /** On the test samples, by the default sampler. */
  accuracy: number
}

/** A training of a row. */
export interface Trained {
  seed: number
  points: Point[]
  /** Seconds of training since the last point, in runs that were interrupted. */
  pending: number
  /** Of each sampling run, once the training is at its end. */
  accuracies?: number[]
}

/** The samples of a row. */
export interface RowData {
  /** Where they were read. */
  place: string
  /** Those of the training's and of the test's samples: a row of other samples begins anew. */
  fingerprints: [train: string, test: string]
}

/** What there is of a row. */
export interface RowState {
  /** What was trained: a row that has changed begins anew. */
  asked: string
  /** On which samples; none where they could not be had. */
  data?: RowData
  /** How many epochs the budget allows, decided before the first. */
  epochs?: number
  trained: Trained[]
  /** In mebibytes. */
  memory?: number
  /** Why there is no figure. */
  skipped?: string
}

/** What there is of a table. */
export interface State {
  table: string
  /** Minutes of this call, or null for everything. */
  budget: number | null
  /** Minutes of earlier calls, where they were others. */
  earlier?: number[]
  /** The calls that measured, without their minutes and directories, each once. */
  calls?: string[]
  rows: Record<string, RowState>
}

const file = (directory: string, table: string) => join(directory, `${table}.json`)

/**
 * What earlier runs have left in `directory`. Another number of minutes is for what is not begun; what there was no time for is
 * decided anew. Throws NOPROP_FILE_FORMAT, NOPROP_OPTION where one of both is a full run.
 */
export function loadState(directory: string, table: string, budget: number | null): State {
  makeOut(directory)
  let text: string
  try {
    text = readFileSync(file(directory, table), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { table, budget, rows: {} }
    throw fromSystem(`cannot read ${file(directory, table)}`, error)
  }
  const state = parse(text)
  if (state?.table !== table || typeof state.rows !== 'object' || state.rows === null) {
    throw new NoPropError({
      code: 'NOPROP_FILE_FORMAT',
      what: `${file(directory, table)} is not the state of this table`,
      expected: 'a file that noprop reproduce has written',
      hint: 'choose another directory with --out, or remove the file to begin anew',
    })
  }
  if (state.budget === budget) return state
  if (state.budget !== null && budget !== null) return withBudget(state, budget, state.budget)
  const inWords = (minutes: number | null) => (minutes === null ? 'full' : `${minutes}`)
  throw new NoPropError({
    code: 'NOPROP_OPTION',
    what: `--budget is another than that of the run in ${directory}`,
    expected: `--budget ${inWords(state.budget)}`,
    received: inWords(budget),
    hint: 'repeat the budget to go on, or choose another directory with --out',
  })
}

/** Throws NOPROP_OPTION for a file, NOPROP_IO where no directory can be made. */
function makeOut(directory: string): void {
  if (existsSync(directory) && !isDirectory(directory)) {
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: '--out is a file',
      expected: 'a directory, which is made if there is none',
      received: directory,
    })
  }
  try {
    makeDirectory(directory)
  } catch (error) {
    throw fromSystem(`the directory ${directory} cannot be made`, error, 'choose another one with --out')
  }
}

function withBudget(state: State, budget: number, before: number): State {
  for (const row of Object.values(state.rows)) delete row.skipped
  const earlier = [...new Set([...(state.earlier ?? []), before])].filter((minutes) => minutes !== budget)
  return { ...state, budget, earlier }
}

function parse(text: string): State | undefined {
  try {
    return JSON.parse(text) as State
  } catch {
    return undefined
  }
}

/** Writes it so that there is a whole file at any moment. */
export function saveState(directory: string, state: State): void {
  writeWhole(file(directory, state.table), `${JSON.stringify(state, null, 2)}\n`)
}

/** Writes a file in one piece. Throws NOPROP_IO. */
export function writeWhole(path: string, text: string): void {
  const partial = `${path}.partial`
  try {
    writeFileSync(partial, text)
    renameSync(partial, path)
  } catch (error) {
    throw fromSystem(`cannot write ${path}`, error)
  }
}

/**
 * What there is of a row, which begins anew where it asks for something else than before, or of other samples. Without `data`
 * it stays as it is: they cannot be had this time.
 */
export function rowState(state: State, row: Row, directory: string, data?: RowData): RowState {
  const asked = JSON.stringify([row.data, row.model, row.training, row.within?.model ?? null, state.budget === null])
  const found = state.rows[row.id]
  const isOfThese = !data || JSON.stringify(found?.data?.fingerprints) === JSON.stringify(data.fingerprints)
  if (found?.asked === asked && isOfThese) {
    if (data) found.data = data
    return found
  }
  const begun: RowState = { asked, ...(data ? { data } : {}), trained: [] }
  state.rows[row.id] = begun
  for (const kept of found ? checkpointsOfRow(directory, state.table, row) : [])
    rmSync(kept, { recursive: true, force: true })
  return begun
}

/** Where the checkpoints of a table are; several tables may share a directory. */
export function checkpointsOf(directory: string, table: string): string {
  return join(directory, 'checkpoints', table)
}

/** The directories of the checkpoints of a row, one a seed. */
function checkpointsOfRow(directory: string, table: string, row: Row): string[] {
  const all = checkpointsOf(directory, table)
  const names = existsSync(all) ? readdirSync(all) : []
  const isOfRow = (name: string) => name.startsWith(`${row.id}-`) && /^\d+$/.test(name.slice(row.id.length + 1))
  return names.filter(isOfRow).map((name) => join(all, name))
}

/** Throws NOPROP_OPTION where a training was sampled another number of times: what is trained is not kept to sample it again. */
export function requireRuns(row: Row, { trained }: RowState, runs: number, directory: string): void {
  const other = trained.find(({ accuracies }) => accuracies && accuracies.length !== runs)?.accuracies?.length
  if (other === undefined) return
  throw new NoPropError({
    code: 'NOPROP_OPTION',
    what: `--runs is another than that of ${row.id} in ${directory}`,
    expected: `--runs ${other}`,
    received: String(runs),
    hint: 'repeat the number, or choose another directory with --out: models are not kept to sample them again',
  })
}
