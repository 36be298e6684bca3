import type { Denoising, ReportDocument } from '../document.js'
import { h, svg } from './dom.js'
import { className, sampleView } from './sample.js'
import { missing, type Section, section } from './section.js'

type Sample = Denoising['samples'][number]

/** Sides of one drawing: its bars, the estimate above, the state below. */
const [WIDTH, HEIGHT] = [64, 30]

/** How a few samples come out of the noise. */
export function denoisingSection(document: ReportDocument): Section | undefined {
  const { denoising, missing: why } = document
  if (!denoising)
    return why.denoising ? section('denoising', 'Out of the noise', null, missing(why.denoising)) : undefined
  const who = denoising.isOne ? 'At each step the net' : 'Each block'
  const what =
    denoising.estimates === 'velocity' ? 'the way to the label (the velocity, upper bars)' : 'the label (û, upper bars)'
  const lead = `${who} gets the sample and the state z so far; it estimates ${what}, and moves the state towards it (z, lower bars). A bar is a class; coloured are the label and, where it is another, the prediction.`
  const cards = denoising.samples.map((sample) => card(document, denoising, sample))
  return section('denoising', 'Out of the noise', lead, h('div', { class: 'chains' }, ...cards))
}

/** The least and the greatest of some values, and 0. */
function rangeOf(rows: readonly (readonly number[])[], high: number): [number, number] {
  const values = rows.flat()
  return [Math.min(0, ...values), Math.max(high, ...values)]
}

function card(document: ReportDocument, denoising: Denoising, sample: Sample): HTMLElement {
  const { target, predicted, initial, steps } = sample
  // Bars of one chain are drawn to the same scales.
  const ranges: Ranges = {
    estimate: rangeOf(
      steps.map(({ estimate }) => estimate),
      denoising.estimates === 'label' ? 1 : 1e-9,
    ),
    state: rangeOf([initial, ...steps.map(({ state }) => state)], 1e-9),
  }
  const isRight = target === predicted
  const [label, taken] = [className(document, target), className(document, predicted)]
  const draw = (estimate: readonly number[] | undefined, state: readonly number[], name: string) =>
    step(document, denoising, sample, { estimate, state, name, ranges })
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
      draw(undefined, initial, 'noise'),
      ...steps.map(({ estimate, state }, index) => draw(estimate, state, `${denoising.steps[index]}`)),
    ),
  )
}

type Range = [low: number, high: number]
interface Ranges {
  estimate: Range
  state: Range
}

interface Step {
  estimate: readonly number[] | undefined
  state: readonly number[]
  name: string
  ranges: Ranges
}

function step(
  document: ReportDocument,
  { classes, isOne, estimates }: Denoising,
  { target, predicted }: Sample,
  { estimate, state, name, ranges }: Step,
): HTMLElement {
  const colour = (place: number) => {
    const of = classes[place]
    return of === target ? 'target' : of === predicted ? 'predicted' : 'other'
  }
  const width = WIDTH / classes.length
  /** Bars from the line of 0, which stands where the range has it. */
  const bars = (values: readonly number[], [low, high]: Range, top: number): SVGElement[] => {
    const unit = HEIGHT / (high - low)
    const zero = top + high * unit
    const drawn = values.map((value, place) =>
      svg('rect', {
        x: (place * width + width * 0.1).toFixed(2),
        y: (zero - Math.max(0, value) * unit).toFixed(2),
        width: (width * 0.8).toFixed(2),
        height: Math.max(0.4, Math.abs(value) * unit).toFixed(2),
        class: colour(place),
      }),
    )
    return [svg('line', { x1: 0, x2: WIDTH, y1: zero.toFixed(2), y2: zero.toFixed(2), class: 'axis' }), ...drawn]
  }
  const says =
    estimate && estimates === 'label' ? leading(document, classes, estimate) : leading(document, classes, state)
  const label = name === 'noise' ? 'the noise at the beginning' : `after ${isOne ? 'step' : 'block'} ${name}: ${says}`
  return h(
    'li',
    {},
    svg(
      'svg',
      { viewBox: `0 0 ${WIDTH} ${2 * HEIGHT + 6}`, role: 'img', 'aria-label': label },
      svg('title', {}, new Text(label)),
      ...bars(estimate ?? [], ranges.estimate, 0),
      ...bars(state, ranges.state, HEIGHT + 6),
    ),
    h('span', { 'aria-hidden': 'true' }, name),
  )
}

/** What an estimate says: its greatest class. */
function leading(document: ReportDocument, classes: readonly number[], values: readonly number[]): string {
  const place = values.indexOf(Math.max(...values))
  return `most of ${className(document, classes[place] ?? 0)}, ${(values[place] ?? 0).toFixed(2)}`
}
