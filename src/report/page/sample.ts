import type { ReportDocument, ShownSample } from '../document.js'
import { type Child, h, svg } from './dom.js'

/** The name of a class by its place. */
export function className(document: ReportDocument, place: number): string {
  return String(document.model.config.classes[place] ?? place)
}

/** What a sample looks like; its number alone where that is all that there is. */
export function sampleView(document: ReportDocument, sample: number): HTMLElement {
  const shown = document.samples[sample]
  return h('div', { class: 'sample' }, shown ? view(shown, sample) : h('span', { class: 'unseen' }, `${sample}`))
}

function view({ picture, fields, values }: ShownSample, sample: number): Child {
  if (picture) return h('img', { src: picture, alt: `Sample ${sample}`, class: 'picture' })
  if (fields)
    return h(
      'dl',
      { class: 'fields' },
      ...fields.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))),
    )
  return values ? spark(values, sample) : null
}

/** The values of a vector as a line. */
function spark(values: readonly number[], sample: number): SVGElement {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  const y = (value: number) => (high > low ? 38 - (36 * (value - low)) / (high - low) : 20)
  const x = (index: number) => (values.length > 1 ? (100 * index) / (values.length - 1) : 50)
  const points = values.map((value, index) => `${x(index).toFixed(2)},${y(value).toFixed(2)}`).join(' ')
  return svg(
    'svg',
    {
      viewBox: '0 0 100 40',
      class: 'spark',
      role: 'img',
      'aria-label': `Sample ${sample}: ${values.length} values from ${low} to ${high}`,
      preserveAspectRatio: 'none',
    },
    svg('polyline', { points, fill: 'none', stroke: 'currentColor', 'vector-effect': 'non-scaling-stroke' }),
  )
}

/** A sample with its number and what is said of it. */
export function sampleCard(document: ReportDocument, sample: number, ...said: Child[]): HTMLElement {
  return h(
    'figure',
    { class: 'card' },
    sampleView(document, sample),
    h('figcaption', {}, ...said, h('span', { class: 'note' }, `sample ${sample}`)),
  )
}
