// Trains ten of the paper's blocks on images of MNIST's shape with two threads: `run.mjs [--page]`. Prints `page URL` and `speed SAMPLES/S`.
import { NoProp } from '../../../dist/index.js'
import { serveProgress } from '../../../dist/report.js'

const samples = 12_800
const images = Uint8Array.from({ length: samples * 784 }, (_, index) => (index * 7919) % 251)
const labels = Int32Array.from({ length: samples }, (_, index) => index % 10)
const model = NoProp.create({ blocks: 10, input: [28, 28, 1], classes: 10 })
const run = model.fit({ images, shape: [28, 28, 1], labels }, { batch: 128, threads: 2, epochs: 1 })
const page = process.argv.includes('--page') ? await serveProgress(run) : undefined
if (page) console.log(`page ${page.url}`)
const began = performance.now()
await run
console.log(`speed ${samples / ((performance.now() - began) / 1000)}`)
await page?.close()
