import type { ReportDocument } from '../document.js'
import { h, tableOf } from './dom.js'
import { thousands } from './numbers.js'
import { className } from './sample.js'
import { type Section, section } from './section.js'

/** Precision, recall and F1. */
export function classesSection(document: ReportDocument): Section | undefined {
  const { evaluation } = document
  if (!evaluation) return undefined
  const { perClass, macroAverage, weightedAverage, samples, classes } = evaluation
  const row = (name: string, precision?: number, recall?: number, f1?: number, support?: number) => [
    name,
    ...[precision, recall, f1].map((value) => (value ?? 0).toFixed(4)),
    thousands(support ?? 0),
  ]
  const rows = classes.map((_, place) =>
    row(
      className(document, place),
      perClass.precision[place],
      perClass.recall[place],
      perClass.f1[place],
      perClass.support[place],
    ),
  )
  const averages = [
    row('macro average', macroAverage.precision, macroAverage.recall, macroAverage.f1, samples),
    row('weighted average', weightedAverage.precision, weightedAverage.recall, weightedAverage.f1, samples),
  ]
  const table = tableOf(
    'Precision, recall and F1 of each class',
    ['class', 'precision', 'recall', 'F1', 'samples'],
    [...rows, ...averages],
  )
  table.classList.add('long', 'averages')
  return section(
    'classes',
    'Classes',
    'Precision: of the samples taken for a class, the share that is of it. Recall: of the samples of a class, the share that was taken for it. F1 is their harmonic mean.',
    h('div', { class: 'table' }, table),
  )
}
