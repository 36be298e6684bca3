import * as Plot from '@observablehq/plot'
import type { ReportDocument } from '../document.js'
import { chart } from './chart.js'
import { h, tableOf } from './dom.js'
import { counted, short, thousands } from './numbers.js'
import { sampleCard } from './sample.js'
import { type Section, section } from './section.js'

/** Rows of the table of a chart. */
const MOST_ROWS = 200

/** Predicted numbers beside the true ones. */
export function targetsSection({ numbers }: ReportDocument): Section | undefined {
  if (!numbers) return undefined
  const { names, evaluation, points, samples } = numbers
  const rows = evaluation.targets.map(({ r2, rmse, mae, mse }, target) => [
    names[target] ?? `${target + 1}`,
    r2.toFixed(4),
    ...[rmse, mae, mse].map(short),
  ])
  const charts = points.map((pairs, target) => scatter(names[target] ?? `${target + 1}`, pairs, samples))
  const left = names.length - points.length
  return section(
    'numbers',
    'Predictions',
    'A point is a sample. On the dashed line the predicted number is the true one.',
    h('div', { class: 'charts' }, ...charts),
    left > 0 ? h('p', { class: 'note' }, `${counted(left, 'more number')} in the table alone.`) : null,
    h('div', { class: 'table' }, tableOf('Scores of each number', ['number', 'R²', 'RMSE', 'MAE', 'MSE'], rows)),
  )
}

function scatter(name: string, pairs: readonly [number, number][], samples: readonly number[]): HTMLElement {
  const points = pairs.map(([truth, predicted], place) => ({ truth, predicted, sample: samples[place] }))
  const all = pairs.flat()
  const [low, high] = [Math.min(...all), Math.max(...all)]
  const domain = high > low ? [low, high] : [low - 1, high + 1]
  return chart({
    title: name,
    description: `Predicted over true numbers of ${thousands(points.length)} samples: ${name}`,
    note: 'predicted, over true',
    draw: () => ({
      x: { label: 'true', domain, nice: true, ticks: 5 },
      y: { label: null, domain, nice: true, grid: true, ticks: 5 },
      marks: [
        Plot.link([0], {
          ...{ x1: domain[0], y1: domain[0], x2: domain[1], y2: domain[1] },
          ...{ stroke: 'var(--ink)', strokeDasharray: '4 4', strokeOpacity: 0.7 },
        }),
        Plot.dot(points, { x: 'truth', y: 'predicted', r: 2, fill: 'var(--accent)', fillOpacity: 0.45 }),
        Plot.tip(
          points,
          Plot.pointer({
            x: 'truth',
            y: 'predicted',
            title: (point) => `sample ${point.sample}\ntrue ${short(point.truth)}\npredicted ${short(point.predicted)}`,
          }),
        ),
      ],
    }),
    table: {
      head: ['sample', 'true', 'predicted'],
      rows: points.slice(0, MOST_ROWS).map((point) => [point.sample, short(point.truth), short(point.predicted)]),
    },
  })
}

/** What each block adds to R². */
export function numberBlocksSection({ numbers, model }: ReportDocument): Section | undefined {
  if (!numbers || model.config.blocks < 2 || numbers.evaluation.r2PerBlock.length < 2) return undefined
  const points = numbers.evaluation.r2PerBlock.map((r2, index) => ({ block: index + 1, r2 }))
  const after = chart({
    title: 'R² after each block',
    description: `R² of the numbers read after each of ${counted(points.length, 'block')}: ${points[0]?.r2.toFixed(4)} after the first, ${points.at(-1)?.r2.toFixed(4)} after the last`,
    draw: () => ({
      x: { label: 'block', ticks: Math.min(points.length, 12), tickFormat: 'd' },
      y: { label: null, grid: true, nice: true },
      marks: [
        Plot.lineY(points, { x: 'block', y: 'r2', stroke: 'var(--accent)', strokeWidth: 2 }),
        Plot.dot(points, { x: 'block', y: 'r2', fill: 'var(--accent)', r: 3 }),
        Plot.tip(
          points,
          Plot.pointerX({
            x: 'block',
            y: 'r2',
            title: (point) => `after block ${point.block}: ${point.r2.toFixed(4)}`,
          }),
        ),
      ],
    }),
    table: { head: ['after block', 'R²'], rows: points.map(({ block, r2 }) => [block, r2.toFixed(4)]) },
  })
  return section(
    'blocks',
    'Blocks',
    'The numbers can be read off the state after any block.',
    h('div', { class: 'charts' }, after),
  )
}

/** The samples on which the numbers are most wrong. */
export function worstNumbersSection(document: ReportDocument): Section | undefined {
  const { numbers } = document
  if (!numbers || numbers.evaluation.worst.length === 0) return undefined
  const list = (values: readonly number[]) => values.slice(0, 4).map(short).join(', ')
  const cards = numbers.evaluation.worst.map(({ sample, target, predicted, loss, path, row }) =>
    sampleCard(
      document,
      sample,
      h(
        'span',
        { class: 'verdict' },
        h('strong', {}, list(target)),
        ' predicted as ',
        h('strong', {}, list(predicted)),
      ),
      h('span', { class: 'note' }, `loss ${loss.toFixed(3)}`),
      path === undefined && row === undefined ? null : h('span', { class: 'note place' }, path ?? `row ${row}`),
    ),
  )
  return section(
    'worst',
    'Worst samples',
    'The samples of greatest loss. Numbers that were entered wrongly are often among them.',
    h('div', { class: 'samples wide' }, ...cards),
  )
}
