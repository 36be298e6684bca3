export * from './report.cjs'
