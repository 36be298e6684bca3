import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { NoProp } from '../src/index.js'
import { squares, temporaryDirectory } from './support/data.js'
import { smallModel } from './support/models.js'
import { readSafetensors } from './support/safetensors.js'

const BYTES: Record<string, number> = { F32: 4, F64: 8, I64: 8, BF16: 2, F16: 2 }

async function saved() {
  const model = NoProp.create(smallModel({ blocks: 2, seed: 3 }))
  await model.fit(squares(64, 14, [0, 1, 2, 3]), { batch: 32 })
  const path = join(temporaryDirectory(), 'model.safetensors')
  await model.save(path)
  return { model, path }
}

test('a model file is one safetensors file whose tensors fill it and whose metadata hold the configuration', async () => {
  const { model, path } = await saved()
  expect(readdirSync(dirname(path))).toEqual(['model.safetensors'])
  const { metadata, tensors, data } = readSafetensors(path)
  let end = 0
  const sorted = Object.entries(tensors).sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0])
  for (const [
    name,
    {
      dtype,
      shape,
      data_offsets: [from, to],
    },
  ] of sorted) {
    expect([name, from]).toEqual([name, end])
    expect([name, to - from]).toEqual([name, shape.reduce((product, side) => product * side, 1) * BYTES[dtype]!])
    end = to
  }
  expect(end).toBe(data.length)
  expect(sorted).toHaveLength(2 * model.tensors.length)
  expect(JSON.stringify(metadata)).toContain('"dt')
  const configuration = Object.values(metadata).find((text) => text.includes('"blocks"'))
  expect(JSON.parse(configuration!)).toMatchObject({ blocks: 2, seed: 3, classes: [0, 1, 2, 3] })
})

test('weightsSha256 is over the bytes of all tensors in the order of their names', async () => {
  const { model, path } = await saved()
  const { tensors, data } = readSafetensors(path)
  const hash = createHash('sha256')
  // Names are ASCII, so this order is that of their bytes.
  for (const name of Object.keys(tensors).sort()) hash.update(data.subarray(...tensors[name]!.data_offsets))
  expect(await model.weightsSha256()).toBe(hash.digest('hex'))
})

test('saving again replaces the file whole', async () => {
  const { model, path } = await saved()
  const first = await model.weightsSha256()
  await model.fit(squares(64, 14, [0, 1, 2, 3]), { batch: 16 })
  await model.save(path)
  const again = await NoProp.load(path)
  expect(await again.weightsSha256()).toBe(await model.weightsSha256())
  expect(await again.weightsSha256()).not.toBe(first)
  expect(readdirSync(dirname(path))).toEqual(['model.safetensors'])
})

const python = ['python3', 'python'].find((name) => spawnSync(name, ['-c', 'import safetensors']).status === 0)

test.skipIf(!python)("Python's safetensors opens it (skipped without Python's package safetensors)", async () => {
  const { path } = await saved()
  const program = `
import json, sys
from safetensors import safe_open
with safe_open(sys.argv[1], framework="numpy") as file:
    print(json.dumps({"metadata": file.metadata(), "names": list(file.keys())}))
`
  const { stdout, stderr } = spawnSync(python!, ['-c', program, path], { encoding: 'utf8' })
  expect(stderr).toBe('')
  const { metadata, tensors } = readSafetensors(path)
  const seen = JSON.parse(stdout)
  expect(seen.metadata).toEqual(metadata)
  expect(seen.names.sort()).toEqual(Object.keys(tensors).sort())
})
