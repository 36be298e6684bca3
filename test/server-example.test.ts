import { request } from 'node:http'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { NoProp } from '../src/index.js'
import { squares, temporaryDirectory } from './support/data.js'
import { startNode } from './support/process.js'

const LENGTH = 14 * 14

/** The example, serving a model that knows four squares. */
async function served(...options: string[]) {
  const file = join(temporaryDirectory(), 'model.safetensors')
  const model = NoProp.create({
    input: [14, 14, 1],
    classes: [3, 5, 7, 9],
    blocks: 2,
    net: { type: 'mlp', hidden: [16] },
  })
  await model.fit(squares(256, 14, [3, 5, 7, 9]), { epochs: 2, batch: 32, learningRate: 3e-3 })
  await model.save(file)
  const server = startNode(['examples/server/server.mjs', file, '--port', '0', ...options])
  onTestFinished(() => void server.child.kill('SIGKILL'))
  const address = (await server.wrote(/http:\S+\n/)).trim()
  return { model, server, address }
}

interface Answer {
  status: number
  body: string
}

function post(address: string, body: Uint8Array | string, type = 'application/octet-stream'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(`${address}/predict`, { method: 'POST', headers: { 'content-type': type } }, (response) => {
      let text = ''
      response
        .on('data', (part) => (text += part))
        .on('end', () => resolve({ status: response.statusCode ?? 0, body: text }))
    })
    asked.on('error', reject).end(body)
  })
}

const get = async (address: string, path: string) => {
  const response = await fetch(address + path)
  return { status: response.status, body: await response.text() }
}

test('requests that come together get the answers that each would get alone', async () => {
  const { model, server, address } = await served()
  const { images } = squares(40, 14, [3, 5, 7, 9], 2)
  const { labels, probabilities } = await model.predict(images)
  const samples = Array.from({ length: 40 }, (_, index) => images.subarray(index * LENGTH, (index + 1) * LENGTH))
  const answers = await Promise.all(samples.map((sample) => post(address, sample)))
  for (const [index, { status, body }] of answers.entries()) {
    expect(status).toBe(200)
    const { classes, predictions } = JSON.parse(body)
    expect(classes).toEqual([3, 5, 7, 9])
    expect(predictions).toEqual([{ label: labels[index], probabilities: [...probabilities[index]!] }])
  }
  const floats = JSON.stringify({
    inputs: [
      [...samples[0]!].map((value) => Math.fround(value / 255)),
      [...samples[1]!].map((value) => Math.fround(value / 255)),
    ],
  })
  const { predictions } = JSON.parse((await post(address, floats, 'application/json')).body)
  expect(predictions.map(({ label }: { label: number }) => label)).toEqual([labels[0], labels[1]])
  expect((await get(address, '/readyz')).status).toBe(200)
  const { body: metrics } = await get(address, '/metrics')
  const value = (name: string) => Number(metrics.match(new RegExp(`^noprop_${name} (.*)$`, 'm'))?.[1])
  expect(value('samples_total')).toBe(42)
  expect(value('batches_total')).toBeLessThan(42)
  expect(metrics).toContain('noprop_requests_total{status="200"}')
  // What has been asked is answered before it ends.
  const last = post(address, images.subarray(0, 8 * LENGTH))
  await new Promise((resolve) => setImmediate(resolve))
  await get(address, '/healthz')
  server.child.kill('SIGTERM')
  expect((await last).status).toBe(200)
  const { code, signal, stderr } = await server.ended
  expect([code, signal, stderr]).toEqual([0, null, ''])
})

test('batches are of one kind and of bounded size, and a bad request spoils no other', async () => {
  // The example is JavaScript without types.
  const { Batcher, Full } = await import('../examples/server/batcher.mjs' as string)
  const calls: string[] = []
  const predict = async (kind: string, samples: string[]) => {
    calls.push(`${kind} ${samples.join('')}`)
    if (samples.includes('!')) throw new Error('bad')
    return samples.map((sample) => sample.toUpperCase())
  }
  const batcher = new Batcher(predict, { most: 4, room: 8 })
  const asked = [
    ...[
      ['x', ['a', 'b']],
      ['x', ['c']],
      ['x', ['d', 'e']],
      ['y', ['f']],
      ['y', ['!']],
    ],
  ].map(([kind, samples]) => batcher.answer(kind, samples))
  expect(() => batcher.answer('x', ['g', 'h'])).toThrow(Full)
  const answers = await Promise.allSettled(asked)
  expect(answers.map((answer) => (answer.status === 'fulfilled' ? answer.value.join('') : 'failed'))).toEqual([
    ...['AB', 'C', 'DE', 'F', 'failed'],
  ])
  expect(calls).toEqual(['x abc', 'x de', 'y f!', 'y f', 'y !'])
  await batcher.drained()
  expect(batcher.waiting).toBe(0)
})

test('what cannot be answered is refused, and the others are answered', async () => {
  const { server, address } = await served('--most-samples', '4', '--room', '6', '--most-bytes', String(8 * LENGTH))
  const sample = new Uint8Array(LENGTH)
  const refused = async (body: Uint8Array | string, type: string | undefined, status: number) => {
    expect([body.length, (await post(address, body, type)).status]).toEqual([body.length, status])
  }
  await refused(new Uint8Array(LENGTH - 1), undefined, 400)
  await refused(new Uint8Array(5 * LENGTH), undefined, 413)
  await refused('{', 'application/json', 400)
  await refused('{"inputs":[[1,2]]}', 'application/json', 400)
  await refused('{"rows":[{"a":1}]}', 'application/json', 400)
  await refused('x', 'text/plain', 415)
  // Its connection may break while it is still being sent.
  const large = await post(address, new Uint8Array(20 * LENGTH)).catch(() => ({ status: 413 }))
  expect(large.status).toBe(413)
  expect((await get(address, '/predict')).status).toBe(405)
  expect((await get(address, '/nothing')).status).toBe(404)
  // One that is too much among many: all but it are answered.
  const all = await Promise.all([...Array(6)].map(() => post(address, sample)).concat(post(address, 'x', 'text/plain')))
  expect(all.map(({ status }) => status).filter((status) => status === 415)).toHaveLength(1)
  expect(all.every(({ status }) => [200, 415, 503].includes(status))).toBe(true)
  server.child.kill('SIGTERM')
  expect((await server.ended).code).toBe(0)
})
