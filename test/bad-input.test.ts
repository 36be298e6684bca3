import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type DataInput, datasets, NoProp, NoPropError } from '../src/index.js'
import { idx, smallIdx, squares, temporaryDirectory, vectors } from './support/data.js'
import { SMALL_FLAGS, SMALL_MLP, smallModel } from './support/models.js'
import { runCli } from './support/process.js'
import { readSafetensors, writeSafetensors } from './support/safetensors.js'

/** Runs what must fail, and returns its error, which must be ours and say something. */
async function failure(work: () => unknown): Promise<NoPropError> {
  try {
    await work()
  } catch (error) {
    expect(error).toBeInstanceOf(NoPropError)
    expect((error as NoPropError).what).not.toBe('')
    expect((error as NoPropError).message).not.toMatch(/\n|backtrace|panicked/)
    return error as NoPropError
  }
  throw new Error('it did not fail')
}

/** Expects a command to fail with one line, the code and the exit code, and without a stack. */
async function cliFailure(args: readonly string[], code: RegExp, exitCode: number) {
  const { code: exit, stdout, stderr } = await runCli(args)
  expect({ args, exit, stdout }).toEqual({ args, exit: exitCode, stdout: '' })
  const lines = stderr.split('\n').filter(Boolean)
  const error = lines.filter((line) => line.startsWith('error '))
  expect(error).toHaveLength(1)
  expect(lines.at(-1)).toBe(error[0])
  expect(error[0]).toMatch(new RegExp(`^error (${code.source}): `))
  expect(stderr).not.toMatch(/^ {4}at |panicked|backtrace/m)
}

type Spoil = (directory: string) => void
const images = 'train-images-idx3-ubyte'
const labels = 'train-labels-idx1-ubyte'
const replace =
  (name: string, content: (old: Buffer) => Buffer): Spoil =>
  (directory) =>
    writeFileSync(join(directory, name), content(readFileSync(join(directory, name))))
/** Replaces a plain file by a gzipped one. */
const gzipped =
  (name: string, content: (old: Buffer) => Buffer): Spoil =>
  (directory) => {
    const old = readFileSync(join(directory, name))
    rmSync(join(directory, name))
    writeFileSync(join(directory, `${name}.gz`), content(old))
  }
const withSizes =
  (...sizes: number[]) =>
  (old: Buffer) =>
    idx('images', sizes, old.subarray(16))

const brokenFiles: [string, Spoil, RegExp][] = [
  ['a missing file', (directory) => rmSync(join(directory, labels)), /NOPROP_FILE_NOT_FOUND/],
  ['an empty file', replace(images, () => Buffer.alloc(0)), /NOPROP_FILE_(TRUNCATED|FORMAT)/],
  ['a short file', replace(images, (old) => old.subarray(0, old.length - 1)), /NOPROP_FILE_TRUNCATED/],
  ['a short header', replace(images, (old) => old.subarray(0, 7)), /NOPROP_FILE_TRUNCATED/],
  ['a file that is too long', replace(images, (old) => Buffer.concat([old, Buffer.alloc(5)])), /NOPROP_FILE_FORMAT/],
  [
    'a wrong magic number',
    replace(images, (old) => Buffer.concat([Buffer.from([0, 0, 9, 3]), old.subarray(4)])),
    /NOPROP_FILE_FORMAT/,
  ],
  [
    'labels where images should be',
    (directory) => writeFileSync(join(directory, images), readFileSync(join(directory, labels))),
    /NOPROP_FILE_FORMAT/,
  ],
  ['a header that claims 2^31 images', replace(images, withSizes(2 ** 31, 14, 14)), /NOPROP_FILE_(TRUNCATED|FORMAT)/],
  [
    'a header whose sizes overflow',
    replace(images, withSizes(2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1)),
    /NOPROP_FILE_(TRUNCATED|FORMAT)/,
  ],
  [
    'a gzipped header that claims 2^31 images',
    gzipped(images, (old) => gzipSync(withSizes(2 ** 31, 14, 14)(old))),
    /NOPROP_FILE_(TRUNCATED|FORMAT)/,
  ],
  ['images of no size', replace(images, withSizes(256, 0, 0)), /NOPROP_(FILE_FORMAT|SHAPE|FILE_TRUNCATED)/],
  [
    'no samples at all',
    (directory) => {
      writeFileSync(join(directory, images), idx('images', [0, 14, 14], new Uint8Array()))
      writeFileSync(join(directory, labels), idx('labels', [0], new Uint8Array()))
    },
    /NOPROP_(FILE_FORMAT|COUNT|OPTION|LABEL)/,
  ],
  [
    'labels and images that differ in number',
    replace(labels, (old) => idx('labels', [255], old.subarray(8, 263))),
    /NOPROP_COUNT/,
  ],
  ['gzip that is none', gzipped(images, () => Buffer.from('\x1f\x8b and then text')), /NOPROP_FILE_(FORMAT|TRUNCATED)/],
  ['gzip that ends early', gzipped(images, (old) => gzipSync(old).subarray(0, 2000)), /NOPROP_FILE_(FORMAT|TRUNCATED)/],
  [
    'a test split of another size',
    (directory) => {
      const { images: pixels, labels: kinds } = squares(10, 12, [0, 1, 2, 3])
      writeFileSync(join(directory, 't10k-images-idx3-ubyte'), idx('images', [10, 12, 12], pixels))
      writeFileSync(join(directory, 't10k-labels-idx1-ubyte'), idx('labels', [10], Uint8Array.from(kinds)))
    },
    /NOPROP_SHAPE/,
  ],
]

