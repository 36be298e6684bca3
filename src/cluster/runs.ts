import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { linkAbort, throwIfAborted } from '../abort.js'
import { NoPropError, native, nativeAsync } from '../errors.js'
import type { StartEvent } from '../events.js'
import { Records } from '../history.js'
import { keptOf } from '../kept-history.js'
import { type NoProp, wrapModel } from '../model.js'
import { getNative, type Native } from '../native.js'
import type { ModelConfig } from '../options.js'
import type { WorkerEvent } from '../scheduler.js'
import { measureOf } from '../summary.js'
import { cancel } from './cancel.js'
import { finish } from './client.js'
import { blockOf, isSha256, keys } from './keys.js'
import { QueueServer } from './queue.js'
import { type RunFile, readRun } from './run-file.js'
import { openStore } from './store/open.js'
import type { Listed, Store } from './store/store.js'

type NativeModel = InstanceType<Native['NativeModel']>

/** A run in a store. */
export interface ClusterRun {
  /** Its id, 64 hexadecimal digits. */
  id: string
  /** `waiting` also while blocks are trained: the store does not know of the queue. */
  state: 'waiting' | 'finished' | 'failed' | 'cancelled' | 'damaged'
  /** The kind of device that it is trained on. */
  kind: string
  blocks: number
  /** Blocks that are finished. */
  finished: number
  /** Bytes of blocks and states. */
  bytes: number
  /** When it was submitted, milliseconds since 1970. */
  submitted: number
}

/** Where runs are. */
export interface StoreOptions {
  /** URL of the store. */
  store: string
}

/** Options of {@link attachRun}. */
export interface AttachOptions extends StoreOptions {
  /** URL of the queue. */
  queue: string
  /** Cancels the run when it aborts, unless its reason is {@link DETACH}. */
  signal?: AbortSignal
  /** Told of the run once it is found, and of what happens to its blocks. */
  onStart?: (run: {
    id: string
    blocks: number
    epochs: number
    stepsPerBlock: number
    kind: string
    measure: StartEvent['measure']
  }) => void
  onEvent?: (event: WorkerEvent) => void
}

/** The runs of a store, the newest first. Rejects with NOPROP_OPTION, NOPROP_STORE. */
export async function listRuns({ store: url }: StoreOptions): Promise<ClusterRun[]> {
  return withStore(url, async (store) => (await surveyed(store)).map(({ run }) => run))
}

/** Waits for a run that was submitted before, here or elsewhere, by its id or the beginning of it; resolves with its model. */
export async function attachRun(id: string, options: AttachOptions): Promise<NoProp> {
  const { signal, onStart = () => {}, onEvent = () => {} } = options
  throwIfAborted(signal)
  return withStore(options.store, async (store) => {
    const whole = await resolved(store, id)
    const file = await readRun(store, whole)
    const server = await QueueServer.connect(options.queue)
    const folder = await mkdtemp(join(tmpdir(), 'noprop-run-'))
    const stop = new AbortController()
    const unlink = linkAbort(signal, stop)
    try {
      const model = await modelOf(whole, file, store, folder)
      const records = new Records()
      const listener = {
        onEvent: (event: WorkerEvent) => {
          if (event.event === 'block') records.add(event)
          onEvent(event)
        },
        history: () => JSON.stringify(keptOf(records.summary())),
      }
      const { jobs, epochs, stepsPerBlock, kind } = file
      const measure = measureOf(JSON.parse(file.config) as ModelConfig)
      const begin = () => onStart({ id: whole, blocks: jobs, epochs, stepsPerBlock, kind, measure })
      const put = async () => {}
      await finish(model, { id: whole, file, store, server, folder, put, onStart: begin }, listener, stop.signal)
      return wrapModel(model)
    } finally {
      unlink()
      await server.close()
      await rm(folder, { recursive: true, force: true })
    }
  })
}

/** Cancels a run, by its id or the beginning of it. What is finished stays in the store. */
export async function cancelRun(id: string, options: StoreOptions & { queue: string }): Promise<string> {
  return withStore(options.store, async (store) => {
    const whole = await resolved(store, id)
    const file = await readRun(store, whole)
    const server = await QueueServer.connect(options.queue)
    try {
      await cancel(whole, file, store, server)
    } finally {
      await server.close()
    }
    return whole
  })
}

/** Options of {@link collectRuns}. */
export interface CollectOptions extends StoreOptions {
  /** Days since a run was submitted after which it is removed, unless it waits: from 0. Default 30. */
  days?: number
  /** Tells what would be removed, and removes nothing. Default false. */
  dryRun?: boolean
}

/** What {@link collectRuns} has removed. */
export interface Collected {
  runs: string[]
  /** Data sets that no run needs any more, by their fingerprints. */
  data: string[]
  bytes: number
}

/**
 * Removes runs that are finished, failed, cancelled or damaged and as old as that, and data sets that no run needs. Do not submit runs
 * at the same time.
 */
