import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { temporaryDirectory } from './support/data.js'
import { root } from './support/process.js'

interface Circle {
  name: string
  uses: string[]
}
const { circles, modulesOf } = (await import(pathToFileURL(join(root, 'scripts/checks/circles.mjs')).href)) as {
  circles: (modules: unknown) => Circle[][]
  modulesOf: (directory: string) => unknown
}

/** The circles of a crate with these files. */
function found(files: Record<string, string>): string[][] {
  const directory = temporaryDirectory()
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), text)
  }
  return circles(modulesOf(directory)).map((circle) => circle.map(({ name }) => name))
}

test('modules that use each other are a circle, by use or by path', () => {
  const lib = 'pub mod a;\npub mod b;\npub mod c;\n'
  expect(
    found({ 'lib.rs': lib, 'a.rs': 'use crate::b::B;', 'b.rs': 'use super::a;', 'c.rs': 'use crate::a::A;' }),
  ).toEqual([['a', 'b']])
  expect(
    found({
      'lib.rs': lib,
      'a.rs': 'fn f() { crate::b::g() }',
      'b.rs': 'use crate::{c::{C, D as E}};',
      'c.rs': 'use crate::a::A;',
    }),
  ).toEqual([['a', 'b', 'c']])
})

test('a name leads to the module that defines it, and what tests use does not count', () => {
  const files = {
    'lib.rs': 'pub mod a;\npub mod b;',
    'a/mod.rs': 'mod x;\nmod y;\npub use x::X;\npub use y::Y;',
    'a/x.rs': 'pub struct X;',
    'a/y.rs': 'use crate::b::B;\npub struct Y;',
    'b.rs': 'use crate::a::X;\n// use crate::a::Y;\n#[cfg(test)]\nmod tests {\n    use crate::a::Y;\n}\n',
  }
  expect(found(files)).toEqual([])
  expect(found({ ...files, 'b.rs': 'use crate::a::Y;' })).toEqual([['a::y', 'b']])
})
