import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { datasets, NoProp } from '../src/index.js'
import { smallIdx, squares, temporaryDirectory } from './support/data.js'
import { png } from './support/png.js'
import { done, events, root, runCli } from './support/process.js'

const golden = (name: string) => join(root, 'crates/noprop-core/tests/golden/pictures', name)
const FLAGS = [
  '--blocks',
  '2',
  '--net',
  'mlp',
  '--hidden',
  '16',
  '--epochs',
  '30',
  '--batch',
  '16',
  '--lr',
  '0.01',
  '--threads',
  '2',
]
const KINDS = ['cat', 'dog', 'Ünï 猫']

/** Pictures of 20 × 16 pixels: a bright square whose place tells the kind. */
function photos(directory: string, count: number, seed = 1): string {
  const { images, labels } = squares(count, 16, [0, 1, 2], seed)
  for (const [index, label] of labels.entries()) {
    const pixels = new Uint8Array(320)
    for (let y = 0; y < 16; y++)
      pixels.set(images.subarray(256 * index + 16 * y, 256 * index + 16 * y + 16), 20 * y + 2)
    write(join(directory, KINDS[label] as string, `${index}.png`), png(pixels, 20, 16))
  }
  return directory
}

function write(path: string, content: string | Buffer): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, content)
}

test('folders of pictures become data sets, whose preprocessing the model keeps', async () => {
  const directory = photos(temporaryDirectory(), 60)
  write(join(directory, 'dog/damaged.png'), 'nothing')
  const told: unknown[] = []
  const { train, test, notes } = await datasets.fromFolder(directory, {
    size: [8, 10],
    fit: 'contain',
    testSplit: 0.2,
    seed: 3,
    onError: ({ code }, path) => told.push([code, path]),
  })
  expect([train.shape, train.classes, train.samples]).toEqual([[8, 10, 1], KINDS, 48])
  expect([test?.samples, train.preprocessing]).toEqual([12, { type: 'images', fit: 'contain' }])
  expect(told).toEqual([['NOPROP_FILE_FORMAT', join(directory, 'dog/damaged.png')]])
  const reason = `${join(directory, 'dog/damaged.png')} is not a picture that is read`
  expect(notes).toEqual([`1 picture could not be read and is left out: ${reason}`])
  const { shape: input, classes, preprocessing } = train
  const model = NoProp.create({ input, classes, preprocessing, blocks: 2, net: { type: 'mlp', hidden: [16] } })
  await model.fit(train, { epochs: 40, batch: 16, learningRate: 0.01 })
  expect((await model.evaluate(test as NonNullable<typeof test>)).accuracy).toBeGreaterThan(0.9)
  await expect(datasets.fromFolder(directory, { strict: true })).rejects.toMatchObject({ code: 'NOPROP_FILE_FORMAT' })
})

test('the command line trains on photos, and predicts pictures of any size and format', async () => {
  const directory = temporaryDirectory()
  const model = join(directory, 'photos.safetensors')
  photos(join(directory, 'data/train'), 60)
  photos(join(directory, 'data/test'), 30, 2)
  write(join(directory, 'data/train/cat/damaged.jpg'), '')
  const data = join(directory, 'data')
  const outcome = await runCli(['train', '--data', data, ...FLAGS, '--out', model])
  expect(outcome.code).toBe(0)
  expect(outcome.stderr).toMatch(/damaged.jpg is empty/)
  expect(outcome.stderr).toMatch(/1 picture could not be read and is left out: .*damaged.jpg is empty/)
  expect(outcome.stderr).toMatch(/60 training and 30 test samples, 16×20×1, 3 classes/)
  const evaluated = await done(['eval', model, '--data', data])
  expect([evaluated.samples, evaluated.classes]).toEqual([30, KINDS])
  expect(evaluated.accuracy).toBeGreaterThan(0.9)
  expect((await runCli(['eval', model, '--data', data])).stderr).toMatch(/1 picture could not be read and is left out/)
  const names = ['turned-6.jpg', 'frames.gif', 'lossy.webp', 'alpha.png', 'plain.bmp', 'cmyk.jpg']
  const predicted = events(await runCli(['predict', model, ...names.map(golden), '--json']))
  expect(predicted.map(({ event }) => event)).toEqual([...names.map(() => 'prediction'), 'done'])
  expect(KINDS).toContain(predicted[0]?.label)
  const inspected = await runCli(['inspect', model])
  expect(inspected.stdout).toMatch(/preprocessing\n {2}pictures +resized, fit cover/)
  const strict = await runCli(['train', '--data', data, ...FLAGS, '--strict'])
  expect([strict.code, strict.stderr]).toEqual([1, expect.stringMatching(/NOPROP_FILE_TRUNCATED: .*damaged.jpg/)])
})

