import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { buildNet, type Data, datasets, type ModelOptions, NoProp, type OnnxOptions } from '../src/index.js'
import { squares, temporaryDirectory, vectors } from './support/data.js'
import { done, root, runCli } from './support/process.js'
import { needing, pythonWith, runPython } from './support/python.js'

// The core's own tests compare tiny files of every operation byte for byte with files that onnxruntime has checked.

const python = pythonWith('onnx', 'onnxruntime')
const FOUR = [0, 1, 2, 3]

const own = buildNet((x, z) => {
  const stem = x.conv(4, { padding: 'same' }).batchNorm().relu()
  const image = stem.conv(4, { padding: 'same' }).batchNorm().silu().add(stem).maxPool().globalPool()
  return image
    .linear(8, [z.linear(8).relu()])
    .gelu()
    .linear('classes')
    .softmax()
})

/** Models that are trained for a moment, and how they are exported. */
const MODELS: [string, Omit<ModelOptions, 'input' | 'classes'>, OnnxOptions][] = [
  ['cnn', { blocks: 3, net: { type: 'cnn', widths: [4, 4, 8], hidden: 16 } }, {}],
  ['mlp', { blocks: 3, net: { type: 'mlp', hidden: [16] } }, { sampler: 'ddim' }],
  ['resnet', { blocks: 2, net: { type: 'resnet', widths: [4, 8], hidden: 16 } }, {}],
  ['vit', { blocks: 2, net: { type: 'vit', patch: 7, width: 16, depth: 1, heads: 2 } }, {}],
  ['own net', { blocks: 2, net: own }, {}],
  ['ct', { method: 'ct', net: { type: 'cnn', widths: [4, 4, 8], hidden: 16 } }, { steps: 5 }],
  ['fm', { method: 'fm', net: { type: 'mlp', hidden: [16] } }, { sampler: 'heun', steps: 4 }],
  [
    'diffusion-blocks',
    { method: 'diffusion-blocks', blocks: 2, net: { type: 'mlp', hidden: [16] } },
    { stepsPerBlock: 2 },
  ],
  ['backprop', { method: 'backprop', blocks: 2, net: { type: 'mlp', hidden: [16] } }, {}],
  ['classifier', { method: 'classifier', net: { type: 'cnn', widths: [4, 4, 8], hidden: 16 } }, {}],
  ['shared features', { blocks: 3, encoder: { net: { type: 'vit', patch: 7, width: 16, depth: 1, heads: 2 } } }, {}],
]

for (const embedding of [
  { type: 'learned', dim: 5 },
  { type: 'prototype' },
  { type: 'prototype', learned: true },
] as const) {
  const net = { type: 'cnn', widths: [4, 4, 8], hidden: 16 } as const
  const name = JSON.stringify(embedding).replace(/\W+/g, ' ')
  MODELS.push(
    [`dt ${name}`, { embedding, blocks: 2, net }, {}],
    [`ct ${name}`, { embedding, method: 'ct', net }, { steps: 5 }],
    [`fm ${name}`, { embedding, method: 'fm', net }, { sampler: 'heun', steps: 4 }],
  )
}

/** Trains, exports, and says what onnxruntime shall find. */
async function job(model: NoProp, data: Data, inputs: object, file: string, { signal, ...options }: OnnxOptions) {
  await model.exportOnnx(file, options)
  const { stopAfter, input, ...sampling } = options
  const { labels, probabilities, classes, states } = await model.predict(data, { ...sampling, states: true })
  const numbers = [...labels].map((label) => (typeof label === 'string' ? classes.indexOf(label) : label))
  return {
    ...{ onnx: file, inputs, labels: numbers, probabilities: probabilities.map((row) => [...row]) },
    noise: states.start.map((row) => [...row]),
  }
}

