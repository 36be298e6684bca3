import { mkdir, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheDirectory } from '../cache-directory.js'
import { fromNative, NoPropError } from '../errors.js'
import { requireCount } from '../json.js'
import { BlockWork, type Ending } from './block-work.js'
import { DataCache } from './data-cache.js'
import { Health } from './health.js'
import { type JobData, jobId, readJob } from './jobs.js'
import { keys } from './keys.js'
import { kindHere } from './kind.js'
import { removeLeftovers, workerFolder } from './leftovers.js'
import { Messages } from './messages.js'
import { CANCELLED, type ClusterJob, QueueServer } from './queue.js'
import { openStore } from './store/open.js'
import type { Store } from './store/store.js'
import { Turns } from './turns.js'

/** Options of a worker. */
export interface WorkerOptions {
  /** URL of the queue: `redis://HOST:6379`, `postgres://HOST:5432/DATABASE`. */
  queue: string
  /** URL of the store: `s3://BUCKET/PREFIX`, `file:///FOLDER`. */
  store: string
  /** Blocks that it trains at once. Default 1. */
  slots?: number
  /** Threads that train each block. Default: the cores that there are, shared out over the slots. */
  threads?: number
  /** Where it trains: 'auto', 'cpu', 'cuda', 'cuda:1'. Default 'auto'. */
  device?: string
  /** Greatest time between two uploads of a block's state, seconds. Default 60. */
  uploadSeconds?: number
  /** Time after which a worker that gives no sign is taken to be dead, seconds: from 1. Default 15. */
  lockSeconds?: number
  /** Directory in which data sets are kept for the next start. Default: `noprop/cluster` in the user's cache. */
  cache?: string
  /** Port on this machine alone (127.0.0.1) for `/metrics` and `/healthz`; 0 takes one that is free. Default: none. */
  metricsPort?: number
  /** Whether OpenTelemetry is told of jobs, by the package bullmq-otel. Default false. */
  telemetry?: boolean
  /** Ends it: the states of its blocks go to the store, and the blocks back into the queue. */
  signal?: AbortSignal
  /** Called with each line that is worth a log. */
  onLog?: (line: string) => void
}

/** A block whose worker died so often in a row without getting any further is given up. */
const MOST_TRIES = 5
/**
 * A block that begins again so often without getting any further is a suspect: of these one at a time is trained in a process, so that
 * the next death says whose fault it is.
 */
const SUSPECT = 3
/** Milliseconds between two looks whether a run was cancelled; an event comes sooner, unless it is lost. */
const LOOK = 10_000
/** Failures that may not happen again elsewhere or later. */
const PASSING =
  /^NOPROP_(STORE|IO|OUTPUT|MEMORY|THREADS|BUSY|FILE_NOT_FOUND|CHECKPOINT_LOCKED|DEVICE|DEVICE_MEMORY|CUDA_.*)$/

/** A block in training. */
interface Running extends JobData {
  end: AbortController
}

