import type { Job, Queue, QueueEvents, QueueEventsProducer, Worker, WorkerOptions } from 'bullmq'
import { NoPropError } from '../errors.js'
import { version } from '../version.js'
import { type JobData, PROCESSORS, queueName } from './jobs.js'
import { bullmqPackage, postgresPackage, redisPackage, telemetryPackage } from './packages.js'

/** A job, as a worker gets it. */
export type ClusterJob = Job<JobData>

/** What a worker calls. */
export type Processor = (job: ClusterJob, token: string) => Promise<unknown>

/** Workers that there are, by what they train with. */
export interface Workers {
  version: string
  kind: string
  count: number
}

/** The queue in which workers say of what kind they are; nothing is ever taken from it. */
const KINDS = 'noprop-kinds'
/** The event that tells workers that a run was cancelled. */
export const CANCELLED = 'noprop-cancelled'

/** A server of queues, on Redis or PostgreSQL, and what was opened on it. */
export class QueueServer {
  readonly #bullmq: typeof import('bullmq')
  readonly #options: () => Record<string, unknown>
  readonly #backend: unknown[]
  readonly #opened: { close(): Promise<unknown> }[] = []
  readonly #queues = new Map<string, Queue>()
  readonly #onClose: (() => void)[] = []

  private constructor(bullmq: typeof import('bullmq'), options: () => Record<string, unknown>, backend: unknown[]) {
    this.#bullmq = bullmq
    this.#options = options
    this.#backend = backend
  }

  /** Connects to the server that a URL names. Rejects with NOPROP_OPTION, NOPROP_QUEUE. */
  static async connect(url: unknown, { telemetry = false } = {}): Promise<QueueServer> {
    const text = typeof url === 'string' ? url : ''
    const traced = telemetry
      ? { telemetry: new (await telemetryPackage()).BullMQOtel({ tracerName: 'noprop', version }) }
      : {}
    if (/^(redis|valkey)s?:\/\/./.test(text)) return QueueServer.#redis(text.replace(/^valkey/, 'redis'), traced)
    if (/^postgres(ql)?:\/\/./.test(text)) return QueueServer.#postgres(text, traced)
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: 'option queue cannot be used',
      expected: 'redis://HOST:6379, rediss://HOST:6380 (with TLS) or postgres://HOST:5432/DATABASE',
      received: text === '' ? typeof url : text.replace(/\/\/[^/]*@/, '//…@'),
    })
  }

  static async #redis(url: string, traced: object): Promise<QueueServer> {
    const bullmq = await bullmqPackage()
    const { Redis } = await redisPackage()
    const connections: InstanceType<typeof Redis>[] = []
    let reason: unknown
    const make = () => {
      const redis = new Redis(url, {
        maxRetriesPerRequest: null,
        lazyConnect: true,
        // A server that is gone without a word is found out.
        keepAlive: 10_000,
        // A server that is down for a while is looked for again every second.
        retryStrategy: (tries) => Math.min(100 * tries, 1000),
      })
      // Whoever waits for an answer is told; it connects again by itself.
      redis.on('error', (error) => {
        reason = error
      })
      connections.push(redis)
      return redis
    }
    const redis = make()
    try {
      await redis.connect()
      const policy = (await redis.info('memory')).match(/maxmemory_policy:(\S+)/)?.[1]
      if (policy !== undefined && policy !== 'noeviction') {
        throw new NoPropError({
          code: 'NOPROP_QUEUE',
          what: 'the Redis server throws keys away when its memory is full, and would lose jobs',
          expected: 'maxmemory-policy noeviction',
          received: policy,
          hint: 'set maxmemory-policy to noeviction on the server',
        })
      }
    } catch (error) {
      redis.disconnect()
      throw error instanceof NoPropError ? error : unreachable(reason ?? error)
    }
    const server = new QueueServer(bullmq, () => ({ connection: make(), ...traced }), [])
    server.#onClose.push(() => {
      for (const each of connections) each.disconnect()
    })
    return server
  }

  static async #postgres(url: string, traced: object): Promise<QueueServer> {
    const bullmq = await bullmqPackage()
    const { Pool } = await module(postgresPackage())
    const pool = new Pool({ connectionString: url, max: 1 })
    pool.on('error', () => {})
    try {
      const found = await pool.query("SELECT to_regnamespace('bullmq') AS schema")
      if (!found.rows[0].schema) {
        throw new NoPropError({
          code: 'NOPROP_QUEUE',
          what: 'the database has no queue yet',
          expected: "the queue's tables, in the schema bullmq",
          hint: 'make them once: noprop cluster migrate --queue URL',
        })
      }
    } catch (error) {
      throw error instanceof NoPropError ? error : unreachable(error)
    } finally {
      await pool.end()
    }
    const connection = { connectionString: url, max: 4, keepAlive: true }
    return new QueueServer(bullmq, () => ({ connection, ...traced }), [bullmq.createPostgresBackend])
  }

  queue(kind: string): Queue<JobData> {
    return this.#queue(queueName(kind))
  }

  events(kind: string): QueueEvents {
    return this.#open(new this.#bullmq.QueueEvents(queueName(kind), this.#options() as never, ...(this.#backend as [])))
  }

  producer(kind: string): QueueEventsProducer {
    return this.#open(
      new this.#bullmq.QueueEventsProducer(queueName(kind), this.#options() as never, ...(this.#backend as [])),
    )
  }

  worker(kind: string, processor: Processor, options: Partial<WorkerOptions>): Worker<JobData> {
    const all = { ...this.#options(), ...options }
    return this.#open(
      new this.#bullmq.Worker(queueName(kind), processor as never, all as never, ...(this.#backend as [])),
    )
  }

  /** What a processor throws to say that a job is over, or that it waits again. */
  get errors(): Pick<typeof import('bullmq'), 'UnrecoverableError' | 'WaitingError'> {
    return this.#bullmq
  }

  /** Tells clients that there are workers of a kind. */
  async announce(kind: string): Promise<void> {
    const queue = this.#queue(KINDS)
    const name = `${version} ${kind}`
    await queue.add('kind', { version, kind }, { jobId: name.replaceAll(' ', '-') })
  }

  /** The workers that are there now, of all versions and kinds. */
  async workers(): Promise<Workers[]> {
    const kinds = this.#queue(KINDS)
    const announced = (await kinds.getJobs(['waiting'])).map((job) => job?.data as Partial<Workers>)
    const known = [...announced, ...PROCESSORS.map((kind) => ({ version, kind }))]
    const found = new Map<string, Workers>()
    for (const { version: of, kind } of known) {
      if (typeof of !== 'string' || typeof kind !== 'string' || found.has(`${of} ${kind}`)) continue
      const count = await this.#queue(`noprop-${of}-${kind}`).getWorkersCount()
      found.set(`${of} ${kind}`, { version: of, kind, count })
    }
    return [...found.values()].filter(({ count }) => count > 0)
  }

  #queue(name: string): Queue {
    const queue =
      this.#queues.get(name) ??
      this.#open(new this.#bullmq.Queue(name, this.#options() as never, ...(this.#backend as [])))
    this.#queues.set(name, queue)
    return queue
  }

  /** Closes everything that was opened; what has lost its server is not waited for. */
  async close(): Promise<void> {
    const closing = Promise.allSettled(this.#opened.map((each) => each.close()))
    let timer: NodeJS.Timeout | undefined
    await Promise.race([closing, new Promise((resolve) => (timer = setTimeout(resolve, 3000)))])
    clearTimeout(timer)
    for (const end of this.#onClose) end()
  }

  #open<Opened extends { close(): Promise<unknown>; on(event: never, listener: never): unknown }>(
    opened: Opened,
  ): Opened {
    // A server that is away for a while is no failure; whoever waits for an answer goes on waiting.
    ;(opened.on as (event: string, listener: () => void) => void).call(opened, 'error', () => {})
    this.#opened.push(opened)
    return opened
  }
}

