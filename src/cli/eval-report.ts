import type { Label } from '../data/labels.js'
import type { BlockContribution, EvaluateResult, WorstSample } from '../inference.js'
import { printable } from '../printable.js'
import { counted, percent, table } from '../summary.js'
import type { Field } from './fields.js'

/** Most samples that are named as the worst; `--json` has all that were found. */
const MOST_WORST = 5

/** A class's label, whatever characters a data set put into it. */
function nameOf(label: Label | undefined): string {
  return printable(String(label))
}

/** The metrics of an evaluation beside its accuracy, for people. */
export function metricFields(result: EvaluateResult): Field[] {
  const { logLoss, topKAccuracy, macroAverage, calibration, worst, classes } = result
  const { precision, recall, f1 } = macroAverage
  // With few classes the fifth place says nothing.
  const k = classes.length > 5 ? 5 : 2
  const named = worst.slice(0, MOST_WORST).map((each) => {
    return `${placeOf(each)} (${nameOf(classes[each.target])} as ${nameOf(classes[each.predicted])})`
  })
  return [
    ['log loss', logLoss.toFixed(4)],
    ...(classes.length > k ? [[`top-${k}`, percent(topKAccuracy[k - 1] as number)] as const] : []),
    ['macro average', `precision ${percent(precision)}  recall ${percent(recall)}  F1 ${percent(f1)}`],
    ['calibration', `expected error ${percent(calibration.ece)}  greatest ${percent(calibration.mce)}`],
    ...(named.length > 0 ? [['worst samples', named.join('  ')] as const] : []),
  ]
}

/** Where a sample is found: its file, its row, or its place in the data. */
export function placeOf({ path, row, sample }: Pick<WorstSample, 'path' | 'row' | 'sample'>): string {
  if (path !== undefined) return printable(path)
  return row === undefined ? String(sample) : `row ${row}`
}

/** The samples of greatest loss, the worst first. */
export function worstTable({ worst, classes }: EvaluateResult): string {
  const rows = worst.map((each) => [
    placeOf(each),
    nameOf(classes[each.target]),
    nameOf(classes[each.predicted]),
    percent(each.probability),
    each.loss.toFixed(4),
  ])
  return table([['sample', 'label', 'predicted', 'probability of label', 'loss'], ...rows], 3)
}

/** Precision, recall, F1 and samples of each class, as scikit-learn's `classification_report` has them. */
export function classTable({ classes, perClass, macroAverage, weightedAverage, samples }: EvaluateResult): string {
  const { precision, recall, f1, support } = perClass
  const digits = (values: readonly number[]) => values.map((value) => value.toFixed(4))
  const row = (index: number) => digits([precision[index], recall[index], f1[index]] as number[])
  const average = (name: string, scores: EvaluateResult['macroAverage']) => [
    name,
    ...digits([scores.precision, scores.recall, scores.f1]),
    String(samples),
  ]
  return table([
    ['class', 'precision', 'recall', 'F1', 'samples'],
    ...classes.map((label, index) => [nameOf(label), ...row(index), String(support[index])]),
    average('macro average', macroAverage),
    average('weighted average', weightedAverage),
  ])
}

/** What an evaluation with one of the readouts gave. */
export interface ReadoutFigures {
  readout: 'state' | 'mean' | 'fitted'
  accuracy: number
  loss: number
  logLoss: number
  ece: number
}

/** The readouts beside each other. */
export function readoutTable(readouts: readonly ReadoutFigures[]): string {
  const rows = readouts.map(({ readout, accuracy, loss, logLoss, ece }) => {
    return [readout, percent(accuracy), loss.toFixed(4), logLoss.toFixed(4), percent(ece)]
  })
  return table([['readout', 'accuracy', 'loss', 'log loss', 'calibration error'], ...rows])
}

/** What each block adds. */
export function blockTable(blocks: readonly BlockContribution[]): string {
  const rows = blocks.map(({ block, accuracyBefore, accuracyAfter, accuracySkipped, accuracyFromZ }) => [
    String(block),
    ...[accuracyBefore, accuracyAfter, accuracySkipped, accuracyFromZ].map((accuracy) => percent(accuracy)),
  ])
  return table([['block', 'before', 'after', 'all without it', 'with other images'], ...rows])
}

/** Which blocks add nothing, a sentence a reason. */
export function idleBlocks(blocks: readonly BlockContribution[]): string[] {
  const of = (why: BlockContribution['addsNothing']) => {
    return blocks.filter((each) => each.addsNothing === why).map(({ block }) => block)
  }
  const [unused, needless] = [of('image-unused'), of('as-good-without')]
  const lines: string[] = []
  if (unused.length > 0) lines.push(`make nothing of the image: ${counted(unused.length, 'block')} (${ranges(unused)})`)
  if (needless.length > 0) {
    const named = ranges(needless)
    lines.push(`the model is as good without it: ${counted(needless.length, 'block')}, each alone (${named})`)
  }
  return lines.length > 0 ? lines : ['every block adds something']
}

/** `1, 3-6, 9` of ascending numbers. */
function ranges(numbers: readonly number[]): string {
  const runs: [first: number, last: number][] = []
  for (const number of numbers) {
    const run = runs.at(-1)
    if (run?.[1] === number - 1) run[1] = number
    else runs.push([number, number])
  }
  return runs.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(', ')
}
