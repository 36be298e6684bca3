import type { ReportDocument } from '../document.js'
import { h } from './dom.js'
import { lineChart } from './lines.js'
import { lossText, percent } from './numbers.js'
import { missing, type Section, section } from './section.js'

/** How the blocks learned. */
export function curvesSection({ curves, model, missing: why }: ReportDocument): Section {
  const isNumbers = model.config.targets !== undefined
  const lead = `Each block learns alone, so each has a curve of its own. The loss is the mean squared distance from its estimate to the ${isNumbers ? 'numbers, in units of their standard deviations' : 'label'}.`
  if (!curves || curves.epochs.length === 0) {
    return section('training', 'Training', lead, missing(why.curves ?? 'There is no history of the training.'))
  }
  const { epochs, loss, validationLoss, validationAccuracy, chain } = curves
  const named = (rows: readonly (readonly (number | null)[])[]) =>
    rows.map((values, index) => ({ name: index + 1, values }))
  const charts = [lineChart({ title: 'Loss', what: 'Training loss', epochs, lines: named(loss), format: lossText })]
  if (validationLoss) {
    const lines = named(validationLoss)
    charts.push(lineChart({ title: 'Validation loss', what: 'Validation loss', epochs, lines, format: lossText }))
  }
  if (validationAccuracy) {
    const whole = chain && {
      name: 'all blocks',
      values: epochs.map((epoch) => chain.find((each) => each.epoch === epoch)?.accuracy ?? null),
      isWhole: true,
    }
    const lines = [...named(validationAccuracy), ...(whole ? [whole] : [])]
    const name = isNumbers ? 'Validation R²' : 'Validation accuracy'
    const shares = {
      what: name,
      epochs,
      lines,
      format: isNumbers ? lossText : (value: number | null) => percent(value),
      isShare: !isNumbers,
    }
    charts.push(lineChart({ title: name, ...shares }))
  }
  return section(
    'training',
    'Training',
    lead,
    h('div', { class: 'charts' }, ...charts),
    why.validation ? missing(why.validation) : null,
  )
}
