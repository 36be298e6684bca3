import { execFileSync } from 'node:child_process'
import { closeSync, existsSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { listRuns } from '../../src/cluster/index.js'
import { NoProp } from '../../src/index.js'
import { type Cluster, caught, cluster } from '../support/cluster.js'
import { seeded, temporaryDirectory, vectors } from '../support/data.js'
import { startCli } from '../support/process.js'
import { servers } from '../support/servers.js'

// What a run over a queue must stand, each ending with the weights of a run on one machine. Real servers; minutes.
const has = servers()

/** Some seconds a block. */
const data = vectors(2048, 24, 4)
const create = (seed = 3) =>
  NoProp.create({ input: [24], classes: 4, blocks: 4, seed, net: { type: 'mlp', hidden: [128, 128] } })
const options = { epochs: 1800, batch: 16, device: 'cpu' } as const
const known = new Map<number, string>()
/** The weights of the run on this machine alone. */
async function expected(seed = 3): Promise<string> {
  const found = known.get(seed) ?? (await create(seed).fit(data, { ...options, threads: 1 })).weightsSha256
  known.set(seed, found)
  return found
}
const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))
/** A Redis server that others than this machine reach. */
const OPEN = ['--bind', '0.0.0.0', '--protected-mode', 'no']
const TUNED = ['--lock-seconds', '3', '--threads', '1']
const random = seeded(Number(process.env.NOPROP_SEED ?? 11))

/** Figures that the tests come by; they prove nothing, but are worth a look. */
const seen: string[] = []
afterAll(() => console.log(seen.join('\n')))

describe.each([
  ['Redis and a folder', 'redis', 'folder', has.redis],
  ['PostgreSQL and a folder', 'postgres', 'folder', has.postgres],
  ['Redis and S3', 'redis', 's3', has.redis && has.s3],
] as const)('%s', (name, queue, store, isThere) => {
  test.skipIf(!isThere)('workers that are killed at random moments cost time alone', async () => {
    const { where, start } = await cluster({ queue, store })
    const wanted = await expected()
    const run = create().fit(data, { ...options, cluster: where })
    let isOver = false
    run.then(
      () => (isOver = true),
      () => (isOver = true),
    )
    let kills = 0
    while (kills < 20 && !isOver) {
      const { child, wrote, ended } = start([...TUNED, '--slots', '2', '--upload-seconds', '0.2'])
      await wrote(/begins at step/)
      await sleep(50 + 700 * random())
      child.kill('SIGKILL')
      await ended
      kills += 1
    }
    start([...TUNED, '--slots', '4'])
    expect((await run).weightsSha256).toBe(wanted)
    seen.push(`${name}: ${kills} kills`)
  })

  test.skipIf(!isThere)(
    'a queue server that dies for 2 and 12 seconds costs time alone; an idle worker takes new jobs',
    async () => {
      const { where, worker, server } = await cluster({ queue, store })
      await worker(...TUNED)
      const idle = await worker(...TUNED)
      const wanted = await expected()
      const run = create().fit(data, { ...options, cluster: where })
      run.catch(() => {})
      await idle.wrote(/begins at step/)
      for (const seconds of [2, 12]) {
        await server.kill()
        await sleep(1000 * seconds)
        await server.start()
        await sleep(2000)
      }
      expect((await run).weightsSha256).toBe(wanted)
      const next = await create(4).fit(data, { ...options, cluster: where })
      expect(next.weightsSha256).toBe(await expected(4))
    },
  )
})

describe.each([
  ['Redis with a log of its own', 'redis', ['--appendonly', 'yes'], [2, 12, 40], has.redis],
  ['Redis without persistence', 'redis', [], [40], has.redis],
  ['PostgreSQL', 'postgres', [], [40], has.postgres],
] as const)('%s', (_, queue, settings, deaths, isThere) => {
  test.skipIf(!isThere)('dies for as long as 40 seconds', async () => {
    const { where, worker, server } = await cluster({ queue }, ...settings)
    const { wrote } = await worker(...TUNED)
    const run = create().fit(data, { ...options, cluster: where })
    run.catch(() => {})
    await wrote(/begins at step/)
    for (const seconds of deaths) {
      await server.kill()
      await sleep(1000 * seconds)
      await server.start()
      await sleep(2000)
    }
    expect((await run).weightsSha256).toBe(await expected())
    const next = await create(4).fit(data, { ...options, cluster: where })
    expect(next.weightsSha256).toBe(await expected(4))
  })
})

