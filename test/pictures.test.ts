import { spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { NoProp } from '../src/index.js'
import { squares, temporaryDirectory } from './support/data.js'
import { smallModel } from './support/models.js'
import { png } from './support/png.js'
import { cli, events, type Outcome, runCli } from './support/process.js'

let shared: string
let model: string
let good: string

beforeAll(async () => {
  shared = mkdtempSync(join(tmpdir(), 'noprop-test-'))
  model = join(shared, 'model.safetensors')
  good = join(shared, 'good.png')
  const data = squares(64, 14, [0, 1, 2, 3])
  const made = NoProp.create(smallModel({ blocks: 1 }))
  await made.fit(data, { batch: 32 })
  await made.save(model)
  writeFileSync(good, png(data.images.subarray(0, 196), 14, 14))
})

afterAll(() => rmSync(shared, { recursive: true, force: true }))

/** Runs predict with a list of paths on stdin. */
function piped(text: string, ...args: string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [cli, 'predict', model, ...args])
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk) => (stdout += chunk))
  child.stderr.on('data', (chunk) => (stderr += chunk))
  child.stdin.on('error', () => {})
  child.stdin.end(text)
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr })))
}

test('one damaged picture among many is an error of its own; the others are predicted', async () => {
  const directory = temporaryDirectory()
  const [a, b, c, d] = ['a.png', 'b.png', 'c.png', 'd.png'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
    string,
  ]
  for (const path of [a, b, d]) copyFileSync(good, path)
  writeFileSync(c, readFileSync(good).subarray(0, 60))
  const missing = join(directory, 'missing.png')
  const outcome = await runCli(['predict', model, a, b, c, missing, d, '--json'])
  const rows = events(outcome)
  expect(outcome.code).toBe(1)
  expect(rows.map(({ event, path, code }) => [event, path, code])).toEqual([
    ['prediction', a, undefined],
    ['prediction', b, undefined],
    ['error', c, 'NOPROP_FILE_TRUNCATED'],
    ['error', missing, 'NOPROP_FILE_NOT_FOUND'],
    ['prediction', d, undefined],
    ['done', undefined, undefined],
  ])
  expect(rows.at(-1)).toMatchObject({ samples: 3, failed: 2 })
  const plain = await runCli(['predict', model, a, c, d])
  expect(plain.code).toBe(1)
  expect(plain.stdout.split('\n').map((line) => line.split('\t')[0])).toEqual([a, d, ''])
  expect(plain.stderr).toMatch(/^error NOPROP_FILE_TRUNCATED: .*c\.png.*\n$/)
})

/** A folder with two pictures, one of them in a folder within, and what is none. */
function album(): { folder: string; pictures: string[] } {
  const folder = join(temporaryDirectory(), 'album')
  mkdirSync(join(folder, 'b'), { recursive: true })
  const pictures = [join(folder, 'a 1.PNG'), join(folder, 'b', 'c.png')]
  for (const path of pictures) copyFileSync(good, path)
  writeFileSync(join(folder, '._a 1.PNG'), 'AppleDouble')
  writeFileSync(join(folder, 'notes.txt'), 'notes')
  symlinkSync(folder, join(folder, 'b', 'loop'), 'junction')
  return { folder, pictures }
}

const paths = (outcome: Outcome) =>
  events(outcome)
    .filter(({ event }) => event === 'prediction')
    .map(({ path }) => path)

test('a folder stands for the PNG files in it and below', async () => {
  const { folder, pictures } = album()
  // A file without an ending is what it holds.
  copyFileSync(good, join(folder, 'b', 'picture'))
  writeFileSync(join(folder, 'b', 'README'), 'notes')
  pictures.push(join(folder, 'b', 'picture'))
  const outcome = await runCli(['predict', model, folder, good, '--json'])
  expect([outcome.code, paths(outcome), outcome.stderr]).toEqual([0, [...pictures, good], ''])
  const empty = await runCli(['predict', model, temporaryDirectory(), good, '--json'])
  expect([empty.code, paths(empty)]).toEqual([1, [good]])
  expect(events(empty)[0]).toMatchObject({ event: 'error', code: 'NOPROP_FILE_NOT_FOUND' })
})

test('- is a list of paths on stdin, by lines or by NUL', async () => {
  const { folder, pictures } = album()
  const strange = join(folder, 'with\nline.png')
  const lists: [string, string[]][] = [
    [`${good}\n${folder}\n`, [good, ...pictures]],
    [`${good}\r\n\r\n${good}`, [good, good]],
    ['', []],
  ]
  if (process.platform !== 'win32') {
    copyFileSync(good, strange)
    lists.push([`${strange}\0${good}\0`, [strange, good]])
  }
  for (const [list, expected] of lists.slice(0, 3)) {
    const outcome = await piped(list, '-', '--json')
    expect([outcome.code, paths(outcome).filter((path) => path !== strange)]).toEqual([0, expected])
  }
  for (const [list, expected] of lists.slice(3)) {
    const outcome = await piped(list, '-', '--json')
    expect([outcome.code, paths(outcome)]).toEqual([0, expected])
  }
  const noList = await piped('x'.repeat(1 << 17), '-')
  expect([noList.code, noList.stderr]).toEqual([2, expect.stringMatching(/^error NOPROP_OPTION: stdin holds no list/)])
})

test('more pictures than are read at a time are all predicted', async () => {
  const list = `${good}\n`.repeat(2500)
  const outcome = await piped(list, '-')
  const lines = outcome.stdout.trim().split('\n')
  expect([outcome.code, lines.length]).toEqual([0, 2500])
})
