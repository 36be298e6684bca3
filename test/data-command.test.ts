import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { smallIdx, temporaryDirectory } from './support/data.js'
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
