import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { MOST_PASSING } from '../src/event-queue.js'
import type { FitEvent } from '../src/index.js'
import { fakeCore, fakeModel, finished } from './support/fake-native.js'

const unhandled: unknown[] = []
const note = (reason: unknown) => void unhandled.push(reason)

beforeEach(() => {
  unhandled.length = 0
  process.on('unhandledRejection', note)
})

afterEach(async () => {
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', note)
  expect(unhandled).toEqual([])
})

const tick = () => new Promise((resolve) => setImmediate(resolve))
const progress = (block: number, step: number) => ({ event: 'progress', block, step, steps: 10, epoch: 1, epochs: 2 })

test('awaiting gives the history', async () => {
  const core = fakeCore()
  const { model, data } = fakeModel(2)
  const run = model.fit(data)
  core.emit(finished(1), finished(2, true))
  const history = await run
  expect(history).toMatchObject({
    weightsSha256: 'abc',
    device: 'cpu',
    loss: [
      [0.9, 0.5],
      [0.9, 0.5],
    ],
  })
  expect(history.blocks).toEqual([
    { block: 1, loss: 0.5, seconds: 1, resumed: false, epochs: 2, reason: 'epochs' },
    { block: 2, loss: 0.5, seconds: 1, resumed: true, epochs: 2, reason: 'epochs' },
  ])
  // 4 samples, 2 epochs, and only one of the two blocks was trained here.
  expect(history.samplesPerSecond * history.seconds).toBeCloseTo(4)
  expect(core.calls).toEqual(['finish'])
})

test.each([
  ['the processor, without the CUDA addon', 'cpu', 'cpu', undefined, /[^\n]{10,}/],
  ['the processor, chosen by the CUDA addon', 'cpu', 'cuda', 'auto', /^cuda:0 is too old$/],
  ['the processor, as it was asked for', 'cpu', 'cuda', 'cpu', undefined],
  ['a GPU', 'cuda:0', 'cuda', 'auto', undefined],
] as const)(
  'start and history tell where it trains and why not on a GPU: %s',
  async (_, device, flavour, asked, why) => {
    const chosen = flavour === 'cuda' && asked === 'auto' && device === 'cpu'
    const core = fakeCore({ device, flavour, whyNoGpu: chosen ? 'cuda:0 is too old' : null })
    const { model, data } = fakeModel(1)
    const run = model.fit(data, { device: asked })
    core.emit(finished(1))
    const history = await run
    const { value: start } = await run[Symbol.asyncIterator]().next()
    for (const told of [history, start] as { device: string; whyNoGpu?: string }[]) {
      expect(told.device).toBe(device)
      if (why) expect(told.whyNoGpu).toMatch(why)
      else expect(told).not.toHaveProperty('whyNoGpu')
    }
  },
)

test('iterating gives start, every epoch and block, validation and done', async () => {
  const core = fakeCore()
  const { model, data } = fakeModel(2)
  const run = model.fit(data, { validation: data })
  const seen: FitEvent[] = []
  setImmediate(() => {
    core.emit(progress(1, 1), { event: 'epoch', block: 1, epoch: 1, loss: 1 }, finished(1))
    core.emit(finished(2))
  })
  for await (const event of run) seen.push(event)
  expect(seen.map(({ event }) => event)).toEqual(['start', 'progress', 'epoch', 'block', 'block', 'validation', 'done'])
  expect(seen[0]).toMatchObject({ blocks: 2, epochs: 2, samples: 4, parameters: 14, inFlight: 2, resume: false })
  expect(seen.at(-1)).toMatchObject({ history: { validation: { accuracy: 0.75 } } })
})

test('a slow reader gets the newest progress of each block, and everything else', async () => {
  const core = fakeCore()
  const { model, data } = fakeModel(2)
  const run = model.fit(data)
  for (let step = 1; step <= 9; step++) core.emit(progress(1, step), progress(2, step))
  core.emit({ event: 'epoch', block: 1, epoch: 1, loss: 1 }, finished(1), finished(2))
  await run
  const seen: FitEvent[] = []
  for await (const event of run) seen.push(event)
  const steps = seen.flatMap((event) => (event.event === 'progress' ? [[event.block, event.step]] : []))
  expect(steps).toEqual([
    [1, 9],
    [2, 9],
  ])
  expect(seen.filter(({ event }) => event === 'epoch' || event === 'block')).toHaveLength(3)
})

