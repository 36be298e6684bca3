import { availableParallelism, cpus } from 'node:os'
import { version } from '../../version.js'
import type { Line } from './chart.js'
import type { RowState, State } from './state.js'
import type { Ratio, Row, Table } from './tables.js'
import { raceTimes } from './train-row.js'

/** A row of the table with what came of it. */
export interface Result {
  id: string
  system: string
  data: string
  measure: Row['measure'] | 'ratio'
  /** In per cent, MB, seconds or times, as is what follows. */
  theirs: number | null
  ours: number | null
  /** Sample deviation over seeds and sampling runs; null for a single figure. */
  spread: number | null
  /** How many figures `ours` is the mean of. */
  figures: number
  /** How many trainings, each of its own seed, they are from. */
  seeds: number
  epochs: number | null
  /** As many as the document takes; null where it does not say. */
  documentEpochs: number | null
  /** Seconds of training, the mean over seeds. */
  seconds: number | null
  /** For the time to an accuracy, which accuracy in per cent. */
  accuracy?: number
  /** What is not as in the document, or why there is no figure. */
  notes: string[]
  command: string
}

/** What there is of every row. */
export function resultsOf(table: Table, state: State, commands: Readonly<Record<string, string>>): Result[] {
  const results = table.rows.map((row) => resultOf(table, row, state, commands[row.id] as string))
  const ratios = (table.ratios ?? []).map((ratio) => ratioOf(ratio, results))
  return [...results, ...ratios]
}

function ratioOf({ id, system, data, theirs, slow, fast }: Ratio, results: readonly Result[]): Result {
  const [above, below] = [slow, fast].map((name) => results.find((result) => result.id === name))
  const both = above && below && above.ours !== null && below.ours !== null
  const ours = both ? (above.ours as number) / (below.ours as number) : null
  const accuracy = both && above.accuracy !== undefined ? { accuracy: above.accuracy } : {}
  const none = { spread: null, epochs: null, seeds: 0, documentEpochs: null, seconds: null, command: '' }
  const notes = ours === null ? ['not measured yet'] : []
  return { id, system, data, measure: 'ratio', theirs, ours, figures: both ? 1 : 0, ...none, ...accuracy, notes }
}

function resultOf(table: Table, row: Row, state: State, command: string): Result {
  const found: RowState = state.rows[row.id] ?? { asked: '', trained: [] }
  const { id, system, data, measure, theirs } = row
  const finished = found.trained.filter((one) => one.accuracies)
  const race = measure === 'time' && row.race ? raceTimes(table, state.rows, row.race) : undefined
  const figures =
    measure === 'memory'
      ? found.memory === undefined
        ? []
        : [(found.memory * 2 ** 20) / 1e6]
      : measure === 'time'
        ? (race?.seconds[id] ?? [])
        : finished.flatMap((one) => (one.accuracies ?? []).map((accuracy) => 100 * accuracy))
  const trained = measure !== 'memory' && finished.length > 0
  const last = finished.map((one) => one.points.at(-1)?.seconds ?? 0)
  return {
    ...{ id, system, data, measure, theirs },
    ours: figures.length > 0 ? mean(figures) : null,
    spread: figures.length > 1 ? deviation(figures) : null,
    figures: figures.length,
    seeds: measure === 'memory' ? 0 : finished.length,
    epochs: trained ? (found.epochs ?? null) : null,
    documentEpochs: row.epochsAreOurs ? null : row.epochs,
    seconds: trained ? mean(last) : null,
    ...(race ? { accuracy: 100 * race.accuracy } : {}),
    notes: notesOf(row, found, { isFull: state.budget === null, trained, missing: figures.length === 0 }),
    command,
  }
}

/** Why there is no time of a row that is trained. */
const NO_RACE = 'no other row of the same data to compare with yet'

function notesOf(
  row: Row,
  found: RowState,
  { isFull, trained, missing }: { isFull: boolean; trained: boolean; missing: boolean },
): string[] {
  const short = trained && !row.epochsAreOurs && found.epochs !== undefined && found.epochs < row.epochs
  return [
    ...(missing ? [found.skipped ?? (trained ? NO_RACE : 'not measured yet')] : []),
    ...(short ? [`${found.epochs} of ${row.epochs} epochs`] : []),
    ...(!missing && row.differs ? [row.differs] : []),
    ...(!isFull && !missing && row.within ? [row.within.note] : []),
    ...(!isFull && trained && row.sampling?.steps ? [`default steps in place of ${row.sampling.steps}`] : []),
    ...(!isFull && trained && row.sampling?.stochastic ? ['no noise in sampling'] : []),
  ]
}

const UNITS: Record<Result['measure'], string> = { accuracy: '%', memory: 'MB', time: 's', ratio: '×' }

/** A figure with its unit. */
function figure(value: number | null, measure: Result['measure']): string {
  if (value === null) return '–'
  const text =
    measure === 'memory' ? Math.round(value).toLocaleString('en-US') : value.toFixed(measure === 'time' ? 1 : 2)
  return `${text} ${UNITS[measure]}`
}

