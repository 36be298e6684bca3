import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Dataset, nativeDataset } from '../dataset.js'
import { NoPropError, native, nativeAsync } from '../errors.js'
import type { BlockEvent, EpochEvent, ProgressEvent } from '../events.js'
import { NoProp } from '../model.js'
import { getNative } from '../native.js'
import type { DataCache } from './data-cache.js'
import { keys } from './keys.js'
import { type RunFile, readRun } from './run-file.js'
import { stepOf } from './state-file.js'
import type { Store } from './store/store.js'

/** Why a block's work is ended from outside. */
export type Ending = 'stopped' | 'cancelled' | 'lost'

/** How blocks are trained here. */
export interface WorkSettings {
  threads: number
  device: string
  /** Greatest time between two uploads of a state, seconds. */
  uploadSeconds: number
}

/** What the work tells its worker. */
export interface WorkEvents {
  /** The block begins at this step; `work` ends if it rejects. */
  onBegin(step: number): Promise<void>
  onProgress(event: ProgressEvent | EpochEvent): void
  onLog(line: string): void
}

/** Times that a damaged state is thrown away before that is a failure. */
const MOST_DAMAGED = 3

/** Trains single blocks from what is in the store, and puts them there. */
export class BlockWork {
  readonly #store: Store
  readonly #data: DataCache
  readonly #folder: string
  readonly #settings: WorkSettings

  constructor(store: Store, data: DataCache, folder: string, settings: WorkSettings) {
    this.#store = store
    this.#data = data
    this.#folder = folder
    this.#settings = settings
  }

