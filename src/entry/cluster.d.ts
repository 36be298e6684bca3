export * from './cluster.cjs'
