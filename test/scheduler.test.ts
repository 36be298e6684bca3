import { expect, test } from 'vitest'
import { NoPropError } from '../src/errors.js'
import { type OpenWorker, Scheduler, type WorkerEvent } from '../src/scheduler.js'
import { finished } from './support/fake-native.js'

/** Workers of the given numbers of slots, which the test drives by hand. */
function setUp(blocks: number, slots: readonly number[]) {
  const workers = slots.map(() => ({
    started: [] as number[],
    wrapped: 0,
    noModel: undefined as NoPropError | undefined,
    stopped: 0,
    closed: 0,
    sink: (_: WorkerEvent | { event: 'failed'; block: number; error: unknown }) => {},
  }))
  const open = slots.map(
    (count, index): OpenWorker =>
      (sink) => {
        const worker = workers[index]!
        worker.sink = sink
        return {
          slots: count,
          start: (block) => void worker.started.push(block),
          wrapUp: () => {
            if (worker.noModel) throw worker.noModel
            worker.wrapped++
          },
          stop: () => void worker.stopped++,
          close: async () => void worker.closed++,
        }
      },
  )
  const seen: WorkerEvent[] = []
  const controller = new AbortController()
  const scheduler = new Scheduler(blocks, open, (event) => seen.push(event))
  return { workers, seen, controller, scheduler }
}

const block = (number: number) => finished(number) as WorkerEvent

test('never has more blocks in flight than slots, and starts the next when any is finished', async () => {
  const { workers, scheduler, controller } = setUp(5, [2])
  const run = scheduler.run(controller.signal)
  const [worker] = workers
  expect(worker!.started).toEqual([1, 2])
  // Block 1 is slow; the others go on past it.
  for (const number of [2, 3, 4]) worker!.sink(block(number))
  expect(worker!.started).toEqual([1, 2, 3, 4, 5])
  worker!.sink(block(5))
  worker!.sink(block(1))
  await run
  expect(worker!.stopped).toBe(0)
})

test('spreads blocks over workers, each at its own pace', async () => {
  const { workers, scheduler, controller } = setUp(6, [1, 2])
  const run = scheduler.run(controller.signal)
  const [slow, fast] = workers
  expect([slow!.started, fast!.started]).toEqual([[1], [2, 3]])
  for (const number of [2, 3, 4, 5, 6]) fast!.sink(block(number))
  expect([slow!.started, fast!.started]).toEqual([[1], [2, 3, 4, 5, 6]])
  slow!.sink(block(1))
  await run
})

test('a block that is reported twice, or by a worker that does not run it, does not count', async () => {
  const { workers, scheduler, controller } = setUp(2, [1, 1])
  let isOver = false
  const run = scheduler.run(controller.signal).then(() => {
    isOver = true
  })
  workers[0]!.sink(block(1))
  workers[0]!.sink(block(1))
  workers[0]!.sink(block(2))
  await new Promise((resolve) => setImmediate(resolve))
  expect(isOver).toBe(false)
  workers[1]!.sink(block(2))
  await run
})

test('a failing block stops and closes every worker and rejects with its error', async () => {
  const { workers, scheduler, controller, seen } = setUp(4, [1, 1])
  const run = scheduler.run(controller.signal)
  workers[1]!.sink({ event: 'failed', block: 2, error: { code: 'NOPROP_DIVERGED', what: 'the loss is not finite' } })
  workers[0]!.sink(block(1))
  const error = await run.catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(NoPropError)
  expect(error).toMatchObject({ code: 'NOPROP_DIVERGED', what: 'the loss is not finite' })
  expect(workers.map(({ stopped, closed }) => [stopped, closed])).toEqual([
    [1, 1],
    [1, 1],
  ])
  expect(workers[0]!.started).toEqual([1])
  expect(seen).toEqual([])
})

test('an abort stops and closes the workers and rejects with the reason', async () => {
  const { workers, scheduler, controller } = setUp(4, [2])
  const run = scheduler.run(controller.signal)
  const reason = new Error('enough')
  controller.abort(reason)
  await expect(run).rejects.toBe(reason)
  expect(workers[0]).toMatchObject({ stopped: 1, closed: 1 })
})

test('an abort before the start starts nothing', async () => {
  const { workers, scheduler, controller } = setUp(4, [2])
  controller.abort('no')
  await expect(scheduler.run(controller.signal)).rejects.toBe('no')
  expect(workers[0]).toMatchObject({ started: [], closed: 1 })
})

test('a worker that cannot start a block ends the run', async () => {
  const { workers, scheduler, controller } = setUp(4, [1, 1])
  workers[1]!.started.push = () => {
    throw new NoPropError({ code: 'NOPROP_DEVICE', what: 'the GPU failed' })
  }
  const error = await scheduler.run(controller.signal).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'NOPROP_DEVICE', what: 'the GPU failed' })
  expect(workers.map(({ started, stopped, closed }) => [started.length, stopped, closed])).toEqual([
    [1, 1, 1],
    [0, 1, 1],
  ])
})

test('workers of any pace train every block once, the slower ones fewer, and none more at once than it has slots', async () => {
  const slots = [2, 2, 3]
  const paces = [1, 8, 2]
  const { workers, scheduler, controller } = setUp(40, slots)
  const run = scheduler.run(controller.signal)
  const running = workers.map(() => [] as number[])
  const taken = workers.map(() => 0)
  for (let tick = 1; running.some((blocks) => blocks.length > 0) || tick === 1; tick++) {
    for (const [index, worker] of workers.entries()) {
      running[index]!.push(...worker.started.slice(taken[index]))
      taken[index] = worker.started.length
      expect(running[index]!.length).toBeLessThanOrEqual(slots[index]!)
      const block = tick % paces[index]! === 0 ? running[index]!.shift() : undefined
      if (block) worker.sink(finished(block) as WorkerEvent)
    }
  }
  await run
  const started = workers.map(({ started }) => started)
  expect(started.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1))
  const [fast, slow, middle] = started.map(({ length }) => length)
  expect(fast).toBeGreaterThan(middle!)
  expect(middle).toBeGreaterThan(slow!)
})

test('told to end, waits for what is in flight and begins no other', async () => {
  const { workers, scheduler, controller } = setUp(5, [2])
  const run = scheduler.run(controller.signal)
  const [worker] = workers
  worker!.sink(block(2))
  scheduler.wrapUp()
  // Once more changes nothing.
  scheduler.wrapUp()
  expect([worker!.wrapped, scheduler.notBegun]).toEqual([2, [4, 5]])
  worker!.sink(block(3))
  worker!.sink(block(1))
  await run
  expect(worker!.started).toEqual([1, 2, 3])
})

test('told to end where that leaves no model, rejects', async () => {
  const { workers, scheduler, controller } = setUp(3, [2])
  const run = scheduler.run(controller.signal)
  const [worker] = workers
  worker!.noModel = new NoPropError({ code: 'NOPROP_CANCELLED', what: 'no model' })
  scheduler.wrapUp()
  await expect(run).rejects.toBe(worker!.noModel)
  expect([worker!.stopped, worker!.closed]).toEqual([1, 1])
})
