import type { ClusterOptions } from '../options.js'
import { required, usage } from './usage.js'

/** The flags of `train` that are about workers. */
export interface ClusterFlags {
  queue?: string
  store?: string
  kind?: string
  telemetry?: boolean
  detach?: boolean
}

/** The variables of the environment that stand in for flags, and may hold a password. */
export const QUEUE_ENV = 'NOPROP_QUEUE'
export const STORE_ENV = 'NOPROP_STORE'

/** The URL of the queue. Throws NOPROP_USAGE where there is none, or one with a password on the command line. */
export function queueOf(flags: { queue?: string | undefined }): string {
  refusePassword('--queue', flags.queue, QUEUE_ENV)
  return required(flags.queue ?? process.env[QUEUE_ENV], `--queue URL (or set ${QUEUE_ENV})`)
}

/** The URL of the store. Throws NOPROP_USAGE. */
export function storeOf(flags: { store?: string | undefined }): string {
  refusePassword('--store', flags.store, STORE_ENV)
  return required(flags.store ?? process.env[STORE_ENV], `--store URL (or set ${STORE_ENV})`)
}

/** Where `train` finds its workers; undefined where no flag says so. */
export function clusterOf(flags: ClusterFlags): ClusterOptions | undefined {
  const { queue, store, kind, telemetry, detach } = flags
  if ([queue, store, kind, telemetry, detach].every((flag) => flag === undefined)) return undefined
  return {
    ...{ queue: queueOf(flags), store: storeOf(flags) },
    ...(kind === undefined ? {} : { kind }),
    ...(telemetry === undefined ? {} : { telemetry }),
  }
}

/** Every user of a machine can read the command lines of its processes. */
function refusePassword(flag: string, url: string | undefined, variable: string): void {
  if (!/^\w+:\/\/[^/]*:[^/]*@/.test(url ?? '')) return
  throw usage(`${flag} has a password, which all users of this machine can read`, `put the URL into ${variable}`)
}
