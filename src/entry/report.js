// What `import … from 'noprop/report'` gives: the CommonJS build by its names.
import api from './report.cjs'

export const { createReport, ProgressPage, serveProgress } = api
