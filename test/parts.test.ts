import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { NoProp, type NoPropError } from '../src/index.js'
import { seeded, smallIdx, temporaryDirectory } from './support/data.js'
import { done, runCli } from './support/process.js'

const MODEL = ['--net', 'mlp', '--hidden', '24', '--dropout', '0.1', '--augment', 'shift=2,flip']
const digits = () => smallIdx({ train: 250, test: 40, labels: [2, 3, 5, 7] })

/** Whole run and parts, each of its own process, with the same flags. */
async function wholeAndParts(flags: string[], parts: string[]) {
  const folder = temporaryDirectory()
  const args = ['train', '--data', digits(), ...flags]
  const whole = join(folder, 'whole.safetensors')
  const { weightsSha256 } = await done([...args, '--out', whole])
  const files = parts.map((_, index) => join(folder, `part-${index}.safetensors`))
  for (const [index, blocks] of parts.entries()) {
    await done([...args, '--only-blocks', blocks, '--out', files[index] as string])
  }
  return { folder, whole, weightsSha256, files, assembled: join(folder, 'model.safetensors') }
}

const caught = (promise: Promise<unknown>): Promise<NoPropError> =>
  promise.then(
    () => expect.unreachable('it did not reject'),
    (error) => error,
  )

test.each([
  ['one-cycle and augmentation', ['--blocks', '5', '--epochs', '3', '--lr-schedule', 'one-cycle'], ['2-4', '5,1']],
  [
    'early stopping on validation samples',
    ['--blocks', '3', '--epochs', '30', '--validation-split', '0.2', '--patience', '1', '--lr', '0.02'],
    ['3', '1', '2'],
  ],
  ['diffusion-blocks', ['--method', 'diffusion-blocks', '--blocks', '3', '--epochs', '2'], ['1,3', '2']],
  ['a method of one job', ['--method', 'fm', '--epochs', '2'], ['1']],
])('parts make the file that the whole run makes: %s', async (_, flags, parts) => {
  const made = await wholeAndParts([...MODEL, '--batch', '32', ...flags], parts)
  const told = await runCli(['assemble', ...made.files.toReversed(), '--out', made.assembled, '--json'])
  expect(told.code, told.stderr).toBe(0)
  expect(JSON.parse(told.stdout)).toMatchObject({ event: 'assembled', weightsSha256: made.weightsSha256 })
  // Weights, configuration and the record of the training, which names blocks that ended early.
  expect(readFileSync(made.assembled).equals(readFileSync(made.whole))).toBe(true)
})

const images = Float32Array.from({ length: 64 * 6 }, seeded(5))
const data = { inputs: images, shape: [6], labels: Array.from({ length: 64 }, (_, index) => index % 3) }
const create = (seed = 3) =>
  NoProp.create({ input: [6], classes: 3, blocks: 4, seed, net: { type: 'mlp', hidden: [8] } })
const options = { epochs: 2, batch: 16, device: 'cpu' } as const

async function part(onlyBlocks: number[], changes: { seed?: number; lr?: number } = {}): Promise<string> {
  const model = create(changes.seed)
  await model.fit(data, { ...options, learningRate: changes.lr ?? 1e-3, onlyBlocks })
  const path = join(temporaryDirectory(), 'part.safetensors')
  await model.save(path)
  return path
}

test('a part knows its blocks and is no model until it is assembled', async () => {
  const whole = create()
  const { weightsSha256, blocks } = await whole.fit(data, options)
  const model = create()
  const events: string[] = []
  const run = model.fit(data, { ...options, onlyBlocks: [4, 2], validation: data })
  for await (const event of run) if (event.event === 'block') events.push(String(event.block))
  const history = await run
  expect(events.sort()).toEqual(['2', '4'])
  expect(history.blocks.map(({ block, loss }) => [block, loss])).toEqual(
    blocks.filter(({ block }) => block % 2 === 0).map(({ block, loss }) => [block, loss]),
  )
  expect(history.validation).toBeUndefined()
  expect([model.part, model.trained, whole.part]).toEqual([[2, 4], false, null])
  const error = await caught(model.evaluate(data))
  expect(error.code).toBe('NOPROP_NOT_TRAINED')
  expect(error.message).toMatch(/blocks 2, 4.*assemble/)

  const path = join(temporaryDirectory(), 'part.safetensors')
  await model.save(path)
  expect((await caught(NoProp.load(path))).message).toMatch(/a part of a model.*blocks 2, 4.*noprop assemble/)
  // The same block twice is the same each time.
  const assembled = await NoProp.assemble([await part([1, 3]), path, await part([2])])
  expect(await assembled.weightsSha256()).toBe(weightsSha256)
  expect(assembled.trained).toBe(true)
  expect(assembled.training).toEqual(whole.training)
})