describe.skipIf(!has.redis)('with a queue on Redis', () => {
  test('a worker that is stopped past its lock: two on one block, one result', async () => {
    const { where, worker } = await cluster()
    const zombie = await worker(...TUNED)
    const run = create().fit(data, { ...options, cluster: where })
    run.catch(() => {})
    await zombie.wrote(/begins at step/)
    zombie.child.kill('SIGSTOP')
    const other = await worker(...TUNED, '--slots', '4')
    await other.wrote(/(begins at step[\s\S]*){4}/)
    zombie.child.kill('SIGCONT')
    await zombie.wrote(/was lost|is finished/)
    expect((await run).weightsSha256).toBe(await expected())
  })

  test('a worker that dies on a block each time fails the run with the name of the block; the others are kept', async () => {
    const { where, start } = await cluster()
    const poison = join(temporaryDirectory(), 'poison.mjs')
    writeFileSync(
      poison,
      `const write = process.stderr.write.bind(process.stderr)
       process.stderr.write = (text, ...rest) => {
         if (/block 2 of run .* begins/.test(text)) process.kill(process.pid, 'SIGKILL')
         return write(text, ...rest)
       }`,
    )
    const run = create().fit(data, { ...options, cluster: where })
    let isOver = false
    const failed = caught(run).finally(() => (isOver = true))
    while (!isOver) {
      const { ended, child } = start([...TUNED, '--slots', '4'], { NODE_OPTIONS: `--import ${pathToFileURL(poison)}` })
      await Promise.race([ended, failed])
      child.kill('SIGKILL')
      await ended
    }
    expect(await failed).toMatchObject({ code: 'NOPROP_QUEUE', what: 'block 2 is given up: its workers died' })
    start([...TUNED, '--slots', '4'])
    expect((await create().fit(data, { ...options, cluster: where })).weightsSha256).toBe(await expected())
  })

  test('a client that is killed and comes back', async () => {
    const { where, worker } = await cluster()
    const { wrote } = await worker(...TUNED, '--slots', '2')
    const folder = temporaryDirectory()
    const file = join(folder, 'data.csv')
    const rows = data.labels.map((label, row) => [...data.images.slice(24 * row, 24 * row + 24), label].join(','))
    const names = Array.from({ length: 24 }, (_, index) => `c${index}`)
    writeFileSync(file, [[...names, 'label'].join(','), ...rows].join('\n'))
    const args = ['train', '--data', file, '--label', 'label', '--blocks', '3', '--hidden', '128,128', '--batch', '16']
    const more = ['--epochs', '1800', '--json']
    const here = startCli([...args, ...more, '--device', 'cpu'])
    const flags = ['--queue', where.queue, '--store', where.store]
    const client = startCli([...args, ...more, ...flags])
    await wrote(/begins at step/)
    client.child.kill('SIGKILL')
    await client.ended
    const again = await startCli([...args, ...more, ...flags]).ended
    const sha = ({ stdout }: { stdout: string }) => JSON.parse(stdout.trim().split('\n').at(-1) as string).weightsSha256
    expect(sha(again)).toBe(sha(await here.ended))
    expect(await listRuns(where)).toHaveLength(1)
  })

  test('a slow worker holds up nobody', async () => {
    const { where, worker } = await cluster()
    const slow = await worker(...TUNED)
    const run = create().fit(data, { ...options, cluster: where })
    run.catch(() => {})
    await slow.wrote(/begins at step/)
    // It goes on for a moment every second: it keeps its lock.
    const timer = setInterval(() => {
      slow.child.kill('SIGCONT')
      setTimeout(() => slow.child.kill('SIGSTOP'), 60)
    }, 1000)
    onTestFinished(() => clearInterval(timer))
    const fast = await worker(...TUNED)
    await fast.wrote(/(is finished[\s\S]*){3}/)
    clearInterval(timer)
    await sleep(200)
    slow.child.kill('SIGCONT')
    expect((await run).weightsSha256).toBe(await expected())
  })
})

