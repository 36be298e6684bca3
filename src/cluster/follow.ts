import { join } from 'node:path'
import { fromDetails, NoPropError, nativeAsync } from '../errors.js'
import type { BlockEvent } from '../events.js'
import { getNative } from '../native.js'
import type { WorkerEvent } from '../scheduler.js'
import { AtWork } from './at-work.js'
import { removeJobs } from './cancel.js'
import { JOB_OPTIONS, jobId } from './jobs.js'
import { blockOf, keys } from './keys.js'
import { readMessage } from './messages.js'
import type { QueueServer } from './queue.js'
import type { RunFile } from './run-file.js'
import type { Store } from './store/store.js'

/** Milliseconds between two comparisons of store and queue. */
const RECONCILE = 10_000
/** A comparison takes at most this share of the time. */
const SHARE = 0.1
/** Milliseconds that the events of a queue are waited for. */
const READY = 5000
/** Jobs that are added at once. */
const AT_ONCE = 500
/** Most bytes of a failure. */
const MOST_FAILURE = 1 << 16
/** Milliseconds that a store may be away before the run fails for its client; its workers go on. */
const PATIENCE = 30 * 60_000

/** A run that is followed to its end. */
export interface Followed {
  id: string
  file: RunFile
  store: Store
  server: QueueServer
  /** Where parts are kept until they are put together. */
  folder: string
  /** Puts what workers need into the store, if it is not there. */
  put(): Promise<void>
  onStart(): void
  onEvent(event: WorkerEvent): void
}

/**
 * Waits until all blocks of a run are in the store; resolves with the files of their parts. The queue says which block is finished when it is;
 * but the store is the truth, and is compared with the queue again and again: jobs that a queue has lost are added anew.
 */
export async function follow(run: Followed, signal: AbortSignal): Promise<string[]> {
  return new Follower(run).end(signal)
}

class Follower {
  readonly #run: Followed
  readonly #missing: Set<number>
  readonly #parts: string[] = []
  /** Blocks that may be in the store. */
  readonly #found = new Set<number>()
  /** Epochs of each block that were told. */
  readonly #told = new Map<number, Set<number>>()
  readonly #atWork = new AtWork()
  #wake: () => void = () => {}
  #isDue = true
  #isAdding = false
  /** Whether all jobs are in the queue. */
  #isStarted = false

  constructor(run: Followed) {
    this.#run = run
    this.#missing = new Set(Array.from({ length: run.file.jobs }, (_, index) => index + 1))
  }

