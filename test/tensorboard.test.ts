import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type FitEvent, TensorBoardWriter } from '../src/index.js'
import { crc32c, scalarRecord, versionRecord } from '../src/tensorboard/records.js'
import { smallIdx, temporaryDirectory } from './support/data.js'
import { SMALL_FLAGS } from './support/models.js'
import { root, runCli } from './support/process.js'

/** Made by TensorBoard's own classes (test/golden/make_tensorboard.py). */
const golden = JSON.parse(readFileSync(join(root, 'test/golden/tensorboard.json'), 'utf8'))

describe('records', () => {
  test('CRC-32C has the values of RFC 3720, B.4', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa)
    expect(crc32c(Buffer.alloc(32, 255))).toBe(0x62a8ab43)
  })

  test('have the bytes that TensorBoard writes', () => {
    expect(versionRecord(golden.version.wallTime).toString('hex')).toBe(golden.version.record)
    for (const { record, ...event } of golden.cases) expect(scalarRecord(event).toString('hex')).toBe(record)
  })
})

/** The data of the records of a file, by their lengths. */
function recordsIn(file: string): Buffer[] {
  const content = readFileSync(file)
  const records: Buffer[] = []
  for (let at = 0; at < content.length; ) {
    const length = Number(content.readBigUInt64LE(at))
    records.push(content.subarray(at + 12, at + 12 + length))
    at += length + 16
  }
  return records
}

const epoch = (block: number, epoch: number, more: object = {}) =>
  ({ event: 'epoch', block, epoch, loss: 0.5, ...more }) as FitEvent

test('a writer has a run for each block and one for the whole, and a file of its own', () => {
  const directory = join(temporaryDirectory(), 'logs')
  const [writer, other] = [new TensorBoardWriter(directory), new TensorBoardWriter(directory)]
  writer.write(epoch(1, 1))
  writer.write(epoch(12, 1, { validationLoss: 0.25, validationAccuracy: 0.75 }))
  writer.write(epoch(1, 2))
  writer.write({ event: 'chain', epoch: 1, accuracy: 0.5, loss: 0.25 })
  writer.write({ event: 'checkpoint', block: 1, step: 3 })
  other.write(epoch(1, 1))
  expect(readdirSync(directory).sort()).toEqual(['block-01', 'block-12', 'model'])
  const files = readdirSync(join(directory, 'block-01'))
  expect(files).toHaveLength(2)
  expect(files.map((file) => recordsIn(join(directory, 'block-01', file)).length).sort()).toEqual([2, 3])
  const [name] = readdirSync(join(directory, 'block-12'))
  const [version, scalars] = recordsIn(join(directory, 'block-12', name!))
  expect(version!.toString('latin1')).toContain('brain.Event:2')
  for (const tag of ['loss', 'validation_loss', 'validation_accuracy']) expect(scalars!.includes(tag)).toBe(true)
})

test('what cannot be written is told', () => {
  const file = join(temporaryDirectory(), 'file')
  writeFileSync(file, '')
  const error = expect.objectContaining({ code: 'NOPROP_OUTPUT', what: expect.stringContaining(file) })
  expect(() => new TensorBoardWriter(file).write(epoch(1, 1))).toThrow(error)
  expect(() => new TensorBoardWriter('')).toThrow(expect.objectContaining({ code: 'NOPROP_OPTION' }))
})

test('noprop train --tensorboard writes every epoch', async () => {
  const directory = join(temporaryDirectory(), 'logs')
  const flags = ['--data', smallIdx(), ...SMALL_FLAGS, '--validation-split', '0.25', '--tensorboard', directory]
  expect(await runCli(['train', ...flags])).toMatchObject({ code: 0 })
  expect(readdirSync(directory).sort()).toEqual(['block-01', 'block-02', 'block-03', 'model'])
  const [name] = readdirSync(join(directory, 'block-02'))
  expect(recordsIn(join(directory, 'block-02', name!))).toHaveLength(3)
  // Two epochs: after the first the blocks together, after the second the finished model.
  const [whole] = readdirSync(join(directory, 'model'))
  expect(recordsIn(join(directory, 'model', whole!))).toHaveLength(3)
})
