import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { type Content, type Listed, type Store, storeError, tooLarge } from './store.js'

/** What the names of files begin with that are not whole yet. */
const TEMPORARY = '.noprop-'
/** A temporary file of this age is that of a process that was killed, milliseconds. */
const ABANDONED = 24 * 3_600_000
/** Bytes that are copied at once. */
const PIECE = 1 << 20

/**
 * A store in a folder that all machines see, such as one on NFS. An object appears by a link from a temporary file that is whole: the
 * system refuses the link where there is an object, so of several writers one wins.
 */
export class FolderStore implements Store {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  async read(key: string, most: number): Promise<Buffer | null> {
    const parts: Buffer[] = []
    const isThere = await this.#pieces(key, most, (piece) => void parts.push(Buffer.from(piece)))
    return isThere ? Buffer.concat(parts) : null
  }

  async fetch(key: string, file: string, most: number): Promise<boolean> {
    const target = await open(file, 'w').catch((error) => {
      throw storeError(`${key} cannot be copied from the store`, error, 'check that this machine has room')
    })
    try {
      return await this.#pieces(key, most, async (piece) => void (await target.writeFile(piece)))
    } finally {
      await target.close()
    }
  }

  async create(key: string, content: Content): Promise<boolean> {
    return this.#write(key, content, async (temporary, path) => {
      try {
        await link(temporary, path)
        return true
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
        throw error
      }
    })
  }

  async replace(key: string, content: Content): Promise<void> {
    await this.#write(key, content, rename)
  }

  async has(key: string): Promise<boolean> {
    return (await stat(this.#path(key)).catch(unlessMissing)) !== null
  }

  async remove(key: string): Promise<void> {
    await rm(this.#path(key), { force: true }).catch((error) => {
      throw storeError(`${key} cannot be removed from the store`, error, HINT)
    })
  }

  async list(prefix: string): Promise<Listed[]> {
    const folder = this.#path(prefix.slice(0, -1))
    const entries = (await readdir(folder, { recursive: true, withFileTypes: true }).catch(unlessMissing)) ?? []
    const listed: Listed[] = []
    for (const entry of entries) {
      if (!entry.isFile()) continue
      const path = join(entry.parentPath, entry.name)
      // It may have been removed since.
      const found = await stat(path).catch(unlessMissing)
      if (!found) continue
      if (entry.name.startsWith(TEMPORARY)) {
        if (Date.now() - found.mtimeMs > ABANDONED) await rm(path, { force: true }).catch(() => {})
        continue
      }
      const name = relative(folder, path).split(sep).join('/')
      listed.push({ name, bytes: found.size, modified: found.mtimeMs })
    }
    return listed.sort((one, other) => (one.name < other.name ? -1 : 1))
  }

  close(): void {}

  #path(key: string): string {
    return join(this.#folder, ...key.split('/'))
  }

  /** Hands out an object's bytes piece by piece; false where there is none. */
  async #pieces(key: string, most: number, take: (piece: Buffer) => void | Promise<void>): Promise<boolean> {
    // A pipe in its place would wait for a writer for ever.
    const file = await open(this.#path(key), constants.O_RDONLY | constants.O_NONBLOCK).catch(unlessMissing)
    if (!file) return false
    try {
      const found = await file.stat()
      if (!found.isFile()) throw new Error('it is no file')
      if (found.size > most) throw tooLarge(key, found.size, most)
      const buffer = Buffer.alloc(Math.min(PIECE, found.size + 1))
      for (let left = most; ; ) {
        const { bytesRead } = await file.read(buffer, 0, buffer.length, null)
        if (bytesRead === 0) return true
        left -= bytesRead
        if (left < 0) throw tooLarge(key, most - left, most)
        await take(buffer.subarray(0, bytesRead))
      }
    } catch (error) {
      if ((error as { code?: string }).code === 'NOPROP_STORE') throw error
      throw storeError(`${key} cannot be read from the store`, error, HINT)
    } finally {
      await file.close()
    }
  }

  /** Writes a temporary file whole, and has it put in its place. */
  async #write<Result>(
    key: string,
    content: Content,
    settle: (temporary: string, path: string) => Promise<Result>,
  ): Promise<Result> {
    const path = this.#path(key)
    const temporary = join(dirname(path), `${TEMPORARY}${randomUUID()}`)
    try {
      await mkdir(dirname(path), { recursive: true })
      if (!(content instanceof Uint8Array)) await copyFile(content.file, temporary, constants.COPYFILE_FICLONE)
      const file = await open(temporary, content instanceof Uint8Array ? 'wx' : 'r+')
      try {
        if (content instanceof Uint8Array) await file.writeFile(content)
        await file.sync()
      } finally {
        await file.close()
      }
      return await settle(temporary, path)
    } catch (error) {
      throw storeError(`the store does not take ${key}`, error, HINT)
    } finally {
      await rm(temporary, { force: true }).catch(() => {})
    }
  }
}

const HINT = 'check that the folder may be written to, that its disk has room, and that it is mounted'

function unlessMissing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null
  throw storeError('the store cannot be read', error, HINT)
}
