import type { Denoising, DrawnState, ReportDocument } from '../document.js'
import { h, svg } from './dom.js'
import { className, sampleView } from './sample.js'
import { missing, type Section, section } from './section.js'

type Sample = Denoising['samples'][number]

/** Sides of one drawing: its bars, the estimate above, the state below. */
const [WIDTH, HEIGHT] = [64, 30]

/** What the drawings are. */
const DRAWN: Record<Denoising['drawn'], string> = {
  classes: 'A bar is a class; coloured are the label and, where it is another, the prediction.',
  values: 'A bar is a value of the vector that stands for a label.',
  pictures: 'A label is a picture here, the prototype of its class. The pictures of a chain have one scale of grey.',
}

/** How a few samples come out of the noise. */
export function denoisingSection(document: ReportDocument): Section | undefined {
  const { denoising, missing: why } = document
  if (!denoising)
    return why.denoising ? section('denoising', 'Out of the noise', null, missing(why.denoising)) : undefined
  const { drawn, isOne, estimates } = denoising
  const who = isOne ? 'At each step the net' : 'Each block'
  const kind = drawn === 'pictures' ? 'pictures' : 'bars'
  const what =
    estimates === 'velocity' ? `the way to the label (the velocity, upper ${kind})` : `the label (û, upper ${kind})`
  const lead = `${who} gets the sample and the state z so far; it estimates ${what}, and moves the state towards it (z, lower ${kind}). ${DRAWN[drawn]}`
  const cards = denoising.samples.map((sample) => card(document, denoising, sample))
  return section('denoising', 'Out of the noise', lead, h('div', { class: 'chains' }, ...cards))
}

/** The least and the greatest of some values, and 0; of pictures nothing. */
function rangeOf(rows: readonly DrawnState[], high: number): [number, number] {
  const values = rows.flatMap((row) => (typeof row === 'string' ? [] : row))
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
  const draw = (estimate: DrawnState | undefined, state: DrawnState, name: string) =>
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
  estimate: DrawnState | undefined
  state: DrawnState
  name: string
  ranges: Ranges
}

function step(
  document: ReportDocument,
  denoising: Denoising,
  sample: Sample,
  { estimate, state, name, ranges }: Step,
): HTMLElement {
  const after = `${denoising.isOne ? 'step' : 'block'} ${name}`
  const says = denoising.estimates === 'label' ? (estimate ?? state) : state
  const label = name === 'noise' ? 'the noise at the beginning' : `after ${after}${leading(document, denoising, says)}`
  return h(
    'li',
    {},
    typeof state === 'string'
      ? pictures(typeof estimate === 'string' ? estimate : undefined, state, label)
      : bars(denoising, sample, label, [
          { values: typeof estimate === 'object' ? estimate : [], range: ranges.estimate },
          { values: state, range: ranges.state },
        ]),
    h('span', { 'aria-hidden': 'true' }, name),
  )
}

/** Estimate over state; in the estimate's place nothing, where there is none. */
function pictures(estimate: string | undefined, state: string, label: string): HTMLElement {
  const above = estimate
    ? h('img', { src: estimate, alt: `The estimate ${label}`, class: 'picture' })
    : h('div', { class: 'picture none' })
  return h('div', {}, above, h('img', { src: state, alt: `The state: ${label}`, class: 'picture' }))
}

/** Rows of bars, one above the other, each from its line of 0, which stands where the row's range has it. */
function bars(
  { drawn, places }: Denoising,
  { target, predicted }: Sample,
  label: string,
  rows: readonly { values: readonly number[]; range: Range }[],
): SVGElement {
  const colour = (place: number) => {
    if (drawn === 'values') return 'value'
    const of = places[place]
    return of === target ? 'target' : of === predicted ? 'predicted' : 'other'
  }
  const width = WIDTH / places.length
  return svg(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${2 * HEIGHT + 6}`, role: 'img', 'aria-label': label },
    svg('title', {}, new Text(label)),
    ...rows.flatMap(({ values, range: [low, high] }, row) => {
      const unit = HEIGHT / (high - low)
      const zero = row * (HEIGHT + 6) + high * unit
      const line = svg('line', { x1: 0, x2: WIDTH, y1: zero.toFixed(2), y2: zero.toFixed(2), class: 'axis' })
      const drawn = values.map((value, place) =>
        svg('rect', {
          x: (place * width + width * 0.1).toFixed(2),
          y: (zero - Math.max(0, value) * unit).toFixed(2),
          width: (width * 0.8).toFixed(2),
          height: Math.max(0.4, Math.abs(value) * unit).toFixed(2),
          class: colour(place),
        }),
      )
      return [line, ...drawn]
    }),
  )
}

/** What bars of classes say: the greatest of them. */
function leading(document: ReportDocument, { drawn, places }: Denoising, values: DrawnState): string {
  if (typeof values === 'string' || drawn !== 'classes') return ''
  const place = values.indexOf(Math.max(...values))
  return `: most of ${className(document, places[place] ?? 0)}, ${(values[place] ?? 0).toFixed(2)}`
}
