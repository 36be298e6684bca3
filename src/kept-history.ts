import type { History } from './events.js'

/** Losses and validations of a training, as the model file keeps them. */
export interface KeptHistory {
  /** The epochs that the rows tell of, from 1: every one, or, where there would be too many values, evenly spaced ones and the last. */
  epochs: number[]
  /** `loss[block − 1][place in epochs]`: as `loss` of a {@link History}; null after the block's end. Six digits. */
  loss: (number | null)[][]
  /** The same on the validation samples; null where they were not looked at. */
  validationLoss?: (number | null)[][]
  /** Share of the validation samples whose class the block's estimate says. */
  validationAccuracy?: (number | null)[][]
}

/** Most values of each table that are kept: with all three, about half a megabyte of text. */
const MOST_VALUES = 20_000

/** What a model file keeps of a history: nothing that depends on threads or on when blocks trained. */
export function keptOf({
  loss,
  validationLoss,
  validationAccuracy,
}: Pick<History, 'loss' | 'validationLoss' | 'validationAccuracy'>): KeptHistory {
  const last = Math.max(0, ...loss.map(({ length }) => length))
  const most = Math.max(1, Math.floor(MOST_VALUES / Math.max(1, loss.length)))
  const epochs = spaced(last, most)
  const row = (values: readonly (number | null)[]) =>
    epochs.map((epoch) => {
      const value = values[epoch - 1]
      return typeof value === 'number' ? Number(value.toPrecision(6)) : null
    })
  return {
    epochs,
    loss: loss.map(row),
    ...(validationLoss ? { validationLoss: validationLoss.map(row) } : {}),
    ...(validationAccuracy ? { validationAccuracy: validationAccuracy.map(row) } : {}),
  }
}

/** At most `most` of the numbers 1 … last, evenly spaced, the last one among them. */
export function spaced(last: number, most: number): number[] {
  if (last <= most) return Array.from({ length: last }, (_, index) => index + 1)
  return Array.from({ length: most }, (_, index) => Math.round(((index + 1) * last) / most))
}

/** The history of a model file, or null where there is none or it is not what it should be: files are not trusted. */
export function readKept(json: string | null): KeptHistory | null {
  const value: unknown = JSON.parse(json ?? 'null')
  if (typeof value !== 'object' || value === null) return null
  const { epochs, loss, validationLoss, validationAccuracy } = value as Record<string, unknown>
  if (!isRow(epochs, (epoch) => Number.isSafeInteger(epoch)) || !isTable(loss, epochs.length)) return null
  if (validationLoss !== undefined && !isTable(validationLoss, epochs.length)) return null
  if (validationAccuracy !== undefined && !isTable(validationAccuracy, epochs.length)) return null
  return {
    epochs: epochs as number[],
    loss,
    ...(validationLoss ? { validationLoss } : {}),
    ...(validationAccuracy ? { validationAccuracy } : {}),
  }
}

function isRow(value: unknown, fits: (item: unknown) => boolean): value is unknown[] {
  return Array.isArray(value) && value.every(fits)
}

function isTable(value: unknown, columns: number): value is (number | null)[][] {
  const fits = (item: unknown) => item === null || Number.isFinite(item)
  return isRow(value, (row) => isRow(row, fits) && row.length === columns)
}
