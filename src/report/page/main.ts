import type { ReportDocument } from '../document.js'
import { follow } from './live.js'
import { showReport } from './report.js'
import { rememberSource } from './save.js'

rememberSource()
const shown = JSON.parse(document.getElementById('document')?.textContent ?? 'null') as
  | ReportDocument
  | { format: 'noprop-live'; title: string }
if (shown.format === 'noprop-live') follow(shown.title)
else showReport(shown)