/** Passes requests on to an S3 server, and some not. */
async function proxy(
  to: string,
  meddle: (put: boolean) => { status?: number; wait?: number } | undefined,
): Promise<string> {
  const server = createServer((asked, answer) => {
    const { status, wait = 0 } = meddle(asked.method === 'PUT') ?? {}
    setTimeout(() => {
      if (status !== undefined) {
        asked.resume()
        const code = status === 409 ? 'ConditionalRequestConflict' : 'SlowDown'
        answer.writeHead(status, { 'content-type': 'application/xml' })
        answer.end(asked.method === 'HEAD' ? '' : `<Error><Code>${code}</Code><Message>busy</Message></Error>`)
        return
      }
      const passed = request(`${to}${asked.url}`, { method: asked.method, headers: asked.headers }, (got) => {
        answer.writeHead(got.statusCode as number, got.headers)
        got.pipe(answer)
      })
      passed.on('error', () => answer.destroy())
      asked.pipe(passed)
    }, wait)
  })
  onTestFinished(() => void server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe.skipIf(!has.redis || !has.s3)('with a store in S3', () => {
  test('a server that is busy (503), disturbed (409) and slow', async () => {
    const { where, start } = await cluster({ store: 's3' })
    let asked = 0
    const through = await proxy(process.env.AWS_ENDPOINT_URL as string, (put) => {
      asked += 1
      if (asked % 3 === 0) return { status: 503 }
      if (put && asked % 5 === 0) return { status: 409 }
      return { wait: 200 * random() }
    })
    vi.stubEnv('AWS_ENDPOINT_URL', through)
    start([...TUNED, '--slots', '2', '--upload-seconds', '0.2'], { AWS_ENDPOINT_URL: through })
    const { weightsSha256 } = await create().fit(data, { ...options, cluster: where })
    expect(weightsSha256).toBe(await expected())
    expect(asked).toBeGreaterThan(20)
  })
})

const isRoot = process.getuid?.() === 0
/** Whether this machine lets tests mount a small disk. */
const canMount = isRoot && run('mount', ['--version']) && existsSync('/proc/self/mounts')
function run(program: string, args: string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

describe.skipIf(!has.redis || !canMount)('on a disk that is full', () => {
  const disk = (bytes: string) => {
    const folder = temporaryDirectory()
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder])
    onTestFinished(() => void run('umount', ['-l', folder]))
    return folder
  }

  test('the store is full for a while', async () => {
    const folder = disk('24m')
    const { where, start } = await cluster({ folder })
    const ballast = join(folder, 'ballast')
    const run = create().fit(data, { ...options, cluster: where })
    run.catch(() => {})
    await new Promise<void>((resolve) => void run.watch(({ event }) => event === 'start' && resolve()))
    fill(ballast)
    const { wrote } = start([...TUNED, '--slots', '2', '--upload-seconds', '0.2'])
    await wrote(/the store does not take/)
    rmSync(ballast)
    expect((await run).weightsSha256).toBe(await expected())
  })

  test('the worker is full for a while', async () => {
    const { where, start } = await cluster()
    const folder = disk('24m')
    const ballast = join(folder, 'ballast')
    const run = create().fit(data, { ...options, cluster: where })
    run.catch(() => {})
    const { wrote } = start([...TUNED, '--slots', '2', '--cache', join(folder, 'cache')], { TMPDIR: folder })
    await wrote(/begins at step/)
    fill(ballast)
    await wrote(/failed: NOPROP_(OUTPUT|IO|STORE)/)
    rmSync(ballast)
    expect((await run).weightsSha256).toBe(await expected())
  })
})

/** Leaves no room on the disk of a file. */
function fill(path: string): void {
  const file = openSync(path, 'w')
  try {
    for (const bytes of [1 << 20, 1 << 12]) {
      for (;;) writeSync(file, Buffer.alloc(bytes))
    }
  } catch {
    // It is full.
  }
  try {
    for (;;) writeSync(file, Buffer.alloc(1))
  } catch {
    // To the last byte.
  } finally {
    closeSync(file)
  }
}

/** Whether this machine lets tests make networks of their own. */
const canPart = isRoot && run('ip', ['netns', 'list'])

/** A network of its own for a process, which sees this machine at 10.231.7.1, and what cuts it from a port here, or from all. */
function network() {
  const name = `noprop${process.pid}`
  const through = ['ip', 'netns', 'exec', name]
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'ignore' })
  const within = (...args: string[]) => ip('netns', 'exec', name, ...args)
  ip('netns', 'add', name)
  onTestFinished(() => void run('ip', ['netns', 'del', name]))
  ip('link', 'add', `${name}a`, 'type', 'veth', 'peer', 'name', 'inside', 'netns', name)
  ip('addr', 'add', '10.231.7.1/24', 'dev', `${name}a`)
  ip('link', 'set', `${name}a`, 'up')
  within('ip', 'addr', 'add', '10.231.7.2/24', 'dev', 'inside')
  within('ip', 'link', 'set', 'inside', 'up')
  within('ip', 'link', 'set', 'lo', 'up')
  /** Packets vanish, as behind a switch that has died: nobody is told. */
  const cutFor = async (milliseconds: number, port?: number) => {
    const rule = port === undefined ? [] : ['--dport', String(port)]
    const cut = (action: string) =>
      run('ip', [...through.slice(1), 'iptables', action, 'OUTPUT', '-p', 'tcp', ...rule, '-j', 'DROP'])
    if (!cut('-A')) within('ip', 'link', 'set', 'inside', 'down')
    await sleep(milliseconds)
    if (!cut('-D')) within('ip', 'link', 'set', 'inside', 'up')
  }
  return { through, cutFor }
}

