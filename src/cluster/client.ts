import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Dataset, nativeDataset } from '../dataset.js'
import { NoPropError, nativeAsync } from '../errors.js'
import { toJson } from '../json.js'
import type { Native } from '../native.js'
import type { ClusterOptions, ModelConfig, TrainOptions } from '../options.js'
import type { WorkerEvent } from '../scheduler.js'
import { version } from '../version.js'
import { cancel } from './cancel.js'
import { DETACH } from './detach.js'
import { type Followed, follow } from './follow.js'
import { keys } from './keys.js'
import { QueueServer } from './queue.js'
import { type RunFile, runId, type StoredData, type StoredEncoder } from './run-file.js'
import { openStore } from './store/open.js'
import type { Store } from './store/store.js'

type NativeModel = InstanceType<Native['NativeModel']>

/** Most bytes that the record of a training takes in a file. */
const RECORD = 1 << 16

/** What the core says of a run before it begins. */
export interface Described {
  run: string
  kind: string
  options: string
  epochs: number
  batch: number
  stepsPerBlock: number
  partBytes: number
  stateBytes: number
}

/** What whoever trains on a cluster is told. */
export interface ClusterListener {
  /** The run is in the queue. */
  onStart(id: string, described: Described): void
  onEvent(event: WorkerEvent): void
  /** The history that the model is to keep, once the last block is there. */
  history(): string
}

/** Trains `model` on the workers of a queue; resolves when it has its weights. */
export async function trainOnCluster(
  model: NativeModel,
  [data, validation]: [Dataset, Dataset | undefined],
  options: TrainOptions,
  cluster: ClusterOptions,
  listener: ClusterListener,
  signal: AbortSignal,
): Promise<void> {
  refuse(options, JSON.parse(model.config))
  const held = validation ? nativeDataset(validation) : null
  const place = cluster.kind === undefined ? (options.device ?? 'auto') : 'cpu'
  const described: Described = JSON.parse(
    await nativeAsync(() =>
      model.describe(nativeDataset(data), toJson({ ...options, device: place }), held, cluster.kind ?? null),
    ),
  )
  const { run, kind } = described
  const id = runId(run)
  const store = await openStore(cluster.store)
  let server: QueueServer | undefined
  const folder = await mkdtemp(join(tmpdir(), 'noprop-run-'))
  try {
    server = await QueueServer.connect(cluster.queue, { telemetry: cluster.telemetry ?? false })
    await refuseOtherKinds(server, kind)
    signal.throwIfAborted()
    const sets = await Promise.all([data, validation].map((set, index) => set && saved(set, join(folder, `${index}`))))
    const encoder = await savedEncoder(model, join(folder, 'encoder'))
    const file: RunFile = {
      ...{ version: 1, run, kind, config: model.blocksConfig, options: described.options, jobs: model.jobs },
      ...{ epochs: described.epochs, stepsPerBlock: described.stepsPerBlock },
      ...{ partBytes: described.partBytes, stateBytes: described.stateBytes, data: (sets[0] as Saved).stored },
      ...(sets[1] ? { validation: sets[1].stored } : {}),
      ...(encoder ? { encoder: encoder.stored } : {}),
    }
    const put = async () => {
      for (const set of sets) if (set) await putOnce(store, keys.dataset(set.stored.fingerprint), { file: set.file })
      if (encoder) await putOnce(store, keys.encoder(id), { file: encoder.file })
      await putOnce(store, keys.run(id), Buffer.from(JSON.stringify(file)))
    }
    await put()
    // A run that is submitted again is tried again.
    await store.remove(keys.cancelled(id))
    for (const { name } of await store.list(keys.failures(id))) await store.remove(`${keys.failures(id)}${name}`)
    const onStart = () => listener.onStart(id, described)
    await finish(model, { id, file, store, server, folder, put, onStart }, listener, signal)
  } finally {
    await server?.close()
    store.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Follows a run that is in the store to its end, and gives its weights to the model. */
export async function finish(
  model: NativeModel,
  run: Omit<Followed, 'onEvent'>,
  listener: Pick<ClusterListener, 'onEvent' | 'history'>,
  signal: AbortSignal,
): Promise<void> {
  const { id, file, store, server } = run
  try {
    const parts = await follow({ ...run, onEvent: (event) => listener.onEvent(event) }, signal)
    await nativeAsync(() => model.takeParts(parts, file.run, listener.history()))
  } catch (error) {
    if (signal.aborted && signal.reason !== DETACH) await cancel(id, file, store, server)
    throw error
  }
}

/** Something for the store, in a file. */
interface Saved<Stored = StoredData> {
  file: string
  stored: Stored
}

async function saved(set: Dataset, file: string): Promise<Saved> {
  await nativeAsync(() => nativeDataset(set).save(file))
  return { file, stored: { fingerprint: set.fingerprint, bytes: (await stat(file)).size } }
}

/** The encoder of the model, if it has one. */
async function savedEncoder(model: NativeModel, file: string): Promise<Saved<StoredEncoder> | null> {
  const sha256 = await nativeAsync(() => model.saveEncoder(file))
  // Another client's record of the same encoder may be longer.
  return sha256 === null ? null : { file, stored: { sha256, bytes: (await stat(file)).size + RECORD } }
}

async function putOnce(store: Store, key: string, content: Parameters<Store['create']>[1]): Promise<void> {
  // A look costs less than an upload that is refused.
  if (!(await store.has(key))) await store.create(key, content)
}

function refuse(options: TrainOptions, config: ModelConfig): void {
  const refused = (what: string, expected: string, hint: string) =>
    new NoPropError({ code: 'NOPROP_OPTION', what, expected, hint })
  const not = (['checkpoint', 'resume', 'continue', 'onlyBlocks'] as const).find((name) => options[name])
  if (not) {
    const hint = 'the store keeps the states of a run: when it is submitted again, it goes on'
    throw refused(`option ${not} does not go with a cluster`, `no ${not}`, hint)
  }
  const { type, learned } = config.embedding as { type: string; learned?: boolean }
  if (type === 'learned' || learned) {
    throw refused(
      'learned embeddings cannot be trained on a cluster: all blocks share them, and step together',
      'fixed embeddings: one-hot, orthogonal',
      'train on one machine, or choose another embedding',
    )
  }
}

/** Rejects with NOPROP_QUEUE if there are workers, but none of the kind and version. */
async function refuseOtherKinds(server: QueueServer, kind: string): Promise<void> {
  const found = await server.workers()
  if (found.length === 0 || found.some((each) => each.kind === kind && each.version === version)) return
  const list = found.map((each) => `${each.kind} of noprop ${each.version}`)
  const other = found.find((each) => each.version === version)
  throw new NoPropError({
    code: 'NOPROP_QUEUE',
    what: `no worker is of kind ${kind} and of noprop ${version}`,
    expected: 'workers of the same version and kind: others give other bits',
    received: list.join(', '),
    hint: other
      ? `train on that kind (--kind ${other.kind}, kind: '${other.kind}'), or start workers of kind ${kind}`
      : `install noprop ${version} for the workers, or the version of the workers here`,
  })
}
