// `npm start`: makes the clone ready, then trains on MNIST.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root, script } from '../support/steps.mjs'
import { bootstrap } from './bootstrap.mjs'

await script(async () => {
  await bootstrap()
  await import(pathToFileURL(join(root, 'examples/mnist.mjs')).href)
})
