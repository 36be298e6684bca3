// `npm start`: makes the clone ready, then trains on MNIST.
import { bootstrap } from './bootstrap.mjs'
import { script } from './support/steps.mjs'

await script(async () => {
  await bootstrap()
  await import('../examples/mnist.mjs')
})
