import type { Denoising, ReportDocument } from '../document.js'
import { h, svg } from './dom.js'
import { percent } from './numbers.js'
import { className, sampleView } from './sample.js'
import { missing, type Section, section } from './section.js'

type Sample = Denoising['samples'][number]

/** Sides of one drawing: its bars, the estimate above, the state below. */
const [WIDTH, HEIGHT] = [64, 30]

/** How a few samples come out of the noise. */
export function denoisingSection(document: ReportDocument): Section | undefined {
  const { denoising, missing: why } = document
  const lead =
    'Each block gets the state z that the block before it has left, and the sample; it estimates the label (û, upper bars), and moves the state towards it (z, lower bars). A bar is a class; coloured are the label and, where it is another, the prediction.'
  if (!denoising)
    return why.denoising ? section('denoising', 'Out of the noise', lead, missing(why.denoising)) : undefined
  const cards = denoising.samples.map((sample) => card(document, denoising, sample))
  return section('denoising', 'Out of the noise', lead, h('div', { class: 'chains' }, ...cards))
}

function card(document: ReportDocument, denoising: Denoising, sample: Sample): HTMLElement {
  const { target, predicted } = sample
  const greatest = Math.max(...[sample.initial, ...sample.steps.map(({ state }) => state)].flat().map(Math.abs), 1e-9)
  const isRight = target === predicted
  const [label, taken] = [className(document, target), className(document, predicted)]
  const draw = (estimate: readonly number[] | undefined, state: readonly number[], name: string) =>
    step(document, denoising, sample, { estimate, state, name, greatest })
  return h(
    'figure',
    { class: 'chain' },
    h(
      'figcaption',
      {},
      sampleView(document, sample.sample),
      h(
        'div',
        {},
        h('strong', {}, label),
        h('span', { class: isRight ? 'verdict' : 'verdict wrong' }, isRight ? 'right' : ['taken for ', taken]),
        h('span', { class: 'note' }, `sample ${sample.sample}`),
      ),
    ),
    h(
      'ol',
      { class: 'steps', 'aria-label': `Sample ${sample.sample} from noise to ${taken}` },
      draw(undefined, sample.initial, 'noise'),
      ...sample.steps.map(({ estimate, state }, index) => draw(estimate, state, `${denoising.blocks[index]}`)),
    ),
  )
}

interface Step {
  estimate: readonly number[] | undefined
  state: readonly number[]
  name: string
  /** Greatest size of a state's value in this chain. */
  greatest: number
}

function step(
  document: ReportDocument,
  { classes }: Denoising,
  { target, predicted }: Sample,
  { estimate, state, name, greatest }: Step,
): HTMLElement {
  const colour = (place: number) => {
    const of = classes[place]
    return of === target ? 'target' : of === predicted ? 'predicted' : 'other'
  }
  const width = WIDTH / classes.length
  const bar = (place: number, top: number, height: number) =>
    svg('rect', {
      x: (place * width + width * 0.1).toFixed(2),
      y: top.toFixed(2),
      width: (width * 0.8).toFixed(2),
      height: Math.max(0.4, height).toFixed(2),
      class: colour(place),
    })
  const upper = (estimate ?? []).map((value, place) => {
    const size = Math.min(1, Math.max(0, value)) * (HEIGHT - 2)
    return bar(place, HEIGHT - size, size)
  })
  const half = HEIGHT / 2
  const lower = state.map((value, place) => {
    const size = (Math.abs(value) / greatest) * (half - 1)
    return bar(place, HEIGHT + 6 + half - (value > 0 ? size : 0), size)
  })
  const lines = [HEIGHT, HEIGHT + 6 + half].map((y) => svg('line', { x1: 0, x2: WIDTH, y1: y, y2: y, class: 'axis' }))
  const says = estimate ? leading(document, classes, estimate) : 'the state is noise'
  const label = name === 'noise' ? says : `after block ${name}: ${says}`
  return h(
    'li',
    {},
    svg(
      'svg',
      { viewBox: `0 0 ${WIDTH} ${2 * HEIGHT + 6}`, role: 'img', 'aria-label': label },
      svg('title', {}, new Text(label)),
      ...lines,
      ...upper,
      ...lower,
    ),
    h('span', { 'aria-hidden': 'true' }, name),
  )
}

/** What an estimate says: its greatest class. */
function leading(document: ReportDocument, classes: readonly number[], estimate: readonly number[]): string {
  const place = estimate.indexOf(Math.max(...estimate))
  return `${className(document, classes[place] ?? 0)} with ${percent(estimate[place], 0)}`
}
