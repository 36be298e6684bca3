import * as Plot from '@observablehq/plot'
import type { ReportDocument } from '../document.js'
import { chart } from './chart.js'
import { h } from './dom.js'
import { percent, thousands } from './numbers.js'
import { type Section, section } from './section.js'

/** How far probabilities can be believed. */
export function calibrationSection({ evaluation }: ReportDocument): Section | undefined {
  if (!evaluation) return undefined
  const { ece, mce, bins } = evaluation.calibration
  const filled = bins.filter(({ samples }) => samples > 0)
  const x = {
    label: 'probability of the predicted class',
    domain: [0, 1],
    tickFormat: (value: number) => `${Math.round(100 * value)} %`,
    ticks: 5,
  }
  const rows = bins.map(({ from, to, samples, confidence, accuracy }) => [
    `${percent(from, 1)} to ${percent(to, 1)}`,
    thousands(samples),
    percent(confidence),
    percent(accuracy),
  ])
  const table = { head: ['probability', 'samples', 'mean probability', 'accuracy'], rows }
  const reliability = chart({
    title: 'Reliability',
    description: `Accuracy of the samples in ${filled.length} ranges of probability; expected calibration error ${percent(ece)}`,
    note: 'on the dashed line, what has 80 % is right in 80 % of cases',
    draw: () => ({
      x,
      y: {
        label: null,
        domain: [0, 1],
        grid: true,
        ticks: 5,
        tickFormat: (value: number) => `${Math.round(100 * value)} %`,
      },
      marks: [
        Plot.rectY(filled, {
          x1: 'from',
          x2: 'to',
          y: 'accuracy',
          fill: 'var(--accent)',
          fillOpacity: 0.75,
          inset: 0.5,
        }),
        Plot.link([0], {
          x1: 0,
          y1: 0,
          x2: 1,
          y2: 1,
          stroke: 'var(--ink)',
          strokeDasharray: '4 4',
          strokeOpacity: 0.7,
        }),
        Plot.dot(filled, { x: 'confidence', y: 'accuracy', fill: 'var(--ink)', r: 2.5 }),
        Plot.tip(
          filled,
          Plot.pointerX({
            x1: 'from',
            x2: 'to',
            y: 'accuracy',
            title: (bin) =>
              `${percent(bin.from, 1)} to ${percent(bin.to, 1)}\n${thousands(bin.samples)} samples\nmean probability ${percent(bin.confidence)}\naccuracy ${percent(bin.accuracy)}`,
          }),
        ),
      ],
    }),
    table,
  })
  const counts = chart({
    title: 'Samples',
    description: 'Number of samples in each range of probability',
    draw: () => ({
      x,
      y: { label: null, grid: true, tickFormat: 's', ticks: 5 },
      marks: [
        Plot.rectY(filled, { x1: 'from', x2: 'to', y: 'samples', fill: 'var(--muted)', inset: 0.5 }),
        Plot.ruleY([0], { stroke: 'var(--line-strong)' }),
        Plot.tip(
          filled,
          Plot.pointerX({
            x1: 'from',
            x2: 'to',
            y: 'samples',
            title: (bin) => `${percent(bin.from, 1)} to ${percent(bin.to, 1)}\n${thousands(bin.samples)} samples`,
          }),
        ),
      ],
    }),
    table,
  })
  return section(
    'calibration',
    'Calibration',
    `The probability of the predicted class differs from the accuracy by ${percent(ece)} on average (expected calibration error), and by ${percent(mce)} at most.`,
    h('div', { class: 'charts' }, reliability, counts),
  )
}
