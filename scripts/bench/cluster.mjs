// `npm run bench:cluster`: what training over a queue costs, on this one machine, with a Redis server that it starts itself. Writes its
// figures into docs/benchmarks.md. `--rounds N` (default 3), `--seconds N` (default 60): length of a block.
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'
import { bootstrap } from '../setup/bootstrap.mjs'
import { median, number, percent, putFigures, table } from '../support/figures.mjs'
import { packageVersion, processor } from '../support/machine.mjs'
import { root, script, step } from '../support/steps.mjs'
import { startRedis, startTraining, startWorker, train } from './cluster/servers.mjs'

const MODEL = ['--data', 'mnist', '--net', 'cnn']
/** Steps of a block that take about a second, as the first round finds out. */
const PROBE = ['--limit', '2560', '--blocks', '1', '--threads', '1']

function bytesIn(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return files.map((file) => statSync(join(file.parentPath, file.name)).size)
}

/** The default batch. */
const BATCH = 128
const range = (values, unit = '') =>
  `${number(median(values))}${unit} (${number(Math.min(...values))}–${number(Math.max(...values))})`

await script(async () => {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '3' }, seconds: { type: 'string', default: '60' } },
  })
  const [rounds, length] = [Number(values.rounds), Number(values.seconds)]
  await bootstrap()
  const folder = mkdtempSync(join(tmpdir(), 'noprop-bench-'))
  const redis = await startRedis(folder)
  const stores = []
  const connection = new Redis(redis.url)
  /** A store of its own; the jobs of a run that was left go with it. */
  const place = async () => {
    await connection.flushall()
    const at = join(folder, `store-${stores.length}`)
    stores.push(at)
    return { queue: redis.url, store: pathToFileURL(at).href, cache: join(folder, 'cache'), folder: at }
  }
  const flagsOf = ({ queue, store }) => ['--queue', queue, '--store', store]
  const rows = []
  try {
    // How many epochs of few samples make a block of that length.
    const { trainSeconds } = await step('the speed of a block', () => train([...MODEL, ...PROBE, '--epochs', '2']))
    const epochs = Math.max(2, Math.round((length * 2) / trainSeconds))
    const work = [...MODEL, '--limit', '2560', '--blocks', '4', '--epochs', String(epochs)]

    /** The processor time that Redis has taken, in seconds. */
    const redisSeconds = async () => {
      const text = await connection.info('cpu')
      return ['sys', 'user'].reduce((sum, kind) => sum + Number(text.match(`used_cpu_${kind}:([\\d.]+)`)?.[1]), 0)
    }

    const scaling = { here: [], two: [], one: [] }
    /** Seconds of Redis for a second of training with one and with two workers: the difference is one worker's. */
    const redisShares = { one: [], two: [] }
    for (let round = 0; round < rounds; round++) {
      const seed = ['--seed', String(round)]
      await step(`round ${round + 1}: one process, one worker, two workers`, async () => {
        const here = await train([...work, ...seed, '--device', 'cpu', '--threads', '2'])
        scaling.here.push(here.trainSeconds)
        for (const count of [1, 2]) {
          const at = await place()
          const workers = await Promise.all(Array.from({ length: count }, () => startWorker(at)))
          const before = await redisSeconds()
          const there = await train([...work, ...seed, ...flagsOf(at)])
          const name = count === 1 ? 'one' : 'two'
          redisShares[name].push((((await redisSeconds()) - before) / there.trainSeconds) * 1000)
          if (there.weightsSha256 !== here.weightsSha256) throw new Error('the weights differ')
          scaling[name].push(there.trainSeconds)
          for (const { child } of workers) child.kill('SIGKILL')
        }
      })
    }
    rows.push(['one process of two threads, s', range(scaling.here)])
    rows.push(['one worker of one thread, s', range(scaling.one)])
    rows.push(['two workers of one thread, s', range(scaling.two)])
    rows.push(['two workers against one process', percent(median(scaling.here) / median(scaling.two))])
    rows.push(['one worker against half a process', percent(median(scaling.here) / (median(scaling.one) / 2))])

    rows.push(["Redis' processor time in a second, one worker, ms", range(redisShares.one)])
    rows.push(["Redis' processor time in a second, two workers, ms", range(redisShares.two)])

    await step('the cost of a job', async () => {
      const small = ['--data', 'mnist', '--limit', '64', '--net', 'mlp', '--hidden', '4', '--blocks', '200']
      const at = await place()
      await startWorker(at).then(async ({ child }) => {
        const before = await redisSeconds()
        const { trainSeconds } = await train([...small, ...flagsOf(at)])
        rows.push(["Redis' processor time for a job, ms", number((((await redisSeconds()) - before) / 200) * 1000)])
        rows.push(['a job, without its training, s', number(trainSeconds / 200)])
        rows.push(['overhead of a block of 60 s', percent(trainSeconds / 200 / 60)])
        child.kill('SIGKILL')
      })
    })

    for (const [name, flags] of [
      ['tuned (--lock-seconds 3)', ['--lock-seconds', '3']],
      ['by default', []],
    ]) {
      const seconds = []
      for (let round = 0; round < rounds; round++) {
        await step(`recovery ${name}`, async () => {
          const at = await place()
          const victim = await startWorker(at, ...flags)
          const client = startTraining([...work, '--seed', String(100 + round), ...flagsOf(at)])
          await victim.wrote(/begins at step/)
          const heir = await startWorker(at, ...flags)
          await heir.wrote(/begins at step/)
          heir.child.kill('SIGKILL')
          const second = await startWorker(at, '--slots', '4', ...flags)
          const began = performance.now()
          victim.child.kill('SIGKILL')
          const block = victim.written().match(/block (\d+) of run/)?.[1]
          seconds.push(((await second.wrote(new RegExp(`block ${block} of run .* begins`))) - began) / 1000)
          client.child.kill('SIGKILL')
          second.child.kill('SIGKILL')
        })
      }
      rows.push([`recovery after kill -9, ${name}, s`, range(seconds)])
    }

    const repeated = []
    for (let round = 0; round < rounds; round++) {
      await step('steps repeated after a kill', async () => {
        const at = await place()
        const flags = ['--lock-seconds', '3', '--upload-seconds', '2']
        const victim = await startWorker(at, ...flags)
        const client = startTraining([...work, '--seed', String(150 + round), ...flagsOf(at)])
        const began = await victim.wrote(/begins at step/)
        const block = Number(victim.written().match(/block (\d+) of run/)?.[1])
        await setTimeout(5000 + 700 * round)
        victim.child.kill('SIGKILL')
        const seconds = (performance.now() - began) / 1000
        // Progress comes once a second: how far the block was is its speed times its time.
        const lines = client.written().split('\n').slice(0, -1)
        const told = lines.map((line) => JSON.parse(line)).filter((event) => event.event === 'progress')
        const speed = told.findLast((event) => event.block === block).samplesPerSecond / BATCH
        const heir = await startWorker(at, ...flags)
        const begins = new RegExp(`block ${block} of run .* begins at step (\\d+)`)
        await heir.wrote(begins)
        repeated.push(seconds * speed - Number(heir.written().match(begins)?.[1]))
        client.child.kill('SIGKILL')
        heir.child.kill('SIGKILL')
      })
    }
    rows.push(['steps repeated after kill -9, uploads every 2 s', range(repeated)])
    rows.push(['steps in 2 s', number((epochs * 20 * 4 * 2) / median(scaling.one))])

    const cancels = []
    for (let round = 0; round < rounds; round++) {
      await step('cancel', async () => {
        const at = await place()
        const worker = await startWorker(at)
        const client = startTraining([...work, '--seed', String(200 + round), ...flagsOf(at)])
        await worker.wrote(/begins at step/)
        const began = performance.now()
        client.child.kill('SIGINT')
        cancels.push(((await worker.wrote(/was cancelled/)) - began) / 1000)
        worker.child.kill('SIGKILL')
      })
    }
    rows.push(['cancel, until the worker is free, s', range(cancels)])

    await step('bytes of a block', async () => {
      const at = await place()
      const { child } = await startWorker(at)
      await train([...MODEL, '--limit', '2560', '--blocks', '4', '--seed', '300', ...flagsOf(at)])
      rows.push(['a finished block, MB', number(Math.max(...bytesIn(join(at.folder, 'runs'))) / 1e6)])
      rows.push(['the data set (2,560 samples), MB', number(Math.max(...bytesIn(join(at.folder, 'data'))) / 1e6)])
      child.kill('SIGKILL')
    })

    await step('the memory of a client, 10 and 1,000 blocks', async () => {
      const small = ['--data', 'mnist', '--limit', '64', '--net', 'mlp', '--hidden', '4']
      for (const blocks of [10, 1000]) {
        const at = await place()
        const { child } = await startWorker(at, '--slots', '2')
        const { peakMemoryMiB } = await train([...small, '--blocks', String(blocks), ...flagsOf(at)])
        rows.push([`a client of ${number(blocks)} blocks, MiB`, number(peakMemoryMiB)])
        child.kill('SIGKILL')
      }
    })

    await step('the memory of Redis with 9,999 jobs', async () => {
      const used = async () => Number((await connection.info('memory')).match(/used_memory:(\d+)/)?.[1])
      const before = await used()
      const small = ['--data', 'mnist', '--limit', '64', '--net', 'mlp', '--hidden', '4', '--blocks', '9999']
      await train([...small, ...flagsOf(await place()), '--detach'])
      rows.push(['Redis, 9,999 jobs, MB', number(((await used()) - before) / 1e6)])
    })
    connection.disconnect()
  } finally {
    redis.child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  const text = [
    `${processor()}, noprop ${packageVersion()}, Node ${process.versions.node}. Medians of ${rounds}, with the range.`,
    `\`npm run bench:cluster -- --rounds ${rounds} --seconds ${length}\``,
    '',
    table(['', 'measured'], rows),
  ].join('\n')
  console.log(`\n${text}`)
  putFigures(join(root, 'docs', 'benchmarks.md'), 'bench:cluster', text)
})
