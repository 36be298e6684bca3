// What the addon says of this machine, and which precisions training takes on the device: `{ device, precisions }`.
import { NoProp } from '../../../dist/index.js'
import { addon, done, images, input } from './job.mjs'

const { device, precisions } = input
const native = addon()
const probe = JSON.parse(native.probeCuda())
const { version, instructionSet } = JSON.parse(native.systemInfo())
const refused = {}
const usable = !device.startsWith('cuda') || probe.devices?.some((gpu) => gpu.usable)
for (const precision of usable ? precisions : []) {
  /** @type {import('../../../dist/index.js').Net} */
  const net = { type: 'mlp', hidden: [8] }
  const model = NoProp.create({ blocks: 1, input: [28, 28, 1], classes: 10, net })
  try {
    await model.fit(images(32), { device, precision, batch: 16 })
  } catch (error) {
    refused[precision] = error.message.split('\n')[0]
  }
}
const offered = usable ? precisions.filter((precision) => !(precision in refused)) : []
done({ version, instructionSet, ...probe, precisions: offered, refused })
