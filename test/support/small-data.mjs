// Loaded before an example of the documentation: the same program on little data and small blocks, so that it ends in seconds.
import { datasets, NoProp } from 'noprop'

const load = datasets.load
datasets.load = async (name, options) => {
  const { train, test } = await load(name, options)
  return { train: firstOf(train, 256), test: firstOf(test, 64) }
}

function firstOf(dataset, count) {
  const samples = Math.min(count, dataset.samples)
  const size = dataset.shape.reduce((product, side) => product * side, 1)
  const images = new Float32Array(samples * size)
  for (let index = 0; index < samples; index++) images.set(dataset.sample(index), index * size)
  // All classes stay known, so that a model made for them can be measured on the few.
  return datasets.fromArrays({ images, shape: dataset.shape, labels: dataset.labels().subarray(0, samples) })
}

const create = NoProp.create
NoProp.create = (options) => {
  const type =
    typeof options.net === 'object'
      ? options.net.type
      : (options.net ?? (options.encoder || options.features ? 'mlp' : 'cnn'))
  const small = { mlp: { type, hidden: [16] }, cnn: { type, widths: [4, 4, 8], hidden: 16 } }
  const net = small[type] ?? options.net
  return create({ ...options, net, classes: options.classes })
}

const fit = NoProp.prototype.fit
NoProp.prototype.fit = function (data, options) {
  return fit.call(this, data, { ...options, epochs: Math.min(2, options?.epochs ?? 1) })
}
