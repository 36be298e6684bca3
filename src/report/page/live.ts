import type { ReportDocument } from '../document.js'
import type { LiveGroup, LiveLines, LiveSnapshot } from '../live-snapshot.js'
import { h } from './dom.js'
import { header } from './header.js'
import { lineChart } from './lines.js'
import { counted, duration, lossText, percent, thousands } from './numbers.js'
import { showReport } from './report.js'
import { saveButton } from './save.js'

/** Milliseconds between two drawings of the charts. */
const REDRAW = 1000

/** Follows a run, and turns into its report. */
export function follow(title: string): void {
  const place = {
    status: h('p', { class: 'lead', role: 'status' }),
    bar: h(
      'div',
      { class: 'bar', role: 'progressbar', 'aria-label': 'All blocks', 'aria-valuemin': 0, 'aria-valuemax': 100 },
      h('div', {}),
    ),
    figures: h('dl', { class: 'figures' }),
    blocks: h('section', { 'aria-labelledby': 'blocks-title' }),
    charts: h('div', { class: 'charts' }),
  }
  document.body.replaceChildren(
    header(title, 'Training', place.status),
    h(
      'main',
      { id: 'main' },
      h('section', { 'aria-label': 'Progress' }, place.bar, place.figures),
      place.blocks,
      h('section', { 'aria-label': 'Curves' }, place.charts),
    ),
  )
  let drawn = 0
  let newest: string | undefined
  const source = new EventSource('events')
  let isOver = false
  const words = (text: string) => {
    // Unchanged words are not read out again.
    if (place.status.textContent !== text) place.status.textContent = text
  }
  words('Waiting for the run.')
  source.addEventListener('look', ({ data }) => {
    const look = JSON.parse(data) as LiveSnapshot
    words(statusOf(look))
    showBar(place.bar, look)
    place.figures.replaceChildren(...figuresOf(look))
    place.blocks.replaceChildren(...blocksOf(look))
    const curves = JSON.stringify([look.loss, look.validationLoss, look.validationAccuracy, look.chain])
    const now = performance.now()
    if (curves === newest || (now - drawn < REDRAW && look.state === 'training')) return
    ;[newest, drawn] = [curves, now]
    replaceCharts(place.charts, chartsOf(look))
  })
  source.addEventListener('report', ({ data }) => {
    isOver = true
    source.close()
    const report = JSON.parse(data) as ReportDocument
    showReport(report, saveButton(report))
  })
  source.addEventListener('end', () => {
    isOver = true
    source.close()
  })
  source.addEventListener('error', () => {
    if (isOver) return
    words(
      source.readyState === EventSource.CLOSED
        ? 'The page is served no longer. What stands here is the last that was told.'
        : 'The connection is lost; trying again.',
    )
  })
}

function statusOf({ state, start, error }: LiveSnapshot): string {
  if (state === 'failed') return `The run has ended without a model: ${error}`
  if (state === 'finished') return 'The training is finished; the report is being made.'
  if (!start) return 'The run is being prepared.'
  const { blocks, samples, epochs, device } = start
  return `Training ${counted(blocks, 'block')} on ${counted(samples, 'sample')} for ${counted(epochs, 'epoch')}, on ${device}.`
}

function showBar(bar: HTMLElement, { share }: LiveSnapshot): void {
  const percentage = Math.floor(100 * share)
  bar.setAttribute('aria-valuenow', String(percentage))
  ;(bar.firstElementChild as HTMLElement).style.width = `${100 * share}%`
}

function figuresOf({
  share,
  seconds,
  secondsLeft,
  samplesPerSecond,
  start,
  finished,
  threads,
  jobs,
  chain,
}: LiveSnapshot): HTMLElement[] {
  const whole = chain.at(-1)
  const isNumbers = start?.measure === 'r2'
  const figures: [string, string, string?][] = [
    [
      'Done',
      percent(share, 1),
      start ? `${thousands(finished)} of ${counted(start.blocks, 'block')} finished` : undefined,
    ],
    ['Time', duration(seconds), secondsLeft === undefined ? undefined : `${duration(secondsLeft)} left`],
    ['Speed', samplesPerSecond ? thousands(Math.round(samplesPerSecond)) : '–', 'samples/s through all blocks'],
    ...(threads && jobs
      ? [['At work', counted(threads, 'thread'), `on ${counted(jobs, 'block')}`] as [string, string, string]]
      : []),
    ...(whole
      ? [
          [
            isNumbers ? 'Validation, R²' : 'Validation',
            isNumbers ? whole.accuracy.toFixed(4) : percent(whole.accuracy),
            `all blocks, after epoch ${whole.epoch}`,
          ] as [string, string, string],
        ]
      : []),
  ]
  return figures.map(([label, value, note]) =>
    h(
      'div',
      {},
      h('dt', {}, label),
      h('dd', {}, h('span', { class: 'value' }, value), note ? h('span', { class: 'note' }, note) : null),
    ),
  )
}

function blocksOf({ groups }: LiveSnapshot): HTMLElement[] {
  const isMany = groups.some(({ from, to }) => to > from)
  const tile = ({ from, to, share, finished, loss }: LiveGroup) => {
    const name = from === to ? `block ${from}` : `blocks ${from} to ${to}`
    const text = `${name}: ${percent(share, 0)}${loss === null ? '' : `, loss ${lossText(loss)}`}`
    return h(
      'li',
      { class: finished === to - from + 1 && 'finished', title: text, style: { '--share': `${100 * share}%` } },
      h('span', { class: 'hidden' }, text),
      h('span', { 'aria-hidden': 'true' }, from === to ? from : ''),
    )
  }
  return [
    h(
      'h2',
      { id: 'blocks-title' },
      isMany ? `Blocks, ${groups[0] ? groups[0].to - groups[0].from + 1 : 1} a tile` : 'Blocks',
    ),
    h('ol', { class: 'tiles' }, ...groups.map(tile)),
  ]
}

function chartsOf({ start, loss, validationLoss, validationAccuracy, chain }: LiveSnapshot): HTMLElement[] {
  const charts: HTMLElement[] = []
  const add = (title: string, { epochs, lines }: LiveLines, more: LiveLines['lines'], isShare = false) => {
    if (lines.length === 0) return
    const format = isShare ? (value: number | null) => percent(value) : lossText
    charts.push(
      lineChart({
        title,
        what: title,
        epochs,
        lines: [...lines, ...more.map((line) => ({ ...line, isWhole: true }))],
        format,
        isShare,
      }),
    )
  }
  add('Loss', loss, [])
  add('Validation loss', validationLoss, [])
  const whole =
    chain.length > 0
      ? [
          {
            name: 'all blocks',
            values: validationAccuracy.epochs.map(
              (epoch) => chain.find((each) => each.epoch === epoch)?.accuracy ?? null,
            ),
          },
        ]
      : []
  const isNumbers = start?.measure === 'r2'
  add(isNumbers ? 'Validation R²' : 'Validation accuracy', validationAccuracy, whole, !isNumbers)
  return charts
}

/** Puts new charts in the place of old ones; tables that are open stay open, and the focus stays where it is. */
function replaceCharts(place: HTMLElement, charts: readonly HTMLElement[]): void {
  const detailsOf = (within: Element) => [...within.querySelectorAll('details')]
  const open = detailsOf(place).map((details) => details.open)
  const focused = detailsOf(place).findIndex((details) => details.contains(document.activeElement))
  place.replaceChildren(...charts)
  for (const [index, details] of detailsOf(place).entries()) {
    details.open = open[index] ?? false
    if (index === focused) details.querySelector('summary')?.focus()
  }
}
