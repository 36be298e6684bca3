// Trains the paper's blocks on random images from beginning to end, and prints samples a second times blocks: `whole-run.mjs BLOCKS
// THREADS [METHOD]`.
import { NoProp } from '../../../dist/index.js'

const [blocks, threads] = process.argv.slice(2, 4).map(Number)
const method = process.argv[4] ?? 'dt'
const [samples, epochs] = [6400, 2]
const images = Uint8Array.from({ length: samples * 784 }, (_, index) => (index * 7919) % 251)
const labels = Int32Array.from({ length: samples }, (_, index) => index % 10)
const model = NoProp.create({ method: /** @type {'dt'} */ (method), blocks, input: [28, 28, 1], classes: 10 })
const began = performance.now()
await model.fit({ images, shape: [28, 28, 1], labels }, { batch: 128, epochs, threads })
console.log(JSON.stringify({ perSecond: (blocks * samples * epochs) / ((performance.now() - began) / 1000) }))