describe('broken data directories', () => {
  test.each(brokenFiles)('%s', async (_, spoil, code) => {
    const directory = smallIdx()
    spoil(directory)
    const before = process.resourceUsage().maxRSS
    // A test split of another shape is well in itself; only training on the other one is not.
    if (code.source !== 'NOPROP_SHAPE') {
      expect((await failure(() => datasets.load(directory))).code).toMatch(code)
    }
    // Kibibytes: nothing was allocated on the word of a header.
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(300 * 1024)
    await cliFailure(['train', '--data', directory, ...SMALL_FLAGS], code, 1)
  })

  test('a directory that does not exist, an empty one, and a name that is none', async () => {
    for (const data of ['/nowhere/at/all', temporaryDirectory(), 'imagenet']) {
      expect((await failure(() => datasets.load(data))).code).toBe('NOPROP_FILE_NOT_FOUND')
      await cliFailure(['train', '--data', data], /NOPROP_FILE_NOT_FOUND/, 1)
    }
  })

  test('a limit of nothing', async () => {
    const directory = smallIdx()
    expect((await failure(() => datasets.load(directory, { limit: 0 }))).code).toBe('NOPROP_OPTION')
    expect((await failure(() => datasets.load(directory, { limit: 1.5 }))).code).toBe('NOPROP_OPTION')
    await cliFailure(['train', '--data', directory, '--limit', '-1'], /NOPROP_OPTION/, 2)
  })
})

describe('broken arrays', () => {
  const good = () => vectors(8, 4, 2)
  const spoiled = (index: number, value: number) => {
    const { images, ...rest } = good()
    images[index] = value
    return { images, ...rest }
  }
  const cases: [string, () => DataInput, string][] = [
    ['NaN', () => spoiled(9, Number.NaN), 'NOPROP_VALUE'],
    ['infinity', () => spoiled(0, Number.NEGATIVE_INFINITY), 'NOPROP_VALUE'],
    ['fewer labels than images', () => ({ ...good(), labels: [0, 1] }), 'NOPROP_COUNT'],
    ['more labels than images', () => ({ ...good(), labels: Array(9).fill(0) }), 'NOPROP_COUNT'],
    ['images that are no multiple of the shape', () => ({ ...good(), shape: [5] }), 'NOPROP_COUNT'],
    ['no images', () => ({ images: new Float32Array(0), shape: [4], labels: [] }), 'NOPROP_COUNT'],
    ['a shape of four sides', () => ({ ...good(), shape: [2, 2, 1, 1] }), 'NOPROP_SHAPE'],
    ['a shape of no side', () => ({ ...good(), shape: [] }), 'NOPROP_SHAPE'],
    ['a negative side', () => ({ ...good(), shape: [-4] }), 'NOPROP_SHAPE'],
    ['a side of 0', () => ({ ...good(), shape: [0] }), 'NOPROP_SHAPE'],
    ['sides whose product overflows', () => ({ ...good(), shape: [4e9, 4e9, 4e9] }), 'NOPROP_SHAPE'],
    ['no shape', () => ({ images: new Float32Array(8) }), 'NOPROP_SHAPE'],
    ['ragged lists', () => ({ images: [[1, 2], [3]] }), 'NOPROP_SHAPE'],
    ['lists of text', () => ({ images: [['a', 'b', 'c', 'd']] as unknown as number[][] }), 'NOPROP_VALUE'],
    ['integers', () => ({ images: new Int32Array(8) as unknown as Float32Array, shape: [4] }), 'NOPROP_OPTION'],
    ['nothing', () => null as unknown as DataInput, 'NOPROP_OPTION'],
    ['a label of 1.5', () => ({ ...good(), labels: [0, 1, 0, 1.5, 0, 1, 0, 1] }), 'NOPROP_LABEL'],
    ['a label that is too large', () => ({ ...good(), labels: Array(8).fill(2 ** 31) }), 'NOPROP_LABEL'],
    ['a label of text among numbers', () => ({ ...good(), labels: [...Array(7).fill(1), '1'] }), 'NOPROP_LABEL'],
  ]
  test.each(cases)('%s', async (_, data, code) => {
    expect((await failure(() => datasets.fromArrays(data()))).code).toBe(code)
    const model = NoProp.create({ blocks: 2, net: SMALL_MLP, input: [4], classes: 2 })
    if (_ !== 'no shape') expect((await failure(() => model.fit(data()))).code).toBe(code)
  })

  test('a sample that is not there', async () => {
    const dataset = datasets.fromArrays(good())
    for (const index of [8, -1, 0.5]) expect((await failure(() => dataset.sample(index))).code).toBe('NOPROP_OPTION')
  })
})