test.skipIf(!python)(needing('files agree with predictions', python, 'onnx', 'onnxruntime'), async () => {
  const directory = temporaryDirectory()
  const [train, data] = [squares(128, 14, FOUR), squares(64, 14, FOUR, 2)]
  const jobs = []
  for (const [name, options, onnx] of MODELS) {
    const model = NoProp.create({ ...options, input: [14, 14, 1], classes: 4 })
    await model.fit(train, { epochs: 1, batch: 32, learningRate: 3e-3 })
    const inputs = { x: { type: 'uint8', shape: [64, 14, 14, 1], values: [...data.images] } }
    jobs.push(await job(model, data, inputs, join(directory, `${name}.onnx`), onnx))
  }
  const rows = Array.from({ length: 60 }, (_, index) => ({
    height: index % 7 === 3 ? null : 1e6 + (index % 3) + 0.01 * index,
    colour: index % 10 === 9 ? '' : ['rot', 'grün', 'blau'][index % 3]!,
    kind: ['no', 'yes', 'perhaps'][index % 3]!,
  }))
  const { train: table } = await datasets.fromTable(rows, { label: 'kind' })
  const model = NoProp.create({
    ...{ input: table.shape, classes: table.classes, preprocessing: table.preprocessing },
    ...{ blocks: 2, net: { type: 'mlp', hidden: [8] } },
  })
  await model.fit(table, { epochs: 2, batch: 20 })
  const inputs = {
    height: { type: 'double', shape: [60, 1], values: rows.map(({ height }) => height) },
    colour: { type: 'string', shape: [60, 1], values: rows.map(({ colour }) => colour) },
  }
  jobs.push(await job(model, table, inputs, join(directory, 'table.onnx'), {}))
  // Every image of MNIST's test set.
  const [some, whole] = [
    await datasets.loadSplit('mnist', 'train', { limit: 1000 }),
    await datasets.loadSplit('mnist', 'test'),
  ]
  const digits = NoProp.create({ input: some.shape, classes: some.classes, blocks: 3, net: 'mlp' })
  await digits.fit(some, { epochs: 2 })
  const bytes = Array.from({ length: whole.samples }, (_, sample) =>
    Array.from(whole.sample(sample), (value) => Math.round(255 * value)),
  ).flat()
  const images = { x: { type: 'uint8', shape: [whole.samples, 28, 28, 1], values: bytes } }
  jobs.push(await job(digits, whole, images, join(directory, 'digits.onnx'), {}))
  const path = join(directory, 'jobs.json')
  writeFileSync(path, JSON.stringify(jobs))
  const found = runPython(python!, [join(root, 'test/golden/check_onnx.py'), path])
    .trim()
    .split('\n')
  expect(found).toHaveLength(jobs.length)
  for (const [index, line] of found.entries()) {
    const { unequal, gap, first, classes } = JSON.parse(line)
    // Sums in another order, in single precision.
    expect([jobs[index]!.onnx, unequal, gap < 1e-5, first]).toEqual([jobs[index]!.onnx, 0, true, true])
    const { onnx } = jobs[index]!
    const expected = onnx.endsWith('table.onnx')
      ? ['no', 'perhaps', 'yes']
      : onnx.endsWith('digits.onnx')
        ? digits.config.classes
        : FOUR
    expect(JSON.parse(classes)).toEqual(expected)
  }
})

test('a file says what it takes and gives, and equal models give equal files', async () => {
  const directory = temporaryDirectory()
  const train = vectors(64, 6, 3)
  const model = NoProp.create({ input: [6], classes: 3, blocks: 4, net: { type: 'mlp', hidden: [8] } })
  const untrained = model.exportOnnx(join(directory, 'untrained.onnx'))
  await expect(untrained).rejects.toMatchObject({ code: 'NOPROP_NOT_TRAINED' })
  await model.fit(train, { epochs: 1, batch: 32 })
  const [whole, again, part] = ['a', 'b', 'c'].map((name) => join(directory, `${name}.onnx`)) as [
    string,
    string,
    string,
  ]
  const file = await model.exportOnnx(whole)
  expect(file).toMatchObject({ opset: 17, bytes: readFileSync(whole).length })
  expect(file.inputs.map(({ name, type, shape }) => [name, type, shape])).toEqual([
    ['x', 'float', ['samples', 6]],
    ['noise', 'float', ['states', 3]],
  ])
  expect(file.outputs.map(({ name, type, shape }) => [name, type, shape])).toEqual([
    ['label', 'int64', ['samples']],
    ['probabilities', 'float', ['samples', 3]],
  ])
  await model.exportOnnx(again)
  expect(readFileSync(again).equals(readFileSync(whole))).toBe(true)
  expect((await model.exportOnnx(part, { stopAfter: 2 })).bytes).toBeLessThan(file.bytes)
  for (const options of [
    { stopAfter: 5 },
    { steps: 3 },
    { sampler: 'euler' },
    { stochastic: true },
    { input: 'text' },
  ]) {
    await expect(model.exportOnnx(part, options as OnnxOptions)).rejects.toMatchObject({ code: 'NOPROP_OPTION' })
  }
  await expect(model.exportOnnx(join(directory, 'none', 'a.onnx'))).rejects.toMatchObject({ code: 'NOPROP_OUTPUT' })
})

test('the command line writes files and says so', async () => {
  const directory = temporaryDirectory()
  const [file, onnx] = [join(directory, 'model.safetensors'), join(directory, 'model.onnx')]
  const model = NoProp.create({ input: [6], classes: 3, blocks: 3, net: { type: 'mlp', hidden: [8] } })
  await model.fit(vectors(64, 6, 3), { epochs: 1, batch: 32 })
  await model.save(file)
  const told = await done(['export', file, '--onnx', onnx, '--stop-after', '2', '--input', 'uint8'])
  expect(told.onnx).toMatchObject({ path: onnx, opset: 17, bytes: readFileSync(onnx).length })
  const { stdout } = await runCli(['export', file, '--onnx', onnx])
  expect(stdout).toMatch(/: ONNX, opset 17, \d+ nodes, [\d,]+ bytes\ninput +x: float \[samples, 6\]/)
  for (const [args, text] of [
    [['--stop-after', '9', '--onnx', onnx], '--stop-after is out of range; expected: 1 to 3'],
    [['--steps', '2', '--onnx', onnx], '--steps does not apply'],
    [['--seed', '2'], 'nothing to write is named'],
    [['--seed', '2', '--card', join(directory, 'c.md')], 'options of ONNX are given without --onnx'],
    [['--data', 'mnist', '--onnx', onnx], '--data and --name are for a model card'],
  ] as const) {
    const { code, stderr } = await runCli(['export', file, ...args])
    expect([code !== 0, stderr]).toEqual([true, expect.stringContaining(text)])
  }
})
