import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { type DataInput, datasets, NoProp, NoPropError } from '../src/index.js'

const floats = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8)
const bytes = Uint8Array.from(floats)
const labels = [0, 1]
const asFloats = [5, 6, 7, 8]
const asBytes = [5, 6, 7, 8].map((value) => Math.fround(value / 255))

/** Sample 1 of two samples of four values. */
function second(data: object): number[] {
  const dataset = datasets.fromArrays({ shape: [4], labels, ...data } as unknown as DataInput)
  expect([dataset.samples, dataset.shape, dataset.classes]).toEqual([2, [4], [0, 1]])
  return [...dataset.sample(1)]
}

function failure(data: object): NoPropError {
  try {
    datasets.fromArrays({ shape: [4], labels, ...data } as unknown as DataInput)
  } catch (error) {
    expect(error).toBeInstanceOf(NoPropError)
    return error as NoPropError
  }
  throw new Error('it did not fail')
}

function shared<Numbers extends Float32Array | Uint8Array | Int32Array>(array: Numbers): Numbers {
  const copy = new (array.constructor as new (buffer: SharedArrayBuffer) => Numbers)(
    new SharedArrayBuffer(array.byteLength),
  )
  copy.set(array)
  return copy
}

const taken: [string, object, number[]][] = [
  ['Float32Array', { images: floats }, asFloats],
  ['Float64Array', { images: Float64Array.from(floats) }, asFloats],
  ['Uint8Array', { images: bytes }, asBytes],
  ['Uint8ClampedArray, as in ImageData', { images: Uint8ClampedArray.from(bytes) }, asBytes],
  ['a Buffer out of the pool', { images: Buffer.from(bytes) }, asBytes],
  ['a part of an array', { images: Float32Array.of(9, ...floats, 9).subarray(1, 9) }, asFloats],
  ['shared floats', { images: shared(floats) }, asFloats],
  ['shared bytes', { images: shared(bytes) }, asBytes],
  ['shared labels', { images: floats, labels: shared(Int32Array.of(0, 1)) }, asFloats],
  ['inputs for images', { inputs: floats }, asFloats],
  ['lists', { images: [[...floats.subarray(0, 4)], [...floats.subarray(4)]] }, asFloats],
  ['rows of floats', { images: [floats.subarray(0, 4), Float64Array.of(5, 6, 7, 8)] }, asFloats],
  ['rows of bytes', { images: [bytes.subarray(0, 4), Uint8ClampedArray.of(5, 6, 7, 8)] }, asBytes],
  [
    'doubles that f32 rounds',
    {
      images: [
        [0, 0, 0, 0],
        [0.1, 1e-50, 3.4028234e38, -0.1],
      ],
    },
    [Math.fround(0.1), 0, Math.fround(3.4028234e38), Math.fround(-0.1)],
  ],
  ['labels in floats', { images: floats, labels: Float32Array.of(0, 1) }, asFloats],
  ['labels like an array', { images: floats, labels: { length: 2, 0: 0, 1: 1 } }, asFloats],
]
test.each(taken)('%s: taken', (_, data, expected) => {
  expect(second(data)).toEqual(expected)
})

describe('of another realm', () => {
  test.each([
    ['Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8)', asFloats],
    ['Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8)', asFloats],
    ['Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)', asBytes],
    ['Uint8ClampedArray.of(1, 2, 3, 4, 5, 6, 7, 8)', asBytes],
    ['[[1, 2, 3, 4], [5, 6, 7, 8]]', asFloats],
    ['[Float32Array.of(1, 2, 3, 4), Float32Array.of(5, 6, 7, 8)]', asFloats],
  ])('%s', (program, expected) => {
    const images = runInNewContext(program)
    expect(images).not.toBeInstanceOf(Float32Array)
    expect(second({ images })).toEqual(expected)
  })

  test('labels, shapes, a whole input, and what a model predicts, saves and is stopped by', async () => {
    expect(second({ images: floats, labels: runInNewContext('Int32Array.of(0, 1)') })).toEqual(asFloats)
    const input = runInNewContext('({ images: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), labels: [0, 1], shape: [4] })')
    expect(second(input)).toEqual(asFloats)
    const model = NoProp.create({ blocks: 1, net: { type: 'mlp', hidden: [4] }, input: [4], classes: 2 })
    await model.fit(input, { batch: 2 })
    const here = await model.predict(floats)
    const there = await model.predict(runInNewContext('Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8)'))
    expect(there).toEqual(here)
    // A signal that is none of this realm's, but can what one can.
    const { signal } = new AbortController()
    const foreign = { aborted: true, reason: 'enough', throwIfAborted: () => signal.throwIfAborted() }
    await expect(model.predict(floats, { signal: foreign as AbortSignal })).rejects.toMatchObject({
      code: 'NOPROP_OPTION',
      what: 'signal cannot be used',
    })
  })
})

