import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { FitRun, NoPropError } from '../index.js'
import type { Report } from './create.js'
import { pageOf } from './html.js'
import { LiveState } from './live-state.js'

/** Options of {@link serveProgress}. */
export interface ServeOptions {
  /** The port on 127.0.0.1. Default: any that is free. */
  port?: number
  /** The heading. Default: 'Training'. */
  title?: string
  /** Makes the report that the page becomes when the run has ended well. Default: the page stays as it is then. */
  report?: () => Report | Promise<Report>
}

/** Milliseconds between two looks at the run. */
const INTERVAL = 500
/** A look is taken so rarely that looking takes at most this share of the time. */
const COST = 0.005
/** Pages that may be open at once. */
const MOST_PAGES = 64
/** Bytes that a page may be behind; it gets the next look when it has read them. */
const MOST_BEHIND = 1 << 20
/** Milliseconds that the last message has to reach the pages. */
const GRACE = 3000

/**
 * Shows a run as it goes, on a page that is served to this machine alone. The address has a secret token, without which nothing is
 * served. Pages may be opened, closed and opened again; the run does not notice. It never keeps a process from ending. Rejects with
 * NOPROP_OPTION and NOPROP_IO, where the port cannot be had.
 */
export async function serveProgress(run: FitRun, options: ServeOptions = {}): Promise<ProgressPage> {
  if (!(run instanceof FitRun)) {
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: 'there is no run to show',
      expected: 'serveProgress(model.fit(data))',
    })
  }
  const page = await ProgressPage.open(options)
  page.watch(run)
  return page
}

/** A live page: its address, and its end. */
export class ProgressPage {
  /** The address, to be opened in a browser on this machine. */
  readonly url: string
  readonly #server: Server
  readonly #state = new LiveState()
  readonly #html: string
  readonly #token: Buffer
  readonly #pages = new Set<ServerResponse>()
  readonly #makeReport: ServeOptions['report']
  #timer: NodeJS.Timeout | undefined
  #newest: string | undefined
  #report: string | undefined
  #wasSeen = false
  #isOver = false
  #settled: Promise<void> = Promise.resolve()

  private constructor(server: Server, token: string, { title, report }: ServeOptions) {
    const { port } = server.address() as AddressInfo
    this.url = `http://127.0.0.1:${port}/${token}/`
    this.#server = server
    this.#token = hashed(token)
    this.#html = pageOf({ format: 'noprop-live', title: title ?? 'Training' })
    this.#makeReport = report
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#answer(request, response))
  }

