import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { datasets, NoProp } from '../src/index.js'
import { squares, temporaryDirectory } from './support/data.js'
import { smallModel } from './support/models.js'

const train = () => datasets.fromArrays(squares(1024, 14, [0, 1, 2, 3]))
/** Trains for longer than any test waits. */
const LONG = { epochs: 10_000, batch: 32 }
/** Milliseconds in which stopped work must have ended; the aim is 50, the rest is for machines that are busy. */
const PROMPTLY = 1500

const later = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))

test('an abort stops promptly, rejects with its reason, and the run resumes to the same weights', async () => {
  const data = train()
  const options = { epochs: 25, batch: 32 }
  const whole = (await NoProp.create(smallModel()).fit(data, options)).weightsSha256
  const checkpoint = join(temporaryDirectory(), 'checkpoint')
  const model = NoProp.create(smallModel())
  const controller = new AbortController()
  const run = model.fit(data, { ...options, checkpoint, checkpointSeconds: 0.02, signal: controller.signal })
  for await (const event of run) {
    if (event.event !== 'checkpoint') continue
    const reason = new Error('enough')
    const began = performance.now()
    controller.abort(reason)
    await expect(run).rejects.toBe(reason)
    expect(performance.now() - began).toBeLessThan(PROMPTLY)
    break
  }
  expect(controller.signal.aborted).toBe(true)
  expect(readdirSync(checkpoint).length).toBeGreaterThan(0)
  expect(model.trained).toBe(false)
  const resumed = await model.fit(data, { ...options, checkpoint, resume: true })
  expect(resumed.weightsSha256).toBe(whole)
})

test('leaving the loop stops promptly and frees the model and the checkpoint directory', async () => {
  const data = train()
  const checkpoint = join(temporaryDirectory(), 'checkpoint')
  const model = NoProp.create(smallModel())
  const run = model.fit(data, { ...LONG, checkpoint })
  let began = 0
  for await (const event of run) {
    if (event.event !== 'progress') continue
    began = performance.now()
    break
  }
  expect(performance.now() - began).toBeLessThan(PROMPTLY)
  await expect(run).rejects.toMatchObject({ code: 'NOPROP_CANCELLED' })
  const controller = new AbortController()
  const again = model.fit(data, { ...LONG, checkpoint, resume: true, signal: controller.signal })
  controller.abort('done')
  await expect(again).rejects.toBe('done')
})

test('evaluate and predict stop promptly', async () => {
  const data = train()
  const model = NoProp.create(smallModel())
  await model.fit(data, { batch: 32 })
  const many = datasets.fromArrays(squares(20_000, 14, [0, 1, 2, 3]))
  for (const work of ['evaluate', 'predict'] as const) {
    const controller = new AbortController()
    const promise =
      work === 'evaluate'
        ? model.evaluate(many, { runs: 1000, signal: controller.signal })
        : model.predict(many, { threads: 1, signal: controller.signal })
    await later(5)
    const reason = new Error(work)
    const began = performance.now()
    controller.abort(reason)
    await expect(promise).rejects.toBe(reason)
    expect(performance.now() - began).toBeLessThan(PROMPTLY)
  }
})

test('the main thread keeps ticking while blocks train', async () => {
  const data = train()
  const model = NoProp.create(smallModel())
  const controller = new AbortController()
  const run = model.fit(data, { ...LONG, signal: controller.signal })
  const gaps: number[] = []
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    gaps.push(now - last)
    last = now
  }, 10)
  await later(2000)
  clearInterval(timer)
  controller.abort('measured')
  await expect(run).rejects.toBe('measured')
  gaps.sort((a, b) => a - b)
  // Every 10 ms, give or take: the rest is for machines whose cores are all busy with the training itself.
  expect(gaps.length).toBeGreaterThan(60)
  expect(gaps[Math.floor(gaps.length / 2)]).toBeLessThan(25)
  expect(gaps[Math.floor(gaps.length * 0.95)]).toBeLessThan(100)
})
