import { createHash } from 'node:crypto'
import { NoPropError } from '../errors.js'
import { isSha256, keys } from './keys.js'
import type { Store } from './store/store.js'

/** A data set in the store. */
export interface StoredData {
  fingerprint: string
  /** Bytes of its file. */
  bytes: number
}

/** `run.json`: all that a worker needs to know of a run. Texts of the core stay as they are: numbers would lose what they say. */
export interface RunFile {
  version: 1
  /** Everything that the weights depend on. */
  run: string
  /** The kind of device that it is trained on. */
  kind: string
  /** The configuration of the model. */
  config: string
  /** The options of the training on which weights depend, as JSON. */
  options: string
  jobs: number
  epochs: number
  stepsPerBlock: number
  /** Most bytes of a finished block, and of a state. */
  partBytes: number
  stateBytes: number
  data: StoredData
  validation?: StoredData
  /** The encoder on whose features the blocks are trained, where there is one. Workers do not need it. */
  encoder?: StoredEncoder
}

/** An encoder in the store. */
export interface StoredEncoder {
  /** SHA-256 of its weights. */
  sha256: string
  /** Most bytes of its file. */
  bytes: number
}

/** Most bytes of `run.json`: the names of many classes, thrice. */
const MOST_BYTES = 64 << 20
/** Most bytes of anything in a store: what is larger is no mistake that noprop made. */
const MOST_OBJECT = 2 ** 40

/** The id of a run: the hash of all that its weights depend on. */
export function runId(run: string): string {
  return createHash('sha256').update(run).digest('hex')
}

/** Reads what a run is. Rejects with NOPROP_STORE, also where it is another run than its id says. */
export async function readRun(store: Store, id: string): Promise<RunFile> {
  const bytes = await store.read(keys.run(id), MOST_BYTES)
  if (!bytes) {
    throw new NoPropError({
      code: 'NOPROP_STORE',
      what: `the store has no run ${id.slice(0, 12)}`,
      hint: 'check that --store is the same on all machines; noprop runs ls lists the runs',
    })
  }
  const found = parse(bytes)
  if (found && runId(found.run) === id) return found
  throw new NoPropError({
    code: 'NOPROP_STORE',
    what: `${keys.run(id)} in the store cannot be trusted`,
    expected: 'what noprop wrote when the run was submitted',
    received: found ? 'another run' : 'something else',
    hint: 'remove it from the store, and submit the run again',
  })
}

/** The run of which `bytes` tell; null where they tell of none. */
function parse(bytes: Buffer): RunFile | null {
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null) return null
  const file = value as RunFile
  const texts = [file.run, file.kind, file.config, file.options].every((text) => typeof text === 'string')
  const counts = [file.jobs, file.epochs, file.stepsPerBlock, file.partBytes, file.stateBytes].every(
    (count) => Number.isSafeInteger(count) && count >= 1 && count <= MOST_OBJECT,
  )
  const isWhole = file.version === 1 && texts && counts && file.jobs <= 99_999
  const isStored = isData(file.data) && (file.validation === undefined || isData(file.validation))
  return isWhole && isStored && (file.encoder === undefined || isEncoder(file.encoder)) ? file : null
}

function isEncoder(value: unknown): value is StoredEncoder {
  const { sha256, bytes } = (value ?? {}) as Partial<StoredEncoder>
  return isSha256(sha256) && isSize(bytes)
}

function isData(value: unknown): value is StoredData {
  const { fingerprint, bytes } = (value ?? {}) as Partial<StoredData>
  return isSha256(fingerprint) && isSize(bytes)
}

function isSize(bytes: unknown): boolean {
  return Number.isSafeInteger(bytes) && (bytes as number) <= MOST_OBJECT
}
