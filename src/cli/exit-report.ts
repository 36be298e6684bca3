import type { EvaluateResult, ExitPoint } from '../inference.js'
import type { NumberResult } from '../numbers.js'
import { percent, table } from '../summary.js'
import type { Field } from './fields.js'

/** What an early end gave and cost. */
export function exitFields({ exit }: EvaluateResult): Field[] {
  if (!exit) return []
  const { blocksPerSample, endedAfter, wholeAccuracy, cost, speedUp } = exit
  const ended = endedAfter.map((samples, block) => `${block + 1}: ${samples}`)
  return [
    ['blocks run', `${blocksPerSample.toFixed(2)} of ${endedAfter.length} a sample, ${speedUp.toFixed(1)} × as fast`],
    ['ended after', ended.join('  ')],
    ['whole chain', `${percent(wholeAccuracy)}: ${points(cost)}`],
  ]
}

/** The same of numbers. */
export function numberExitFields({ exit, r2PerBlock }: NumberResult): Field[] {
  if (!exit) return []
  const { blocksPerSample, wholeR2, cost, speedUp } = exit
  const size = Math.abs(cost).toFixed(4)
  const lost = cost > 0 ? `${size} more` : cost < 0 ? `${size} less` : 'the same'
  return [
    ['blocks run', `${blocksPerSample} of ${r2PerBlock.length} a sample, ${speedUp.toFixed(1)} × as fast`],
    ['whole chain', `R² ${wholeR2.toFixed(4)}: ${lost}`],
  ]
}

function points(cost: number): string {
  const size = (100 * Math.abs(cost)).toFixed(2)
  return cost > 0 ? `${size} points more` : cost < 0 ? `${size} points less` : 'the same'
}

/** What each confidence gives and costs. */
export function exitTable(curve: readonly ExitPoint[]): string {
  const rows = curve.map(({ confidence, accuracy, blocksPerSample }) => [
    String(confidence),
    percent(accuracy),
    blocksPerSample.toFixed(2),
  ])
  return table([['confidence', 'accuracy', 'blocks a sample'], ...rows])
}
