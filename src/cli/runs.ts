import { Argument, type Command } from 'commander'
import { DETACH } from '../cluster/detach.js'
import { attachRun, type ClusterRun, cancelRun, collectRuns, listRuns } from '../cluster/runs.js'
import { native } from '../errors.js'
import { getNative } from '../native.js'
import { nearest } from '../nearest.js'
import { ProgressDisplay } from '../progress/display.js'
import { counted, table, thousands } from '../summary.js'
import { queueOf, storeOf } from './cluster-flags.js'
import { addFlags, Flag, number } from './flag.js'
import { addExamples, addNote } from './help.js'
import type { Io } from './io.js'
import { required, usage } from './usage.js'

interface RunsFlags {
  queue?: string
  store?: string
  out?: string
  days?: number
  dryRun?: boolean
}

const ACTIONS = ['ls', 'attach', 'cancel', 'gc']

const FLAGS = [
  new Flag('--queue <url>', 'the queue of attach and cancel (default: NOPROP_QUEUE)'),
  new Flag('--store <url>', 'the store (default: NOPROP_STORE)'),
]

export function define(command: Command, io: Io): void {
  command.argument('<action>', 'ls: list runs; attach: wait for one; cancel: end one; gc: remove old ones')
  command.addArgument(new Argument('[id]', 'attach, cancel: the id of the run, or the beginning of it'))
  addFlags(command, 'Cluster', FLAGS)
  addFlags(command, 'attach', [new Flag('--out <file>', 'save the model to this file (.safetensors)')])
  addFlags(command, 'gc', [
    new Flag('--days <number>', 'remove ended runs that are as old as this (default: 30)', { read: number }),
    new Flag('--dry-run', 'tell what would be removed'),
  ])
  addExamples(
    command,
    'noprop runs ls --store s3://bucket/noprop',
    'noprop runs attach 1f0c2a --out digits.safetensors',
    'noprop runs cancel 1f0c2a',
    'noprop runs gc --days 7 --dry-run',
  )
  addNote(command, 'Ctrl-C leaves an attached run to its workers; noprop runs cancel ends it.')
  command.action((action: string, id: string | undefined, flags: RunsFlags) => {
    if (action === 'ls') return list(flags, io)
    if (action === 'attach') return attach(required(id, 'ID of the run'), flags, io)
    if (action === 'cancel') return cancel(required(id, 'ID of the run'), flags, io)
    if (action === 'gc') return collect(flags, io)
    const near = nearest(action, ACTIONS)
    throw usage(`there is no action '${action}'`, near ? `did you mean ${near}?` : `one of ${ACTIONS.join(', ')}`)
  })
}

async function list(flags: RunsFlags, io: Io): Promise<void> {
  const runs = await listRuns({ store: storeOf(flags) })
  for (const run of runs) io.emit({ event: 'run', ...run })
  io.emit({ event: 'done', runs: runs.length })
  if (runs.length === 0) return io.print('there are no runs')
  const row = ({ id, state, finished, blocks, kind, bytes, submitted }: ClusterRun) => [
    ...[id.slice(0, 12), state, `${thousands(finished)} of ${thousands(blocks)} blocks`, kind],
    ...[`${thousands(Math.ceil(bytes / 2 ** 20))} MiB`, new Date(submitted).toISOString().slice(0, 16)],
  ]
  io.print(table(runs.map(row), 4))
}

async function attach(id: string, flags: RunsFlags, io: Io): Promise<void> {
  const { out } = flags
  const [queue, store] = [queueOf(flags), storeOf(flags)]
  if (out !== undefined) native(() => getNative().probeOutput(out))
  const leave = new AbortController()
  const onInterrupt = () => leave.abort(DETACH)
  if (io.signal.aborted) onInterrupt()
  io.signal.addEventListener('abort', onInterrupt, { once: true })
  const display = io.json ? undefined : new ProgressDisplay(io.screen)
  try {
    const model = await attachRun(id, {
      ...{ queue, store, signal: leave.signal },
      onStart: (run) => {
        io.emit({ event: 'attached', ...run })
        io.note(`run ${run.id.slice(0, 12)}: ${counted(run.blocks, 'block')} on ${run.kind}`)
        const { epochs, stepsPerBlock, blocks } = run
        display?.show({
          ...{ event: 'start', blocks, epochs, stepsPerBlock, batch: 0, samples: 0, parameters: 0, threads: 1 },
          ...{ inFlight: blocks, resume: true, measure: 'accuracy', device: run.kind },
        })
      },
      onEvent: (event) => {
        display?.show(event)
        io.emit(event)
      },
    })
    display?.end()
    if (out !== undefined) {
      await model.save(out)
      io.saved = out
    }
    const weightsSha256 = await model.weightsSha256()
    io.emit({ event: 'done', weightsSha256, parameters: model.parameters, ...(out === undefined ? {} : { out }) })
    io.printFields([
      ['weights', `sha256 ${weightsSha256}`],
      ['model', out ?? 'not saved (--out FILE saves it)'],
    ])
  } catch (error) {
    display?.end()
    io.signal.throwIfAborted()
    throw error
  } finally {
    io.signal.removeEventListener('abort', onInterrupt)
  }
}

async function cancel(id: string, flags: RunsFlags, io: Io): Promise<void> {
  const run = await cancelRun(id, { queue: queueOf(flags), store: storeOf(flags) })
  io.emit({ event: 'done', cancelled: run })
  io.print(`run ${run.slice(0, 12)} is cancelled; its finished blocks stay in the store`)
}

async function collect(flags: RunsFlags, io: Io): Promise<void> {
  const { days, dryRun } = flags
  const options = { ...(days === undefined ? {} : { days }), ...(dryRun === undefined ? {} : { dryRun }) }
  const { runs, data, bytes } = await collectRuns({ store: storeOf(flags), ...options })
  io.emit({ event: 'done', runs, data, bytes })
  const what = `${counted(runs.length, 'run')} and ${counted(data.length, 'data set')}, ${thousands(Math.ceil(bytes / 2 ** 20))} MiB`
  io.print(`${dryRun ? 'would remove' : 'removed'} ${what}`)
}
