import * as Plot from '@observablehq/plot'
import type { ReportDocument } from '../document.js'
import { chart } from './chart.js'
import { h } from './dom.js'
import { counted, percent, thousands } from './numbers.js'
import { missing, type Section, section } from './section.js'

/** What each block adds. */
export function blocksSection({ evaluation, blocks, missing: why }: ReportDocument): Section | undefined {
  if (!evaluation) return undefined
  const charts = [afterChart(evaluation.accuracyPerBlock)]
  if (blocks && blocks.contributions.length > 0) charts.push(skippedChart(blocks))
  const words = blocks ? verdict(blocks.contributions) : null
  return section(
    'blocks',
    'Blocks',
    'The class can be read off the state after any block. Where a block is skipped, the next one gets its input as it is.',
    h('div', { class: 'charts' }, ...charts),
    words ? h('p', {}, words) : null,
    why.blocks ? missing(why.blocks) : null,
  )
}

/** Which blocks add nothing. */
function verdict(contributions: NonNullable<ReportDocument['blocks']>['contributions']): string {
  const of = (why: string) => contributions.filter(({ addsNothing }) => addsNothing === why).map(({ block }) => block)
  const list = (blocks: readonly number[]) =>
    blocks.length === 1 ? `block ${blocks[0]}` : `blocks ${blocks.join(', ')}`
  const [unused, needless] = [of('image-unused'), of('as-good-without')]
  const words = [
    unused.length > 0 ? `Nothing is made of the sample by ${list(unused)}.` : '',
    needless.length > 0
      ? `The model is as good without ${list(needless)}${needless.length > 1 ? ', each alone' : ''}.`
      : '',
  ]
  return words.join(' ').trim() || 'Every block adds something.'
}

function afterChart(accuracies: readonly number[]): HTMLElement {
  const points = accuracies.map((accuracy, index) => ({ block: index + 1, accuracy: 100 * accuracy }))
  return chart({
    title: 'Accuracy after each block',
    description: `Accuracy of the class read after each of ${counted(points.length, 'block')}: ${percent(accuracies[0])} after the first, ${percent(accuracies.at(-1))} after the last`,
    draw: () => ({
      x: { label: 'block', ticks: wholeTicks(points.length), ...(points.length === 1 ? { domain: [0, 2] } : {}) },
      y: { label: null, grid: true, domain: [0, 100], tickFormat: (value: number) => `${value} %` },
      marks: [
        Plot.areaY(points, { x: 'block', y: 'accuracy', fill: 'var(--accent)', fillOpacity: 0.12 }),
        Plot.lineY(points, { x: 'block', y: 'accuracy', stroke: 'var(--accent)', strokeWidth: 2 }),
        points.length <= 32 ? Plot.dot(points, { x: 'block', y: 'accuracy', fill: 'var(--accent)', r: 3 }) : null,
        Plot.tip(
          points,
          Plot.pointerX({
            x: 'block',
            y: 'accuracy',
            title: (point) => `after block ${point.block}: ${percent(point.accuracy / 100)}`,
          }),
        ),
      ],
    }),
    table: {
      head: ['after block', 'accuracy'],
      rows: accuracies.map((accuracy, index) => [index + 1, percent(accuracy)]),
    },
  })
}

function skippedChart({ samples, contributions }: NonNullable<ReportDocument['blocks']>): HTMLElement {
  const whole = contributions.at(-1)?.accuracyAfter ?? 0
  const points = contributions.map(({ block, accuracySkipped, addsNothing }) => {
    return {
      block,
      without: 100 * accuracySkipped,
      whole: 100 * whole,
      colour: addsNothing ? 'var(--faint)' : 'var(--bad)',
    }
  })
  return chart({
    title: 'All without one block',
    description: `Accuracy of the whole model with each block skipped in turn, beside ${percent(whole)} with all of them, on ${thousands(samples)} samples`,
    note: `on the first ${thousands(samples)} samples; the line is the accuracy with all blocks, ${percent(whole)}`,
    draw: () => ({
      x: {
        label: 'block that is skipped',
        ticks: wholeTicks(points.length),
        ...(points.length === 1 ? { domain: [0, 2] } : {}),
      },
      y: { label: null, grid: true, nice: true, tickFormat: (value: number) => `${Number(value.toFixed(2))} %` },
      color: { type: 'identity' },
      marks: [
        Plot.ruleY([100 * whole], { stroke: 'var(--ink)', strokeWidth: 1.5 }),
        Plot.ruleX(points, { x: 'block', y1: 'whole', y2: 'without', stroke: 'colour', strokeWidth: 3 }),
        Plot.dot(points, { x: 'block', y: 'without', fill: 'colour', r: 4 }),
        Plot.tip(
          points,
          Plot.pointerX({
            x: 'block',
            y: 'without',
            title: (point) => `without block ${point.block}: ${percent(point.without / 100)}`,
          }),
        ),
      ],
    }),
    table: {
      head: ['block', 'before it', 'after it', 'all without it', 'with another sample'],
      rows: contributions.map(({ block, accuracyBefore, accuracyAfter, accuracySkipped, accuracyFromZ }) => [
        block,
        ...[accuracyBefore, accuracyAfter, accuracySkipped, accuracyFromZ].map((accuracy) => percent(accuracy)),
      ]),
    },
  })
}

function wholeTicks(count: number): number[] {
  const step = Math.max(1, Math.ceil(count / 12))
  return Array.from({ length: Math.ceil(count / step) }, (_, index) => 1 + index * step)
}