/** Makes the tables of queues in a PostgreSQL database; may be called again. Rejects with NOPROP_OPTION, NOPROP_QUEUE. */
export async function migrate(url: string): Promise<void> {
  if (!/^postgres(ql)?:\/\/./.test(url)) {
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: 'option queue names no PostgreSQL database',
      expected: 'postgres://HOST:5432/DATABASE',
      received: url.replace(/\/\/[^/]*@/, '//…@'),
      hint: 'a queue on Redis needs no tables',
    })
  }
  const { runMigrations } = await bullmqPackage()
  const { Pool } = await module(postgresPackage())
  const pool = new Pool({ connectionString: url, max: 1 })
  pool.on('error', () => {})
  try {
    const client = await pool.connect()
    try {
      await runMigrations(client as never)
    } finally {
      client.release()
    }
  } catch (error) {
    throw unreachable(error)
  } finally {
    await pool.end()
  }
}

/** A CommonJS module, whose names Node may not find. */
async function module<Found extends { default?: unknown }>(loaded: Promise<Found>): Promise<Found> {
  const found = await loaded
  return 'Pool' in found ? found : (found.default as Found)
}

function unreachable(cause: unknown): NoPropError {
  const { message, code } = cause as Error & { code?: string }
  return new NoPropError(
    {
      code: 'NOPROP_QUEUE',
      what: 'the queue cannot be used',
      received: message || code || String(cause),
      hint: 'check that its server runs, its address, and name and password',
    },
    { cause },
  )
}