/** `99.47 ± 0.03 %` */
export function oursOf({ ours, spread, measure }: Result): string {
  if (ours === null || spread === null) return figure(ours, measure)
  const digits = measure === 'accuracy' ? 2 : 1
  return `${ours.toFixed(digits)} ± ${spread.toFixed(digits)} ${UNITS[measure]}`
}

/** What a row measures, in words. */
export function measureOf({ measure, accuracy }: Result): string {
  if (measure === 'memory') return 'memory'
  if (measure === 'accuracy') return 'accuracy'
  const what = measure === 'ratio' ? 'time, ratio' : 'time'
  return accuracy === undefined ? what : `${what} to ${accuracy.toFixed(2)} %`
}

/** The table as Markdown, of nothing but what was computed. */
export function markdown(table: Table, state: State, results: readonly Result[], charts: readonly string[]): string {
  const calls = [...(state.earlier ?? []), state.budget]
  const minutes = calls.join(', ').replace(/, ([^,]*)$/, ' and $1')
  const budget = state.budget === null ? 'full' : `${minutes} minutes${calls.length > 1 ? ', a call each' : ''}`
  const heads = ['', 'data', 'measure', 'theirs', 'ours', 'epochs', 'training', 'not as there']
  const rows = results.map((result) => [
    result.system,
    result.data,
    measureOf(result),
    figure(result.theirs, result.measure),
    oursOf(result),
    epochsOf(result),
    result.seconds === null ? '–' : duration(result.seconds),
    result.notes.join('; ') || '–',
  ])
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const asked = (state.calls ?? [`noprop reproduce --table ${state.table}`]).map((call) => `\`${call}\``)
  return [
    `## ${table.title}`,
    '',
    `Theirs: ${table.source}. Ours: ${asked.join(' and ')}, budget ${budget}.` +
      spreadInWords(results) +
      (results.some((one) => one.measure === 'memory')
        ? ' Memory is the peak of a process on the processor that trains two batches, one block in flight, beyond that of a net of one unit.'
        : ''),
    '',
    `Measured on ${cpus()[0]?.model.trim() ?? 'an unknown processor'}, ${availableParallelism()} threads, noprop ${version}.`,
    '',
    line(heads),
    line(heads.map((_, index) => (index === 3 || index === 4 || index === 6 ? '--:' : '---'))),
    ...rows.map(line),
    '',
    ...charts.flatMap((file) => [`![${file.replace('.svg', '')}](${file})`, '']),
    'Each row again, for one seed:',
    '',
    '```sh',
    ...results.flatMap((result) => (result.command === '' ? [] : [result.command])),
    '```',
    '',
  ].join('\n')
}

/** `3 of 100`, or `3` where the document says nothing. */
function epochsOf({ epochs, documentEpochs }: Result): string {
  if (epochs === null) return '–'
  return documentEpochs === null ? String(epochs) : `${epochs} of ${documentEpochs}`
}

/** What is behind the ± signs; a single seed does not tell how trainings differ. */
function spreadInWords(results: readonly Result[]): string {
  const spread = results.filter((one) => one.spread !== null)
  const numbersOf = (some: readonly Result[]) => [...new Set(some.map((one) => one.figures))].join(' or ')
  const ofOne = spread.filter((one) => one.seeds === 1)
  if (spread.length === 0) return ''
  if (ofOne.length === spread.length) {
    return ` Means ± deviations over ${numbersOf(spread)} sampling runs of one seed: how trainings differ is not in them.`
  }
  const single = ofOne.length > 0 ? `; of one seed over its ${numbersOf(ofOne)} sampling runs alone` : ''
  return ` Means ± deviations over seeds and sampling runs, ${numbersOf(spread)} in all${single}.`
}

/** The curves of each data set: accuracy on test samples by epochs, or by seconds where rows are compared by time. */
export function curves(table: Table, state: State): { name: string; axis: string; lines: Line[] }[] {
  const byTime = table.rows.some((row) => row.measure === 'time')
  const sets = [...new Set(table.rows.filter((row) => row.measure !== 'memory').map((row) => row.data))]
  return sets.flatMap((data) => {
    const lines = table.rows.flatMap((row) => {
      if (row.data !== data || row.measure === 'memory') return []
      const [first] = (state.rows[row.id]?.trained ?? []).filter((one) => one.points.length > 0)
      if (!first) return []
      const points = first.points.map((point) => [byTime ? point.seconds : point.epoch, 100 * point.accuracy] as const)
      return [{ name: row.system, points }]
    })
    return lines.length > 0 ? [{ name: data, axis: byTime ? 'seconds of training' : 'epochs', lines }] : []
  })
}

/** `12.3 s`, `8 min`, `2.5 h`. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${seconds.toFixed(1)} s`
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function deviation(values: readonly number[]): number {
  const middle = mean(values)
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1))
}
