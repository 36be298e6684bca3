import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Queue, Worker } from 'bullmq'
import { describe, expect, onTestFinished, test } from 'vitest'
import { AtWork } from '../src/cluster/at-work.js'
import { BlockWork } from '../src/cluster/block-work.js'
import { DataCache } from '../src/cluster/data-cache.js'
import { attachRun, cancelRun, collectRuns, DETACH, listRuns } from '../src/cluster/index.js'
import { kindHere } from '../src/cluster/kind.js'
import { removeLeftovers } from '../src/cluster/leftovers.js'
import { FolderStore } from '../src/cluster/store/folder.js'
import { NoProp } from '../src/index.js'
import { caught, cluster, create, data, locally, options } from './support/cluster.js'
import { temporaryDirectory } from './support/data.js'
import { root, runCli, runNode } from './support/process.js'
import { servers } from './support/servers.js'

const has = servers()

/** The part of a machine that computes wrongly: sound, but with another weight. */
function miscomputed(part: Buffer): Buffer {
  const start = 8 + Number(part.readBigUInt64LE())
  const [header, weights] = [part.subarray(0, start), Buffer.from(part.subarray(start))]
  const sha256 = () => createHash('sha256').update(weights).digest('hex')
  const before = sha256()
  expect(header.includes(before)).toBe(true)
  weights.writeFloatLE(0.25, 0)
  return Buffer.concat([Buffer.from(header.toString('latin1').replace(before, sha256()), 'latin1'), weights])
}
const long = { ...options, epochs: 1_000_000 }

/** The one run of a store in a folder. */
const runIn = (folder: string) => {
  const [run = '', ...others] = readdirSync(join(folder, 'runs'))
  expect(others).toEqual([])
  return { id: run, path: join(folder, 'runs', run) }
}

test('blocks at work are those of all workers that are not silent', () => {
  const work = new AtWork()
  const event = { event: 'progress', epoch: 1, epochs: 2, step: 1, steps: 9, loss: 1 } as const
  const tell = (block: number, jobs: number, threads: number, now: number) => {
    const told = work.tell({ ...event, block, jobs, threads, samplesPerSecond: 1, secondsLeft: 1 }, now)
    return [told.block, told.jobs, told.threads]
  }
  expect(tell(1, 1, 2, 0)).toEqual([1, 1, 2])
  expect(tell(2, 3, 1, 1000)).toEqual([2, 2, 2])
  expect(tell(3, 3, 1, 2000)).toEqual([3, 3, 3])
  // Nothing was told of block 1 for long.
  expect(tell(4, 3, 1, 15_500)).toEqual([4, 3, 1])
  work.end(4)
  expect(tell(2, 1, 1, 16_000)).toEqual([2, 2, 1])
})

test('what killed workers have left is removed, and nothing else', async () => {
  const folder = temporaryDirectory()
  const gone = (await runNode(['-e', 'console.log(process.pid)'])).stdout.trim()
  const names = [`noprop-worker-${gone}-aaaaaa`, `noprop-worker-${process.pid}-bbbbbb`, 'noprop-worker-x', 'other']
  for (const name of names) mkdirSync(join(folder, name, 'block-1'), { recursive: true })
  // Another container's, whose processes have other numbers, is busy.
  await removeLeftovers(folder)
  expect(readdirSync(folder).sort()).toEqual([...names].sort())
  await removeLeftovers(folder, Date.now() + 2 * 3_600_000)
  expect(readdirSync(folder).sort()).toEqual(names.slice(1).sort())
})

