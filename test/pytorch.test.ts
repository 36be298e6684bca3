import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Net, NoProp } from '../src/index.js'
import { squares, temporaryDirectory } from './support/data.js'
import { root } from './support/process.js'
import { needing, pythonWith, runPython } from './support/python.js'

const python = pythonWith('torch', 'safetensors')

const PRESETS: Net[] = [
  { type: 'cnn', widths: [4, 6, 8], hidden: 16 },
  { type: 'mlp', hidden: [16, 8] },
  { type: 'resnet', widths: [4, 8], depth: 2, hidden: 16 },
  { type: 'vit', patch: 7, width: 16, depth: 2, heads: 2, mlpRatio: 2 },
]

const presets = PRESETS.map(
  (net) => [needing((net as { type: string }).type, python, 'torch', 'safetensors'), net] as const,
)

test.skipIf(!python).each(presets)('in PyTorch and back: %s', async (_, net) => {
  const directory = temporaryDirectory()
  const [file, copy, about] = ['model.safetensors', 'copy.safetensors', 'expected.json'].map((name) =>
    join(directory, name),
  ) as [string, string, string]
  const [train, data] = [squares(96, 14, [0, 1, 2]), squares(16, 14, [0, 1, 2], 2)]
  const model = NoProp.create({ input: [14, 14, 1], classes: 3, blocks: 3, net })
  await model.fit(train, { epochs: 2, batch: 32, learningRate: 3e-3 })
  await model.save(file)
  const { states } = await model.predict(data, { states: true })
  const lists = (rows: Float32Array[]) => rows.map((row) => [...row])
  const expected = {
    x: Array.from(data.images, (value) => Math.fround(value / 255)),
    ...{ start: lists(states.start), states: states.steps.map(({ state }) => lists(state)) },
  }
  writeFileSync(about, JSON.stringify(expected))
  const found = JSON.parse(runPython(python!, ['check.py', file, about, copy], join(root, 'examples/pytorch')))
  // Sums in another order, in single precision.
  expect(found).toEqual({ gap: expect.any(Number), samples: 16, preset: (net as { type: string }).type })
  expect(found.gap).toBeLessThan(1e-5)
  const again = await NoProp.load(copy)
  expect(await again.weightsSha256()).toBe(await model.weightsSha256())
  expect(again.config).toEqual(model.config)
})
