import { expect, test } from 'vitest'
import { smallIdx } from './support/data.js'
import { done } from './support/process.js'

/**
 * Mebibytes that the peak may differ by, for the allocator's and the garbage collector's noise. The weights of the 90 further
 * blocks alone would be about 70, their optimiser states twice that.
 */
const TOLERANCE = 24

test('with one block in flight the peak of memory does not grow with the number of blocks', async () => {
  const data = smallIdx({ train: 128, test: 512, side: 28 })
  const args = [
    'train',
    '--data',
    data,
    '--widths',
    '16,32,64',
    '--hidden',
    '128',
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
  const mebibytes = (4 * (hundred.parameters - ten.parameters)) / 2 ** 20
  expect(mebibytes).toBeGreaterThan(2 * TOLERANCE)
  expect(hundred.peakMemoryMiB - ten.peakMemoryMiB).toBeLessThan(TOLERANCE)
})
