// Embeddings from any other model, as one Float32Array: sample after sample, with a label each.
import { datasets, NoProp } from 'noprop'

const [samples, length] = [300, 48]
const topics = ['sport', 'music', 'weather']
const labels = Array.from({ length: samples }, (_, sample) => topics[sample % topics.length] ?? '')
// Stands in for the output of a language or vision model.
const inputs = Float32Array.from({ length: samples * length }, (_, index) => {
  const [sample, place] = [Math.floor(index / length), index % length]
  return Math.sin(1 + place * (1 + (sample % topics.length))) + Math.sin(sample * 12.9898 + place * 78.233)
})

const data = datasets.fromArrays({ inputs, shape: [length], labels })
const { train, test } = await data.split(0.2)
const model = NoProp.create({ input: data.shape, classes: data.classes, blocks: 3, net: { type: 'mlp', hidden: [32] } })
const history = await model.fit(train, {
  epochs: 40,
  batch: 16,
  learningRate: 0.005,
  validationSplit: 0.2,
  earlyStopping: { patience: 5 },
})
console.log(history.blocks.map(({ block, epochs, reason }) => `block ${block}: ${epochs} epochs, ${reason}`).join('\n'))
const { accuracy, macroAverage } = await model.evaluate(test)
console.log(`test accuracy ${(100 * accuracy).toFixed(1)} %, macro F1 ${macroAverage.f1.toFixed(3)}`)

// One sample: a bare array of the model's own shape.
console.log((await model.predict(inputs.subarray(0, length))).labels[0])
