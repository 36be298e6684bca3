import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, vi } from 'vitest'
import { migrate } from '../../src/cluster/queue.js'
import { NoProp, type NoPropError } from '../../src/index.js'
import { temporaryDirectory, vectors } from './data.js'
import { type Started, startCli } from './process.js'
import { postgresServer, redisServer, s3Server, type TestServer } from './servers.js'

/** The little job of these tests: three blocks of a small net. */
export const data = vectors(96, 6, 3)
export const create = (more: object = {}) =>
  NoProp.create({ input: [6], classes: 3, blocks: 3, seed: 5, net: { type: 'mlp', hidden: [16] }, ...more })
export const options = { epochs: 40, batch: 8, device: 'cpu' } as const

/** What the run comes to without a cluster. */
export async function locally(more: object = {}, model: object = {}) {
  const trained = create(model)
  const { weightsSha256, loss, validationLoss } = await trained.fit(data, { ...options, ...more })
  return { weightsSha256, loss, ...(validationLoss ? { validationLoss } : {}) }
}

/** The error of what must fail. */
export function caught(promise: PromiseLike<unknown>): Promise<NoPropError> {
  return Promise.resolve(promise).then(
    () => expect.unreachable('it did not reject'),
    (error) => error,
  )
}

export interface Cluster {
  server: TestServer
  /** The folder of the store, where it is one. */
  folder: string
  /** The option `cluster`. */
  where: { queue: string; store: string }
  /** Starts a worker; resolves when it waits for blocks. */
  worker(...flags: string[]): Promise<Started>
  /** Starts one and does not wait; `through` is a command that runs it. */
  start(flags: string[], env?: Record<string, string>, through?: string[]): Started
  /** The environment of the store, where it is S3. */
  s3: Record<string, string> | undefined
}

/** A queue and a store of their own, and what starts workers of them. */
export async function cluster(
  {
    queue = 'redis',
    store = 'folder',
    folder = temporaryDirectory(),
    host = '127.0.0.1',
  }: { queue?: 'redis' | 'postgres'; store?: 'folder' | 's3'; folder?: string; host?: string } = {},
  ...settings: string[]
): Promise<Cluster> {
  const server = queue === 'redis' ? await redisServer(...settings) : await postgresServer()
  if (queue === 'postgres') await migrate(server.url)
  const where = { queue: server.url, store: pathToFileURL(folder).href }
  let more: Record<string, string> = {}
  if (store === 's3') {
    const { url, env } = await s3Server(host)
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
    onTestFinished(() => void vi.unstubAllEnvs())
    more = env
    where.store = url
  }
  const cache = temporaryDirectory()
  const start = (flags: string[], env: Record<string, string> = {}, through: string[] = []) => {
    const args = ['worker', '--queue', where.queue, '--store', where.store, '--cache', cache, '--device', 'cpu']
    const started = startCli([...args, ...flags], { env: { ...process.env, ...more, ...env } }, through)
    onTestFinished(() => void started.child.kill('SIGKILL'))
    // Whoever waits for its end sees how it ended.
    started.ended.catch(() => {})
    return started
  }
  const worker = async (...flags: string[]) => {
    const started = start(flags)
    await started.wrote(/waits for blocks/)
    return started
  }
  return { server, folder, where, worker, start, s3: store === 's3' ? more : undefined }
}
