import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { linkAbort } from '../abort.js'
import { NoPropError } from '../errors.js'
import { makeDirectory } from '../make-directory.js'
import type { PublishedFile } from './catalogue.js'
import { Partial } from './partial.js'

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
  /** Told, before a data set is downloaded, which, on which terms, and how many bytes. */
  onMissing?: ((dataset: { name: string; licence: string; bytes: number }) => void) | undefined
  /** Milliseconds without a byte after which the server counts as silent. Default 30,000. */
  silence?: number | undefined
}

/** What `onDownload` threw, on its way to the caller as it is. */
class Thrown {
  constructor(readonly reason: unknown) {}
}

/** So often a connection that breaks is made anew, each time from where it broke. */
const ATTEMPTS = 4

/**
 * Downloads `base + file.name` into `directory`. The file appears there whole and with its published checksum, or not
 * at all; what there is of it when the network fails is gone on from by the next download. Throws NOPROP_CHECKSUM, NOPROP_DATA
 * (server or network), NOPROP_IO (disk), the signal's reason, or what `onDownload` throws.
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
  let partial: Partial | undefined
  try {
    makeDirectory(directory)
    partial = await Partial.claim(directory, file.name)
    const resumed = (await partial.bytes()) > 0
    await fetchAll(url, partial, file, options)
    let found = await sha256Of(partial.path)
    if (found !== file.sha256 && resumed) {
      // What was there may have been of another file.
      await partial.remove()
      await fetchAll(url, partial, file, options)
      found = await sha256Of(partial.path)
    }
    if (found !== file.sha256) {
      await partial.remove()
      throw new NoPropError({
        code: 'NOPROP_CHECKSUM',
        what: `${url} is not the published file`,
        expected: `SHA-256 ${file.sha256}`,
        received: `SHA-256 ${found}`,
        hint: 'try again, or set NOPROP_MIRROR to another server',
      })
    }
    signal?.throwIfAborted()
    await rename(partial.path, join(directory, file.name))
  } catch (error) {
    if (error instanceof Thrown) throw error.reason
    signal?.throwIfAborted()
    throw error instanceof NoPropError ? error : diskError(directory, error)
  } finally {
    await partial?.leave()
  }
}

/** Fetches what is missing of `url`, in several attempts if the connection breaks. */
async function fetchAll(url: string, partial: Partial, file: PublishedFile, options: DownloadOptions): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const before = await partial.bytes()
    try {
      return await fetchInto(url, partial, before, file, options)
    } catch (error) {
      const isNetwork = error instanceof NoPropError && error.code === 'NOPROP_DATA'
      // A server that sends nothing more will not for being asked again.
      const isWorthIt = isNetwork && (await partial.bytes()) > before && attempt < ATTEMPTS
      if (!isWorthIt || options.signal?.aborted) throw error
    }
  }
}

/** Streams `url`, from byte `from` on, to the end of what is there of it, and to the disk. */
async function fetchInto(
  url: string,
  partial: Partial,
  from: number,
  file: PublishedFile,
  options: DownloadOptions,
): Promise<void> {
  // All is there, or more than there is: the checksum tells.
  if (from >= file.bytes) return
  const stop = new AbortController()
  const unlink = linkAbort(options.signal, stop)
  const timer = setTimeout(() => stop.abort(new Error('the server fell silent')), options.silence ?? 30_000)
  try {
    // As the file is, so that places in it are those of what is sent.
    const headers = { 'accept-encoding': 'identity', ...(from > 0 ? { range: `bytes=${from}-` } : {}) }
    const response = await network(url, () => fetch(url, { signal: stop.signal, headers }))
    // A server that has not so many bytes has another file.
    if (response.status === 416) await partial.remove()
    if (!response.ok || !response.body) {
      throw serverError(url, `status ${response.status} ${response.statusText}`.trim())
    }
    const isRest = response.status === 206 && startOf(response) === from
    const sent = Number(response.headers.get('content-length')) || null
    const reader = response.body.getReader()
    const output = await open(partial.path, isRest ? 'a' : 'w')
    try {
      let received = isRest ? from : 0
      const total = sent && received + sent
      while (true) {
        const { done, value } = await network(url, () => reader.read())
        if (done) break
        timer.refresh()
        received += value.byteLength
        if (received > file.bytes) {
          await partial.remove()
          throw serverError(url, `more than ${file.bytes} bytes`)
        }
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

/** The first byte of a part: `content-range: bytes 100-199/1000`. */
function startOf(response: Response): number | undefined {
  const start = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1]
  return start === undefined ? undefined : Number(start)
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
async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk)
  return hash.digest('hex')
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