describe.each([
  ['Redis, with a folder', 'redis', 'folder', has.redis],
  ['PostgreSQL, with a folder', 'postgres', 'folder', has.postgres],
  ['Redis, with S3', 'redis', 's3', has.redis && has.s3],
] as const)('on %s', (_, queue, store, isThere) => {
  test.skipIf(!isThere)('workers make the model that one process makes, with the same history and file', async () => {
    const { where, worker } = await cluster({ queue, store })
    const workers = [await worker(), await worker('--slots', '2')]
    const more = { validation: data, earlyStopping: { patience: 2 } }
    const model = create()
    const events: string[] = []
    const epochs = new Set<string>()
    const run = model.fit(data, { ...options, ...more, cluster: where })
    for await (const event of run) {
      events.push(event.event)
      if (event.event !== 'epoch') continue
      expect(epochs.has(`${event.block} ${event.epoch}`)).toBe(false)
      epochs.add(`${event.block} ${event.epoch}`)
    }
    const history = await run
    expect(history).toMatchObject(await locally(more))
    expect(history.device).toMatch(/^cpu-\w+$/)
    expect(events[0]).toBe('start')
    expect(events.filter((event) => event === 'block')).toHaveLength(3)
    expect(events.slice(-2)).toEqual(['validation', 'done'])
    expect(epochs.size).toBe(history.loss.flat().length)
    expect((await model.evaluate(data)).accuracy).toBe(history.validation?.accuracy)
    const [here, there] = ['here', 'there'].map((name) => join(temporaryDirectory(), name)) as [string, string]
    const local = create()
    await local.fit(data, { ...options, ...more })
    await Promise.all([local.save(here), model.save(there)])
    expect(readFileSync(there).equals(readFileSync(here))).toBe(true)
    // What is trained is not trained again, and needs no worker.
    for (const { child, ended } of workers) {
      child.kill('SIGTERM')
      expect((await ended).code).toBe(143)
    }
    const again = await create().fit(data, { ...options, ...more, cluster: where })
    expect(again.weightsSha256).toBe(history.weightsSha256)
  })
})