test('leaving the loop early cancels the run and waits until it has stopped', async () => {
  const core = fakeCore()
  const { model, data } = fakeModel(3)
  let isClosed = false
  core.closing = tick().then(() => {
    isClosed = true
  })
  const run = model.fit(data)
  for await (const event of run) if (event.event === 'start') break
  expect(isClosed).toBe(true)
  expect(core.calls).toEqual(['stop', 'close'])
  await expect(run).rejects.toMatchObject({ code: 'NOPROP_CANCELLED' })
})

const LATE_STOPS = ['break', 'abort'] as const
const never = new Promise<void>(() => {})

/** Runs until its last block is finished, and is stopped then. */
async function stoppedAfterTheLastBlock(how: (typeof LATE_STOPS)[number], withValidation: boolean) {
  const core = fakeCore()
  core.evaluating = never
  const { model, data } = fakeModel(2)
  const controller = new AbortController()
  const validation = withValidation ? data : undefined
  const run = model.fit(data, { validation, signal: controller.signal })
  core.emit(finished(1), finished(2))
  for await (const event of run) {
    if (event.event !== 'block' || event.block !== 2) continue
    if (how === 'break') break
    controller.abort(new Error('enough'))
  }
  return { core, history: await run }
}

test.each(
  LATE_STOPS.flatMap(
    (how) =>
      [
        [how, false],
        [how, true],
      ] as const,
  ),
)('a stop after the last block comes too late for the training: %s, validation %s', async (how, withValidation) => {
  const { core, history } = await stoppedAfterTheLastBlock(how, withValidation)
  expect(history.weightsSha256).toBe('abc')
  expect(history).not.toHaveProperty('validation')
  // Nothing of the training is stopped; the validation may have begun.
  expect(core.calls.filter((call) => call !== 'stop evaluation')).toEqual(['finish'])
})

test('a stop while the validation runs leaves it out, and the run ends with done', async () => {
  const core = fakeCore()
  core.evaluating = never
  const { model, data } = fakeModel(1)
  const controller = new AbortController()
  const run = model.fit(data, { validation: data, signal: controller.signal })
  core.emit(finished(1))
  while (!core.calls.includes('finish')) await tick()
  await tick()
  controller.abort(new Error('enough'))
  const seen: string[] = []
  for await (const { event } of run) seen.push(event)
  expect(seen).toEqual(['start', 'block', 'done'])
})

test('a validation that fails rejects', async () => {
  const core = fakeCore()
  core.evaluating = Promise.reject(new Error(JSON.stringify({ code: 'NOPROP_DEVICE_MEMORY', what: 'no room' })))
  core.evaluating.catch(() => {})
  const { model, data } = fakeModel(1)
  const run = model.fit(data, { validation: data })
  core.emit(finished(1))
  await expect(run).rejects.toMatchObject({ code: 'NOPROP_DEVICE_MEMORY' })
  expect(core.calls).toEqual(['finish'])
})

test('blocks in flight that could not be kept at a stop are told, with the reason of the stop', async () => {
  const core = fakeCore()
  core.closing = Promise.reject(new Error(JSON.stringify({ code: 'NOPROP_OUTPUT', what: 'the disk is full' })))
  core.closing.catch(() => {})
  const { model, data } = fakeModel(1)
  const controller = new AbortController()
  const reason = new Error('enough')
  const run = model.fit(data, { signal: controller.signal, checkpoint: 'directory' })
  await tick()
  controller.abort(reason)
  await expect(run).rejects.toMatchObject({ code: 'NOPROP_OUTPUT', what: 'the disk is full', cause: reason })
})

test('a run that is only awaited keeps a bounded number of events, and ends', async () => {
  const core = fakeCore()
  const { model, data } = fakeModel(2)
  const run = model.fit(data)
  await tick()
  const epoch = (number: number) => ({ event: 'epoch', block: 1, epoch: number, loss: 1 })
  for (let part = 0; part < 30; part++) {
    core.emit(...Array.from({ length: 1000 }, (_, index) => epoch(1000 * part + index + 1)))
  }
  core.emit(finished(1), finished(2))
  await run
  const seen: FitEvent[] = []
  for await (const event of run) seen.push(event)
  const epochs = seen.flatMap((event) => (event.event === 'epoch' ? [event.epoch] : []))
  expect(epochs).toEqual(Array.from({ length: MOST_PASSING }, (_, index) => 30_000 - MOST_PASSING + index + 1))
  expect(seen.filter(({ event }) => event !== 'epoch').map(({ event }) => event)).toEqual([
    'start',
    'block',
    'block',
    'done',
  ])
})

