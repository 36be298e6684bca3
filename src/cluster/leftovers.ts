import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Milliseconds in which a worker that is alive has saved a state of each of its blocks. */
const SILENCE = 60 * 60_000

/** A folder for the states of a worker's blocks. It begins with the number of its process. */
export function workerFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), `noprop-worker-${process.pid}-`))
}

/** Removes what workers of this machine have left that were killed. What is in it is in the store, or is trained again. */
export async function removeLeftovers(folder = tmpdir(), now = Date.now()): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const pid = Number(name.match(/^noprop-worker-(\d+)-\w{6}$/)?.[1])
    if (!pid || isAlive(pid)) continue
    const path = join(folder, name)
    // A container may share the folder, and not the numbers of processes.
    if (now - (await lastChange(path)) < SILENCE) continue
    // Those of another user stay.
    await rm(path, { recursive: true, force: true }).catch(() => {})
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** When a folder, or one in it, was last changed; states are replaced by files of other names. */
async function lastChange(path: string): Promise<number> {
  const inside = await readdir(path).catch(() => [])
  const paths = [path, ...inside.map((name) => join(path, name))]
  const times = await Promise.all(
    paths.map((each) =>
      stat(each).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  )
  return Math.max(...times)
}
