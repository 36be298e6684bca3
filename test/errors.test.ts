import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ERROR_CODES, fromNative, NoPropError } from '../src/errors.js'
import { root } from './support/process.js'

test('every code of the core and of TypeScript is listed in docs/errors.md with a cure, and no other', () => {
  const source = readFileSync(join(root, 'crates/noprop-kernels/src/error.rs'), 'utf8')
  const native = [...source.matchAll(/Code::\w+ => "(NOPROP_\w+)"/g)].map((match) => match[1])
  expect(native.length).toBeGreaterThan(20)
  expect(ERROR_CODES).toEqual(expect.arrayContaining(native))
  const own = [
    'NOPROP_CUDA_ADDON',
    'NOPROP_CUDA_LIBRARY',
    'NOPROP_ADDON',
    'NOPROP_USAGE',
    'NOPROP_DATA',
    'NOPROP_CHECKSUM',
    'NOPROP_QUEUE',
    'NOPROP_STORE',
  ]
  expect([...ERROR_CODES].sort()).toEqual([...native, ...own].sort())
  const rows = readFileSync(join(root, 'docs/errors.md'), 'utf8').matchAll(/^\| `(NOPROP_\w+)` \| (.+) \| (.+) \|$/gm)
  const documented = [...rows].map(([, code, meaning, cure]) => {
    expect(meaning!.length).toBeGreaterThan(10)
    expect(cure!.length).toBeGreaterThan(10)
    return code
  })
  expect(documented.sort()).toEqual([...ERROR_CODES].sort())
})

test('an error of the core keeps its parts, and its message reads them all', () => {
  const details = {
    code: 'NOPROP_OPTION',
    what: 'blocks is out of range',
    expected: '1 to 65535',
    received: '0',
    hint: '',
  }
  const cause = new Error(JSON.stringify(details))
  const error = fromNative(cause)
  expect(error).toBeInstanceOf(NoPropError)
  expect(error).toMatchObject({
    name: 'NoPropError',
    code: 'NOPROP_OPTION',
    expected: '1 to 65535',
    received: '0',
    cause,
  })
  expect(error.hint).toBeUndefined()
  expect(error.message).toBe('blocks is out of range; expected: 1 to 65535; received: 0')
  expect(JSON.parse(JSON.stringify(error))).toEqual({
    code: 'NOPROP_OPTION',
    what: 'blocks is out of range',
    expected: '1 to 65535',
    received: '0',
  })
})

test.each([
  ['plain text', new Error('segmentation fault')],
  ['JSON that is none of ours', new Error('{"code":"OTHER","what":"x"}')],
  ['JSON null', new Error('null')],
  ['no error at all', 'text'],
  ['undefined', undefined],
])('%s from the core is NOPROP_INTERNAL with its cause', (_, thrown) => {
  const error = fromNative(thrown)
  expect(error).toMatchObject({ code: 'NOPROP_INTERNAL', cause: thrown })
})

test('an error that is ours already stays the same', () => {
  const error = new NoPropError({ code: 'NOPROP_DATA', what: 'x' })
  expect(fromNative(error)).toBe(error)
})
