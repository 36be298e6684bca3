import type { NumberResult } from '../numbers.js'
import type { ModelConfig } from '../options.js'
import { printable } from '../printable.js'
import { percent, table, thousands } from '../summary.js'
import { placeOf } from './eval-report.js'
import type { Field } from './fields.js'
import { Flag, number } from './flag.js'
import { usage } from './usage.js'

/** Flag of the intervals in which numbers are expected. */
export const INTERVAL = new Flag(
  '--interval <share>',
  'numbers: add an interval that is to hold this share of the truth, from 20 stochastic runs or --runs',
  { read: number },
)

/** Refuses flags of numbers where classes are predicted. */
export function refuseInterval({ interval }: { interval?: number }): void {
  if (interval === undefined) return
  throw usage('--interval does not apply: the model predicts classes', 'leave it out; probabilities are shown')
}

/** The columns of the targets, or their places. */
export function targetNames({ targets, preprocessing }: ModelConfig): string[] {
  const names = preprocessing?.type === 'table' ? preprocessing.target : undefined
  return names ?? Array.from({ length: targets?.count ?? 0 }, (_, target) => String(target))
}

/** The scores of numbers, for people. */
export function numberFields({ r2, rmse, mae, samples, loss }: NumberResult, which = ''): Field[] {
  return [
    [`${which}R²`, `${r2.toFixed(4)} of ${thousands(samples)} samples, loss ${loss.toFixed(4)}`],
    [`${which}RMSE`, `${shown(rmse)}  MAE ${shown(mae)}`],
  ]
}

/** What intervals are worth. */
export function intervalFields({ interval, runs }: NumberResult): Field[] {
  if (!interval) return []
  const { asked, coverage } = interval
  return [
    ['interval', `of ${thousands(runs)} runs: to hold ${percent(asked)}, holds ${percent(coverage)} of the truth`],
  ]
}

/** The scores of each target. */
export function targetTable({ targets, interval }: NumberResult, names: readonly string[]): string {
  const head = ['target', 'R²', 'RMSE', 'MAE', 'MSE', ...(interval ? ['coverage', 'mean width'] : [])]
  const rows = targets.map(({ r2, rmse, mae, mse }, target) => [
    printable(names[target] ?? String(target)),
    r2.toFixed(4),
    ...[rmse, mae, mse].map(shown),
    ...(interval
      ? [percent(interval.coveragePerTarget[target] as number), shown(interval.meanWidth[target] as number)]
      : []),
  ])
  return table([head, ...rows])
}

/** The samples of greatest loss, the worst first. */
export function worstNumberTable({ worst }: NumberResult, names: readonly string[]): string {
  const head = ['sample', ...names.flatMap((name) => [printable(name), 'predicted']), 'loss']
  const rows = worst.map((each) => [
    placeOf(each),
    ...each.target.flatMap((value, place) => [shown(value), shown(each.predicted[place] as number)]),
    each.loss.toFixed(4),
  ])
  return table([head, ...rows])
}

function shown(value: number): string {
  return String(Number(value.toPrecision(5)))
}
