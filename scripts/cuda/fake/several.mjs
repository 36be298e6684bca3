// Several runs at once on one card, then predictions one after the other: `{ device, runs, predictions }`; the runs' hashes.
import { NoProp } from '../../../dist/index.js'
import { done, images, input } from '../../gpu/jobs/job.mjs'

const { device, runs, predictions } = input
const data = images(32)
const train = async () => {
  /** @type {import('../../../dist/index.js').Net} */
  const net = { type: 'mlp', hidden: [8] }
  const model = NoProp.create({ blocks: 2, input: data.shape, classes: 10, net })
  const { weightsSha256 } = await model.fit(data, { device, batch: 8, epochs: 4 })
  return { model, weightsSha256 }
}
const trained = await Promise.all(Array.from({ length: runs }, train))
for (let count = 0; count < predictions; count++) await trained[0].model.predict(data.images, { device })
done(trained.map(({ weightsSha256 }) => weightsSha256))
