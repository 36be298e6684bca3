import { type Child, h } from './dom.js'

/** A part of the page, with its name in the list of parts. */
export interface Section {
  id: string
  title: string
  element: HTMLElement
}

/** A part with its heading and a sentence on what it shows. */
export function section(id: string, title: string, lead: Child, ...children: Child[]): Section {
  const heading = `${id}-title`
  const element = h(
    'section',
    { id, 'aria-labelledby': heading },
    h('h2', { id: heading }, title),
    lead ? h('p', { class: 'lead' }, lead) : null,
    ...children,
  )
  return { id, title, element }
}

/** A sentence in place of what there is not. */
export function missing(why: string): HTMLElement {
  return h('p', { class: 'missing' }, why)
}
