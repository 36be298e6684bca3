import { expect, test } from 'vitest'
import { requireCount, toJson } from '../src/json.js'
import { nearest } from '../src/nearest.js'

test('options reach the core as they are, typed arrays as lists, undefined left out', () => {
  const options = { a: 1, b: 'x', c: [1, { d: true }], e: Int32Array.of(3, 4), f: undefined, g: null }
  expect(JSON.parse(toJson(options))).toEqual({ a: 1, b: 'x', c: [1, { d: true }], e: [3, 4], g: null })
})

// JSON.stringify would turn each into null, or drop it, and a default would silently take its place.
test.each([
  ['learningRate', { learningRate: Number.NaN }, 'NaN'],
  ['net.widths[1]', { net: { widths: [1, Number.POSITIVE_INFINITY] } }, 'Infinity'],
  ['epochs', { epochs: () => 1 }, 'a function'],
  ['seed', { seed: 1n }, 'BigInt 1'],
  ['classes', { classes: new Map() }, 'an object (Map)'],
  ['schedule.alphaBar[0]', { schedule: { alphaBar: Float32Array.of(Number.NaN) } }, 'NaN'],
  ['list[0]', { list: [undefined] }, 'undefined'],
])('%s that JSON cannot carry is refused by its name', (name, options, received) => {
  expect(() => toJson(options)).toThrow(
    expect.objectContaining({ code: 'NOPROP_OPTION', what: `the option ${name} cannot be used`, received }),
  )
})

test('options that contain themselves, or too much in one another, are refused by their name', () => {
  const cyclic: { net: { self?: unknown } } = { net: {} }
  cyclic.net.self = cyclic.net
  const deep = Array.from({ length: 10_000 }).reduce((below) => [below], 1)
  // The same list twice is no cycle.
  const twice = [1, 2]
  expect(JSON.parse(toJson({ a: twice, b: [twice, twice] }))).toEqual({
    a: [1, 2],
    b: [
      [1, 2],
      [1, 2],
    ],
  })
  const refused = (options: object, what: string, received: string) =>
    expect(() => toJson(options)).toThrow(
      expect.objectContaining({ code: 'NOPROP_OPTION', what: expect.stringContaining(what), received }),
    )
  refused(cyclic, 'the option net.self cannot', 'a cycle')
  refused({ classes: deep }, 'the option classes[0][0]', 'more')
})

test.each([-1, 1.5, Number.NaN, 2 ** 32, '3', null, undefined])('%s is no count', (value) => {
  expect(() => requireCount(value, 'limit', 0)).toThrow(expect.objectContaining({ code: 'NOPROP_OPTION' }))
})

test('counts start where they may', () => {
  expect(requireCount(0, 'index')).toBe(0)
  expect(() => requireCount(0, 'limit', 1)).toThrow(expect.objectContaining({ received: '0' }))
})

test('the nearest name is one that may be meant', () => {
  const names = ['mnist', 'fashion-mnist', 'cifar10', 'cifar100']
  expect(nearest('mnits', names)).toBe('mnist')
  expect(nearest('CIFAR10', names)).toBe('cifar10')
  expect(nearest('imagenet', names)).toBeUndefined()
  expect(nearest('', names)).toBeUndefined()
})
