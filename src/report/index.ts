/**
 * Reports and live pages of noprop: `import { createReport, serveProgress } from 'noprop/report'`.
 *
 * @packageDocumentation
 */
export type { Report, ReportOptions } from './create.js'
export { createReport } from './create.js'
export type { Curves, Denoising, ReportDocument, ShownSample } from './document.js'
export type { ServeOptions } from './serve.js'
export { ProgressPage, serveProgress } from './serve.js'
