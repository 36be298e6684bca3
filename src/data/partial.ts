import { randomUUID } from 'node:crypto'
import { lstat, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * What is there of a file that is being downloaded. While a process writes it, it has a name of its own, so that no two write to one
 * file. What a broken download leaves is taken over by the next one, by a renaming, which only one of several wins.
 */
export class Partial {
  /** Its path while it is written. */
  readonly path: string
  readonly #left: string

  private constructor(directory: string, name: string) {
    this.path = join(directory, `.${name}.${process.pid}.${randomUUID()}.part`)
    this.#left = join(directory, `.${name}.part`)
  }

  /** A new one in `directory`, with what an earlier download of `name` has left there. */
  static async claim(directory: string, name: string): Promise<Partial> {
    const partial = new Partial(directory, name)
    for (const entry of [`.${name}.part`, ...(await abandoned(directory, name))]) {
      try {
        const from = join(directory, entry)
        if ((await partial.bytes()) > 0) await rm(from, { force: true })
        else await rename(from, partial.path)
      } catch {
        // There is none, another process was faster, or it is another user's.
      }
    }
    return partial
  }

  /** Bytes that are there. */
  async bytes(): Promise<number> {
    try {
      return (await lstat(this.path)).size
    } catch {
      return 0
    }
  }

  /** Leaves what is there for the next download. */
  async leave(): Promise<void> {
    if ((await this.bytes()) > 0) await rename(this.path, this.#left).catch(() => {})
    await this.remove()
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true }).catch(() => {})
  }
}

/** Milliseconds after which nobody writes to a partial file any more: a download fails after half a minute of silence. */
const STALE = 5 * 60 * 1000

/** What killed downloads of the same file have left. */
async function abandoned(directory: string, name: string): Promise<string[]> {
  const isPart = (entry: string) =>
    entry.startsWith(`.${name}.`) &&
    /^\d+\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.part$/.test(entry.slice(name.length + 2))
  const old: string[] = []
  for (const entry of (await readdir(directory)).filter(isPart)) {
    try {
      const stat = await lstat(join(directory, entry))
      if (stat.isFile() && Date.now() - stat.mtimeMs > STALE) old.push(entry)
    } catch {
      // It has just gone.
    }
  }
  return old
}
