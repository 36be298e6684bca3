import type { ReportDocument } from '../document.js'
import { h } from './dom.js'
import { percent } from './numbers.js'
import { className, sampleCard } from './sample.js'
import { type Section, section } from './section.js'

/** The samples on which the model is most wrong. */
export function worstSection(document: ReportDocument): Section | undefined {
  const { evaluation } = document
  if (!evaluation || evaluation.worst.length === 0) return undefined
  const cards = evaluation.worst.map(({ sample, target, predicted, probability, loss, path, row }) =>
    sampleCard(
      document,
      sample,
      h(
        'span',
        { class: 'verdict' },
        h('strong', {}, className(document, target)),
        target === predicted ? ' (right)' : [' taken for ', h('strong', {}, className(document, predicted))],
      ),
      h('span', { class: 'note' }, `label has ${percent(probability, 1)}`),
      h('span', { class: 'note' }, `loss ${loss.toFixed(3)}`),
      path === undefined && row === undefined ? null : h('span', { class: 'note place' }, path ?? `row ${row}`),
    ),
  )
  return section(
    'worst',
    'Worst samples',
    'The samples of greatest loss. Labels that are wrong are often among them.',
    h('div', { class: 'samples wide' }, ...cards),
  )
}
