import type { ReportDocument } from '../document.js'
import { h } from './dom.js'

/** The page as it was served, before anything was drawn. */
let source = ''

/** Remembers the page; to be called before it is changed. */
export function rememberSource(): void {
  source = `<!doctype html>\n${document.documentElement.outerHTML}`
}

/** A button that saves a report that came over the network as a file of its own. */
export function saveButton(report: ReportDocument): HTMLElement {
  return h('button', { type: 'button', class: 'save', click: () => save(report) }, 'Save this report')
}

function save(report: ReportDocument): void {
  const json = JSON.stringify(report).replaceAll('<', '\\u003c')
  const page = source
    .replace(/(<script type="application\/json"[^>]*>)[^<]*/, (_, head: string) => head + json)
    .replace("connect-src 'self'", "connect-src 'none'")
  const link = h('a', { href: URL.createObjectURL(new Blob([page], { type: 'text/html' })), download: 'report.html' })
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}
