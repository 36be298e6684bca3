// The figures of `npm run bench:peers` as Markdown.
import { join } from 'node:path'
import { number, putFigures, table } from '../../support/figures.mjs'
import { root } from '../../support/steps.mjs'
import { ratio } from './rows.mjs'

function section(row) {
  const lines = row.results.map(({ name, median, values, failure }) => {
    if (median === undefined) return [name, `not measured: ${failure}`]
    return [name, `${number(median)} (${number(Math.min(...values))}–${number(Math.max(...values))})`]
  })
  const found = ratio(row)
  const sentence = found ? `noprop ÷ ${found.peer}: **${found.value.toFixed(2)}**` : 'There is no peer to compare with.'
  const measured = `Row \`${row.id}\`, ${row.rounds} rounds; ${row.better} is better.`
  return `### ${row.title}\n\n${table(['program', row.unit], lines)}\n\n${sentence}. ${measured}\n`
}

/** The figures as Markdown. */
export function figures(machine, rows) {
  const { processor, instructionSet, threads, command, torch, ...versions } = machine
  const tools = Object.entries({ ...versions, PyTorch: torch }).map(
    ([name, version]) => `${name} ${version ?? 'missing'}`,
  )
  return [
    `${processor}, kernels for ${instructionSet}, ${threads} threads. ${tools.join(', ')}. Medians, with the range.`,
    torch ? '' : '\nThe lines of PyTorch are missing: there was no Python that can import torch.\n',
    `\`${command}\``,
    '',
    rows.map(section).join('\n'),
  ].join('\n')
}

/** Puts the figures into docs/benchmarks.md. */
export function writeDocument(text) {
  putFigures(join(root, 'docs/benchmarks.md'), 'bench:peers', text)
}