test('what does not make a whole is told by its blocks', async () => {
  const first = await part([1, 2])
  expect(await caught(NoProp.assemble([]))).toMatchObject({ code: 'NOPROP_PARTS' })
  expect(await caught(NoProp.assemble([first]))).toMatchObject({
    code: 'NOPROP_PARTS',
    what: 'blocks 3-4 are missing',
    received: 'blocks 1-2',
  })
  for (const [changes, name] of [
    [{ seed: 4 }, /model\.seed/],
    [{ lr: 0.5 }, /training\.learningRate/],
  ] as const) {
    const other = await caught(NoProp.assemble([first, await part([3, 4], changes)]))
    expect(other.code).toBe('NOPROP_PARTS')
    expect(other.what).toMatch(name)
  }
})

test('damage, a block that differs and a part of another version or processor are refused', async () => {
  const [first, second] = [await part([1, 2]), await part([2, 3, 4])]
  const bytes = readFileSync(first)
  const change = (find: string, replace: string) => {
    const at = bytes.indexOf(find)
    expect(at).toBeGreaterThan(0)
    const changed = Buffer.from(bytes)
    changed.write(replace, at)
    writeFileSync(first, changed)
    return caught(NoProp.assemble([first, second]))
  }
  expect((await change('\\"noprop\\":\\"0', '\\"noprop\\":\\"9')).what).toMatch(/noprop differs/)
  expect((await change('\\"name\\":\\"cpu', '\\"name\\":\\"gpu')).what).toMatch(/device\.name differs/)

  const damaged = Buffer.from(bytes)
  damaged.writeFloatLE(0.125, bytes.length - 4)
  writeFileSync(first, damaged)
  expect((await caught(NoProp.assemble([first, second]))).what).toMatch(/block 2 are damaged/)
  damaged.writeFloatLE(Number.NaN, bytes.length - 4)
  writeFileSync(first, damaged)
  expect((await caught(NoProp.assemble([first, second]))).what).toMatch(/not a finite number/)
  writeFileSync(first, bytes.subarray(0, bytes.length - 1))
  expect((await caught(NoProp.assemble([first, second]))).code).toBe('NOPROP_MODEL_TRUNCATED')
})

test('a block that another computed is named, with both files', async () => {
  const [first, second] = [await part([1, 2, 3, 4]), await part([2])]
  // Other weights with a checksum that holds: a processor that computes wrongly.
  const bytes = readFileSync(second)
  const header = Number(bytes.readBigUInt64LE())
  const weights = Buffer.from(bytes.subarray(8 + header))
  weights.writeFloatLE(0.125, 0)
  const { createHash } = await import('node:crypto')
  const sha = createHash('sha256').update(weights).digest('hex')
  const text = bytes.subarray(0, 8 + header).toString('latin1')
  const changed = text.replace(/(\\"sha256\\":\\")[0-9a-f]{64}/, (_, start) => `${start}${sha}`)
  expect(changed).not.toBe(text)
  writeFileSync(second, Buffer.concat([Buffer.from(changed, 'latin1'), weights]))
  const error = await caught(NoProp.assemble([first, second]))
  expect(error.code).toBe('NOPROP_PARTS')
  expect(error.message).toMatch(/block 2 comes twice, with different weights/)
  expect(error.message).toContain(first)
  expect(error.message).toContain(second)
})

test('blocks that were told to end are no part of a model', async () => {
  const model = create()
  const run = model.fit(data, { ...options, epochs: 1_000_000, onlyBlocks: [1, 2, 3, 4] })
  for await (const event of run) if (event.event === 'epoch') run.stop()
  await run
  const path = join(temporaryDirectory(), 'part.safetensors')
  await model.save(path)
  expect((await caught(NoProp.assemble([path]))).what).toMatch(/block 1 .* was stopped/)
})

test.each([
  ['0', /--only-blocks is out of range.*blocks from 1 to 2/],
  ['3', /--only-blocks is out of range.*blocks from 1 to 2/],
  ['2,1,2', /block 2 twice/],
  ['2-1', /--only-blocks has a bad value.*3-6,9/],
  ['1-', /--only-blocks has a bad value/],
  ['1-99999', /--only-blocks has a bad value/],
  ['', /--only-blocks has a bad value/],
])('--only-blocks %j is refused in plain words', async (blocks, message) => {
  const { code, stderr } = await runCli(['train', '--data', digits(), '--blocks', '2', `--only-blocks=${blocks}`])
  expect(code).toBe(2)
  expect(stderr).toMatch(message)
})

test('assemble asks for what it needs', async () => {
  expect((await runCli(['assemble', '--out', 'm.safetensors'])).stderr).toMatch(/no part is named/)
  expect((await runCli(['assemble', 'p.safetensors'])).stderr).toMatch(/--out FILE is missing/)
})