test.each<[string, string[], number, RegExp]>([
  ['a bad size', ['--size', 'large'], 2, /--size has a bad value/],
  ['an unknown fit', ['--fit', 'crop'], 2, /unknown --fit|--fit/],
  ['a label', ['--label', 'x'], 2, /--label does not apply/],
  ['two channels', ['--channels', '2'], 2, /--channels is out of range/],
])('%s: refused', async (_, flags, code, message) => {
  const directory = photos(temporaryDirectory(), 6)
  const outcome = await runCli(['train', '--data', directory, ...FLAGS, ...flags])
  expect([outcome.code, outcome.stderr]).toEqual([code, expect.stringMatching(message)])
})

test('JPEG files that were cut are told and left out, and predict refuses one', async () => {
  const directory = photos(temporaryDirectory(), 30)
  const model = join(directory, '.model.safetensors')
  const cut = (name: string, share: number) => {
    const bytes = readFileSync(golden(name))
    return bytes.subarray(0, Math.floor(bytes.length * share))
  }
  for (const share of [0.3, 0.6, 0.9]) {
    write(join(directory, `cat/plain ${share}.jpg`), cut('plain.jpg', share))
    write(join(directory, `cat/progressive ${share}.jpg`), cut('progressive.jpg', share))
  }
  const { train, notes } = await datasets.fromFolder(directory)
  expect(train.samples).toBe(30)
  expect(notes.at(-1)).toMatch(
    /^6 pictures could not be read and are left out: (.*plain 0\.\d\.jpg ends too early, ){3}…$/,
  )
  const strict = datasets.fromFolder(directory, { strict: true })
  await expect(strict).rejects.toMatchObject({ code: 'NOPROP_FILE_TRUNCATED' })
  const { shape: input, classes, preprocessing } = train
  const made = NoProp.create({ input, classes, preprocessing, blocks: 1, net: { type: 'mlp', hidden: [4] } })
  await made.fit(train, { epochs: 1 })
  await made.save(model)
  const outcome = await runCli(['predict', model, join(directory, 'cat/plain 0.9.jpg')])
  expect([outcome.code, outcome.stderr]).toEqual([1, expect.stringMatching(/NOPROP_FILE_TRUNCATED: .*ends too early/)])
})

test('files in the place of folders, and pictures in the place of classes, are refused in words', async () => {
  const directory = photos(temporaryDirectory(), 6)
  const table = join(temporaryDirectory(), 't.csv')
  writeFileSync(table, 'a,b\n1,2\n')
  const tested = await runCli(['data', directory, '--test', table])
  expect([tested.code, tested.stderr]).toEqual([
    2,
    expect.stringMatching(/--test: .*t\.csv is no folder.*a folder of pictures for each class/),
  ])
  const flat = await runCli(['data', join(directory, 'cat')])
  expect([flat.code, flat.stderr]).toEqual([
    1,
    expect.stringMatching(/folders of pictures.*received: 2 pictures in no folder of a class; hint: put the pictures/),
  ])
  const missing = await runCli(['data', join(directory, 'nowhere')])
  expect(missing.stderr).toMatch(/there is no file or directory.*a table, a folder of pictures, a directory of IDX/)
})

test('files of IDX without a test train, and are split', async () => {
  const directory = smallIdx({ train: 60, test: 20 })
  for (const name of ['t10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte']) rmSync(join(directory, name))
  const whole = await done(['train', '--data', directory, ...FLAGS, '--epochs', '1'])
  expect(whole.testAccuracy).toBeUndefined()
  const split = await done(['train', '--data', directory, ...FLAGS, '--test-split', '0.2', '--seed', '4'])
  expect(split.testAccuracy).toBeGreaterThan(0.5)
  const other = smallIdx({ train: 20, test: 20, seed: 5 })
  const tested = await done(['train', '--data', directory, ...FLAGS, '--test', other])
  expect(tested.testAccuracy).toBeGreaterThan(0.5)
  const twice = await runCli(['train', '--data', other, ...FLAGS, '--test-split', '0.2'])
  expect([twice.code, twice.stderr]).toEqual([2, expect.stringMatching(/named twice/)])
})