describe('broken options', () => {
  const models: [string, object, string][] = [
    ['no blocks', { blocks: 0 }, 'NOPROP_OPTION'],
    ['a negative number of blocks', { blocks: -1 }, 'NOPROP_OPTION'],
    ['half a block', { blocks: 1.5 }, 'NOPROP_OPTION'],
    ['too many blocks', { blocks: 1e9 }, 'NOPROP_OPTION'],
    ['an unknown option', { block: 3 }, 'NOPROP_OPTION'],
    ['an unknown option of the net', { net: { type: 'cnn', width: [8] } }, 'NOPROP_OPTION'],
    ['an unknown net', { net: 'transformer' }, 'NOPROP_OPTION'],
    ['an unknown method', { method: 'ct' }, 'NOPROP_OPTION'],
    ['an unknown schedule', { schedule: 'quadratic' }, 'NOPROP_OPTION'],
    ['an unknown embedding', { embedding: 'random' }, 'NOPROP_OPTION'],
    ['an embedding without a dimension', { embedding: 'orthogonal' }, 'NOPROP_OPTION'],
    ['an embedding of nothing', { embedding: { type: 'orthogonal', dim: 0 } }, 'NOPROP_OPTION'],
    ['a dimension of prototypes', { embedding: { type: 'prototype', dim: 4 } }, 'NOPROP_OPTION'],
    ['prototypes of other samples', { embedding: { type: 'prototype', vectors: [1, 2] } }, 'NOPROP_OPTION'],
    ['a dimension of one-hot embeddings', { embedding: { type: 'one-hot', dim: 4 } }, 'NOPROP_OPTION'],
    ['a width of 0', { net: { type: 'cnn', widths: [8, 0, 8] } }, 'NOPROP_OPTION'],
    ['dropout of everything', { net: { type: 'cnn', dropout: 1 } }, 'NOPROP_OPTION'],
    ['a text for a number', { blocks: '3' }, 'NOPROP_OPTION'],
    ['NaN for a number', { blocks: Number.NaN }, 'NOPROP_OPTION'],
    ['a negative seed', { seed: -1 }, 'NOPROP_OPTION'],
    ['a custom schedule that falls', { schedule: { type: 'custom', alphaBar: [0, 0.5, 0.4, 1] } }, 'NOPROP_OPTION'],
    ['a custom schedule of another length', { schedule: { type: 'custom', alphaBar: [0, 1] } }, 'NOPROP_OPTION'],
    ['a custom schedule beyond 1', { schedule: { type: 'custom', alphaBar: [0, 0.2, 0.5, 1.1] } }, 'NOPROP_OPTION'],
    ['an image that is too small for the net', { input: [3, 3, 1] }, 'NOPROP_SHAPE'],
    ['vectors for the convolutional net', { input: [196] }, 'NOPROP_SHAPE'],
    ['no classes', { classes: [] }, 'NOPROP_LABEL'],
    ['classes: 0', { classes: 0 }, 'NOPROP_LABEL'],
    ['billions of classes', { classes: 4e9 }, 'NOPROP_LABEL'],
    ['a class twice', { classes: [1, 1, 2] }, 'NOPROP_LABEL'],
  ]
  test.each(models)('create with %s', async (_, options, code) => {
    expect((await failure(() => NoProp.create({ ...smallModel(), ...options }))).code).toBe(code)
  })

  const trainings: [string, object, string][] = [
    ['a batch larger than the data', { batch: 65 }, 'NOPROP_OPTION'],
    ['a batch of 0', { batch: 0 }, 'NOPROP_OPTION'],
    ['no epochs', { epochs: 0 }, 'NOPROP_OPTION'],
    ['a learning rate of 0', { learningRate: 0 }, 'NOPROP_OPTION'],
    ['a learning rate of NaN', { learningRate: Number.NaN }, 'NOPROP_OPTION'],
    ['a negative weight decay', { weightDecay: -1 }, 'NOPROP_OPTION'],
    ['an unknown option', { epoch: 3 }, 'NOPROP_OPTION'],
    ['an unknown weighting', { weighting: 'none' }, 'NOPROP_OPTION'],
    ['an unknown learning rate schedule', { learningRateSchedule: 'step' }, 'NOPROP_OPTION'],
    ['a shift that leaves nothing of an image', { augment: { shift: 14 } }, 'NOPROP_OPTION'],
    ['a shift by half a pixel', { augment: { shift: 0.5 } }, 'NOPROP_OPTION'],
    ['a shift backwards', { augment: { shift: -1 } }, 'NOPROP_OPTION'],
    ['an unknown change of images', { augment: { rotate: 5 } }, 'NOPROP_OPTION'],
    ['an augmentation that is none', { augment: null }, 'NOPROP_OPTION'],
    ['a flip that is no boolean', { augment: { flip: 1 } }, 'NOPROP_OPTION'],
    ['an unknown kind of flip', { augment: { flip: 'often' } }, 'NOPROP_OPTION'],
    ['a hole that leaves nothing of an image', { augment: { cutout: 14 } }, 'NOPROP_OPTION'],
    ['no threads', { threads: 0 }, 'NOPROP_OPTION'],
    ['nothing in flight', { inFlight: 0 }, 'NOPROP_OPTION'],
    ['a negative checkpoint interval', { checkpoint: 'x', checkpointSeconds: -1 }, 'NOPROP_OPTION'],
    ['resume without a checkpoint', { resume: true }, 'NOPROP_OPTION'],
    ['an unknown device', { device: 'tpu' }, 'NOPROP_OPTION'],
    ['options that are none', 5 as unknown as object, 'NOPROP_OPTION'],
  ]
  test.each(trainings)('fit with %s', async (_, options, code) => {
    const model = NoProp.create(smallModel())
    const given = typeof options === 'object' ? { batch: 32, ...options } : options
    expect((await failure(() => model.fit(squares(64, 14, [0, 1, 2, 3]), given))).code).toBe(code)
    expect(model.trained).toBe(false)
  })

  test('a device that this build does not have is refused, never replaced', async () => {
    const model = NoProp.create(smallModel())
    const error = await failure(() => model.fit(squares(64, 14, [0, 1, 2, 3]), { batch: 32, device: 'cuda' }))
    expect(error.code).toMatch(/^NOPROP_(CUDA_\w+|DEVICE)$/)
    expect(model.trained).toBe(false)
  })

  test('data that do not fit the model', async () => {
    const model = NoProp.create(smallModel())
    const fitting = (data: DataInput) => failure(() => model.fit(data, { batch: 8 }))
    expect((await fitting(squares(16, 12, [0, 1, 2, 3]))).code).toBe('NOPROP_SHAPE')
    expect((await fitting(vectors(16, 8, 4))).code).toBe('NOPROP_SHAPE')
    expect((await fitting(squares(16, 14, [0, 1, 2, 9]))).code).toBe('NOPROP_LABEL')
    const { images, shape } = squares(16, 14, [0, 1, 2, 3])
    expect((await fitting({ images, shape })).code).toBe('NOPROP_LABEL')
  })

  test('a model that is not trained', async () => {
    const model = NoProp.create(smallModel())
    const data = squares(8, 14, [0, 1, 2, 3])
    const path = join(temporaryDirectory(), 'model.safetensors')
    for (const work of [() => model.evaluate(data), () => model.predict(data), () => model.save(path)]) {
      expect((await failure(work)).code).toBe('NOPROP_NOT_TRAINED')
    }
  })

  test('evaluate and predict with wrong options or data', async () => {
    const model = NoProp.create(smallModel())
    await model.fit(squares(32, 14, [0, 1, 2, 3]), { batch: 32 })
    const data = squares(8, 14, [0, 1, 2, 3])
    const evaluate = (options: object) => failure(() => model.evaluate(data, options))
    for (const options of [
      { sampler: 'euler' },
      { samplers: 'ddim' },
      { runs: 0 },
      { runs: 1.5 },
      { seed: -1 },
      { threads: 0 },
    ]) {
      expect({ options, code: (await evaluate(options)).code }).toEqual({ options, code: 'NOPROP_OPTION' })
    }
    expect((await failure(() => model.evaluate({ images: data.images, shape: data.shape }))).code).toBe('NOPROP_LABEL')
    expect((await failure(() => model.evaluate(squares(8, 14, [0, 1, 2, 9])))).code).toBe('NOPROP_LABEL')
    expect((await failure(() => model.evaluate(squares(8, 15, [0, 1])))).code).toBe('NOPROP_SHAPE')
    expect((await failure(() => model.predict(squares(8, 15, [0, 1])))).code).toBe('NOPROP_SHAPE')
    expect((await failure(() => model.predict(new Float32Array(195)))).code).toBe('NOPROP_COUNT')
    expect((await failure(() => model.predict(Float32Array.from({ length: 196 }, () => Number.NaN)))).code).toBe(
      'NOPROP_VALUE',
    )
  })

  const flags: [string[], RegExp, number][] = [
    [['--blocks', '0'], /NOPROP_OPTION/, 2],
    [['--blocks', 'ten'], /NOPROP_OPTION/, 2],
    [['--blocks', ''], /NOPROP_OPTION/, 2],
    [['--batch', '257'], /NOPROP_OPTION/, 2],
    [['--net', 'transformer'], /NOPROP_OPTION/, 2],
    [['--net', 'mlp', '--widths', '8,8,8'], /NOPROP_OPTION/, 2],
    [['--widths', '8,8'], /NOPROP_OPTION/, 2],
    [['--method', 'forward-gradient'], /NOPROP_OPTION/, 2],
    [['--schedule', 'none'], /NOPROP_OPTION/, 2],
    [['--alpha-bar', '0,1'], /NOPROP_OPTION/, 2],
    [['--embedding', 'random'], /NOPROP_OPTION/, 2],
    [['--embedding', 'orthogonal'], /NOPROP_OPTION/, 2],
    [['--embedding-dim', '0'], /NOPROP_OPTION/, 2],
    [['--lr', '-1'], /NOPROP_OPTION/, 2],
    [['--lr-schedule', 'step'], /NOPROP_OPTION/, 2],
    [['--augment', ''], /NOPROP_OPTION/, 2],
    [['--augment', 'flip,rotate'], /NOPROP_OPTION/, 2],
    [['--augment', 'none,flip'], /NOPROP_OPTION/, 2],
    [['--augment', 'shift'], /NOPROP_OPTION/, 2],
    [['--augment', 'shift=x'], /NOPROP_OPTION/, 2],
    [['--augment', 'shift=14'], /NOPROP_OPTION/, 2],
    [['--threads', '0'], /NOPROP_OPTION/, 2],
    [['--seed', '-1'], /NOPROP_OPTION/, 2],
    [['--resume'], /NOPROP_OPTION/, 2],
    [['--device', 'tpu'], /NOPROP_OPTION/, 2],
  ]
  test.each(flags)('train %j', async (args, code, exitCode) => {
    const common = ['train', '--data', smallIdx({ train: 256, test: 8 }), '--widths', '8,8,16', '--hidden', '16']
    await cliFailure([...common, ...args], code, exitCode)
  })
})