/**
 * Trains blocks of whatever runs are in the queue until its signal aborts; then it resolves. Rejects with NOPROP_OPTION, NOPROP_QUEUE,
 * NOPROP_STORE where it cannot begin.
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const settings = checked(options)
  const { slots, lockSeconds, signal } = settings
  const store = await openStore(options.store)
  const server = await QueueServer.connect(options.queue, { telemetry: options.telemetry ?? false })
  await removeLeftovers()
  const folder = await workerFolder()
  let health: Health | undefined
  try {
    const kind = await kindHere(settings.device)
    await mkdir(settings.cache, { recursive: true })
    const work = new BlockWork(store, new DataCache(store, settings.cache), folder, settings)
    const queue = server.queue(kind)
    await queue.waitUntilReady()
    const running = new Map<string, Running>()
    health = new Health(kind, slots, () => queue.getWaitingCount())
    const context: Context = { store, work, server, running, health, log: settings.log, suspects: new Turns() }
    const lock = 1000 * lockSeconds
    const worker = server.worker(kind, (job, token) => handle(job, token, context), {
      concurrency: slots,
      lockDuration: lock,
      lockRenewTime: lock / 4,
      stalledInterval: Math.max(500, lock / 3),
      // Deaths are counted by `tries`, which knows whether a block gets on.
      maxStalledCount: 1_000_000,
      drainDelay: 5,
      runRetryDelay: 1000,
    })
    worker.on('error', (error) => settings.log(`queue: ${error.message || (error as { code?: string }).code}`))
    // Another worker has the block, or will have it.
    worker.on('lockRenewalFailed', (jobs: string[]) => {
      for (const job of jobs) end(running.get(job), 'lost')
    })
    const cancelled = (run: unknown) => {
      for (const each of running.values()) if (each.run === run) end(each, 'cancelled')
    }
    const events = server.events(kind)
    ;(events.on as unknown as (name: string, heard: (event: { run?: unknown }) => void) => void)(CANCELLED, ({ run }) =>
      cancelled(run),
    )
    const look = setInterval(async () => {
      for (const run of new Set([...running.values()].map((each) => each.run))) {
        if (await store.has(keys.cancelled(run)).catch(() => false)) cancelled(run)
      }
    }, LOOK)
    await worker.waitUntilReady()
    await server.announce(kind)
    const port = options.metricsPort === undefined ? undefined : await health.serve(options.metricsPort)
    const where = port === undefined ? '' : `; metrics at http://127.0.0.1:${port}/metrics`
    settings.log(`worker of kind ${kind} waits for blocks, ${slots} at once${where}`)
    await aborted(signal)
    settings.log('the worker ends: states of blocks go to the store')
    for (const each of running.values()) end(each, 'stopped')
    clearInterval(look)
    await worker.close()
  } finally {
    health?.close()
    await server.close()
    store.close()
    await rm(folder, { recursive: true, force: true })
  }
}

interface Context {
  store: Store
  work: BlockWork
  server: QueueServer
  running: Map<string, Running>
  health: Health
  suspects: Turns
  log(line: string): void
}

function end(running: Running | undefined, why: Ending): void {
  running?.end.abort(why)
}

/** Trains the block of a job. */
async function handle(job: ClusterJob, token: string, context: Context): Promise<string> {
  const { store, work, server, running, health, suspects, log } = context
  const { UnrecoverableError, WaitingError } = server.errors
  let data: JobData
  try {
    data = readJob(job.data)
  } catch (error) {
    log((error as Error).message)
    throw new UnrecoverableError((error as Error).message)
  }
  const { run, block } = data
  const name = `block ${block} of run ${run.slice(0, 12)}`
  const mine: Running = { run, block, end: new AbortController() }
  running.set(jobId(data), mine)
  const messages = new Messages((message) => job.updateProgress(message))
  health.begun()
  let outcome = 'failed'
  let giveBack = () => {}
  try {
    await work.train(run, block, mine.end, {
      onBegin: async (step) => {
        const tries = data.step === step ? (data.tries ?? 0) + 1 : 1
        if (tries > MOST_TRIES) throw givenUp(block, step)
        giveBack()
        if (tries >= SUSPECT) giveBack = await suspects.take()
        mine.end.signal.throwIfAborted()
        await job.updateData({ run, block, step, tries })
        log(`${name} begins at step ${step}`)
      },
      onProgress: (event) => {
        health.progress(event)
        messages.add(event)
      },
      onLog: log,
    })
    log(`${name} is finished`)
    outcome = 'finished'
    return outcome
  } catch (error) {
    const why = mine.end.signal.aborted ? (mine.end.signal.reason as Ending) : undefined
    if (why === 'cancelled') {
      log(`${name} was cancelled`)
      outcome = 'cancelled'
      return outcome
    }
    if (why === 'lost') {
      log(`${name} was lost: the queue has given it to another worker, or has lost it`)
      outcome = 'lost'
      throw new UnrecoverableError('the lock was lost')
    }
    if (why === 'stopped') {
      log(`${name} goes back into the queue`)
      outcome = 'stopped'
      await job.updateData({ run, block })
      await job.moveToWait(token)
      throw new WaitingError()
    }
    const failure = error instanceof NoPropError ? error : fromNative(error)
    log(`${name} failed: ${failure.code}: ${failure.message}`)
    const isLast = job.attemptsMade + 1 >= (job.opts.attempts ?? 1)
    // The client adds the job again as long as the store lacks the block.
    if (PASSING.test(failure.code) && !(isLast && failure.code !== 'NOPROP_STORE')) {
      await job.updateData({ run, block })
      throw failure
    }
    await store.replace(keys.failure(run, block), Buffer.from(JSON.stringify(named(failure, block))))
    throw new UnrecoverableError(failure.message)
  } finally {
    giveBack()
    running.delete(jobId(data))
    health.ended(outcome, block)
    messages.end()
  }
}

/** The failure of a block, with the block's name. */
function named(failure: NoPropError, block: number): object {
  const { what, ...rest } = failure.toJSON()
  return { ...rest, what: new RegExp(`\\bblock ${block}\\b`).test(what) ? what : `block ${block}: ${what}` }
}

function givenUp(block: number, step: number): NoPropError {
  return new NoPropError({
    code: 'NOPROP_QUEUE',
    what: `block ${block} is given up: its workers died`,
    expected: `at most ${MOST_TRIES} deaths without getting any further`,
    received: `${MOST_TRIES} at step ${step}`,
    hint: 'look into the logs of the workers and their machines: most often memory does not suffice',
  })
}

/** The options of a worker with their defaults. Throws NOPROP_OPTION. */
function checked(options: WorkerOptions) {
  const { slots = 1, device = 'auto', uploadSeconds = 60, lockSeconds = 15, signal, onLog } = options
  requireCount(slots, 'slots', 1)
  const threads = options.threads ?? Math.max(1, Math.floor(availableParallelism() / slots))
  requireCount(threads, 'threads', 1)
  requireSeconds(uploadSeconds, 'uploadSeconds', 0)
  requireSeconds(lockSeconds, 'lockSeconds', 1)
  const cache = options.cache ?? join(cacheDirectory() ?? tmpdir(), 'cluster')
  return { slots, threads, device, uploadSeconds, lockSeconds, signal, cache, log: onLog ?? (() => {}) }
}

function requireSeconds(value: unknown, name: string, least: number): void {
  if (typeof value === 'number' && value >= least && value <= 86_400) return
  throw new NoPropError({
    code: 'NOPROP_OPTION',
    what: `option ${name} is out of range`,
    expected: `seconds, from ${least} to 86400`,
    received: String(value),
  })
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) resolve()
    signal?.addEventListener('abort', () => resolve(), { once: true })
  })
}
