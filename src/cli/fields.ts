import { stripVTControlCharacters } from 'node:util'
import { printable } from '../printable.js'

/** Columns of the labels. */
const LABELS = 16

/** A label and what it says, perhaps behind a mark, which is ours and may be coloured. */
export type Field = readonly [label: string, text: string] | readonly [label: string, mark: string, text: string]

/**
 * A line a field, with the texts below each other. Where a width is given (that of a terminal), longer texts go on in the next
 * line under their beginning: between items if it is a list, which two spaces separate, else between words.
 */
export function fields(rows: readonly Field[], width?: number, labels = LABELS): string {
  return rows
    .flatMap((row) => {
      const [label, mark, text] = row.length === 2 ? [row[0], '', row[1]] : row
      const indent = labels + stripVTControlCharacters(mark).length
      const safe = printable(text)
      const lines = wrapped(safe, width && width - indent)
      const head = printable(label).padEnd(labels) + mark
      return lines.map((line, index) => `${index === 0 ? head : ' '.repeat(indent)}${line}`.trimEnd())
    })
    .join('\n')
}

/** Lines of at most `width` characters, if no part is longer. A number stays with its sign of per cent and with its unit. */
export function wrapped(text: string, width: number | undefined): string[] {
  if (width === undefined || text.length <= width) return [text]
  const isList = /\S {2}\S/.test(text)
  const [separator, parts] = isList ? ['  ', text.split('  ')] : [' ', text.split(/ (?!%|MiB|GiB|[µm]?s\b|GB\b)/)]
  const lines: string[] = []
  for (const part of parts) {
    const line = lines.at(-1)
    if (line !== undefined && line.length + separator.length + part.length <= width) {
      lines[lines.length - 1] = `${line}${separator}${part}`
    } else lines.push(part)
  }
  return lines
}
