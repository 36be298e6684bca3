import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { NoPropError } from '../src/errors.js'
import { loadAddon, platformNames } from '../src/native.js'
import { temporaryDirectory } from './support/data.js'

function failure(path: string): NoPropError {
  try {
    loadAddon(path)
  } catch (error) {
    return error as NoPropError
  }
  throw new Error('it was loaded')
}

test('an addon that is named but not there is an error, not a reason to look elsewhere', () => {
  const path = join(temporaryDirectory(), 'nothing.node')
  expect(failure(path)).toMatchObject({ code: 'NOPROP_ADDON', received: `searched ${path} (no such file)` })
})

test('a file that is no addon is reported with the reason of the loader', () => {
  const path = join(temporaryDirectory(), 'broken.node')
  writeFileSync(path, 'this is no library')
  const error = failure(path)
  expect(error.code).toBe('NOPROP_ADDON')
  expect(error.received).toMatch(
    /broken\.node \(.*(invalid ELF header|file too short|not a mach-o|not a valid Win32).*\)/i,
  )
  expect(error.cause).toBeInstanceOf(Error)
})

test('the reason reported is the innermost cause', () => {
  const path = join(temporaryDirectory(), 'wrapper.cjs')
  writeFileSync(
    path,
    `throw new Error('optional dependency missing', { cause: new Error('again', { cause: new Error('libcuda.so.1 is missing') }) })`,
  )
  expect(failure(path).received).toBe(`searched ${path} (libcuda.so.1 is missing)`)
})

test('platform packages are named as napi names them', () => {
  expect(platformNames('linux', 'x64')).toEqual(['linux-x64-gnu', 'linux-x64-musl'])
  expect(platformNames('darwin', 'arm64')).toEqual(['darwin-arm64'])
  expect(platformNames('win32', 'x64')).toEqual(['win32-x64-msvc'])
})
