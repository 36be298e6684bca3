import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
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

/**
 * Downloads `base + file.name` into `directory`. The file appears there whole and with its published checksum, or not
 * at all. Throws NOPROP_CHECKSUM, NOPROP_DATA (server or network), NOPROP_IO (disk), or the signal's reason.
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
    const md5 = await fetchInto(url, partial, file, options)
    if (md5 !== file.md5) {
      throw new NoPropError({
        code: 'NOPROP_CHECKSUM',
        what: `${url} is not the published file`,
        expected: `MD5 ${file.md5}`,
        received: `MD5 ${md5}`,
        hint: 'try again, or set NOPROP_MIRROR to another server',
      })
    }
    await rename(partial, join(directory, file.name))
  } catch (error) {
    signal?.throwIfAborted()
    throw error instanceof NoPropError ? error : diskError(directory, error)
  } finally {
    await rm(partial, { force: true }).catch(() => {})
  }
}

/** Streams `url` into the new file `path` and returns the MD5 of what came. */
async function fetchInto(url: string, path: string, file: PublishedFile, options: DownloadOptions): Promise<string> {
  const stop = new AbortController()
  const unlink = linkAbort(options.signal, stop)
  const timer = setTimeout(() => stop.abort(new Error('the server fell silent')), options.silence ?? 30_000)
  const hash = createHash('md5')
  let output: Awaited<ReturnType<typeof open>> | undefined
  try {
    const response = await network(url, () => fetch(url, { signal: stop.signal }))
    if (!response.ok || !response.body) {
      await response.body?.cancel()
      throw serverError(url, `status ${response.status} ${response.statusText}`.trim())
    }
    const total = Number(response.headers.get('content-length')) || null
    const reader = response.body.getReader()
    let received = 0
    output = await open(path, 'wx')
    for (;;) {
      const { done, value } = await network(url, () => reader.read())
      if (done) break
      timer.refresh()
      received += value.byteLength
      if (received > file.largest) {
        await reader.cancel()
        throw serverError(url, `more than ${file.largest} bytes`)
      }
      hash.update(value)
      await output.write(value)
      options.onDownload?.({ file: file.name, received, total })
    }
    await output.sync()
    return hash.digest('hex')
  } finally {
    clearTimeout(timer)
    unlink()
    await output?.close()
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
