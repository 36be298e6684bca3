import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { temporaryDirectory } from './support/data.js'
import { root, startNode } from './support/process.js'

const library = pathToFileURL(join(root, 'dist/index.js')).href

/** A program that starts a training which would take hours. */
const BEGIN = `
import { NoProp } from ${JSON.stringify(library)}
const samples = 4096
const data = {
  images: Float32Array.from({ length: samples * 196 }, (_, index) => Math.sin(index)),
  shape: [14, 14, 1],
  labels: Int32Array.from({ length: samples }, (_, index) => index % 4),
}
const model = NoProp.create({ blocks: 4, net: { type: 'cnn', widths: [8, 8, 16], hidden: 32 }, input: [14, 14, 1], classes: 4 })
const run = model.fit(data, { epochs: 100000, batch: 32 })
`

/** Milliseconds after which a process that should have ended hangs. */
const HANGS = 60_000

async function outcome(program: string, env = process.env) {
  const path = join(temporaryDirectory(), 'program.mjs')
  writeFileSync(path, program)
  const { child, ended } = startNode([path], { env })
  const timer = setTimeout(() => child.kill('SIGKILL'), HANGS)
  const { code, signal, stdout, stderr } = await ended
  clearTimeout(timer)
  return { code, signal, stdout, stderr }
}

test('process.exit in the middle of fit ends the process at once', async () => {
  const { code, signal } = await outcome(`${BEGIN}
for await (const event of run) if (event.event === 'progress') process.exit(7)`)
  expect({ code, signal }).toEqual({ code: 7, signal: null })
})

test('an uncaught error in the middle of fit ends the process with its stack', async () => {
  const { code, signal, stderr } = await outcome(`${BEGIN}
setTimeout(() => { throw new Error('on purpose') }, 300)
await run`)
  expect({ code, signal }).toEqual({ code: 1, signal: null })
  expect(stderr).toContain('on purpose')
})

test('a training run keeps the process alive, and nothing does after it', async () => {
  const { code, signal, stdout } = await outcome(`${BEGIN.replace('100000', '1')}
run.then(() => console.log('trained'))`)
  expect({ code, signal, stdout }).toEqual({ code: 0, signal: null, stdout: 'trained\n' })
})

test.each([
  ['a block a thread', BEGIN],
  ['eight threads on one block', BEGIN.replace('blocks: 4', 'blocks: 1').replace('batch: 32', 'batch: 32, threads: 8')],
])('worker.terminate in the middle of fit stops the worker, and the process goes on: %s', async (_, begin) => {
  const { code, signal, stdout, stderr } = await outcome(`
import { Worker } from 'node:worker_threads'
const program = ${JSON.stringify(`${begin}
import { parentPort } from 'node:worker_threads'
for await (const event of run) if (event.event === 'progress') parentPort.postMessage('training')`)}
for (let round = 0; round < 3; round++) {
  const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(program)))
  await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  await worker.terminate()
}
const { NoProp } = await import(${JSON.stringify(library)})
const model = NoProp.create({ blocks: 1, net: { type: 'mlp', hidden: [4] }, input: [2], classes: 2 })
await model.fit({ images: new Float32Array(8), shape: [2], labels: [0, 1, 0, 1] }, { batch: 2 })
console.log('goes on')`)
  expect(stderr).toBe('')
  expect({ code, signal, stdout }).toEqual({ code: 0, signal: null, stdout: 'goes on\n' })
})

test('workers train side by side', async () => {
  const { code, signal, stdout } = await outcome(`
import { Worker } from 'node:worker_threads'
const program = ${JSON.stringify(`${BEGIN.replace('100000', '1')}
import { parentPort } from 'node:worker_threads'
parentPort.postMessage((await run).weightsSha256)`)}
const start = () => new Promise((resolve, reject) => {
  new Worker(new URL('data:text/javascript,' + encodeURIComponent(program))).once('message', resolve).once('error', reject)
})
const [one, two] = await Promise.all([start(), start()])
console.log(one === two ? 'same' : 'different')`)
  expect({ code, signal, stdout }).toEqual({ code: 0, signal: null, stdout: 'same\n' })
})

test.skipIf(process.platform === 'win32')(
  'where no thread can be started, work rejects with a code and the process ends',
  async () => {
    // No address space has room for such a stack.
    const { code, stdout, stderr } = await outcome(
      `
import { datasets, NoProp } from ${JSON.stringify(library)}
const data = { images: new Float32Array(8), shape: [2], labels: [0, 1, 0, 1] }
const model = NoProp.create({ blocks: 1, input: [2], classes: 2 })
const work = [() => model.fit(data), () => NoProp.load('missing.safetensors'), () => datasets.load('.')]
for (const begin of work) console.log(await begin().then(() => 'done', ({ code }) => code))`,
      { ...process.env, RUST_MIN_STACK: String(2n ** 47n) },
    )
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'NOPROP_THREADS\n'.repeat(3), stderr: '' })
  },
)