describe.skipIf(!has.redis)('on a queue', () => {
  test.each([
    ['fm', { method: 'fm', blocks: 1 }, {}],
    ['diffusion-blocks', { method: 'diffusion-blocks' }, { learningRateSchedule: 'one-cycle' as const }],
    ['a head', { head: 'softmax' }, {}],
    ['orthogonal embeddings', { embedding: { type: 'orthogonal', dim: 3 } }, { weighting: 'snr' as const }],
  ])('other methods: %s', async (_, model, more) => {
    const { where, worker } = await cluster()
    await worker('--slots', '2')
    const history = await create(model).fit(data, { ...options, epochs: 3, ...more, cluster: where })
    expect(history.weightsSha256).toBe((await locally({ epochs: 3, ...more }, model)).weightsSha256)
  })

  test('blocks on the features of a trained encoder, which the workers know nothing of', async () => {
    const { where, worker, folder } = await cluster()
    await worker('--slots', '2')
    const encoder = create({ method: 'classifier', blocks: 1 })
    await encoder.fit(data, options)
    const [here, there] = [create({ encoder }), create({ encoder })]
    const expected = await here.fit(data, { ...options, epochs: 3, validation: data })
    const history = await there.fit(data, { ...options, epochs: 3, validation: data, cluster: where })
    expect(history.weightsSha256).toBe(expected.weightsSha256)
    expect([history.validation?.accuracy, there.training]).toEqual([expected.validation?.accuracy, here.training])
    expect(await there.predict(data)).toEqual(await here.predict(data))
    // Whoever attaches has no encoder, and gets the whole model.
    const [run] = await listRuns(where)
    const attached = await attachRun(run?.id as string, where)
    expect([await attached.weightsSha256(), attached.config]).toEqual([history.weightsSha256, here.config])
    expect(await attached.predict(data)).toEqual(await here.predict(data))
    const encoderFile = join(folder, 'runs', run?.id as string, 'encoder')
    const bytes = readFileSync(encoderFile)
    bytes.writeFloatLE(0.25, bytes.length - 4)
    for (const damage of [() => writeFileSync(encoderFile, bytes), () => rmSync(encoderFile, { force: true })]) {
      damage()
      expect(await caught(attachRun(run?.id as string, where))).toMatchObject({
        code: 'NOPROP_STORE',
        message: expect.stringContaining('the encoder of run'),
      })
    }
    const untrained = NoProp.create({ input: [6], classes: 3, blocks: 2, features: 'shared' })
    expect((await caught(untrained.fit(data, { ...options, cluster: where }))).message).toContain('trained already')
  })

  test('pictures with augmentation, and numbers to predict', async () => {
    const { where, worker } = await cluster()
    await worker('--slots', '2')
    const pictures = { images: Uint8Array.from({ length: 64 * 36 }, (_, at) => (at * 7919) % 256), shape: [6, 6] }
    const labelled = { ...pictures, labels: Array.from({ length: 64 }, (_, at) => ['ant', 'bee'][at % 2] as string) }
    const targets = Array.from({ length: 64 }, (_, at) => [at / 64, -at])
    for (const [model, samples, more] of [
      [{ input: [6, 6], classes: ['ant', 'bee'] }, labelled, { augment: { shift: 1, flip: true } }],
      [{ input: [6, 6], targets: 2 }, { ...pictures, targets }, { validationSplit: 0.2 }],
    ] as const) {
      const make = () => NoProp.create({ blocks: 2, net: { type: 'mlp', hidden: [8] }, ...model } as never)
      const fit = { epochs: 3, batch: 8, device: 'cpu', ...more } as const
      const { weightsSha256, validationNumbers: there } = await make().fit(samples, { ...fit, cluster: where })
      const here = await make().fit(samples, fit)
      expect(weightsSha256).toBe(here.weightsSha256)
      expect(there?.rmse).toBe(here.validationNumbers?.rmse)
      // Whoever attaches learns whether accuracies or R² come.
      const [newest] = await listRuns(where)
      const measures: string[] = []
      await attachRun(newest?.id as string, { ...where, onStart: ({ measure }) => measures.push(measure) })
      expect(measures).toEqual(['targets' in model ? 'r2' : 'accuracy'])
    }
  })

  test('the command line submits, leaves, lists, attaches, cancels and removes', async () => {
    const { where, worker } = await cluster()
    const file = join(temporaryDirectory(), 'data.csv')
    const rows = data.labels.map((label, row) => [...data.images.slice(6 * row, 6 * row + 6), label].join(','))
    writeFileSync(file, ['a,b,c,d,e,f,label', ...rows].join('\n'))
    const args = ['train', '--data', file, '--label', 'label', '--blocks', '2', '--hidden', '8', '--json']
    const flags = ['--queue', where.queue, '--store', where.store]
    const last = async (typed: string[], env = {}) => {
      const { stdout, stderr, code } = await runCli(typed, { env: { ...process.env, ...env } })
      expect(code, stderr).toBe(0)
      return JSON.parse(stdout.trim().split('\n').at(-1) as string)
    }
    const { run, detached } = await last([...args, ...flags, '--detach'])
    expect(detached).toBe(true)
    const [listed] = await listRuns(where)
    expect(listed).toMatchObject({ id: run, state: 'waiting', blocks: 2, finished: 0 })
    await worker()
    const out = join(temporaryDirectory(), 'model.safetensors')
    const attached = await last(['runs', 'attach', run.slice(0, 8), ...flags, '--out', out, '--json'])
    const local = await last([...args, '--device', 'cpu', '--out', `${out}.here`])
    expect(attached.weightsSha256).toBe(local.weightsSha256)
    expect(readFileSync(out).equals(readFileSync(`${out}.here`))).toBe(true)
    // URLs may come from the environment, which alone may hold a password.
    const env = { NOPROP_QUEUE: where.queue, NOPROP_STORE: where.store }
    expect(await last([...args, '--store', where.store], env)).toMatchObject({ weightsSha256: local.weightsSha256 })
    expect(await last(['runs', 'ls', '--json'], env)).toEqual({ event: 'done', runs: 1 })
    const removed = await last(['runs', 'gc', '--days', '0', '--json'], env)
    expect([removed.runs, removed.data.length]).toEqual([[run], 1])
    expect(await listRuns(where)).toEqual([])
    const { stderr, code } = await runCli([...args, '--queue', 'redis://me:secret@here', '--store', where.store])
    expect([code, stderr.includes('secret')]).toEqual([2, false])
    expect(stderr).toMatch(/--queue has a password.*NOPROP_QUEUE/)
  })

  test('two clients submit the same run; each has its model', async () => {
    const { where, worker } = await cluster()
    await worker('--slots', '2')
    const { weightsSha256 } = await locally()
    const both = await Promise.all([1, 2].map(() => create().fit(data, { ...options, cluster: where })))
    expect(both.map((history) => history.weightsSha256)).toEqual([weightsSha256, weightsSha256])
    expect(await listRuns(where)).toHaveLength(1)
  })

  test('an abort reaches the workers, which take other blocks; the run can be submitted again', async () => {
    const { where, worker } = await cluster()
    const { wrote } = await worker('--slots', '3')
    const stop = new AbortController()
    const run = create().fit(data, { ...long, cluster: where, signal: stop.signal })
    run.catch(() => {})
    // Blocks begin in any order; one that has not begun is cancelled without a word of it.
    await wrote(/(begins[\s\S]*){3}/)
    stop.abort(new Error('enough'))
    expect((await caught(run)).message).toBe('enough')
    await wrote(/(was cancelled[\s\S]*){3}/)
    expect((await listRuns(where))[0]).toMatchObject({ state: 'cancelled' })
    const { weightsSha256 } = await create().fit(data, { ...options, cluster: where })
    expect(weightsSha256).toBe((await locally()).weightsSha256)
    // Submitted again, it is in training again; cancelled by somebody else, its client is told.
    const again = create().fit(data, { ...long, cluster: where })
    const told = caught(again)
    await wrote(/(begins[\s\S]*){9}/)
    const id = (await listRuns(where)).find(({ state }) => state === 'waiting')?.id as string
    await cancelRun(id, where)
    expect(await told).toMatchObject({ code: 'NOPROP_CANCELLED', what: 'the run was cancelled' })
  })

  test('a run that is left goes on, and is attached to', async () => {
    const { where, worker } = await cluster()
    const leave = new AbortController()
    const run = create().fit(data, { ...options, cluster: where, signal: leave.signal })
    const read = async () => {
      for await (const event of run) if (event.event === 'start') leave.abort(DETACH)
    }
    expect(await caught(read())).toBe(DETACH)
    const [left] = await listRuns(where)
    expect(left).toMatchObject({ state: 'waiting', finished: 0 })
    await worker('--slots', '3')
    const events: string[] = []
    const model = await attachRun(left?.id.slice(0, 10) as string, {
      ...where,
      onStart: ({ blocks }) => events.push(`start ${blocks}`),
      onEvent: ({ event }) => events.push(event),
    })
    expect(await model.weightsSha256()).toBe((await locally()).weightsSha256)
    expect(events[0]).toBe('start 3')
    expect(events.filter((event) => event === 'block')).toHaveLength(3)
  })

  test('damaged data, states and blocks are told, and made again', async () => {
    const { where, worker, folder } = await cluster()
    const first = await worker('--slots', '3')
    const { weightsSha256 } = await create().fit(data, { ...options, cluster: where })
    first.child.kill('SIGKILL')
    const { path } = runIn(folder)
    const blocks = join(path, 'blocks')
    const bytes = readFileSync(join(blocks, '0001'))
    bytes.writeFloatLE(0.5, bytes.length - 4)
    writeFileSync(join(blocks, '0001'), bytes)
    writeFileSync(join(blocks, '0002'), 'nothing')
    const not = Buffer.from(readFileSync(join(blocks, '0003')))
    not.writeFloatLE(Number.NaN, not.length - 8)
    writeFileSync(join(blocks, '0003'), not)
    const [name = ''] = readdirSync(join(folder, 'data'))
    writeFileSync(join(folder, 'data', name), 'other data')
    mkdirSync(join(path, 'states'), { recursive: true })
    for (const block of ['0001', '0002']) writeFileSync(join(path, 'states', block), 'no state')
    const second = await worker('--slots', '3', '--cache', temporaryDirectory())
    const history = await create().fit(data, { ...options, cluster: where })
    expect(history.weightsSha256).toBe(weightsSha256)
    expect(readdirSync(join(path, 'states'))).toEqual([])
    second.child.kill('SIGKILL')
    const { stderr } = await second.ended
    expect(stderr).toMatch(/data\/\w+ in the store cannot be trusted/)
    expect(stderr).toMatch(/the state of block [12] in the store cannot be trusted/)
  })

  test('a block that diverges fails the run by its name; what is finished is kept', async () => {
    const { where, worker } = await cluster()
    await worker()
    const error = await caught(create().fit(data, { ...options, learningRate: 1e3, weightDecay: 1e3, cluster: where }))
    expect(error.code).toBe('NOPROP_DIVERGED')
    expect(error.message).toMatch(/block \d/)
    expect((await listRuns(where))[0]).toMatchObject({ state: 'failed' })
  })

  test('two results of one block that differ are a loud error', async () => {
    const { where, worker, folder } = await cluster()
    await worker('--slots', '3')
    await create().fit(data, { ...options, cluster: where })
    const { id, path } = runIn(folder)
    const block = join(path, 'blocks', '0002')
    writeFileSync(block, miscomputed(readFileSync(block)))
    // As if it had not been there yet when this worker began.
    class Late extends FolderStore {
      override async has() {
        return false
      }
    }
    const store = new Late(folder)
    const settings = { threads: 1, device: 'cpu', uploadSeconds: 60 }
    const work = new BlockWork(store, new DataCache(store, temporaryDirectory()), temporaryDirectory(), settings)
    const nothing = { onBegin: async () => {}, onProgress: () => {}, onLog: () => {} }
    await work.train(id, 1, new AbortController(), nothing)
    const error = await caught(work.train(id, 2, new AbortController(), nothing))
    expect(error).toMatchObject({ code: 'NOPROP_PARTS', what: 'two workers trained block 2 to different weights' })
  })

  test('a server that would lose jobs, and a run that no worker fits, are refused', async () => {
    const evicting = await cluster({}, '--maxmemory-policy', 'allkeys-lru')
    for (const told of [
      (await caught(create().fit(data, { ...options, cluster: evicting.where }))).message,
      (await evicting.start([]).ended).stderr,
    ]) {
      expect(told).toMatch(/maxmemory-policy to noeviction/)
    }
    const { where, worker } = await cluster()
    await worker()
    const error = await caught(create().fit(data, { ...options, cluster: { ...where, kind: 'cpu-neon' } }))
    expect(error.code).toBe('NOPROP_QUEUE')
    expect(error.received).toMatch(/^cpu-\w+ of noprop \d/)
    expect(error.hint).toContain(`--kind ${error.received?.split(' ')[0]}`)
  })

  test('workers of another version see no block, and a client that finds no others is told of them', async () => {
    const { where, worker } = await cluster()
    const kind = await kindHere('cpu')
    const connection = { url: where.queue }
    const seen: unknown[] = []
    const other = new Worker(`noprop-9.9.9-${kind}`, async (job) => void seen.push(job.data), { connection })
    const kinds = new Queue('noprop-kinds', { connection })
    onTestFinished(async () => void (await Promise.all([other.close(), kinds.close()])))
    await other.waitUntilReady()
    await kinds.add('kind', { version: '9.9.9', kind })
    const error = await caught(create().fit(data, { ...options, cluster: where }))
    expect(error.code).toBe('NOPROP_QUEUE')
    expect(error.received).toBe(`${kind} of noprop 9.9.9`)
    expect(error.hint).toMatch(/^install noprop \d/)
    await worker('--slots', '2')
    const { weightsSha256 } = await create().fit(data, { ...options, cluster: where })
    expect(weightsSha256).toBe((await locally()).weightsSha256)
    expect(seen).toEqual([])
  })

  test('options that say otherwise, and what is no queue or store, are refused', async () => {
    const { where } = await cluster()
    for (const more of [{ checkpoint: 'c' }, { onlyBlocks: [1] }, { resume: true }]) {
      const error = await caught(create().fit(data, { ...options, ...more, cluster: where }))
      expect(error.what).toMatch(/^option \w+ does not go with a cluster/)
    }
    for (const [bad, what] of [
      [{ ...where, queue: 'amqp://x' }, 'option queue cannot be used'],
      [{ ...where, queue: 'redis://127.0.0.1:1' }, 'the queue cannot be used'],
      [{ ...where, store: '/shared' }, 'option store cannot be used'],
    ] as const) {
      expect((await caught(create().fit(data, { ...options, cluster: bad }))).what).toBe(what)
    }
    const closed = { ...where, queue: 'redis://127.0.0.1:1' }
    expect((await caught(create().fit(data, { ...options, cluster: closed }))).received).toMatch(/ECONNREFUSED/)
    const learned = create({ embedding: { type: 'learned', dim: 3 } }).fit(data, { ...options, cluster: where })
    expect((await caught(learned)).what).toMatch(/^learned embeddings cannot be trained on a cluster/)
    expect((await caught(attachRun('abcd', where))).what).toBe('there is no run abcd')
    expect((await caught(collectRuns({ ...where, days: -1 }))).what).toMatch(/option days/)
  })

  test('a queue that loses everything is filled again', async () => {
    const { where, worker, server } = await cluster()
    const run = create().fit(data, { ...options, cluster: where })
    // Nobody works yet: all that the run has put into the queue is lost.
    for await (const event of run) {
      if (event.event !== 'start') continue
      await server.kill()
      await server.start()
      await worker()
    }
    expect((await run).weightsSha256).toBe((await locally()).weightsSha256)
  })

  test('metrics and health say whether jobs are fetched', async () => {
    const { where, worker } = await cluster()
    const { wrote } = await worker('--metrics-port', '0')
    const [, url] = (await wrote(/metrics at (\S+)/)).match(/metrics at (\S+)/) as RegExpMatchArray
    const { weightsSha256 } = await create().fit(data, { ...options, cluster: where })
    expect(weightsSha256).toBe((await locally()).weightsSha256)
    const metrics = await (await fetch(url as string)).text()
    expect(metrics).toMatch(/noprop_blocks_total\{kind="cpu-\w+",outcome="finished"\} 3/)
    expect(metrics).toMatch(/noprop_healthy\{kind="cpu-\w+"\} 1/)
    const health = await fetch((url as string).replace('metrics', 'healthz'))
    expect([health.status, await health.text()]).toEqual([200, 'ok\n'])
    expect((await fetch((url as string).replace('metrics', 'other'))).status).toBe(404)
  })
})

