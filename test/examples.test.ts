import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { NoProp } from '../src/index.js'
import { temporaryDirectory } from './support/data.js'
import { png } from './support/png.js'
import { root, runNode } from './support/process.js'

/** What each example prints, as far as it matters. `mnist.mjs` is what `npm start` runs. */
const EXAMPLES: Record<string, RegExp> = {
  'photos.mjs':
    /96 samples of 16×16×3.*24 for the test[\s\S]*test accuracy (9\d|100)\.\d %\n(photos.*: .*\n){3}photos.*bmp looks like (disc|square)\n$/,
  'table.mjs': /test accuracy (9\d|100)\.\d %\n\{ height: 44.5, season: 'summer' \} \w+ [\d.]+\n\{ height: null/,
  'embeddings.mjs': /^block 1: \d+ epochs, \S+\n[\s\S]*test accuracy (9\d|100)\.\d %, macro F1 [\d.]+\nsport\n$/,
  'regression.mjs':
    /^R² 0\.9\d+, off by \d+ [^\n]*\nintervals [^\n]* hold \d+ % of the truth\n\{ size: 64[^\n]*\} \d+, from \d+ to \d+\n\{ size: 31, floor: null/,
  'server.mjs': /labels: \[ 'first', 'third' \][\s\S]*400 \{\s+code: 'NOPROP_SHAPE'/,
}

test('every example is told of and tried', () => {
  const names = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.mjs'))
  expect(names.sort()).toEqual([...Object.keys(EXAMPLES), 'mnist.mjs'].sort())
  const readme = readFileSync(join(root, 'examples/README.md'), 'utf8')
  for (const name of names) expect(readme).toContain(`\`${name}\``)
})

test.each(Object.entries(EXAMPLES))(
  '%s runs with the package alone, away from the repository',
  async (name, printed) => {
    const directory = withExample(name)
    const { code, stdout, stderr } = await runNode([name], { cwd: directory })
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(printed)
  },
)

/** A directory with the package and one of the examples. */
function withExample(name: string): string {
  const directory = temporaryDirectory()
  mkdirSync(join(directory, 'node_modules'))
  symlinkSync(root, join(directory, 'node_modules/noprop'), 'junction')
  copyFileSync(join(root, 'examples', name), join(directory, name))
  return directory
}

test.each(['', 'train/'])('photos.mjs takes any folder of pictures, those of the training in "%s"', async (train) => {
  const directory = withExample('photos.mjs')
  const add = (path: string, content: Buffer) => {
    mkdirSync(join(directory, 'mine', path, '..'), { recursive: true })
    writeFileSync(join(directory, 'mine', path), content)
  }
  for (let index = 0; index < 20; index++) {
    const [dark, bright] = [20 + index, 200 + index].map((value) => png(new Uint8Array(30 * 20).fill(value), 30, 20))
    add(`${train}night/night ${index}.png`, dark as Buffer)
    add(`${train}day/${index}.PNG`, bright as Buffer)
    if (train !== '' && index < 5)
      add(`test/${index % 2 ? 'day' : 'night'}/${index}.png`, (index % 2 ? bright : dark) as Buffer)
  }
  add(`${train}day/broken.jpg`, Buffer.from('no picture'))
  const { code, stdout, stderr } = await runNode(['photos.mjs', 'mine'], { cwd: directory })
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/^1 picture could not be read and is left out: .*broken\.jpg/)
  expect(stdout).toContain(train === '' ? '32 samples of 16×16×1' : '40 samples of 16×16×1')
  expect(stdout).toContain(train === '' ? '8 for the test; classes: day, night' : '5 for the test; classes: day, night')
  expect(stdout).toMatch(/mine.*png looks like (day|night)\n$/i)
})

test('the nets of the examples train', async () => {
  const names = readdirSync(join(root, 'examples/nets'))
  expect(names).toEqual(['cifar10.json'])
  const net = JSON.parse(readFileSync(join(root, 'examples/nets/cifar10.json'), 'utf8'))
  const model = NoProp.create({ net, input: [32, 32, 3], classes: 10, blocks: 1 })
  expect(model.summary()).toContain('117,744,160 multiply-adds')
  const images = Uint8Array.from({ length: 8 * 3072 }, (_, at) => (at * 7919) % 251)
  const { loss } = await model.fit(
    { images, shape: [32, 32, 3], labels: [0, 1, 2, 3, 4, 5, 6, 9] },
    { epochs: 1, batch: 4 },
  )
  expect(loss.flat()).toEqual([expect.any(Number)])
})

test('the programs of the tour are the examples', () => {
  const tour = readFileSync(join(root, 'docs/tour.md'), 'utf8')
  const programs = [...tour.matchAll(/^```js\n([\s\S]*?)^```$/gm)].map(([, text]) => text)
  const examples = Object.keys(EXAMPLES).map((name) => readFileSync(join(root, 'examples', name), 'utf8'))
  expect(programs).toEqual(examples)
})
