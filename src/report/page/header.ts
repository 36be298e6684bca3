import type { ReportDocument } from '../document.js'
import { type Child, h } from './dom.js'
import type { Section } from './section.js'

/** The head of the page. */
export function header(title: string, kind: string, line: Child, ...actions: Child[]): HTMLElement {
  return h(
    'header',
    {},
    h('div', {}, h('p', { class: 'kind' }, kind), h('h1', {}, title), h('p', { class: 'lead' }, line)),
    h('div', { class: 'actions' }, ...actions),
  )
}

/** Links to the parts of the page. */
export function contents(sections: readonly Section[]): HTMLElement {
  return h(
    'nav',
    { 'aria-label': 'Parts of this page' },
    h('ul', {}, ...sections.map(({ id, title }) => h('li', {}, h('a', { href: `#${id}` }, title)))),
  )
}

/** What is under a report's title. */
export function subtitle({ model, data }: ReportDocument): string {
  const line = model.line.replace(/^NoProp\(|, trained\)$/g, '')
  return [model.method, line, ...(data ? [`measured on ${data.name}`] : [])].join(' · ')
}
