import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { root } from './support/process.js'

type Table = number[][]
const measures = join(root, 'scripts/bench/uncertainty/measures.mjs')
const { accuracy, brier, calibrationError, detection, lack, meanOf, spread } = (await import(
  pathToFileURL(measures).href
)) as {
  accuracy(table: Table, classes: number[]): number
  brier(table: Table, classes: number[]): number
  calibrationError(table: Table, classes: number[]): number
  detection(known: number[], foreign: number[]): number
  lack(table: Table): number[]
  meanOf(tables: Table[]): Table
  spread(tables: Table[]): number[]
}

// Three samples of two classes, as two answers see them.
const one = [
  [1, 0],
  [0.5, 0.5],
  [0.25, 0.75],
]
const other = [
  [1, 0],
  [0, 1],
  [0.75, 0.25],
]

test('several answers have a mean, a lack of certainty and a spread', () => {
  expect(meanOf([one, other])).toEqual([
    [1, 0],
    [0.25, 0.75],
    [0.5, 0.5],
  ])
  expect(lack(one)).toEqual([0, 0.5, 0.25])
  // Of each class a variance of (½ · difference)².
  expect(spread([one, other])).toEqual([0, 2 * 0.25 ** 2, 2 * 0.25 ** 2])
})

test('accuracy, Brier score and calibration error are those of their definitions', () => {
  const classes = [0, 1, 1]
  // Of the second sample both classes are as probable; the first one counts.
  expect(accuracy(one, classes)).toBeCloseTo(2 / 3, 12)
  expect(brier(one, classes)).toBeCloseTo((0 + 0.5 + 0.125) / 3, 12)
  // A bin each: sure 1 and right, sure 0.5 and wrong, sure 0.75 and right.
  expect(calibrationError(one, classes)).toBeCloseTo((0 + 0.5 + 0.25) / 3, 12)
  // Two in one bin make up for each other.
  const even = [
    [0.5, 0.5],
    [0.5, 0.5],
  ]
  expect(calibrationError(even, [0, 1])).toBe(0)
})

test('foreign samples are told by more doubt, and ties count half', () => {
  expect(detection([0.1, 0.2], [0.3, 0.9])).toBe(1)
  expect(detection([0.3, 0.9], [0.1, 0.2])).toBe(0)
  expect(detection([0.5, 0.5, 0.5], [0.5])).toBe(0.5)
  // Of six pairs: 0.4 is above two of three, and 0.1 ties with one and is below two.
  expect(detection([0.1, 0.2, 0.6], [0.4, 0.1])).toBeCloseTo((2 + 0.5) / 6, 12)
})