describe.skipIf(!has.redis || !has.s3 || !canPart)('on a network that is cut', () => {
  const flagsThere = ({ server, s3 }: Cluster) => {
    const storePort = Number(new URL(s3?.AWS_ENDPOINT_URL as string).port)
    const env = { AWS_ENDPOINT_URL: `http://10.231.7.1:${storePort}` }
    return { storePort, env, queue: ['--queue', `redis://10.231.7.1:${server.port}`] }
  }

  test.each(['the queue', 'the store', 'all'])('a worker is cut from %s for 20 seconds', async (from) => {
    const there = await cluster({ store: 's3', host: '0.0.0.0' }, ...OPEN)
    const { through, cutFor } = network()
    const { storePort, env, queue } = flagsThere(there)
    const worker = there.start([...TUNED, '--slots', '2', '--upload-seconds', '1', ...queue], env, through)
    const fit = create().fit(data, { ...options, cluster: there.where })
    fit.catch(() => {})
    await worker.wrote(/begins at step/)
    await cutFor(20_000, from === 'all' ? undefined : from === 'the queue' ? there.server.port : storePort)
    expect((await fit).weightsSha256).toBe(await expected())
  })

  test.each(['all', 'all until everything is trained'])('the client is cut from %s', async (from) => {
    const there = await cluster({ store: 's3', host: '0.0.0.0' }, ...OPEN)
    const { through, cutFor } = network()
    const { env, queue } = flagsThere(there)
    const file = join(temporaryDirectory(), 'data.csv')
    const rows = data.labels.map((label, row) => [...data.images.slice(24 * row, 24 * row + 24), label].join(','))
    writeFileSync(file, [[...Array.from({ length: 24 }, (_, at) => `c${at}`), 'label'].join(','), ...rows].join('\n'))
    const args = ['train', '--data', file, '--label', 'label', '--hidden', '128,128', '--blocks', '4', '--batch', '16']
    args.push('--epochs', from === 'all' ? '1800' : '200', '--device', 'cpu', '--json')
    const sha256 = (text: string) => JSON.parse(text.trim().split('\n').at(-1) as string).weightsSha256
    const { wrote } = await there.worker(...TUNED, '--slots', '2')
    const all = { env: { ...process.env, ...there.s3, ...env } }
    const client = startCli([...args, ...queue, '--store', there.where.store], all, through)
    onTestFinished(() => void client.child.kill('SIGKILL'))
    const early = client.ended.then(({ stderr }) => expect.unreachable(stderr))
    await Promise.race([wrote(/begins at step/), early])
    early.catch(() => {})
    await cutFor(20_000)
    const { code, stdout, stderr } = await client.ended
    expect(code, stderr).toBe(0)
    expect(sha256(stdout)).toBe(sha256((await startCli(args).ended).stdout))
  })
})
