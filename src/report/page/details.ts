import type { ReportDocument } from '../document.js'
import { type Child, h, tableOf } from './dom.js'
import { thousands } from './numbers.js'
import { type Section, section } from './section.js'

/** What made the model, the data, and this page. */
export function detailsSection(document: ReportDocument): Section {
  const { model, training, data, sampler, made } = document
  const { preprocessing, classes, ...config } = model.config
  const { options, ...record } = training ?? {}
  const layers = model.layers.map(({ name, op, shape, parameters, multiplyAdds }) => [
    name,
    op,
    shape.join(' × '),
    thousands(parameters),
    thousands(multiplyAdds),
  ])
  return section(
    'details',
    'Details',
    null,
    h(
      'div',
      { class: 'details' },
      facts('Model', {
        ...config,
        classes:
          classes.length > 20
            ? `${thousands(classes.length)} classes`
            : config.targets
              ? undefined
              : classes.join(', '),
        parameters: thousands(model.parameters),
        'weights (SHA-256)': model.weightsSha256,
      }),
      training ? facts('Training', { ...options, ...record, samples: thousands(training.samples) }) : null,
      data
        ? facts('Measured on', {
            data: data.name,
            samples: thousands(data.samples),
            shape: data.shape.join(' × '),
            'fingerprint (SHA-256)': data.fingerprint,
            ...sampler,
          })
        : null,
      facts('This page', { made: made.at, by: `noprop ${made.version}` }),
    ),
    made.command ? [h('h3', {}, 'Command'), h('pre', { tabindex: 0 }, h('code', {}, made.command))] : null,
    h(
      'details',
      {},
      h('summary', {}, 'Layers of a block'),
      tableOf('Layers of a block', ['layer', 'operation', 'output', 'parameters', 'multiply-adds'], layers),
    ),
    preprocessing
      ? h(
          'details',
          {},
          h('summary', {}, 'Preprocessing'),
          h('pre', { tabindex: 0 }, JSON.stringify(preprocessing, null, 2)),
        )
      : null,
  )
}

function facts(title: string, record: Record<string, unknown>): HTMLElement {
  const entries = Object.entries(record).filter(([, value]) => value !== undefined)
  return h(
    'div',
    {},
    h('h3', {}, title),
    h(
      'dl',
      { class: 'facts' },
      ...entries.map(([name, value]) => h('div', {}, h('dt', {}, words(name)), h('dd', {}, text(value)))),
    ),
  )
}

/** `learningRateSchedule` as `learning rate schedule`. */
function words(name: string): string {
  return name.replace(/[A-Z](?=[a-z])/g, (letter) => ` ${letter.toLowerCase()}`)
}

function text(value: unknown): Child {
  if (Array.isArray(value))
    return value.every((item) => typeof item !== 'object') ? value.join(', ') : JSON.stringify(value)
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.entries(value)
    .map(([name, item]) =>
      name === 'type' ? String(item) : `${words(name)} ${typeof item === 'object' ? JSON.stringify(item) : item}`,
    )
    .join(', ')
}
