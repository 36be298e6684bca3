import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromSystem, NoPropError } from '../../errors.js'
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

/** What there is of a row. */
export interface RowState {
  /** What was trained: a row that has changed begins anew. */
  asked: string
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
  rows: Record<string, RowState>
}

const file = (directory: string, table: string) => join(directory, `${table}.json`)

/**
 * What earlier runs have left in `directory`. Another number of minutes is for what is not begun; what there was no time for is
 * decided anew. Throws NOPROP_FILE_FORMAT, NOPROP_OPTION where one of both is a full run.
 */
export function loadState(directory: string, table: string, budget: number | null): State {
  let text: string
  try {
    mkdirSync(directory, { recursive: true })
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

function withBudget({ table, rows, earlier = [] }: State, budget: number, before: number): State {
  for (const row of Object.values(rows)) delete row.skipped
  return { table, budget, earlier: [...new Set([...earlier, before])].filter((minutes) => minutes !== budget), rows }
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

/** What there is of a row, which begins anew where it asks for something else than before. */
export function rowState(state: State, row: Row): RowState {
  const asked = JSON.stringify([row.data, row.model, row.training, row.within?.model ?? null, state.budget === null])
  const found = state.rows[row.id]
  if (found?.asked === asked) return found
  const begun: RowState = { asked, trained: [] }
  state.rows[row.id] = begun
  return begun
}
