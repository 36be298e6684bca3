// Numbers instead of classes: a table of flats and their rents, R² on rows held out, and intervals with the share of the truth they hold.
import { writeFileSync } from 'node:fs'
import { datasets, NoProp } from 'noprop'

// Rents that follow from size, floor and district, and from what no column tells.
let state = 7
const random = () => {
  state = (state * 48271) % 2147483647
  return state / 2147483647
}
const districts = ['harbour', 'hill', 'station']
const flats = Array.from({ length: 600 }, () => {
  const [size, floor, place] = [20 + 100 * random(), Math.floor(6 * random()), Math.floor(3 * random())]
  const rent = 9 * size + 25 * floor + ([350, 200, 0][place] ?? 0) + 80 * (random() - 0.5)
  return [size.toFixed(0), floor, districts[place], rent.toFixed(0)].join()
})
writeFileSync('flats.csv', `size,floor,district,rent\n${flats.join('\n')}\n`)

const { train, test } = await datasets.fromTable('flats.csv', { target: 'rent', testSplit: 0.25 })
if (!test) throw new Error('testSplit holds out a test')
const { shape: input, targetCount: targets, preprocessing } = train
const model = NoProp.create({ input, targets, preprocessing, blocks: 10, net: { type: 'mlp', hidden: [32, 32] } })
await model.fit(train, { epochs: 60, batch: 32, learningRate: 3e-3, learningRateSchedule: 'one-cycle' })

const { r2, rmse } = await model.evaluateNumbers(test)
console.log(`R² ${r2.toFixed(3)}, off by ${rmse.toFixed(0)} on average (root of the mean square)`)
// How sure is it? Quantiles of stochastic runs; how much of the truth they hold is measured, not promised.
const { interval } = await model.evaluateNumbers(test, { interval: 0.9 })
console.log(`intervals that are to hold 90 % hold ${(100 * (interval?.coverage ?? 0)).toFixed(0)} % of the truth`)

await model.save('rents.safetensors')
const loaded = await NoProp.load('rents.safetensors')
const rows = [
  { size: 64, floor: 3, district: 'harbour' },
  { size: 31, floor: null, district: 'station' },
]
const predicted = await loaded.predictNumbers(rows, { interval: 0.9 })
for (const [at, row] of rows.entries()) {
  const [low, high] = [predicted.interval?.low[at]?.[0] ?? 0, predicted.interval?.high[at]?.[0] ?? 0]
  console.log(row, `${predicted.values[at]?.[0]?.toFixed(0)}, from ${low.toFixed(0)} to ${high.toFixed(0)}`)
}