export async function collectRuns({ days = 30, dryRun = false, store: url }: CollectOptions): Promise<Collected> {
  if (!(typeof days === 'number' && days >= 0)) {
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: 'option days is out of range',
      expected: 'a number of days, from 0',
      received: String(days),
    })
  }
  return withStore(url, async (store) => {
    const before = Date.now() - days * 86_400_000
    const needed = new Set<string>()
    const collected: Collected = { runs: [], data: [], bytes: 0 }
    const remove = async (key: string, bytes: number) => {
      collected.bytes += bytes
      if (!dryRun) await store.remove(key)
    }
    for (const { run, file, objects } of await surveyed(store)) {
      if (run.state === 'waiting' || run.submitted > before) {
        for (const data of [file?.data, file?.validation]) if (data) needed.add(data.fingerprint)
        continue
      }
      collected.runs.push(run.id)
      // What says that there is a run goes last.
      const last = objects.findIndex(({ name }) => name === 'run.json')
      const ordered = [...objects.filter((_, index) => index !== last), ...objects.slice(last).slice(0, 1)]
      for (const { name, bytes } of last < 0 ? objects : ordered) await remove(`${keys.of(run.id)}${name}`, bytes)
    }
    for (const { name, bytes, modified } of await store.list(keys.data)) {
      if (needed.has(name) || modified > before) continue
      collected.data.push(name)
      await remove(`${keys.data}${name}`, bytes)
    }
    return collected
  })
}

async function withStore<Result>(url: unknown, use: (store: Store) => Promise<Result>): Promise<Result> {
  const store = await openStore(url)
  try {
    return await use(store)
  } finally {
    store.close()
  }
}

/** A run with what belongs to it, names without that of the run. */
interface Surveyed {
  run: ClusterRun
  file: RunFile | undefined
  objects: Listed[]
}

async function surveyed(store: Store): Promise<Surveyed[]> {
  const objects = new Map<string, Listed[]>()
  for (const { name, ...rest } of await store.list(keys.runs)) {
    const at = name.indexOf('/')
    const id = name.slice(0, Math.max(0, at))
    if (!isSha256(id)) continue
    const own = objects.get(id) ?? []
    objects.set(id, own)
    own.push({ name: name.slice(at + 1), ...rest })
  }
  const found: Surveyed[] = []
  for (const [id, own] of objects) found.push(await describeRun(store, id, own))
  return found.sort((one, other) => other.run.submitted - one.run.submitted)
}

async function describeRun(store: Store, id: string, objects: Listed[]): Promise<Surveyed> {
  const file = await readRun(store, id).catch((error) => {
    if (error.code === 'NOPROP_STORE') return undefined
    throw error
  })
  const below = (folder: string) =>
    objects.filter(({ name }) => name.startsWith(folder) && blockOf(name.slice(folder.length)) !== undefined).length
  const finished = below('blocks/')
  const isCancelled = objects.some(({ name }) => name === 'cancelled')
  const state = !file
    ? 'damaged'
    : finished >= file.jobs
      ? 'finished'
      : isCancelled
        ? 'cancelled'
        : below('failures/') > 0
          ? 'failed'
          : 'waiting'
  const submitted = objects.find(({ name }) => name === 'run.json')?.modified ?? 0
  const bytes = objects.reduce((sum, each) => sum + each.bytes, 0)
  const run: ClusterRun = { id, state, kind: file?.kind ?? '', blocks: file?.jobs ?? 0, finished, bytes, submitted }
  return { run, file, objects }
}

/** The untrained model of a run, with the encoder whose features its blocks see. */
async function modelOf(id: string, { config, encoder }: RunFile, store: Store, folder: string): Promise<NativeModel> {
  const { NativeModel } = getNative()
  if (!encoder) return native(() => NativeModel.create(config))
  const file = join(folder, 'encoder')
  const refused = (what: string, cause?: unknown) =>
    new NoPropError(
      {
        code: 'NOPROP_STORE',
        what: `the encoder of run ${id.slice(0, 12)} ${what}`,
        expected: 'what noprop wrote when the run was submitted',
        ...(cause instanceof NoPropError ? { received: cause.what } : {}),
        hint: 'submit the run again; its blocks are kept',
      },
      { cause },
    )
  if (!(await store.fetch(keys.encoder(id), file, encoder.bytes))) throw refused('is not in the store')
  let cause: unknown
  try {
    const model = await nativeAsync(() => NativeModel.loadEncoder(file, encoder.sha256))
    if (model.blocksConfig === config) return model
  } catch (error) {
    if (error instanceof NoPropError && error.code === 'NOPROP_MEMORY') throw error
    cause = error
  }
  await store.remove(keys.encoder(id))
  throw refused('cannot be trusted, and was removed', cause)
}

/** The run that an id, or the beginning of one, names. Rejects with NOPROP_OPTION. */
async function resolved(store: Store, id: string): Promise<string> {
  if (isSha256(id)) return id as string
  const ids = new Set((await store.list(keys.runs)).map(({ name }) => name.split('/')[0] as string).filter(isSha256))
  const fitting = [...ids].filter((each) => String(id).length >= 4 && each.startsWith(id))
  if (fitting.length === 1) return fitting[0] as string
  throw new NoPropError({
    code: 'NOPROP_OPTION',
    what: fitting.length === 0 ? `there is no run ${id}` : `several runs begin with ${id}`,
    expected: 'the id of a run, or at least the first 4 digits of it',
    received: fitting.length === 0 ? `${ids.size} other runs` : `${fitting.length} runs`,
    hint: 'noprop runs ls lists the runs',
  })
}
