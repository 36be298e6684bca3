import { expect, test } from 'vitest'
import { fields, wrapped } from '../src/cli/fields.js'
import { painter, textWidth, wantsColour } from '../src/cli/style.js'
import { printable, printableJson, printableLines } from '../src/printable.js'
import { hasUnicode } from '../src/progress/unicode.js'

test('control characters become escapes, and all else stays', () => {
  const cases: [string, string][] = [
    ['\x1b[2J\x1b]0;title\x07', '\\x1b[2J\\x1b]0;title\\x07'],
    ['a\r\nb\tc', 'a\\r\\nb\\tc'],
    ['\x7f\x9b31m\x85', '\\x7f\\x9b31m\\x85'],
    ['\u202egnp.exe\u2066\u200f', '\\u202egnp.exe\\u2066\\u200f'],
    ['\u2028\u2029\u200b\ufeff', '\\u2028\\u2029\\u200b\\ufeff'],
    ['Zahl für 数字 😀 \u200d é.png', 'Zahl für 数字 😀 \u200d é.png'],
  ]
  for (const [text, shown] of cases) expect(printable(text)).toBe(shown)
  expect(printableLines('a\tb\n\x1b[A')).toBe('a\tb\n\\x1b[A')
})

test('JSON stays the same value', () => {
  const value = { path: '\x1b[2J\x9b\u202e\n\u2028"\\', other: [1, 'é😀'] }
  const text = printableJson(value)
  expect(JSON.parse(text)).toEqual(value)
  expect(printable(text)).toBe(text)
})

test('a field cannot begin a line of its own, and goes on under its beginning', () => {
  expect(fields([['path', 'x\nweights         sha256 0']])).toBe('path            x\\nweights         sha256 0')
  const list = '1: 92.5 %  2: 93.0 %  3: 92.9 %'
  expect(fields([['after block', list]], 40)).toBe('after block     1: 92.5 %  2: 93.0 %\n                3: 92.9 %')
  expect(fields([['after block', list]])).toBe(`after block     ${list}`)
  expect(fields([['device', '✓ ', 'cpu: x86_64, usable in f32, bf16']], 40)).toBe(
    'device          ✓ cpu: x86_64, usable in\n                  f32, bf16',
  )
  // A number and its unit stay together; what is too long for a line has one of its own.
  expect(wrapped('it takes 12.5 MiB of 99 % now', 14)).toEqual(['it takes', '12.5 MiB of', '99 % now'])
  expect(wrapped(`sha256 ${'a'.repeat(64)}`, 24)).toEqual(['sha256', 'a'.repeat(64)])
})

test('colour is for terminals, unless FORCE_COLOR or NO_COLOR decide', () => {
  const [terminal, pipe] = [{ isTTY: true }, { isTTY: false }]
  const cases: [object, NodeJS.ProcessEnv, boolean][] = [
    [terminal, {}, true],
    [pipe, {}, false],
    [terminal, { NO_COLOR: '1' }, false],
    [terminal, { NO_COLOR: '' }, true],
    [terminal, { TERM: 'dumb' }, false],
    [pipe, { FORCE_COLOR: '1' }, true],
    [terminal, { FORCE_COLOR: '0' }, false],
    [pipe, { FORCE_COLOR: '1', NO_COLOR: '1' }, true],
  ]
  for (const [stream, env, wanted] of cases) expect([env, wantsColour(stream, env)]).toEqual([env, wanted])
  expect(painter(pipe, { FORCE_COLOR: '1' })('red', 'x')).toBe('\x1b[31mx\x1b[39m')
  expect(painter(pipe, {})('red', 'x')).toBe('x')
})

test('text is as wide as the terminal within reason, and ASCII where the locale wants it', () => {
  const widths = [undefined, 0, 20, 40, 72, 300].map((columns) => textWidth({ isTTY: true, columns }))
  expect(widths).toEqual([80, 80, 40, 40, 72, 100])
  expect(textWidth({ isTTY: false, columns: 50 })).toBe(80)
  const locales = [{}, { LANG: 'C.UTF-8' }, { LANG: 'en_US.utf8' }, { LANG: 'C' }, { LC_ALL: 'POSIX', LANG: 'C.UTF-8' }]
  if (process.platform !== 'win32')
    expect(locales.map((env) => hasUnicode(env))).toEqual([true, true, true, false, false])
})
