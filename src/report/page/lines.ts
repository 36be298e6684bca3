import * as Plot from '@observablehq/plot'
import { chart, rampColour } from './chart.js'
import { type Child, h } from './dom.js'

/** Lines over the epochs. */
export interface Lines {
  title: string
  what: string
  epochs: readonly number[]
  lines: readonly { name: number | string; values: readonly (number | null)[]; isWhole?: boolean }[]
  format: (value: number | null) => string
  isShare?: boolean
  note?: Child
}

/** Lines of so many points have each of them marked. */
const MARKED = 24
/** Lines whose table has a column each. */
const MOST_COLUMNS = 20
/** Lines that are drawn; of more the quartiles are. */
const MOST_LINES = 24

/** A chart of a value over the epochs: a line a block, or the spread over many blocks. */
export function lineChart(given: Lines): HTMLElement {
  const { title, what, epochs, format, isShare } = given
  const lines = given.lines.length > MOST_LINES ? quartiles(given.lines, epochs) : given.lines
  const isMany = lines.some(({ name }) => typeof name === 'string' && name === 'median')
  const blocks = lines.filter(({ isWhole }) => !isWhole)
  const points = lines.flatMap(({ name, values, isWhole }) => {
    const place = blocks.findIndex((line) => line.name === name)
    const stroke = isWhole ? 'var(--ink)' : isMany ? bandColour(String(name)) : rampColour(place, blocks.length)
    return values.flatMap((value, index) => {
      const label = typeof name === 'number' ? `block ${name}` : name
      return value === null ? [] : [{ epoch: epochs[index] as number, value, name, stroke, label, isWhole }]
    })
  })
  const named = lines.slice(0, MOST_COLUMNS)
  const first = epochs[0] ?? 1
  const last = epochs.at(-1) ?? 1
  return chart({
    title,
    description: `${what} over epochs ${first} to ${last}, ${isMany ? 'its spread over the blocks' : `${blocks.length === 1 ? 'one line' : `${blocks.length} lines, one for each block`}`}`,
    note:
      given.note ??
      legend(
        blocks.length,
        isMany,
        lines.some(({ isWhole }) => isWhole),
      ),
    draw: () => ({
      x: {
        label: 'epoch',
        tickFormat: (value: number) => String(value),
        ticks: ticks(first, last),
        domain: first === last ? [first - 1, last + 1] : [first, last],
      },
      y: {
        label: null,
        grid: true,
        nice: true,
        zero: !isShare,
        ...(isShare ? { percent: true, tickFormat: (value: number) => `${Number(value.toFixed(2))} %` } : {}),
      },
      color: { type: 'identity' },
      marks: [
        Plot.lineY(points, {
          x: 'epoch',
          y: 'value',
          z: 'name',
          stroke: 'stroke',
          strokeWidth: (point) => (point.isWhole ? 2.5 : 1.5),
        }),
        epochs.length <= MARKED ? Plot.dot(points, { x: 'epoch', y: 'value', fill: 'stroke', r: 2.5 }) : null,
        Plot.tip(
          points,
          Plot.pointer({
            x: 'epoch',
            y: 'value',
            title: (point) => `${point.label}, epoch ${point.epoch}: ${format(point.value)}`,
          }),
        ),
      ],
    }),
    table: {
      head: ['epoch', ...named.map(({ name }) => (typeof name === 'number' ? `block ${name}` : name))],
      rows: epochs.map((epoch, index) => [epoch, ...named.map(({ values }) => format(values[index] ?? null))]),
    },
  })
}

/** Whole epochs, a dozen at most. */
function ticks(first: number, last: number): number[] {
  const step = Math.max(1, Math.ceil((last - first) / 8))
  const found: number[] = []
  for (let epoch = first; epoch <= last; epoch += step) found.push(epoch)
  return found
}

function legend(count: number, isMany: boolean, hasWhole: boolean): Child {
  const whole = hasWhole ? [h('span', { class: 'ramp whole', 'aria-hidden': 'true' }), 'all blocks together'] : null
  if (isMany) return ['median of the blocks, quartiles, least and greatest', whole]
  if (count <= 1) return whole
  return [h('span', { class: 'ramp', 'aria-hidden': 'true' }), `block 1 to block ${count}`, whole]
}

function bandColour(name: string): string {
  if (name === 'median') return 'var(--accent)'
  return name.includes('quartile') ? 'color-mix(in oklab, var(--accent) 60%, var(--surface))' : 'var(--faint)'
}

/** Least, quartiles and greatest of each epoch, as values that there are. */
function quartiles(lines: Lines['lines'], epochs: readonly number[]): Lines['lines'] {
  const sorted = epochs.map((_, at) =>
    lines
      .filter(({ isWhole }) => !isWhole)
      .map(({ values }) => values[at])
      .filter((value): value is number => typeof value === 'number')
      .sort((a, b) => a - b),
  )
  const names = ['least', 'lower quartile', 'median', 'upper quartile', 'greatest']
  const bands = names.map((name, place) => ({
    name,
    values: sorted.map((values) => values[Math.round((place / 4) * (values.length - 1))] ?? null),
  }))
  return [...bands, ...lines.filter(({ isWhole }) => isWhole)]
}