  /** @internal Opens the page before there is a run. */
  static async open(options: ServeOptions): Promise<ProgressPage> {
    const port = checkPort(options.port)
    // Loaded here: programs that serve nothing need no server.
    const { createServer } = await import('node:http')
    const server = createServer({ keepAlive: false, requestTimeout: 10_000 })
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => reject(notServed(port, cause)))
      server.listen({ port, host: '127.0.0.1' }, resolve)
    })
    server.unref()
    return new ProgressPage(server, randomBytes(18).toString('base64url'), options)
  }

  /** Whether anybody has had the page open. */
  get wasSeen(): boolean {
    return this.#wasSeen
  }

  /** @internal Shows a run. */
  watch(run: FitRun): void {
    run.watch((event) => this.#state.add(event))
    this.#settled = run.then(
      async () => {
        this.#state.end('finished')
        this.#look()
        if (this.#makeReport) this.show(await this.#makeReport())
      },
      (error: unknown) => {
        this.#state.end('failed', error instanceof Error ? error.message : String(error))
        this.#look()
      },
    )
    // A report that fails is told by `close`, which may never be called.
    this.#settled.catch(() => {})
  }

  /** Turns the page into the report, in every browser that has it open or opens it later. */
  show(report: Report): void {
    this.#report = JSON.stringify(report.document)
    for (const page of this.#pages) send(page, 'report', this.#report)
  }

  /**
   * Waits for the report, if there is to be one and the run has ended, lets the open pages have what they lack, and stops serving.
   * What they show stays. Rejects where the report could not be made.
   */
  async close(): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#timer)
    const { state } = this.#state.snapshot()
    try {
      if (state === 'finished' || state === 'failed') await this.#settled
    } finally {
      const sent = [...this.#pages].map((page) => {
        send(page, 'end', 'null')
        return new Promise<void>((resolve) => page.end(resolve))
      })
      let late: NodeJS.Timeout | undefined
      await Promise.race([Promise.all(sent), new Promise((resolve) => (late = setTimeout(resolve, GRACE)))])
      clearTimeout(late)
      this.#server.closeAllConnections()
      await new Promise<void>((resolve) => this.#server.close(() => resolve()))
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => {})
    const refusal = this.#refusal(request)
    if (refusal !== undefined) {
      response.writeHead(refusal, { 'content-type': 'text/plain', ...SAFE }).end(`${refusal}\n`)
      return
    }
    const path = new URL(request.url ?? '/', 'http://localhost').pathname.split('/').slice(2).join('/')
    if (path === '') {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', ...SAFE }).end(this.#html)
    } else if (path === 'events') {
      this.#open(response)
    } else {
      response.writeHead(404, { 'content-type': 'text/plain', ...SAFE }).end('404\n')
    }
  }

  /** The status of a request that is not served: from another site, by another name of this machine, or without the token. */
  #refusal({ method, url, headers }: IncomingMessage): number | undefined {
    const { port } = this.#server.address() as AddressInfo
    const hosts = ['127.0.0.1', 'localhost'].map((name) => `${name}:${port}`)
    if (!hosts.includes(headers.host ?? '')) return 421
    const { origin } = headers
    if (origin !== undefined && !hosts.some((host) => origin === `http://${host}`)) return 403
    const site = headers['sec-fetch-site']
    if (site !== undefined && site !== 'same-origin' && site !== 'none') return 403
    const token = (url ?? '').split(/[/?]/)[1] ?? ''
    if (!timingSafeEqual(hashed(token), this.#token)) return 404
    if (method !== 'GET') return 405
    return this.#pages.size >= MOST_PAGES ? 503 : undefined
  }

  #open(response: ServerResponse): void {
    this.#wasSeen = true
    response.writeHead(200, { 'content-type': 'text/event-stream', ...SAFE })
    response.socket?.unref()
    this.#pages.add(response)
    response.on('close', () => this.#pages.delete(response))
    if (this.#report !== undefined) send(response, 'report', this.#report)
    else {
      send(response, 'look', JSON.stringify(this.#state.snapshot()))
      this.#plan(INTERVAL)
    }
  }

  /** Takes a look at the run after so many milliseconds, while anybody watches. */
  #plan(wait: number): void {
    if (this.#timer || this.#isOver || this.#pages.size === 0) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#look()
    }, wait).unref()
  }

  #look(): void {
    if (this.#pages.size === 0 || this.#report !== undefined) return
    const began = performance.now()
    const snapshot = this.#state.snapshot()
    const text = JSON.stringify(snapshot)
    if (text !== this.#newest) {
      this.#newest = text
      for (const page of this.#pages) if (page.writableLength < MOST_BEHIND) send(page, 'look', text)
    }
    const isOver = snapshot.state === 'finished' || snapshot.state === 'failed'
    if (!isOver) this.#plan(Math.max(INTERVAL, (performance.now() - began) / COST))
  }
}

/** What no answer lacks: nobody may frame, keep or guess it. */
const SAFE = {
  'cache-control': 'no-store',
  'content-security-policy': "frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** One server-sent event; JSON has no line breaks. */
function send(page: ServerResponse, event: string, json: string): void {
  page.write(`event: ${event}\ndata: ${json}\n\n`)
}

function hashed(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function checkPort(port: number | undefined): number {
  if (port === undefined) return 0
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new NoPropError({
    code: 'NOPROP_OPTION',
    what: 'option port is out of range',
    expected: 'an integer from 0 to 65535, or none for any that is free',
    received: String(port),
  })
}

function notServed(port: number, cause: Error): NoPropError {
  return new NoPropError(
    {
      code: 'NOPROP_IO',
      what: `the page cannot be served on port ${port}`,
      received: cause.message,
      hint: 'choose another port, or none for any that is free',
    },
    { cause },
  )
}
