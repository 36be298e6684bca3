import { expect, test } from 'vitest'
import { EventQueue } from '../src/event-queue.js'

test('keeps the order, and of unread events with one key only the newest, at its own place', async () => {
  const queue = new EventQueue<string>()
  queue.push('progress 1', 'block 1')
  queue.push('epoch')
  queue.push('progress 2', 'block 1')
  queue.push('other', 'block 2')
  queue.finish()
  const read: (string | undefined)[] = []
  for (let index = 0; index < 4; index++) read.push(await queue.next())
  expect(read).toEqual(['epoch', 'progress 2', 'other', undefined])
})

test('stays bounded however many keyed events come', () => {
  const queue = new EventQueue<number>()
  for (let index = 0; index < 100_000; index++) queue.push(index, `block ${index % 10}`)
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
