import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { datasets, NoProp } from '../src/index.js'
import { smallIdx, squares, temporaryDirectory } from './support/data.js'
import { SMALL_FLAGS, smallModel } from './support/models.js'
import { png } from './support/png.js'
import { done, events, runCli } from './support/process.js'

const IMAGES = 't10k-images-idx3-ubyte'
const LABELS = 't10k-labels-idx1-ubyte'

/** Renames every file of a new data set of 24 training and 12 test samples. */
function layout(rename: (name: string) => string): string {
  const directory = smallIdx({ train: 24, test: 12 })
  for (const name of readdirSync(directory)) {
    const aside = join(directory, `${name}.moving`)
    renameSync(join(directory, name), aside)
    const path = join(directory, rename(name))
    mkdirSync(join(path, '..'), { recursive: true })
    renameSync(aside, path)
  }
  return directory
}

const dotted = (name: string) => name.replace('-idx', '.idx')

test.each([
  ['dots', dotted],
  ['upper case', (name: string) => name.toUpperCase()],
  ['a folder of each name', (name: string) => join(name, dotted(name))],
  ["torchvision's root", (name: string) => join('MNIST', 'raw', name)],
])('a directory with %s trains on 24 and tests on 12 samples', async (_, rename) => {
  const directory = layout(rename)
  writeFileSync(join(directory, `._${IMAGES}`), Buffer.from('0005160700020000', 'hex'))
  mkdirSync(join(directory, '__MACOSX'))
  writeFileSync(join(directory, `.${IMAGES}.Xa3b9Z`), 'half')
  const { train, test: held } = await datasets.load(directory)
  expect([train.samples, held.samples]).toEqual([24, 12])
  const outcome = await runCli(['train', '--data', directory, ...SMALL_FLAGS, '--batch', '8', '--json'])
  expect([outcome.code, events(outcome).find(({ event }) => event === 'start')?.samples]).toEqual([0, 24])
})

async function trained(): Promise<{ path: string; model: NoProp }> {
  const path = join(temporaryDirectory(), 'model.safetensors')
  const model = NoProp.create(smallModel({ blocks: 1 }))
  await model.fit(squares(64, 14, [0, 1, 2, 3]), { batch: 32 })
  await model.save(path)
  return { path, model }
}

test('a split without labels is loaded and predicted, and refused where labels are needed', async () => {
  const directory = smallIdx({ test: 12 })
  for (const name of readdirSync(directory)) if (name !== IMAGES) rmSync(join(directory, name))
  const { path, model } = await trained()
  const data = await datasets.loadSplit(directory, 'test', { labels: false })
  expect([data.samples, data.labels(), data.classes]).toEqual([12, null, []])
  expect((await datasets.loadSplit(directory, 'test', { labels: false, limit: 5 })).samples).toBe(5)
  const { labels } = await model.predict(data)
  const outcome = await runCli(['predict', path, '--data', directory, '--json'])
  const rows = events(outcome)
  expect(rows.slice(0, -1).map(({ label }) => label)).toEqual([...labels])
  expect([outcome.code, rows.at(-1)]).toEqual([0, { event: 'done', samples: 12, classes: [0, 1, 2, 3] }])

  await expect(datasets.loadSplit(directory, 'test')).rejects.toMatchObject({
    code: 'NOPROP_FILE_NOT_FOUND',
    expected: `${LABELS} or ${LABELS}.gz`,
  })
  await expect(model.evaluate(data)).rejects.toMatchObject({ code: 'NOPROP_LABEL' })
  expect(await runCli(['eval', path, '--data', directory])).toMatchObject({ code: 1 })
})

test('labels do not change what is predicted, not even damaged ones', async () => {
  const directory = smallIdx({ test: 12 })
  const { path } = await trained()
  const sound = await runCli(['predict', path, '--data', directory])
  expect(sound.stdout.split('\n')).toHaveLength(13)
  writeFileSync(join(directory, LABELS), 'damaged')
  expect(await runCli(['predict', path, '--data', directory])).toMatchObject({ code: 0, stdout: sound.stdout })
})

test('pictures become a data set; those that cannot be read are told, or reject', async () => {
  const directory = temporaryDirectory()
  const pixels = squares(3, 14, [0, 1, 2]).images
  const paths = [0, 1, 2].map((index) => {
    const path = join(directory, `${index}.png`)
    writeFileSync(path, png(pixels.subarray(index * 196, (index + 1) * 196), 14, 14))
    return path
  })
  const shape = [14, 14, 1]
  const whole = await datasets.fromImages(paths, { shape })
  expect(whole.fingerprint).toBe(datasets.fromArrays({ images: pixels, shape }).fingerprint)

  writeFileSync(paths[1]!, '<svg></svg>')
  const told: unknown[] = []
  const some = await datasets.fromImages(paths, { shape, onError: ({ code }, ...rest) => told.push([code, ...rest]) })
  expect([some.samples, told]).toEqual([2, [['NOPROP_FILE_FORMAT', paths[1], 1]]])
  expect(some.sample(1)).toEqual(whole.sample(2))
  await expect(datasets.fromImages(paths, { shape })).rejects.toMatchObject({
    received: 'what looks like a web page or XML text',
  })
  await expect(datasets.fromImages([paths[1]!], { shape, onError: () => {} })).rejects.toMatchObject({
    code: 'NOPROP_FILE_FORMAT',
  })
  await expect(datasets.fromImages([], { shape })).rejects.toMatchObject({ code: 'NOPROP_COUNT' })
})

test('a directory is found by its copies only where there is nothing else', async () => {
  const directory = smallIdx({ train: 24, test: 12 })
  for (const name of readdirSync(directory)) copyFileSync(join(directory, name), join(directory, `old-${name}`))
  expect((await done(['train', '--data', directory, ...SMALL_FLAGS, '--batch', '8'])).event).toBe('done')
  for (const name of readdirSync(directory)) if (!name.startsWith('old-')) rmSync(join(directory, name))
  expect((await datasets.load(directory)).train.samples).toBe(24)
})
