import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { linkAbort } from '../abort.js'
import { NoPropError } from '../errors.js'
import type { PublishedFile } from './catalogue.js'

/** What is known about a download while it runs. */
export interface DownloadProgress {
  /** The file's name. */
  file: string
  /** Bytes received so far. */
  received: number
  /** Bytes that the server announced, or null. */
  total: number | null
}

/** How {@link download} is stopped, watched and timed. */
export interface DownloadOptions {
  signal?: AbortSignal | undefined
  onDownload?: ((progress: DownloadProgress) => void) | undefined
  /** Milliseconds without a byte after which the server counts as silent. Default 30,000. */
  silence?: number | undefined
}

/** What `onDownload` threw, on its way to the caller as it is. */
class Thrown {
  constructor(readonly reason: unknown) {}
}

/**
 * Downloads `base + file.name` into `directory`. The file appears there whole and with its published checksum, or not
 * at all. Throws NOPROP_CHECKSUM, NOPROP_DATA (server or network), NOPROP_IO (disk), the signal's reason, or what `onDownload`
 * throws.
 */
export async function download(
  base: string,
  file: PublishedFile,
  directory: string,
  options: DownloadOptions = {},
): Promise<void> {
  const { signal } = options
  signal?.throwIfAborted()
  const url = base + file.name
  const partial = join(directory, `.${file.name}.${process.pid}.${randomUUID()}.part`)
  try {
    await mkdir(directory, { recursive: true })
    await removeStale(directory, file.name)
    await fetchInto(url, partial, file, options)
    const md5 = await md5Of(partial)
    if (md5 !== file.md5) {
      throw new NoPropError({
        code: 'NOPROP_CHECKSUM',
        what: `${url} is not the published file`,
        expected: `MD5 ${file.md5}`,
        received: `MD5 ${md5}`,
        hint: 'try again, or set NOPROP_MIRROR to another server',
      })
    }
    signal?.throwIfAborted()
    await rename(partial, join(directory, file.name))
  } catch (error) {
    if (error instanceof Thrown) throw error.reason
    signal?.throwIfAborted()
    throw error instanceof NoPropError ? error : diskError(directory, error)
  } finally {
    await rm(partial, { force: true }).catch(() => {})
  }
}

/** Streams `url` into the new file `path`, and to the disk. */
async function fetchInto(url: string, path: string, file: PublishedFile, options: DownloadOptions): Promise<void> {
  const stop = new AbortController()
  const unlink = linkAbort(options.signal, stop)
  const timer = setTimeout(() => stop.abort(new Error('the server fell silent')), options.silence ?? 30_000)
  try {
    const response = await network(url, () => fetch(url, { signal: stop.signal }))
    if (!response.ok || !response.body) {
      throw serverError(url, `status ${response.status} ${response.statusText}`.trim())
    }
    const total = Number(response.headers.get('content-length')) || null
    const reader = response.body.getReader()
    const output = await open(path, 'wx')
    try {
      for (let received = 0; ; ) {
        const { done, value } = await network(url, () => reader.read())
        if (done) break
        timer.refresh()
        received += value.byteLength
        if (received > file.largest) throw serverError(url, `more than ${file.largest} bytes`)
        await writeAll(output, value)
        report(options, { file: file.name, received, total })
      }
      await output.sync()
    } finally {
      await output.close()
    }
  } finally {
    clearTimeout(timer)
    unlink()
    // An answer that is not read to its end would keep the process alive.
    stop.abort()
  }
}

/** What can be written to: an open file. */
export interface Output {
  write(bytes: Uint8Array, offset: number): Promise<{ bytesWritten: number }>
}

/** Writes all of `bytes`: a disk that is nearly full takes a part without an error. */
export async function writeAll(output: Output, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.byteLength; ) {
    const { bytesWritten } = await output.write(bytes, offset)
    if (bytesWritten === 0) throw new Error('the disk takes no more bytes')
    offset += bytesWritten
  }
}

function report({ onDownload }: DownloadOptions, progress: DownloadProgress): void {
  try {
    onDownload?.(progress)
  } catch (reason) {
    throw new Thrown(reason)
  }
}

/** The checksum of what lies on the disk, which is what counts, not what was received. */
async function md5Of(path: string): Promise<string> {
  const hash = createHash('md5')
  for await (const chunk of createReadStream(path)) hash.update(chunk)
  return hash.digest('hex')
}

/** Milliseconds after which nobody writes to a partial file any more; a download fails after seconds of silence. */
const STALE = 24 * 60 * 60 * 1000

/** Removes what killed downloads of the same file left; those of other processes that still run are younger. */
async function removeStale(directory: string, name: string): Promise<void> {
  const isPart = (entry: string) =>
    entry.startsWith(`.${name}.`) &&
    /^\d+\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.part$/.test(entry.slice(name.length + 2))
  for (const entry of (await readdir(directory)).filter(isPart)) {
    const path = join(directory, entry)
    try {
      const stat = await lstat(path)
      if (stat.isFile() && Date.now() - stat.mtimeMs > STALE) await rm(path)
    } catch {
      // Another process was faster, or the file is another user's: neither stops this download.
    }
  }
}

/** Waits for the network; its failures become NOPROP_DATA with the innermost reason. */
async function network<Result>(url: string, call: () => Promise<Result>): Promise<Result> {
  try {
    return await call()
  } catch (error) {
    let inner = error as Error & { code?: string }
    while (inner.cause instanceof Error) inner = inner.cause
    throw serverError(url, inner.message || inner.code || String(inner), error)
  }
}

function serverError(url: string, reason: string, cause?: unknown): NoPropError {
  return new NoPropError(
    {
      code: 'NOPROP_DATA',
      what: `${url} cannot be downloaded`,
      received: reason,
      hint: 'check the network, or set NOPROP_MIRROR to another server',
    },
    cause === undefined ? undefined : { cause },
  )
}

function diskError(directory: string, cause: unknown): NoPropError {
  return new NoPropError(
    {
      code: 'NOPROP_IO',
      what: `cannot write a download into ${directory}`,
      received: (cause as Error).message,
      hint: 'make room there, or choose another cache with XDG_CACHE_HOME',
    },
    { cause },
  )
}
