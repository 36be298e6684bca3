import { join } from 'node:path'
import { expect, test } from 'vitest'
import { NoProp } from '../src/index.js'
import { smallIdx, squares, temporaryDirectory, vectors } from './support/data.js'
import { SMALL_FLAGS, SMALL_MLP, smallModel } from './support/models.js'
import { done, events, runCli } from './support/process.js'

const data = squares(128, 14, [0, 1, 2, 3])
const options = { epochs: 2, batch: 32 }

test('augmented training gives other weights, and the model file says how images were changed', async () => {
  const [plain, none, moved] = [NoProp.create(smallModel()), NoProp.create(smallModel()), NoProp.create(smallModel())]
  const { weightsSha256 } = await plain.fit(data, options)
  expect((await none.fit(data, { ...options, augment: { shift: 0 } })).weightsSha256).toBe(weightsSha256)
  expect((await moved.fit(data, { ...options, augment: { shift: 2, flip: true } })).weightsSha256).not.toBe(
    weightsSha256,
  )
  for (const model of [plain, none]) expect(model.training?.options).not.toHaveProperty('augment')
  const path = join(temporaryDirectory(), 'model.safetensors')
  await moved.save(path)
  expect((await NoProp.load(path)).training?.options).toMatchObject({ augment: { shift: 2, flip: true } })
  expect((await runCli(['inspect', path])).stdout).toMatch(/^ {2}augment +\{"flip": true, "shift": 2\}$/m)
})

test('alternating flips and holes are changes of their own, from API and command line', async () => {
  const changes = [{ flip: true }, { flip: 'alternating' as const }, { flip: true, cutout: 4 }]
  const sums = []
  for (const augment of changes) {
    const model = NoProp.create(smallModel())
    sums.push((await model.fit(data, { ...options, augment })).weightsSha256)
    expect(model.training?.options.augment).toEqual({ shift: 0, ...augment })
  }
  expect(new Set(sums).size).toBe(3)
  const args = ['train', '--data', smallIdx(), ...SMALL_FLAGS, '--epochs', '2', '--augment']
  const typed = ['flip', 'flip=alternating', 'flip,cutout=4', 'cutout=4, flip=alternating']
  const found = []
  for (const text of typed) found.push((await done([...args, text])).weightsSha256)
  expect(new Set(found).size).toBe(4)
})

test('where training mirrors images, left and right are one', async () => {
  // Two classes, the mirror images of each other.
  const [sides, others] = [squares(256, 14, [0, 1]), squares(256, 14, [0, 1], 2)]
  const losses = []
  for (const flip of [false, true]) {
    const model = NoProp.create({ ...smallModel(), classes: [0, 1] })
    await model.fit(sides, { epochs: 10, batch: 32, learningRate: 3e-3, augment: { flip } })
    losses.push((await model.evaluate(others)).loss)
  }
  // The squared error of a probability of ½ for either class is ½.
  expect(losses[0], JSON.stringify(losses)).toBeLessThan(0.1)
  expect(losses[1], JSON.stringify(losses)).toBeGreaterThan(0.3)
})

test('vectors are refused, with what to do', async () => {
  const model = NoProp.create({ input: [8], classes: 2, net: SMALL_MLP, blocks: 2 })
  await expect(model.fit(vectors(64, 8, 2), { batch: 32, augment: { flip: true } })).rejects.toMatchObject({
    code: 'NOPROP_OPTION',
    what: 'option augment needs images',
    received: 'samples of 8 values',
  })
  expect(model.trained).toBe(false)
})

test('--augment is the same option, and a checkpoint is bound to it', async () => {
  const [directory, checkpoint] = [smallIdx(), join(temporaryDirectory(), 'c')]
  const args = ['train', '--data', directory, ...SMALL_FLAGS]
  const [plain, none] = [await done(args), await done([...args, '--augment', 'none'])]
  expect(none.weightsSha256).toBe(plain.weightsSha256)
  const moved = await done([...args, '--augment', 'shift=1,flip', '--checkpoint', checkpoint])
  expect(moved.weightsSha256).not.toBe(plain.weightsSha256)
  const other = await runCli([...args, '--augment', 'flip', '--checkpoint', checkpoint, '--resume', '--json'])
  expect(events(other).at(-1)).toMatchObject({ event: 'error', code: 'NOPROP_CHECKPOINT_MISMATCH' })
  expect(other.stderr).toContain('--augment shift differs')
  const same = [...args, '--augment', 'flip, shift=1', '--checkpoint', checkpoint, '--resume']
  expect((await done(same)).weightsSha256).toBe(moved.weightsSha256)
})

test.each([
  ['', /--augment has a bad value; .*empty text/],
  [
    'flip,rotate',
    /expected: shift=PIXELS, flip or flip=alternating, cutout=PIXELS, by commas, or none; received: flip,r/,
  ],
  ['flip=often', /--augment has a bad value; .*received: flip=often/],
  ['cutout=14', /--augment cutout is out of range; expected: 0 to 13 pixels for images of 14x14x1; received: 14/],
  ['shift=x', /--augment shift has a bad value/],
  ['shift=14', /--augment shift is out of range; expected: 0 to 13 pixels for images of 14x14x1; received: 14/],
])('--augment %j is refused by name', async (text, message) => {
  const { code, stderr } = await runCli(['train', '--data', smallIdx(), ...SMALL_FLAGS, '--augment', text])
  expect([code, stderr.split('\n').at(-2)]).toEqual([2, expect.stringMatching(message)])
})
