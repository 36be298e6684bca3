import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { smallIdx, temporaryDirectory } from './support/data.js'
import { png } from './support/png.js'
import { done, runCli } from './support/process.js'

const TABLE = `a,b,kind
1,7,x
2,7,y
1,7,y
3,7,x
4,7,x
2,7,y
`

function table(text = TABLE): string {
  const path = join(temporaryDirectory(), 'table.csv')
  writeFileSync(path, text)
  return path
}

test('a table is described, and what may spoil a training is told', async () => {
  const path = table()
  const other = table('a,b,kind\n4,7,x\n9,7,z\n')
  const found = await done(['data', path, '--label', 'kind', '--test', other])
  expect(found).toMatchObject({
    shape: [2],
    classes: ['x', 'y'],
    train: {
      samples: 6,
      perClass: [3, 3],
      constant: [1],
      duplicates: {
        count: 2,
        examples: [
          [0, 2],
          [1, 5],
        ],
      },
      contradictions: { count: 1, examples: [[0, 2]] },
    },
    test: { samples: 2, classes: ['x', 'z'] },
    shared: { count: 1, examples: [[4, 0]] },
  })
  const { stdout } = await runCli(['data', path, '--label', 'kind', '--test', other])
  expect(stdout).toMatch(/per class +x: 3 \(50.0 %\) {2}y: 3/)
  expect(stdout).toMatch(/! 1 sample equal to one of another label: 0 and 2/)
  expect(stdout).toMatch(/! classes of the test without training samples: z/)
  expect(stdout).toMatch(/! 1 of 2 values of a sample never change/)
})

test('classes that differ by case or blanks only are told', async () => {
  const path = table('a,kind\n1,Lugana\n2,lugana\n3,Barolo\n4,Barolo\n5,Lugana\n')
  const found = await done(['data', path, '--label', 'kind'])
  expect(found.similarClasses).toEqual([['Lugana', 'lugana']])
  expect(found.pictures).toBeNull()
  const { stdout } = await runCli(['data', path, '--label', 'kind'])
  expect(stdout).toMatch(/! classes that differ by case or blanks only: "Lugana" and "lugana"/)
})

test('pictures are described with their sizes, and equal ones by their paths', async () => {
  const folder = temporaryDirectory()
  const add = (path: string, width: number, height: number, value: number) => {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), png(new Uint8Array(width * height).fill(value), width, height))
  }
  add('train/a/1.png', 40, 30, 10)
  add('train/a/2.png', 20, 10, 50)
  add('train/b/1.png', 40, 30, 10)
  add('train/b/2.png', 60, 50, 90)
  add('train/b/3.png', 40, 30, 120)
  add('test/b/9.png', 40, 30, 120)
  const found = await done(['data', folder])
  expect(found.pictures).toEqual({
    smallest: { width: 20, height: 10 },
    median: { width: 40, height: 30 },
    largest: { width: 60, height: 50 },
  })
  const at = (path: string) => ({ path: join(folder, path) })
  expect(found.train).toMatchObject({ contradictions: { places: [[at('train/a/1.png'), at('train/b/1.png')]] } })
  expect(found.shared).toMatchObject({ count: 1, places: [[at('train/b/3.png'), at('test/b/9.png')]] })
  const { stdout } = await runCli(['data', folder])
  expect(stdout).toMatch(/pictures +from 20×10 to 60×50 in the files, median 40×30 \(width × height\)/)
  expect(stdout).toMatch(/! 1 sample equal to one of another label: \S+1\.png and \S+1\.png\n/)
  expect(stdout).toMatch(/! 1 test sample also to train on \(train and test\): \S+3\.png and \S+9\.png\n/)
})

test('a directory is described with its own test samples', async () => {
  const found = await done(['data', smallIdx({ train: 40, test: 12 })])
  expect(found).toMatchObject({
    shape: [14, 14, 1],
    classes: [0, 1, 2, 3],
    train: { samples: 40 },
    test: { samples: 12 },
  })
  expect(found.shared).toEqual({ count: 0, examples: [] })
})

test('a known data set that is there is told with its place and terms', async () => {
  const data = temporaryDirectory()
  mkdirSync(join(data, 'mnist'))
  writeFileSync(join(data, 'mnist/train-images-idx3-ubyte'), '')
  const found = await done(['data', 'fetch', 'mnist'], { env: { ...process.env, NOPROP_DATA: data } })
  expect(found).toMatchObject({
    name: 'mnist',
    directory: join(data, 'mnist'),
    licence: expect.stringMatching(/Share Alike/),
  })
})

test.each([
  [['data', 'fetch', 'mnits'], /there is no known data set mnits; hint: did you mean mnist\?/],
  [['data', 'fetch'], /the name of the data set is missing/],
  [['data', 'a', 'b'], /unexpected argument 'b'/],
  [['data'], /missing required argument 'data'/],
])('%j is refused', async (args, message) => {
  const outcome = await runCli(args)
  expect([outcome.code, outcome.stderr]).toEqual([2, expect.stringMatching(message)])
})
