import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { here } from '../here.js'
import { NoPropError } from '../index.js'
import type { ReportDocument } from './document.js'

/** Where the template has the document. */
const PLACE = '{"noprop":"document"}'
/** Where it has its title. */
const TITLE = '<title>noprop</title>'

/** What the page is told of a run that goes on. */
export interface LivePage {
  format: 'noprop-live'
  title: string
}

/** The page with what it shows: one file without anything from elsewhere. */
export function pageOf(document: ReportDocument | LivePage): string {
  // `<` cannot end the element that holds the JSON, nor begin a comment in it.
  const json = JSON.stringify(document).replaceAll('<', '\\u003c')
  const title = `<title>${escaped(document.title)} · noprop</title>`
  // A report asks for nothing; the policy stands before the script, which names it as well.
  const own =
    document.format === 'noprop-report' ? template().replace("connect-src 'self'", "connect-src 'none'") : template()
  // By functions: `$` in a text would be a pattern of `replace`.
  return own.replace(TITLE, () => title).replace(PLACE, () => json)
}

/** The page as the build made it: beside this file in the package, or in `dist` of a clone. */
function template(): string {
  const folder = dirname(here)
  for (const path of [join(folder, 'page.html'), join(folder, '..', 'dist', 'page.html')]) {
    try {
      return readFileSync(path, 'utf8')
    } catch {
      // It may be at the next place.
    }
  }
  throw new NoPropError({
    code: 'NOPROP_FILE_NOT_FOUND',
    what: 'the page of reports is not where it should be',
    expected: `the file page.html in ${folder}`,
    hint: 'leave noprop outside of the bundle, or put dist/page.html of the package beside the bundle',
  })
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