  async end(signal: AbortSignal): Promise<string[]> {
    const { id, file, server } = this.#run
    await this.#listen()
    signal.throwIfAborted()
    const onAbort = () => this.#wake()
    signal.addEventListener('abort', onAbort, { once: true })
    let due: NodeJS.Timeout | undefined
    let failedSince: number | undefined
    try {
      while (this.#missing.size > 0) {
        signal.throwIfAborted()
        const woken = new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        const began = performance.now()
        try {
          if (this.#isDue) {
            this.#isDue = false
            await this.#reconcile()
            if (!this.#isStarted) {
              this.#isStarted = true
              this.#run.onStart()
            }
            clearTimeout(due)
            const wait = Math.max(RECONCILE, (performance.now() - began) / SHARE)
            due = setTimeout(() => this.#look(), wait)
          }
          for (const block of [...this.#found]) {
            signal.throwIfAborted()
            await this.#take(block)
          }
          failedSince = undefined
        } catch (error) {
          // A store that is away for a while is no end; at the start it is.
          failedSince ??= began
          const isAway = error instanceof NoPropError && error.code === 'NOPROP_STORE' && this.#isStarted
          if (!isAway || performance.now() - failedSince > PATIENCE) throw error
          clearTimeout(due)
          due = setTimeout(() => this.#look(), 1000)
        }
        if (this.#missing.size > 0) await woken
      }
      return this.#parts.filter(() => true)
    } catch (error) {
      // What is in training is trained to its end, and kept.
      if (error instanceof NoPropError && !signal.aborted && this.#isStarted)
        await within(3000, removeJobs(id, file, server))
      throw error
    } finally {
      clearTimeout(due)
      signal.removeEventListener('abort', onAbort)
    }
  }

  async #listen(): Promise<void> {
    const { id, file, server, onEvent } = this.#run
    const events = server.events(file.kind)
    const blockOfJob = (job: string) => {
      const block = Number(job.slice(id.length + 1))
      return job.startsWith(`${id}-`) && this.#missing.has(block) ? block : undefined
    }
    events.on('progress', ({ jobId: job, data }) => {
      const block = blockOfJob(job)
      if (block === undefined || !this.#isStarted) return
      for (const event of readMessage(data, block)) {
        if (event.event === 'progress') onEvent(this.#atWork.tell(event))
        else if (this.#tell(block, event.epoch)) onEvent(event)
      }
    })
    events.on('completed', ({ jobId: job }) => {
      const block = blockOfJob(job)
      if (block === undefined) return
      this.#found.add(block)
      this.#wake()
    })
    events.on('failed', ({ jobId: job }) => {
      if (blockOfJob(job) !== undefined) this.#look()
    })
    // What happens before is seen by the first comparison.
    await within(READY, events.waitUntilReady())
  }

  /** Whether an epoch has not been told before. */
  #tell(block: number, epoch: number): boolean {
    const told = this.#told.get(block) ?? new Set()
    this.#told.set(block, told)
    return told.size < told.add(epoch).size
  }

  /** Has store and queue compared. */
  #look(): void {
    this.#isDue = true
    this.#wake()
  }

  async #reconcile(): Promise<void> {
    const { id, store, put } = this.#run
    if (this.#isStarted) {
      if (await store.has(keys.cancelled(id))) {
        throw new NoPropError({ code: 'NOPROP_CANCELLED', what: 'the run was cancelled', hint: 'submit it again' })
      }
      await put()
    }
    for (const { name } of await store.list(keys.blocks(id))) {
      const block = blockOf(name)
      if (block !== undefined && this.#missing.has(block)) this.#found.add(block)
    }
    for (const { name } of await store.list(keys.failures(id))) {
      const bytes = await store.read(`${keys.failures(id)}${name}`, MOST_FAILURE)
      if (bytes) throw failureOf(bytes, name)
    }
    const adding = this.#add()
    // A queue that is away answers when it is back.
    if (this.#isStarted) adding.catch(() => {})
    else await adding
  }

  /** Adds the jobs of all blocks that are not in the store; those that are in the queue stay what they are. */
  async #add(): Promise<void> {
    if (this.#isAdding) return
    this.#isAdding = true
    const { id, file, server } = this.#run
    try {
      const queue = server.queue(file.kind)
      const blocks = [...this.#missing].filter((block) => !this.#found.has(block))
      for (let first = 0; first < blocks.length; first += AT_ONCE) {
        const some = blocks.slice(first, first + AT_ONCE)
        await queue.addBulk(
          some.map((block) => {
            const data = { run: id, block }
            return { name: 'block', data, opts: { ...JOB_OPTIONS, jobId: jobId(data) } }
          }),
        )
      }
    } finally {
      this.#isAdding = false
    }
  }

  /** Fetches a block and checks it whole; one that cannot be trusted is removed, and trained again. */
  async #take(block: number): Promise<void> {
    const { id, file, folder, store, onEvent } = this.#run
    const path = join(folder, `part-${block}`)
    const isThere = await store.fetch(keys.block(id, block), path, file.partBytes).catch((error) => {
      if (/is too large/.test(error.what)) return store.remove(keys.block(id, block)).then(() => false)
      throw error
    })
    this.#found.delete(block)
    if (!isThere) return
    let checked: { block: number; event: BlockEvent }
    try {
      checked = JSON.parse(await nativeAsync(() => getNative().NativeModel.checkPart(path, file.run)))
      if (checked.block !== block) throw new NoPropError({ code: 'NOPROP_PARTS', what: 'it is another block' })
    } catch (error) {
      if (!(error instanceof NoPropError) || error.code === 'NOPROP_IO') throw error
      process.emitWarning(`block ${block} in the store cannot be trusted and is trained again: ${error.message}`, {
        code: error.code,
      })
      await store.remove(keys.block(id, block))
      this.#look()
      return
    }
    this.#missing.delete(block)
    this.#atWork.end(block)
    this.#parts[block - 1] = path
    const { event } = checked
    for (const [index, loss] of event.losses.entries()) {
      const epoch = index + 1
      const seen = event.validation?.find((each) => each.epoch === epoch)
      const validation = seen ? { validationLoss: seen.loss, validationAccuracy: seen.accuracy } : {}
      if (this.#tell(block, epoch)) onEvent({ event: 'epoch', block, epoch, loss, ...validation })
    }
    this.#told.delete(block)
    onEvent(event)
  }
}

function failureOf(bytes: Buffer, name: string): NoPropError {
  try {
    return fromDetails(JSON.parse(bytes.toString('utf8')))
  } catch {
    return new NoPropError({
      code: 'NOPROP_STORE',
      what: `block ${Number(name)} failed, and its failure cannot be read`,
    })
  }
}

/** Waits for something that may take for ever, but not longer than that. */
async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds)
  })
  await Promise.race([work.catch(() => {}), late])
  clearTimeout(timer)
}
