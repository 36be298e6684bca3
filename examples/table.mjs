// A table: a CSV file with numbers, words and gaps, and a column of labels.
import { writeFileSync } from 'node:fs'
import { datasets, NoProp } from 'noprop'

const lines = Array.from({ length: 180 }, (_, index) => {
  const kind = index % 3
  const height = index % 11 === 0 ? '' : (20 + 12 * kind + (index % 10)).toFixed(1)
  return [
    index,
    height,
    ['spring', 'summer', 'autumn'][(kind + (index % 2)) % 3],
    ['clover', 'poppy', 'aster'][kind],
  ].join()
})
writeFileSync('flowers.csv', `id,height,season,name\n${lines.join('\n')}\n`)

const { train, test, notes } = await datasets.fromTable('flowers.csv', {
  label: 'name',
  ignore: ['id'],
  testSplit: 0.2,
})
for (const note of notes) console.log(note)
const { shape: input, classes, preprocessing } = train
// What was learned of the columns (means, words) becomes part of the model.
const model = NoProp.create({ input, classes, preprocessing, blocks: 2, net: { type: 'mlp', hidden: [16] } })
await model.fit(train, { epochs: 40, batch: 16, learningRate: 0.01 })
if (test) console.log(`test accuracy ${(100 * (await model.evaluate(test)).accuracy).toFixed(1)} %`)
await model.save('flowers.safetensors')

// So a model that is loaded takes rows as they are.
const loaded = await NoProp.load('flowers.safetensors')
const rows = [
  { height: 44.5, season: 'summer' },
  { height: null, season: 'spring' },
]
const { labels, probabilities } = await loaded.predict(rows)
for (const [index, label] of labels.entries())
  console.log(rows[index], label, Math.max(...(probabilities[index] ?? [])))
