import * as Plot from '@observablehq/plot'
import { type Child, h, tableOf } from './dom.js'

/** A chart with what it shows in words and as a table. */
export interface Chart {
  title: string
  /** What it shows, for those who do not see it. */
  description: string
  note?: Child
  /** Draws it for a width in pixels. */
  draw: (width: number) => Plot.PlotOptions
  table: { head: string[]; rows: Child[][] }
}

/** A chart that is drawn anew when its width changes. */
export function chart({ title, description, note, draw, table }: Chart): HTMLElement {
  const place = h('div', { class: 'chart' })
  let drawn = 0
  const redraw = (width: number) => {
    if (width < 40 || width === drawn) return
    drawn = width
    place.replaceChildren(plot(width, description, draw(width)))
  }
  new ResizeObserver(([entry]) => redraw(Math.floor(entry?.contentRect.width ?? 0))).observe(place)
  return h(
    'figure',
    {},
    h('figcaption', {}, h('strong', {}, title), note ? h('span', { class: 'note' }, note) : null),
    place,
    h(
      'details',
      {},
      h('summary', {}, 'As a table', h('span', { class: 'hidden' }, `: ${title}`)),
      tableOf(title, table.head, table.rows),
    ),
  )
}

/** An SVG that has colours and fonts of the page. */
function plot(width: number, description: string, options: Plot.PlotOptions): Element {
  const element = Plot.plot({
    width,
    height: Math.round(Math.min(320, Math.max(220, width * 0.55))),
    marginLeft: 48,
    marginRight: 16,
    marginBottom: 40,
    marginTop: 24,
    ariaLabel: description,
    ...options,
  })
  // The page's own style sheet has these rules; its policy lets no other in.
  for (const style of element.querySelectorAll('style')) style.remove()
  element.setAttribute('role', 'img')
  return element
}

/** The colour of line `index` of so many: from the first to the last along a ramp that light and dark pages have. */
export function rampColour(index: number, count: number): string {
  const share = count > 1 ? Math.round((100 * index) / (count - 1)) : 100
  return `color-mix(in oklch, var(--ramp-last) ${share}%, var(--ramp-first))`
}
