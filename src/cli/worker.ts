import type { Command } from 'commander'
import { runWorker } from '../cluster/worker.js'
import { QUEUE_ENV, queueOf, STORE_ENV, storeOf } from './cluster-flags.js'
import { addFlags, Flag, number } from './flag.js'
import { addExamples, addNote } from './help.js'
import type { Io } from './io.js'

interface WorkerFlags {
  queue?: string
  store?: string
  slots?: number
  threads?: number
  device?: string
  uploadSeconds?: number
  lockSeconds?: number
  cache?: string
  metricsPort?: number
  telemetry?: boolean
}

const PLACES = [
  new Flag('--queue <url>', `where blocks come from: redis://…, rediss://…, postgres://… (default: ${QUEUE_ENV})`),
  new Flag('--store <url>', `what all machines share: s3://…, file:///… (default: ${STORE_ENV})`),
]

const WORK = [
  new Flag('--slots <number>', 'blocks that are trained at once (default: 1)', { read: number }),
  new Flag('--threads <number>', 'threads of each block (default: cores / slots)', { read: number }),
  new Flag('--device <name>', 'where to train: auto, cpu, cuda, cuda:1 (default: auto)'),
  new Flag('--upload-seconds <number>', 'upload states at least this often (default: 60)', { read: number }),
  new Flag('--lock-seconds <number>', 'a worker that is silent so long is dead (default: 15)', { read: number }),
  new Flag('--cache <dir>', "where data sets are kept (default: in the user's cache)"),
  new Flag('--metrics-port <port>', 'serve /metrics and /healthz on 127.0.0.1 (default: off)', { read: number }),
  new Flag('--telemetry', 'tell OpenTelemetry of jobs (package bullmq-otel)'),
]

export function define(command: Command, io: Io): void {
  addFlags(command, 'Cluster', PLACES)
  addFlags(command, 'Work', WORK)
  addExamples(
    command,
    'noprop worker --queue redis://10.0.0.1:6379 --store s3://bucket/noprop',
    'noprop worker --queue redis://10.0.0.1:6379 --store file:///shared/noprop --slots 4',
  )
  addNote(command, `Passwords belong into ${QUEUE_ENV}, which may hold the whole URL, not into a command line.`)
  command.action(async (flags: WorkerFlags) => {
    const { queue: _, store: __, ...rest } = flags
    const onLog = (line: string) => {
      io.note(`${new Date().toISOString()} ${line}`)
      io.emit({ event: 'log', line })
    }
    await runWorker({ ...rest, queue: queueOf(flags), store: storeOf(flags), signal: io.signal, onLog })
    io.signal.throwIfAborted()
  })
}
