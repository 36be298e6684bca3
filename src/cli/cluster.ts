import type { Command } from 'commander'
import { migrate } from '../cluster/queue.js'
import { queueOf } from './cluster-flags.js'
import { addFlags, Flag } from './flag.js'
import { addExamples } from './help.js'
import type { Io } from './io.js'
import { usage } from './usage.js'

export function define(command: Command, io: Io): void {
  command.argument('<action>', 'migrate: make the tables of queues in a PostgreSQL database')
  addFlags(command, 'Cluster', [
    new Flag('--queue <url>', 'the database: postgres://HOST:5432/DATABASE (default: NOPROP_QUEUE)'),
  ])
  addExamples(command, 'noprop cluster migrate --queue postgres://10.0.0.1:5432/noprop')
  command.action(async (action: string, flags: { queue?: string }) => {
    if (action !== 'migrate') throw usage(`there is no action '${action}'`, 'noprop cluster migrate --queue URL')
    await migrate(queueOf(flags))
    io.emit({ event: 'done', migrated: true })
    io.print('the tables of queues are there')
  })
}
