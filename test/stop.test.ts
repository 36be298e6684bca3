import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { keptIn } from '../src/cli/kept.js'
import { datasets, NoProp } from '../src/index.js'
import { smallIdx, squares, temporaryDirectory } from './support/data.js'
import { smallModel } from './support/models.js'
import { startCli, startNode } from './support/process.js'

const train = () => datasets.fromArrays(squares(1024, 14, [0, 1, 2, 3]))
/** Trains for hours: whoever waits for its end instead of for its stop waits for longer than any test may take. */
const LONG = { epochs: 1_000_000, batch: 32 }

const later = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))
const blocksIn = (directory: string) => readdirSync(directory).filter((name) => name.startsWith('block-'))

test('an abort keeps every block in flight before the first checkpoint is due, and the run resumes to the same weights', async () => {
  const data = train()
  const options = { epochs: 25, batch: 32 }
  const whole = (await NoProp.create(smallModel()).fit(data, options)).weightsSha256
  const checkpoint = join(temporaryDirectory(), 'checkpoint')
  const kept: number[] = []
  for (const resume of [false, true, true]) {
    const model = NoProp.create(smallModel())
    const controller = new AbortController()
    const reason = new Error('enough')
    const run = model.fit(data, { ...options, checkpoint, resume, checkpointSeconds: 1e6, signal: controller.signal })
    const stopping = (async () => {
      const seen = new Set<number>()
      for await (const event of run) {
        if (event.event === 'epoch' || event.event === 'block') seen.add(event.block)
        if (seen.size === 3) controller.abort(reason)
      }
    })()
    await expect(stopping).rejects.toBe(reason)
    await expect(run).rejects.toBe(reason)
    expect(model.trained).toBe(false)
    kept.push(blocksIn(checkpoint).length)
  }
  expect(kept).toEqual([3, 3, 3])
  const resumed = await NoProp.create(smallModel()).fit(data, { ...options, checkpoint, resume: true })
  expect(resumed.weightsSha256).toBe(whole)
})

test('a stop without a step in between is as good as none', async () => {
  const data = train()
  const options = { epochs: 3, batch: 32 }
  const whole = (await NoProp.create(smallModel()).fit(data, options)).weightsSha256
  const checkpoint = join(temporaryDirectory(), 'checkpoint')
  for (let stop = 0; stop < 4; stop++) {
    const run = NoProp.create(smallModel()).fit(data, { ...options, checkpoint, resume: true })
    for await (const event of run) if (event.event === 'start') break
    await run.catch(() => {})
  }
  const resumed = await NoProp.create(smallModel()).fit(data, { ...options, checkpoint, resume: true })
  expect(resumed.weightsSha256).toBe(whole)
})

test('a relative checkpoint directory stays where it was when the process changes its own', async () => {
  const [began, other] = [temporaryDirectory(), temporaryDirectory()]
  const program = `
const { NoProp } = await import(${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)})
const data = { images: Float32Array.from({ length: 64 }, (_, index) => Math.sin(index)), shape: [2], labels: Array.from({ length: 32 }, (_, index) => index % 2) }
const model = NoProp.create({ blocks: 2, input: [2], classes: 2, net: { type: 'mlp', hidden: [4] } })
const run = model.fit(data, { epochs: 50, checkpoint: 'kept', checkpointSeconds: 0 })
for await (const { event } of run) if (event === 'start') process.chdir(${JSON.stringify(other)})
await run`
  const { ended } = startNode(['--input-type=module', '-e', program], { cwd: began })
  const { code, stderr } = await ended
  expect([code, stderr]).toEqual([0, ''])
  expect(blocksIn(join(began, 'kept'))).toHaveLength(2)
  expect(readdirSync(other)).toEqual([])
})

test('leaving the loop stops, and frees the model and the checkpoint directory', async () => {
  const data = train()
  const checkpoint = join(temporaryDirectory(), 'checkpoint')
  const model = NoProp.create(smallModel())
  const run = model.fit(data, { ...LONG, checkpoint })
  for await (const event of run) if (event.event === 'progress') break
  await expect(run).rejects.toMatchObject({ code: 'NOPROP_CANCELLED' })
  const controller = new AbortController()
  const again = model.fit(data, { ...LONG, checkpoint, resume: true, signal: controller.signal })
  controller.abort('done')
  await expect(again).rejects.toBe('done')
})

test('evaluate and predict stop', async () => {
  const data = train()
  const model = NoProp.create(smallModel())
  await model.fit(data, { batch: 32 })
  const many = datasets.fromArrays(squares(20_000, 14, [0, 1, 2, 3]))
  for (const work of ['evaluate', 'predict'] as const) {
    const controller = new AbortController()
    const { signal } = controller
    // A million runs of the evaluation would take days.
    const promise =
      work === 'evaluate'
        ? model.evaluate(many, { runs: 1_000_000, signal })
        : model.predict(many, { threads: 1, signal })
    await later(5)
    const reason = new Error(work)
    controller.abort(reason)
    await expect(promise).rejects.toBe(reason)
  }
})

test('the main thread is free while blocks train', async () => {
  const data = train()
  const model = NoProp.create(smallModel())
  const controller = new AbortController()
  const run = model.fit(data, { ...LONG, signal: controller.signal })
  let isOver = false
  run.finally(() => (isOver = true)).catch(() => {})
  // Were the blocks trained on this thread, not even the first timer would come before the run's end.
  for (let turn = 0; turn < 100; turn++) await later(1)
  expect(isOver).toBe(false)
  controller.abort('seen')
  await expect(run).rejects.toBe('seen')
})

test('an interrupted command keeps the blocks in flight, says so truly, and goes on from them', async () => {
  const checkpoint = join(temporaryDirectory(), 'run')
  const args = ['train', '--data', smallIdx(), '--net', 'mlp', '--hidden', '16,16', '--blocks', '3', '--batch', '16']
  const command = [...args, '--epochs', '1000000', '--checkpoint', checkpoint, '--json']
  const first = startCli(command)
  await first.wrote(/"event":"epoch","block":3/)
  first.child.kill('SIGINT')
  const { code, stderr } = await first.ended
  expect([code, stderr]).toEqual([
    130,
    expect.stringContaining(`the state of 3 blocks is in ${checkpoint}; resume with`),
  ])
  expect(blocksIn(checkpoint)).toHaveLength(3)
  const second = startCli([...command, '--resume'])
  const text = await second.wrote(/"event":"epoch","block":1[^\n]+\n/)
  second.child.kill('SIGINT')
  await second.ended
  const epoch = text.match(/"event":"epoch","block":1,"epoch":(\d+)/)
  expect(Number(epoch?.[1])).toBeGreaterThan(1)
})

test('a command that is interrupted before there was a step does not speak of a checkpoint', () => {
  const directory = temporaryDirectory()
  expect(keptIn(directory)).toBe(`no block is in ${directory} yet`)
  expect(keptIn(join(directory, 'missing'))).toMatch(/^no block is in /)
  for (const name of ['block-0001.safetensors', 'run.json', 'lock']) writeFileSync(join(directory, name), '')
  expect(keptIn(directory)).toBe(`the state of 1 block is in ${directory}`)
})