test('pictures are samples of any size where a fit is named', async () => {
  const directory = temporaryDirectory()
  copyFileSync(golden('plain.jpg'), join(directory, 'a.jpg'))
  const paths = [join(directory, 'a.jpg')]
  const data = await datasets.fromImages(paths, { shape: [5, 7, 3], fit: 'stretch' })
  expect(data.shape).toEqual([5, 7, 3])
  await expect(datasets.fromImages(paths, { shape: [5, 7, 3] })).rejects.toMatchObject({ code: 'NOPROP_SHAPE' })
  await expect(datasets.fromImages(paths, { shape: [5, 7, 3], fit: 'crop' as never })).rejects.toMatchObject({
    code: 'NOPROP_OPTION',
  })
})

test('samples on disk train to the same bits as those in memory', async () => {
  const directory = photos(temporaryDirectory(), 60)
  const cache = temporaryDirectory()
  const env = { ...process.env, XDG_CACHE_HOME: cache }
  const train = (...flags: string[]) =>
    done(['train', '--data', directory, ...FLAGS, '--test-split', '0.2', '--validation-split', '0.2', ...flags], {
      env,
    })
  const memory = await train()
  expect(existsSync(join(cache, 'noprop'))).toBe(false)
  const disk = await train('--memory-limit', '0')
  expect(readdirSync(join(cache, 'noprop/pictures'))).toHaveLength(2)
  expect(disk.weightsSha256).toBe(memory.weightsSha256)
  expect([disk.testAccuracy, disk.testLoss]).toEqual([memory.testAccuracy, memory.testLoss])
  const augmented = ['--augment', 'shift=2,flip', '--net', 'mlp']
  const again = await train('--memory-limit', '0.001', ...augmented)
  expect(again.weightsSha256).toBe((await train(...augmented)).weightsSha256)
  expect(readdirSync(join(cache, 'noprop/pictures'))).toHaveLength(2)
  const told = await runCli(['data', directory, '--memory-limit', '0'], { env })
  expect(told).toMatchObject({ code: 0, stderr: expect.stringContaining('are kept in') })
  const { code, stderr } = await runCli(['data', directory, '--memory-limit', '-1'], { env })
  expect([code, stderr]).toEqual([2, expect.stringContaining('--memory-limit is out of range')])
})

test('the worst samples are named by their files', async () => {
  const directory = photos(temporaryDirectory(), 60)
  const out = join(temporaryDirectory(), 'photos.safetensors')
  await done(['train', '--data', directory, ...FLAGS, '--epochs', '1', '--out', out])
  const found = await done(['eval', out, '--data', directory, '--worst', '30'])
  const worst = found.worst as { sample: number; path: string; loss: number }[]
  expect(worst).toHaveLength(30)
  const { train } = await datasets.fromFolder(directory)
  const labels = train.labels() as string[]
  for (const { path, sample } of worst) expect(path.startsWith(join(directory, labels[sample] as string))).toBe(true)
  expect(new Set(worst.map(({ path }) => path)).size).toBe(30)
  // Those that are held out keep their files.
  const { test: held } = await train.split(0.2)
  const model = await NoProp.load(out)
  for (const { path, target } of (await model.evaluate(held)).worst) {
    expect(path).toContain(`/${model.config.classes[target]}/`)
  }
  const shown = await runCli(['eval', out, '--data', directory, '--worst', '3'])
  expect(shown.stdout).toContain(`worst samples   ${worst[0]?.path}`)
  expect(shown.stdout).toMatch(/^sample +label +predicted +probability of label +loss\n(.*\.png .*\n){3}/m)
  expect((await model.evaluate(train, { worst: 0 })).worst).toEqual([])
  await expect(model.evaluate(train, { worst: 10_001 })).rejects.toMatchObject({ code: 'NOPROP_OPTION' })
  await expect(model.predict(train, { worst: 1 } as never)).rejects.toMatchObject({ code: 'NOPROP_OPTION' })
})