  /** Trains a block; resolves when it is in the store, or is not wanted any more. `end` aborts with an {@link Ending}. */
  async train(id: string, block: number, end: AbortController, events: WorkEvents): Promise<void> {
    if (await this.#store.has(keys.block(id, block))) return
    if (await this.#isCancelled(id)) end.abort('cancelled')
    end.signal.throwIfAborted()
    const run = await readRun(this.#store, id)
    const data = await this.#data.get(run.data)
    const validation = run.validation && (await this.#data.get(run.validation))
    await this.#check(run, data, validation)
    const folder = await mkdtemp(join(this.#folder, 'block-'))
    const local = join(folder, `block-${String(block).padStart(4, '0')}.safetensors`)
    try {
      for (let damaged = 0; ; damaged++) {
        end.signal.throwIfAborted()
        const isFetched = await this.#store.fetch(keys.state(id, block), local, run.stateBytes)
        if (!isFetched) await rm(local, { force: true })
        await events.onBegin(isFetched ? await stepOf(local) : 0)
        const model = NoProp.create(JSON.parse(run.config))
        try {
          await this.#fit(model, { id, block, run, data, validation, folder, local, end, events })
          await this.#publish(model, { id, block, run, folder, events })
          return
        } catch (error) {
          const isDamaged = error instanceof NoPropError && error.code === 'NOPROP_CHECKPOINT_CORRUPT'
          if (!isDamaged || damaged === MOST_DAMAGED) throw error
          events.onLog(`the state of block ${block} in the store cannot be trusted: it is trained from its beginning`)
          await this.#store.remove(keys.state(id, block))
          await rm(local, { force: true })
        } finally {
          model.dispose()
        }
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }

  async #isCancelled(id: string): Promise<boolean> {
    return this.#store.has(keys.cancelled(id))
  }

  /** Whether this machine gives the bits of the run. Rejects with NOPROP_PARTS. */
  async #check(run: RunFile, data: Dataset, validation: Dataset | undefined): Promise<void> {
    const model = native(() => getNative().NativeModel.create(run.config))
    const options = JSON.stringify({ ...JSON.parse(run.options), device: this.#settings.device })
    const held = validation ? nativeDataset(validation) : null
    const described = JSON.parse(await nativeAsync(() => model.describe(nativeDataset(data), options, held, null)))
    if (described.run === run.run) return
    throw new NoPropError({
      code: 'NOPROP_PARTS',
      what: 'this worker would train other weights than the run asks for',
      expected: `${run.kind}, and the version, configuration, options and data of the run`,
      received: described.kind === run.kind ? 'another of them' : described.kind,
      hint: 'submit the run again with the version of noprop that the workers have',
    })
  }

  async #fit(
    model: NoProp,
    work: {
      id: string
      block: number
      run: RunFile
      data: Dataset
      validation: Dataset | undefined
      folder: string
      local: string
      end: AbortController
      events: WorkEvents
    },
  ): Promise<void> {
    const { id, block, run, data, validation, folder, local, end, events } = work
    const { threads, device, uploadSeconds } = this.#settings
    let uploading: Promise<void> | undefined
    let uploaded = performance.now()
    const upload = async () => {
      // There is none before the first step.
      if ((await stepOf(local)) === 0) return
      uploading ??= this.#store
        .replace(keys.state(id, block), { file: local })
        .catch((error) => events.onLog(`the state of block ${block} is not kept: ${error.message}`))
        .finally(() => {
          uploading = undefined
          uploaded = performance.now()
        })
      await uploading
    }
    try {
      const fit = model.fit(data, {
        ...JSON.parse(run.options),
        ...(validation ? { validation } : {}),
        ...{ onlyBlocks: [block], threads, inFlight: 1, device, signal: end.signal },
        ...{ checkpoint: folder, resume: true, checkpointSeconds: Math.max(0.1, Math.min(30, uploadSeconds)) },
      })
      for await (const event of fit) {
        if (event.event === 'progress' || event.event === 'epoch') events.onProgress(event)
        // The training goes on meanwhile, also where the store is away for a while.
        const isDue = performance.now() - uploaded >= 1000 * uploadSeconds
        if (event.event === 'checkpoint' && isDue) void upload()
      }
      await fit
    } catch (error) {
      if (end.signal.reason === 'stopped') {
        await uploading
        await upload()
      }
      throw error
    } finally {
      await uploading
    }
  }

  /** Puts a finished block into the store. Where another worker was first, it must be the same. */
  async #publish(
    model: NoProp,
    work: { id: string; block: number; run: RunFile; folder: string; events: WorkEvents },
  ): Promise<void> {
    const { id, block, run, folder, events } = work
    const part = join(folder, 'part')
    await model.save(part)
    const { NativeModel } = getNative()
    const check = async (path: string) => JSON.parse(await nativeAsync(() => NativeModel.checkPart(path, run.run)))
    const { sha256 } = (await check(part)) as { sha256: string; event: BlockEvent }
    while (!(await this.#store.create(keys.block(id, block), { file: part }))) {
      const other = join(folder, 'other')
      let theirs: { sha256: string } | undefined
      try {
        // Removed meanwhile: ours is wanted again.
        if (!(await this.#store.fetch(keys.block(id, block), other, run.partBytes))) continue
        theirs = await check(other)
      } catch (error) {
        if (!(error instanceof NoPropError) || error.code === 'NOPROP_IO') throw error
        events.onLog(`block ${block} in the store cannot be trusted, and is replaced: ${error.message}`)
      }
      if (theirs === undefined) await this.#store.remove(keys.block(id, block))
      else if (theirs.sha256 === sha256) break
      else throw differ(block, theirs.sha256, sha256)
    }
    await this.#store.remove(keys.state(id, block)).catch(() => {})
  }
}

function differ(block: number, theirs: string, ours: string): NoPropError {
  return new NoPropError({
    code: 'NOPROP_PARTS',
    what: `two workers trained block ${block} to different weights`,
    expected: `the same weights wherever a block is trained: sha256 ${theirs}`,
    received: `sha256 ${ours}`,
    hint: 'one of the machines computes wrongly: check its memory and its processor',
  })
}
