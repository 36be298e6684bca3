// Trains small nets with everything that calls a function of mathematics, and prints the sums of their weights: what was installed
// from another platform's package must find the same on the same processor.
import { datasets, NoProp } from 'noprop'

const samples = 64
// No function of JavaScript's mathematics, which may differ between versions of Node.
const images = Uint8Array.from({ length: samples * 196 }, (_, index) => (index * 7919) % 251)
const labels = Int32Array.from({ length: samples }, (_, sample) => sample % 4)
/** @type {Record<string, [number[], import('noprop').Net, import('noprop').Schedule]>} */
const NETS = {
  cnn: [[14, 14, 1], { type: 'cnn', widths: [4, 6, 8], hidden: 16 }, 'cosine'],
  mlp: [[196], { type: 'mlp', hidden: [32, 32], dropout: 0.1 }, 'cosine'],
  'mlp, linear schedule': [[196], { type: 'mlp', hidden: [32] }, 'linear'],
}

const found = {}
for (const [name, [shape, net, schedule]] of Object.entries(NETS)) {
  for (const precision of /** @type {const} */ (['f32', 'bf16'])) {
    const data = datasets.fromArrays({ images, shape, labels })
    const model = NoProp.create({ blocks: 3, net, schedule, input: data.shape, classes: data.classes, seed: 7 })
    const weighting = schedule === 'cosine' ? 'snr' : 'uniform'
    const augment = shape.length > 1 ? { shift: 2, flip: true } : undefined
    const options = { epochs: 3, batch: 16, learningRateSchedule: 'one-cycle', weighting, augment, precision }
    try {
      const { weightsSha256 } = await model.fit(data, /** @type {import('noprop').TrainOptions} */ (options))
      found[`${name}, ${precision}`] = weightsSha256
    } catch (error) {
      // Not every processor has bf16.
      if (error.code !== 'NOPROP_DEVICE') throw error
    }
  }
}
console.log(JSON.stringify(found))
