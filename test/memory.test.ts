import { expect, test } from 'vitest'
import { smallIdx } from './support/data.js'
import { done } from './support/process.js'

/** Mebibytes that the peak may differ by: noise of the allocator, and the weights of 90 finished blocks of this net. */
const TOLERANCE = 24

test('with one block in flight the peak of memory does not grow with the number of blocks', async () => {
  const data = smallIdx({ train: 128, test: 16, side: 28 })
  // Large activations and small weights: buffers that were held per block would show as gigabytes.
  const args = [
    'train',
    '--data',
    data,
    '--widths',
    '32,32,32',
    '--hidden',
    '16',
    '--batch',
    '128',
    '--in-flight',
    '1',
    '--threads',
    '1',
  ]
  const ten = await done([...args, '--blocks', '10'])
  const hundred = await done([...args, '--blocks', '100'])
  expect(hundred.parameters).toBe(10 * ten.parameters)
  expect(hundred.peakMemoryMiB - ten.peakMemoryMiB).toBeLessThan(TOLERANCE)
})