test.skipIf(!has.redis)(
  '`noprop/cluster` of the package shares the classes of `noprop`, from import and require',
  async () => {
    const { where } = await cluster()
    const program = `
    const noprop = require('noprop'), cluster = require('noprop/cluster')
    const refused = async (promise) => {
      const error = await promise.then(() => undefined, (error) => error)
      if (!(error instanceof noprop.NoPropError)) throw new Error('another class: ' + error)
      return error.code
    }
    const stop = new AbortController()
    const images = Float32Array.from({ length: 60 }, (_, at) => Math.sin(at))
    const data = { images, shape: [3], labels: Array.from({ length: 20 }, (_, at) => at % 2) }
    const create = () => noprop.NoProp.create({ input: [3], classes: 2, blocks: 2, net: { type: 'mlp', hidden: [4] } })
    const main = async () => {
      const where = JSON.parse(process.argv[1])
      const codes = [await refused(cluster.listRuns({ store: 'x' })), await refused(cluster.runWorker({ ...where, slots: 0 }))]
      const lines = []
      const worker = cluster.runWorker({ ...where, device: 'cpu', cache: process.argv[2], signal: stop.signal, onLog: (line) => lines.push(line) })
      const options = { epochs: 2, batch: 4, device: 'cpu' }
      const model = create()
      const there = await model.fit(data, { ...options, cluster: where })
      const here = await create().fit(data, options)
      const { cancelRun, DETACH } = await import('noprop/cluster')
      const attached = await cluster.attachRun((await cluster.listRuns(where))[0].id, where)
      stop.abort()
      await worker
      console.log(JSON.stringify({
        codes, equal: there.weightsSha256 === here.weightsSha256, one: attached instanceof noprop.NoProp,
        same: cancelRun === cluster.cancelRun && DETACH === cluster.DETACH, ended: lines.some((line) => /the worker ends/.test(line)),
      }))
    }
    main()`
    const { stdout, stderr } = await runNode(['-e', program, JSON.stringify(where), temporaryDirectory()], {
      cwd: root,
    })
    expect([JSON.parse(stdout || 'null'), stderr]).toEqual([
      { codes: ['NOPROP_OPTION', 'NOPROP_OPTION'], equal: true, one: true, same: true, ended: true },
      '',
    ])
  },
)