const missing = { code: 'NOPROP_VALUE', what: 'value 1 of sample 0 is missing' }
const rows = (value: unknown) => ({
  images: [
    [1, value, 3, 4],
    [5, 6, 7, 8],
  ],
})
// Without anything at 1.
const hole = Object.assign(Array(4), { 0: 1, 2: 3, 3: 4 })
const badValues: [string, object, object][] = [
  ['null', rows(null), missing],
  ['undefined', rows(undefined), missing],
  ['a hole', { images: [hole, [5, 6, 7, 8]] }, missing],
  ['empty text', rows(''), missing],
  ['blanks', rows(' \t'), missing],
  [
    'text',
    rows('1,5'),
    { code: 'NOPROP_VALUE', what: 'value 1 of sample 0 is text, not a number', received: 'text "1,5"' },
  ],
  ['a number as text', rows('2'), { code: 'NOPROP_VALUE', received: 'text "2"' }],
  ['true', rows(true), { code: 'NOPROP_VALUE', received: 'true' }],
  ['a date', rows(new Date(5)), { code: 'NOPROP_VALUE', received: 'an object (Date)' }],
  ['an empty list', rows([]), { code: 'NOPROP_VALUE', what: 'value 1 of sample 0 is a list' }],
  ['a list of one', rows([7]), { code: 'NOPROP_VALUE', what: 'value 1 of sample 0 is a list' }],
  ['a BigInt', rows(2n), { code: 'NOPROP_VALUE', what: 'value 1 of sample 0 is a BigInt' }],
  ['a symbol', rows(Symbol('x')), { code: 'NOPROP_VALUE' }],
  ['NaN', rows(Number.NaN), { code: 'NOPROP_VALUE', what: 'value 1 of sample 0 is not a finite number' }],
  ['1e39', rows(1e39), { code: 'NOPROP_VALUE', what: 'value 1 of sample 0 is too large for a 32-bit float' }],
  [
    '-1e39 in doubles',
    { images: Float64Array.of(0, 0, 0, 0, 0, 0, -1e39, 0) },
    { what: 'value 2 of sample 1 is too large for a 32-bit float' },
  ],
  [
    'infinity in doubles',
    { images: Float64Array.of(0, 0, 0, 0, 0, 0, Number.POSITIVE_INFINITY, 0) },
    { what: 'value 2 of sample 1 is not a finite number' },
  ],
  [
    'infinity in floats',
    { images: Float32Array.of(0, 0, 0, 0, 0, 0, Number.POSITIVE_INFINITY, 0) },
    { what: 'value 2 of sample 1 is not a finite number' },
  ],
  [
    'a sample that is text',
    { images: ['1234', '5678'] },
    { code: 'NOPROP_VALUE', what: 'sample 0 is not a list of numbers' },
  ],
  ['a sample that is missing', { images: [[1, 2, 3, 4], null] }, { code: 'NOPROP_VALUE', what: 'sample 1 is missing' }],
  [
    'pictures of rows',
    {
      images: [
        [
          [1, 2],
          [3, 4],
        ],
        [
          [5, 6],
          [7, 8],
        ],
      ],
    },
    { code: 'NOPROP_SHAPE', what: 'sample 0 is a list of lists' },
  ],
  [
    'ragged rows',
    {
      images: [
        [1, 2, 3, 4],
        [5, 6, 7],
      ],
    },
    { code: 'NOPROP_SHAPE', received: '3 numbers' },
  ],
  [
    'one flat list',
    { images: [...floats] },
    { code: 'NOPROP_OPTION', what: 'the samples are one flat list of numbers' },
  ],
  [
    'bytes beside floats',
    { images: [bytes.subarray(0, 4), [5, 6, 7, 8]] },
    { code: 'NOPROP_OPTION', what: 'some samples are bytes and others are not' },
  ],
  ['16-bit integers', { images: Uint16Array.from(floats) }, { code: 'NOPROP_OPTION', received: 'a Uint16Array' }],
  [
    '32-bit integers in rows',
    { images: [Int32Array.of(1, 2, 3, 4)] },
    { code: 'NOPROP_OPTION', received: 'an Int32Array' },
  ],
  ['BigInts', { images: BigInt64Array.of(1n, 2n, 3n, 4n) }, { code: 'NOPROP_OPTION', received: 'a BigInt64Array' }],
  ['a set', { images: new Set([1, 2, 3, 4]) }, { code: 'NOPROP_OPTION', received: 'an object (Set)' }],
  ['images and inputs', { images: floats, inputs: floats }, { what: 'the data have both images and inputs' }],
  ['neither', { pictures: floats }, { code: 'NOPROP_OPTION', what: 'the data cannot be used' }],
  ['a shape of BigInts', { images: floats, shape: [4n] }, { code: 'NOPROP_SHAPE', received: '[BigInt 4]' }],
  ['a shape that is a number', { images: floats, shape: 4 }, { code: 'NOPROP_SHAPE', received: '4' }],
]
test.each(badValues)('%s: refused', (_, data, error) => {
  expect(failure(data)).toMatchObject(error)
})

