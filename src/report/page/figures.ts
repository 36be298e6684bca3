import type { ReportDocument } from '../document.js'
import { h } from './dom.js'
import { counted, duration, lossText, percent, short, thousands } from './numbers.js'
import { missing, type Section, section } from './section.js'

/** The figures that are asked for first. */
export function figuresSection(document: ReportDocument): Section {
  const { evaluation, numbers, training, run, model, data } = document
  const figures: [label: string, value: string, note?: string][] = []
  if (evaluation) {
    const { accuracy, samples, loss, logLoss, calibration, topKAccuracy, classes, macroAverage } = evaluation
    figures.push(['Accuracy', percent(accuracy), `of ${thousands(samples)} samples`])
    if (classes.length > 5) figures.push(['Top-5 accuracy', percent(topKAccuracy[4])])
    figures.push(['Macro F1', macroAverage.f1.toFixed(4)])
    figures.push(['Log loss', lossText(logLoss)])
    figures.push(['Brier score', lossText(loss), 'from 0 to 2'])
    figures.push(['Calibration error', percent(calibration.ece), 'expected'])
  }
  if (numbers) {
    const { r2, rmse, mae, samples } = numbers.evaluation
    const each = numbers.names.length > 1 ? 'mean over the numbers' : undefined
    figures.push(['R²', r2.toFixed(4), `of ${thousands(samples)} samples`])
    figures.push(['RMSE', short(rmse), each ?? 'root mean squared error'])
    figures.push(['MAE', short(mae), each ?? 'mean absolute error'])
  }
  figures.push(['Parameters', thousands(model.parameters), counted(model.config.blocks, 'block')])
  if (run)
    figures.push([
      'Training time',
      duration(run.seconds),
      `${thousands(Math.round(run.samplesPerSecond))} samples/s, ${run.device}`,
    ])
  else if (training)
    figures.push(['Trained on', thousands(training.samples), `samples, ${counted(training.options.epochs, 'epoch')}`])
  const list = h(
    'dl',
    { class: 'figures' },
    ...figures.map(([label, value, note]) =>
      h(
        'div',
        {},
        h('dt', {}, label),
        h('dd', {}, h('span', { class: 'value' }, value), note ? h('span', { class: 'note' }, note) : null),
      ),
    ),
  )
  const warning = data?.isTraining
    ? h(
        'p',
        { class: 'notice' },
        'These are the samples that trained the model. What it makes of samples that it has not seen, they do not tell.',
      )
    : null
  const why = document.missing.evaluation
  return section('figures', 'In figures', null, warning, list, why ? missing(why) : null)
}
