// Puts the figures between the markers of docs/benchmarks.md.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { table } from '../support/machine.mjs'
import { root } from '../support/steps.mjs'
import { ratio } from './rows.mjs'

const path = join(root, 'docs/benchmarks.md')
const [BEGIN, END] = ['<!-- figures: written by npm run bench:peers -->', '<!-- end of the figures -->']

function number(value) {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
}

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

/** Replaces what is between the markers. */
export function writeDocument(text) {
  const document = readFileSync(path, 'utf8')
  const [before, rest] = document.split(BEGIN)
  const after = rest.split(END)[1]
  writeFileSync(path, `${before}${BEGIN}\n\n${text}\n${END}${after}`)
}
