// Figures as people read them, and their places in documents.
import { readFileSync, writeFileSync } from 'node:fs'
import { StepFailed } from './steps.mjs'

/** Three digits, or all that stand before the point. */
export const number = (value) => (value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3))
export const percent = (share) => `${(100 * share).toFixed(2)} %`
export const plural = (count, one) => `${count} ${one}${count === 1 ? '' : 's'}`

/** The middle value, or the mean of the two in the middle. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** A Markdown table. */
export function table(header, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n')
}

/** Replaces what stands in a document between the markers of the figures that `npm run COMMAND` writes. */
export function putFigures(path, command, text) {
  const [begin, end] = [`<!-- figures: written by npm run ${command} -->`, '<!-- end of the figures -->']
  const document = readFileSync(path, 'utf8')
  const [before, rest] = document.split(begin)
  if (rest?.includes(end) !== true) throw new StepFailed(`${path} has lost the markers around its figures.`)
  writeFileSync(path, `${before}${begin}\n\n${text.trimEnd()}\n\n${rest.slice(rest.indexOf(end))}`)
}
