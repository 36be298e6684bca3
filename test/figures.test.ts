import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { temporaryDirectory } from './support/data.js'
import { root } from './support/process.js'

const { putFigures } = (await import(pathToFileURL(join(root, 'scripts/support/figures.mjs')).href)) as {
  putFigures(path: string, command: string, text: string): void
}

test('figures replace their own and nothing around them', () => {
  const path = join(temporaryDirectory(), 'figures.md')
  const end = '<!-- end of the figures -->'
  const region = (command: string, text: string) =>
    `<!-- figures: written by npm run ${command} -->\n\n${text}\n\n${end}`
  const document = (first: string) => `head\n\n${region('one', first)}\n\nmiddle\n\n${region('two', '2')}\n\ntail\n`
  writeFileSync(path, document('1'))
  putFigures(path, 'one', 'new')
  expect(readFileSync(path, 'utf8')).toBe(document('new'))
  expect(() => putFigures(path, 'three', 'x')).toThrow('lost the markers')
})
