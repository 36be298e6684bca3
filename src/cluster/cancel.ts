import { jobId } from './jobs.js'
import { keys } from './keys.js'
import { CANCELLED, type QueueServer } from './queue.js'
import type { RunFile } from './run-file.js'
import type { Store } from './store/store.js'

/** Jobs that are removed at once. */
const AT_ONCE = 200
/** Milliseconds that a queue has to answer: the store tells workers as well, only later. */
const PATIENCE = 5000

/** Cancels a run: the store says so, its workers are told, and its jobs are removed. Finished blocks stay. */
export async function cancel(id: string, file: RunFile, store: Store, server: QueueServer): Promise<void> {
  await store.replace(keys.cancelled(id), Buffer.from(`${new Date().toISOString()}\n`))
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, PATIENCE)
  })
  await Promise.race([tell(id, file, server).catch(() => {}), late])
  clearTimeout(timer)
}

async function tell(id: string, file: RunFile, server: QueueServer): Promise<void> {
  await server.producer(file.kind).publishEvent({ eventName: CANCELLED, run: id })
  await removeJobs(id, file, server)
}

/** Removes the jobs of a run that no worker has. */
export async function removeJobs(id: string, file: RunFile, server: QueueServer): Promise<void> {
  const queue = server.queue(file.kind)
  for (let first = 1; first <= file.jobs; first += AT_ONCE) {
    const blocks = Array.from({ length: Math.min(AT_ONCE, file.jobs - first + 1) }, (_, index) => first + index)
    await Promise.all(blocks.map((block) => queue.remove(jobId({ run: id, block })).catch(() => 0)))
  }
}
