import { expect, test } from 'vitest'
import { NoPropError } from '../src/errors.js'
import { type LaneEvent, type OpenLane, Scheduler } from '../src/scheduler.js'
import { finished } from './support/fake-native.js'

/** Lanes of the given numbers of slots, which the test drives by hand. */
function setUp(blocks: number, slots: readonly number[]) {
  const lanes = slots.map(() => ({
    started: [] as number[],
    stopped: 0,
    closed: 0,
    sink: (_: LaneEvent | { event: 'failed'; block: number; error: unknown }) => {},
  }))
  const open = slots.map(
    (count, index): OpenLane =>
      (sink) => {
        const lane = lanes[index]!
        lane.sink = sink
        return {
          slots: count,
          start: (block) => void lane.started.push(block),
          stop: () => void lane.stopped++,
          close: async () => void lane.closed++,
        }
      },
  )
  const seen: LaneEvent[] = []
  const controller = new AbortController()
  const scheduler = new Scheduler(blocks, open, (event) => seen.push(event))
  return { lanes, seen, controller, scheduler }
}

const block = (number: number) => finished(number) as LaneEvent

test('never has more blocks in flight than slots, and starts the next when any is finished', async () => {
  const { lanes, scheduler, controller } = setUp(5, [2])
  const run = scheduler.run(controller.signal)
  const [lane] = lanes
  expect(lane!.started).toEqual([1, 2])
  // Block 1 is slow; the others go on past it.
  for (const number of [2, 3, 4]) lane!.sink(block(number))
  expect(lane!.started).toEqual([1, 2, 3, 4, 5])
  lane!.sink(block(5))
  lane!.sink(block(1))
  await run
  expect(lane!.stopped).toBe(0)
})

test('spreads blocks over lanes, each at its own pace', async () => {
  const { lanes, scheduler, controller } = setUp(6, [1, 2])
  const run = scheduler.run(controller.signal)
  const [slow, fast] = lanes
  expect([slow!.started, fast!.started]).toEqual([[1], [2, 3]])
  for (const number of [2, 3, 4, 5, 6]) fast!.sink(block(number))
  expect([slow!.started, fast!.started]).toEqual([[1], [2, 3, 4, 5, 6]])
  slow!.sink(block(1))
  await run
})

test('a block that is reported twice, or by a lane that does not run it, does not count', async () => {
  const { lanes, scheduler, controller } = setUp(2, [1, 1])
  let isOver = false
  const run = scheduler.run(controller.signal).then(() => {
    isOver = true
  })
  lanes[0]!.sink(block(1))
  lanes[0]!.sink(block(1))
  lanes[0]!.sink(block(2))
  await new Promise((resolve) => setImmediate(resolve))
  expect(isOver).toBe(false)
  lanes[1]!.sink(block(2))
  await run
})

test('a failing block stops and closes every lane and rejects with its error', async () => {
  const { lanes, scheduler, controller, seen } = setUp(4, [1, 1])
  const run = scheduler.run(controller.signal)
  lanes[1]!.sink({ event: 'failed', block: 2, error: { code: 'NOPROP_DIVERGED', what: 'the loss is not finite' } })
  lanes[0]!.sink(block(1))
  const error = await run.catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(NoPropError)
  expect(error).toMatchObject({ code: 'NOPROP_DIVERGED', what: 'the loss is not finite' })
  expect(lanes.map(({ stopped, closed }) => [stopped, closed])).toEqual([
    [1, 1],
    [1, 1],
  ])
  expect(lanes[0]!.started).toEqual([1])
  expect(seen).toEqual([])
})

test('an abort stops and closes the lanes and rejects with the reason', async () => {
  const { lanes, scheduler, controller } = setUp(4, [2])
  const run = scheduler.run(controller.signal)
  const reason = new Error('enough')
  controller.abort(reason)
  await expect(run).rejects.toBe(reason)
  expect(lanes[0]).toMatchObject({ stopped: 1, closed: 1 })
})

test('an abort before the start starts nothing', async () => {
  const { lanes, scheduler, controller } = setUp(4, [2])
  controller.abort('no')
  await expect(scheduler.run(controller.signal)).rejects.toBe('no')
  expect(lanes[0]).toMatchObject({ started: [], closed: 1 })
})

test('a lane that cannot start a block ends the run', async () => {
  const { lanes, scheduler, controller } = setUp(4, [1, 1])
  lanes[1]!.started.push = () => {
    throw new NoPropError({ code: 'NOPROP_DEVICE', what: 'the GPU failed' })
  }
  const error = await scheduler.run(controller.signal).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'NOPROP_DEVICE', what: 'the GPU failed' })
  expect(lanes.map(({ started, stopped, closed }) => [started.length, stopped, closed])).toEqual([
    [1, 1, 1],
    [0, 1, 1],
  ])
})

test('lanes of any pace train every block once, the slower ones fewer, and none more at once than it has slots', async () => {
  const slots = [2, 2, 3]
  const paces = [1, 8, 2]
  const { lanes, scheduler, controller } = setUp(40, slots)
  const run = scheduler.run(controller.signal)
  const running = lanes.map(() => [] as number[])
  const taken = lanes.map(() => 0)
  for (let tick = 1; running.some((blocks) => blocks.length > 0) || tick === 1; tick++) {
    for (const [index, lane] of lanes.entries()) {
      running[index]!.push(...lane.started.slice(taken[index]))
      taken[index] = lane.started.length
      expect(running[index]!.length).toBeLessThanOrEqual(slots[index]!)
      const block = tick % paces[index]! === 0 ? running[index]!.shift() : undefined
      if (block) lane.sink(finished(block) as LaneEvent)
    }
  }
  await run
  const started = lanes.map(({ started }) => started)
  expect(started.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1))
  const [fast, slow, middle] = started.map(({ length }) => length)
  expect(fast).toBeGreaterThan(middle!)
  expect(middle).toBeGreaterThan(slow!)
})
