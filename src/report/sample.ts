import type { Preprocessing, TablePreprocessing } from '../preprocessing.js'
import type { ShownSample } from './document.js'
import { dataUri } from './picture.js'

/** Columns of a row that are shown. */
const MOST_FIELDS = 24
/** Values of a vector that are drawn. */
const MOST_VALUES = 256
/** Greatest sides of a picture, which is shown every so many pixels where it is larger. */
const MOST_SIDE = 96

/** What a sample looks like, from its values as the net sees them. */
export function shownSample(
  values: Float32Array,
  shape: readonly number[],
  preprocessing: Preprocessing | undefined,
): ShownSample {
  if (preprocessing?.type === 'table') return { fields: fieldsOf(values, preprocessing) }
  if (isPicture(shape)) return { picture: pictureOf(values, shape, rangeOf(values)) }
  return { values: Array.from(values.subarray(0, MOST_VALUES), (value) => Number(value.toPrecision(4))) }
}

/** Whether vectors of this shape, height × width (× channels), can be seen as pictures. */
export function isPicture(shape: readonly number[]): boolean {
  const [, , channels = 1] = shape
  return shape.length > 1 && (channels === 1 || channels === 3)
}

/** Values of `shape`, which is a picture's: what is at or below the range is black, at or above it white. No side has more than `most` pixels. */
export function pictureOf(
  values: Float32Array,
  [height = 1, width = 1, channels = 1]: readonly number[],
  [low, high]: readonly [number, number],
  most = MOST_SIDE,
): string {
  const step = Math.max(1, Math.ceil(Math.max(height, width) / most))
  const [rows, columns] = [Math.ceil(height / step), Math.ceil(width / step)]
  const bytes = new Uint8ClampedArray(rows * columns * channels)
  let at = 0
  for (let y = 0; y < height; y += step) {
    for (let x = 0; x < width; x += step) {
      for (let channel = 0; channel < channels; channel++) {
        const value = values[(y * width + x) * channels + channel] as number
        bytes[at++] = (255 * (value - low)) / (high - low)
      }
    }
  }
  return dataUri({ width: columns, height: rows, channels: channels === 3 ? 3 : 1, bytes })
}

/** Bytes are shown as they were; other numbers between the sample's least and greatest. */
export function rangeOf(values: Float32Array): [number, number] {
  let [low, high] = [0, 1]
  for (const value of values) {
    if (value < low) low = value
    if (value > high) high = value
  }
  return [low, high]
}

/** The row that a sample was, as far as its values tell: numbers to four digits. */
function fieldsOf(values: Float32Array, { columns }: TablePreprocessing): [string, string][] {
  const fields: [string, string][] = []
  let at = 0
  for (const column of columns) {
    if (column.type === 'number') {
      const value = (values[at++] as number) * column.std + column.mean
      fields.push([column.name, rounded(value, column.std)])
    } else {
      const place = values.subarray(at, at + column.values.length).indexOf(1)
      at += column.values.length
      fields.push([column.name, column.values[place] ?? '(none)'])
    }
  }
  if (fields.length <= MOST_FIELDS) return fields
  return [...fields.slice(0, MOST_FIELDS), ['…', `${fields.length - MOST_FIELDS} more columns`]]
}

/** A number to a thousandth of what is usual in its column: the samples' 32 bits do not tell more. */
function rounded(value: number, std: number): string {
  const digits = Math.min(20, Math.max(0, Math.ceil(3 - Math.log10(std))))
  return String(Number(value.toFixed(digits)))
}