describe('broken files of ours', () => {
  const isRoot = process.getuid?.() === 0

  test('an output path that cannot be written is found before the data are even looked for', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'a file'), '')
    mkdirSync(join(directory, 'a directory'))
    mkdirSync(join(directory, 'locked'))
    chmodSync(join(directory, 'locked'), 0o500)
    const outs = [
      'missing/model.safetensors',
      'a file/model.safetensors',
      'a directory',
      ...(isRoot ? [] : ['locked/model.safetensors']),
    ]
    for (const out of outs) {
      await cliFailure(['train', '--data', '/nowhere/at/all', '--out', join(directory, out)], /NOPROP_OUTPUT/, 1)
    }
  })

  test('saving where nothing can be written', async () => {
    const model = NoProp.create(smallModel({ blocks: 1 }))
    await model.fit(squares(8, 14, [0, 1, 2, 3]), { batch: 8 })
    const path = join(temporaryDirectory(), 'missing', 'model.safetensors')
    expect((await failure(() => model.save(path))).code).toMatch(/NOPROP_(OUTPUT|IO|FILE_NOT_FOUND)/)
    expect((await failure(() => model.save(''))).code).toBe('NOPROP_OPTION')
  })

  test('model files', async () => {
    const model = NoProp.create(smallModel({ blocks: 2 }))
    await model.fit(squares(8, 14, [0, 1, 2, 3]), { batch: 8 })
    const directory = temporaryDirectory()
    const good = join(directory, 'good.safetensors')
    await model.save(good)
    const bytes = readFileSync(good)
    const parsed = readSafetensors(good)
    const path = join(directory, 'bad.safetensors')
    const write = (content: Uint8Array) => () => writeFileSync(path, content)
    const lying = Buffer.from(bytes)
    lying.writeBigUInt64LE(2n ** 62n, 0)
    const name = Object.keys(parsed.tensors)[0]!
    const { [name]: _, ...others } = parsed.tensors
    const transposed = { ...parsed.tensors[name]!, shape: [...parsed.tensors[name]!.shape, 1] }
    const cases: [string, () => void, RegExp][] = [
      ['missing', () => {}, /NOPROP_FILE_NOT_FOUND/],
      ['empty', write(Buffer.alloc(0)), /NOPROP_MODEL_(TRUNCATED|FORMAT)/],
      ['a picture', write(Buffer.from('\x89PNG\r\n\x1a\n and so on')), /NOPROP_MODEL_FORMAT/],
      ['a header that lies', write(lying), /NOPROP_MODEL_(TRUNCATED|FORMAT)/],
      ['short by a byte', write(bytes.subarray(0, bytes.length - 1)), /NOPROP_MODEL_TRUNCATED/],
      ['short in the header', write(bytes.subarray(0, 100)), /NOPROP_MODEL_TRUNCATED/],
      ['no metadata', () => writeSafetensors(path, { ...parsed, metadata: {} }), /NOPROP_MODEL_FORMAT/],
      [
        'a later version',
        () => writeSafetensors(path, { ...parsed, metadata: { ...parsed.metadata, format_version: '999' } }),
        /NOPROP_MODEL_VERSION/,
      ],
      [
        'a missing tensor',
        () => writeSafetensors(path, { ...parsed, tensors: others }),
        /NOPROP_MODEL_(FORMAT|TRUNCATED)/,
      ],
      [
        'a tensor of another shape',
        () => writeSafetensors(path, { ...parsed, tensors: { ...parsed.tensors, [name]: transposed } }),
        /NOPROP_MODEL_FORMAT/,
      ],
    ]
    for (const [kind, prepare, code] of cases) {
      rmSync(path, { force: true })
      prepare()
      const error = await failure(() => NoProp.load(path))
      expect(`${kind}: ${error.code}`).toMatch(code)
      await cliFailure(['inspect', path], code, 1)
    }
    for (const command of ['eval', 'predict'])
      await cliFailure([command, path, '--data', 'mnist'], /NOPROP_MODEL_FORMAT/, 1)
  })

  test('images that are none, or of another size', async () => {
    const model = NoProp.create(smallModel({ blocks: 1 }))
    await model.fit(squares(8, 14, [0, 1, 2, 3]), { batch: 8 })
    const directory = temporaryDirectory()
    const path = join(directory, 'model.safetensors')
    await model.save(path)
    const { png } = await import('./support/png.js')
    writeFileSync(join(directory, 'text.png'), 'text')
    writeFileSync(join(directory, 'large.png'), png(new Uint8Array(400), 20, 20))
    writeFileSync(join(directory, 'short.png'), png(new Uint8Array(196), 14, 14).subarray(0, 60))
    await cliFailure(['predict', path, join(directory, 'text.png')], /NOPROP_FILE_FORMAT/, 1)
    await cliFailure(['predict', path, join(directory, 'short.png')], /NOPROP_FILE_(FORMAT|TRUNCATED)/, 1)
    await cliFailure(['predict', path, join(directory, 'large.png')], /NOPROP_SHAPE/, 1)
    await cliFailure(['predict', path, join(directory, 'missing.png')], /NOPROP_FILE_NOT_FOUND/, 1)
  })
})
