// The same program as train.cjs for `import`.
import { datasets, NoProp, version } from 'noprop'

const images = Float32Array.from({ length: 400 }, (_, index) => (index % 4 === (index >> 2) % 2 ? 3 : Math.sin(index)))
const labels = Int32Array.from({ length: 100 }, (_, sample) => sample % 2)
const data = datasets.fromArrays({ images, shape: [4], labels })
const model = NoProp.create({ blocks: 2, net: { type: 'mlp', hidden: [8] }, input: data.shape, classes: data.classes })
await model.fit(data, { epochs: 20, batch: 20, learningRate: 1e-2 })
const predicted = (await model.predict(data)).labels
const correct = labels.every((label, sample) => label === predicted[sample])
console.log(JSON.stringify({ node: process.version, version, correct }))