const badLabels: [string, unknown, object][] = [
  ['null', [0, null], { what: 'the label of sample 1 is missing' }],
  [
    'text after a number',
    [0, '1'],
    { what: 'the label of sample 1 is of another kind than those before', received: 'text "1"' },
  ],
  ['a text for all', '01', { what: 'the labels are not a list' }],
  ['a fraction', Float32Array.of(0, 0.5), { received: '0.5' }],
  ['BigInts', BigInt64Array.of(0n, 1n), { received: 'BigInt 0', hint: 'convert them: Array.from(labels, Number)' }],
  [
    'one-hot rows',
    [
      [1, 0],
      [0, 1],
    ],
    { received: 'a list of 2', hint: expect.stringContaining('one-hot') },
  ],
  ['one-hot typed rows', [Uint8Array.of(1, 0)], { hint: expect.stringContaining('one-hot') }],
  ['a set', new Set([0, 1]), { what: 'the labels are not a list', received: 'an object (Set)' }],
  ['beyond 32 bits', Uint32Array.of(0, 4e9), { received: '4000000000' }],
  ['a number', 1, { what: 'the labels are not a list' }],
  ['booleans', [true, false], { received: 'true' }],
]
test.each(badLabels)('labels of %s: refused', (_, wrong, error) => {
  expect(failure({ images: floats, labels: wrong })).toMatchObject({ code: 'NOPROP_LABEL', ...error })
})

test('arrays that have lost their memory are told from empty ones', () => {
  const detached = (array: Float32Array | Int32Array) => {
    structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] })
    return array
  }
  const reason = expect.stringContaining('the buffer was detached')
  expect(failure({ images: detached(floats.slice()) })).toMatchObject({ code: 'NOPROP_OPTION', what: reason })
  expect(failure({ images: [detached(floats.slice(4)), floats.slice(4)] })).toMatchObject({ what: reason })
  expect(failure({ images: floats, labels: detached(Int32Array.of(0, 1)) })).toMatchObject({
    code: 'NOPROP_LABEL',
    what: reason,
  })
  // As lib.es2024 declares it.
  const Resizable = ArrayBuffer as unknown as {
    new (bytes: number, options: { maxByteLength: number }): ArrayBuffer & { resize(bytes: number): void }
  }
  const buffer = new Resizable(64, { maxByteLength: 64 })
  const shrunk = new Float32Array(buffer, 0, 8)
  buffer.resize(16)
  expect(failure({ images: shrunk })).toMatchObject({ what: expect.stringContaining('the buffer was resized') })
  expect(failure({ images: new Float32Array(0) })).toMatchObject({ code: 'NOPROP_COUNT' })
})
