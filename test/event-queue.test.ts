import { expect, test } from 'vitest'
import { EventQueue, MOST_PASSING } from '../src/event-queue.js'

test('keeps the order, and of unread events with one key only the newest, at its own place', async () => {
  const queue = new EventQueue<string>()
  queue.push('progress 1', { key: 'block 1' })
  queue.push('epoch')
  queue.push('progress 2', { key: 'block 1' })
  queue.push('other', { key: 'block 2' })
  queue.finish()
  const read: (string | undefined)[] = []
  for (let index = 0; index < 4; index++) read.push(await queue.next())
  expect(read).toEqual(['epoch', 'progress 2', 'other', undefined])
})

test('stays bounded however many keyed events come', () => {
  const queue = new EventQueue<number>()
  for (let index = 0; index < 100_000; index++) queue.push(index, { key: `block ${index % 10}` })
  expect(queue.size).toBe(10)
})

test('wakes a reader that waits, also by the end', async () => {
  const queue = new EventQueue<string>()
  const first = queue.next()
  queue.push('late')
  expect(await first).toBe('late')
  const second = queue.next()
  queue.finish()
  expect(await second).toBeUndefined()
})

test('a failure drops what is unread, rejects once, and then is the end', async () => {
  const queue = new EventQueue<string>()
  queue.push('unread')
  const error = new Error('broken')
  queue.fail(error)
  await expect(queue.next()).rejects.toBe(error)
  expect(await queue.next()).toBeUndefined()
  queue.push('too late')
  expect(await queue.next()).toBeUndefined()
})

test('of passing events the newest are kept, and all others', async () => {
  const queue = new EventQueue<number | string>()
  queue.push('first')
  let largest = 0
  for (let index = 0; index < 5 * MOST_PASSING; index++) {
    queue.push(index, { passing: true })
    largest = Math.max(largest, queue.size)
  }
  expect(largest).toBe(MOST_PASSING + 1)
  queue.push('last')
  queue.finish()
  expect(await queue.next()).toBe('first')
  const read: unknown[] = []
  for (let count = 0; count < MOST_PASSING; count++) read.push(await queue.next())
  expect(read).toEqual(Array.from({ length: MOST_PASSING }, (_, index) => 4 * MOST_PASSING + index))
  expect(await queue.next()).toBe('last')
  expect(await queue.next()).toBeUndefined()
})

test('what a reader has read makes room: one who keeps up misses nothing', async () => {
  const queue = new EventQueue<number>()
  const read: unknown[] = []
  for (let index = 0; index < 2 * MOST_PASSING; index++) {
    queue.push(index, { passing: true })
    if (index % 2 === 1) read.push(await queue.next(), await queue.next())
  }
  expect(read).toEqual(Array.from({ length: 2 * MOST_PASSING }, (_, index) => index))
  expect(queue.size).toBe(0)
})

test('several calls at once are served in their order, and all of them end', async () => {
  const queue = new EventQueue<string>()
  const calls = [queue.next(), queue.next(), queue.next(), queue.next()]
  queue.push('one', { key: 'key' })
  queue.push('two', { key: 'key' })
  queue.finish()
  expect(await Promise.all(calls)).toEqual(['one', 'two', undefined, undefined])
})

test('of several calls that wait the first gets the failure, the others the end', async () => {
  const queue = new EventQueue<string>()
  const calls = [queue.next(), queue.next()]
  queue.fail(new Error('broken'))
  expect(await Promise.allSettled(calls)).toMatchObject([
    { status: 'rejected', reason: { message: 'broken' } },
    { status: 'fulfilled', value: undefined },
  ])
  expect(await queue.next()).toBeUndefined()
})

test('a reader that has left gets the end, whatever comes', async () => {
  const queue = new EventQueue<string>()
  const waiting = queue.next()
  queue.leave()
  queue.push('late')
  queue.fail(new Error('too late'))
  expect([await waiting, await queue.next()]).toEqual([undefined, undefined])
})