test('next may be called several times at once, and after the loop was left there is nothing more', async () => {
  const core = fakeCore()
  const { model, data } = fakeModel(2)
  const run = model.fit(data)
  const events = run[Symbol.asyncIterator]()
  const calls = [events.next(), events.next(), events.next()]
  core.emit(finished(1))
  const [start, block] = await Promise.all(calls.slice(0, 2))
  expect([start!.value?.event, block!.value?.event]).toEqual(['start', 'block'])
  await events.return?.()
  expect([await calls[2], await events.next()]).toEqual([
    { done: true, value: undefined },
    { done: true, value: undefined },
  ])
  await expect(run).rejects.toMatchObject({ code: 'NOPROP_CANCELLED' })
})

test.each([5, 'abort', {}, new AbortController(), () => {}])('%s is no signal', async (signal) => {
  const core = fakeCore()
  const { model, data } = fakeModel(1)
  const error = await model.fit(data, { signal: signal as AbortSignal }).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'NOPROP_OPTION', what: expect.stringContaining('signal') })
  expect(core.started).toEqual([])
})

test('leaving the loop at the last event leaves the finished run as it is', async () => {
  const core = fakeCore()
  const { model, data } = fakeModel(1)
  const run = model.fit(data)
  core.emit(finished(1))
  for await (const event of run) if (event.event === 'done') break
  expect((await run).weightsSha256).toBe('abc')
})

test('an abort rejects with the reason, for who awaits and for who iterates, and leaves no listener', async () => {
  const core = fakeCore()
  const { model, data } = fakeModel(3)
  const controller = new AbortController()
  const reason = new Error('enough')
  const run = model.fit(data, { signal: controller.signal })
  const iterating = (async () => {
    for await (const _ of run);
  })()
  await tick()
  controller.abort(reason)
  await expect(iterating).rejects.toBe(reason)
  await expect(run).rejects.toBe(reason)
  expect(core.calls).toEqual(['stop', 'close'])
  expect(getEventListeners(controller.signal, 'abort')).toEqual([])
})

test('a signal that is aborted before starts nothing', async () => {
  const core = fakeCore()
  const { model, data } = fakeModel(3)
  await expect(model.fit(data, { signal: AbortSignal.abort('no') })).rejects.toBe('no')
  expect(core.started).toEqual([])
})

test('a run leaves no listener on its signal when it succeeds', async () => {
  const core = fakeCore()
  const { model, data } = fakeModel(1)
  const { signal } = new AbortController()
  const run = model.fit(data, { signal })
  core.emit(finished(1))
  await run
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('a failing run nobody looks at ends no process, and its error is there later', async () => {
  const core = fakeCore()
  const { model, data } = fakeModel(1)
  const run = model.fit(data)
  core.emit({ event: 'failed', block: 1, error: { code: 'NOPROP_DIVERGED', what: 'the loss is not finite' } })
  await tick()
  await tick()
  await expect(run).rejects.toMatchObject({ code: 'NOPROP_DIVERGED' })
})

test('only iterating, or only awaiting, reports a failure once', async () => {
  const core = fakeCore()
  const { model, data } = fakeModel(1)
  const run = model.fit(data)
  setImmediate(() => core.emitText('no JSON'))
  await expect(
    (async () => {
      for await (const _ of run);
    })(),
  ).rejects.toMatchObject({ code: 'NOPROP_INTERNAL' })
})

test('a failing assembly closes the workers', async () => {
  const core = fakeCore()
  const { model, data } = fakeModel(1)
  core.finishing = Promise.reject(new Error(JSON.stringify({ code: 'NOPROP_IO', what: 'disk full' })))
  core.finishing.catch(() => {})
  const run = model.fit(data)
  core.emit(finished(1))
  await expect(run).rejects.toMatchObject({ code: 'NOPROP_IO', what: 'disk full' })
  expect(core.calls).toEqual(['finish', 'stop', 'close'])
})

test('the events have one reader', () => {
  fakeCore()
  const { model, data } = fakeModel(1)
  const run = model.fit(data)
  run[Symbol.asyncIterator]()
  expect(() => run[Symbol.asyncIterator]()).toThrow(expect.objectContaining({ code: 'NOPROP_BUSY' }))
})

test('validation data that the model cannot judge are refused before training', async () => {
  const core = fakeCore()
  const { model, data } = fakeModel(1)
  const wrongShape = { images: new Float32Array(6), shape: [3], labels: [0, 1] }
  const wrongLabel = { ...data, labels: [0, 1, 2, 0] }
  await expect(model.fit(data, { validation: wrongShape })).rejects.toMatchObject({ code: 'NOPROP_SHAPE' })
  await expect(model.fit(data, { validation: wrongLabel })).rejects.toMatchObject({
    code: 'NOPROP_LABEL',
    received: '2',
  })
  expect(core.started).toEqual([])
})
