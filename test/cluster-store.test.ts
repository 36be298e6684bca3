import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { openStore } from '../src/cluster/store/open.js'
import type { Store } from '../src/cluster/store/store.js'
import type { NoPropError } from '../src/index.js'
import { temporaryDirectory } from './support/data.js'
import { s3Server, servers } from './support/servers.js'

const has = servers()

/** The contract that both kinds of stores keep. */
const kinds: [string, boolean, () => Promise<{ open: () => Promise<Store> }>][] = [
  [
    'a folder',
    true,
    async () => {
      const url = pathToFileURL(temporaryDirectory()).href
      return { open: () => openStore(url) }
    },
  ],
  [
    'S3',
    has.s3,
    async () => {
      const { url, env } = await s3Server()
      for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
      onTestFinished(() => void vi.unstubAllEnvs())
      return { open: () => openStore(url) }
    },
  ],
]

describe.each(kinds)('a store in %s', (_, isThere, make) => {
  const scene = async () => {
    const { open } = await make()
    const store = await open()
    onTestFinished(() => store.close())
    return { store, open, folder: temporaryDirectory() }
  }
  const text = async (store: Store, key: string, most = 1000) => (await store.read(key, most))?.toString()

  test.skipIf(!isThere)('gives back what was put, from bytes and from files', async () => {
    const { store, folder } = await scene()
    expect(await store.read('runs/a/run.json', 10)).toBe(null)
    expect(await store.has('runs/a/run.json')).toBe(false)
    expect(await store.fetch('runs/a/run.json', join(folder, 'none'), 10)).toBe(false)
    expect(await store.create('runs/a/run.json', Buffer.from('one'))).toBe(true)
    expect(await store.has('runs/a/run.json')).toBe(true)
    expect(await text(store, 'runs/a/run.json')).toBe('one')
    // More than a piece, and nothing at all.
    for (const size of [3_000_001, 0]) {
      const [file, copy] = [join(folder, 'file'), join(folder, 'copy')]
      const bytes = Buffer.alloc(size, 'noprop')
      writeFileSync(file, bytes)
      expect(await store.create(`data/${size}`, { file })).toBe(true)
      expect(await store.fetch(`data/${size}`, copy, size)).toBe(true)
      expect(readFileSync(copy).equals(bytes)).toBe(true)
      expect((await store.read(`data/${size}`, size))?.equals(bytes)).toBe(true)
    }
  })

  test.skipIf(!isThere)('creates once, and one of many at once; replaces and removes', async () => {
    const { store, open } = await scene()
    const writers = await Promise.all(Array.from({ length: 12 }, open))
    const won = await Promise.all(writers.map((writer, index) => writer.create('runs/a/b', Buffer.from(`${index}`))))
    expect(won.filter(Boolean)).toHaveLength(1)
    expect(await text(store, 'runs/a/b')).toBe(String(won.indexOf(true)))
    expect(await store.create('runs/a/b', Buffer.from('late'))).toBe(false)
    await store.replace('runs/a/b', Buffer.from('other'))
    expect(await text(store, 'runs/a/b')).toBe('other')
    await store.remove('runs/a/b')
    await store.remove('runs/a/b')
    expect(await store.has('runs/a/b')).toBe(false)
    expect(await store.create('runs/a/b', Buffer.from('again'))).toBe(true)
    for (const writer of writers) writer.close()
  })

  test.skipIf(!isThere)('lists what is below a prefix, however much', async () => {
    const { store } = await scene()
    expect(await store.list('runs/')).toEqual([])
    const keys = Array.from({ length: 1203 }, (_, index) => `runs/a/blocks/${String(index).padStart(4, '0')}`)
    for (let first = 0; first < keys.length; first += 50) {
      await Promise.all(keys.slice(first, first + 50).map((key) => store.replace(key, Buffer.from('x'))))
    }
    await store.replace('runs/ab/run.json', Buffer.from('xyz'))
    const listed = await store.list('runs/a/blocks/')
    expect(listed.map(({ name }) => `runs/a/blocks/${name}`)).toEqual(keys)
    const [other] = (await store.list('runs/')).slice(-1)
    expect(other).toMatchObject({ name: 'ab/run.json', bytes: 3 })
    expect(Math.abs((other?.modified as number) - Date.now())).toBeLessThan(3_600_000)
  })

  test.skipIf(!isThere)('refuses what is larger than it may be', async () => {
    const { store, folder } = await scene()
    await store.create('runs/a/b', Buffer.alloc(2_000_000))
    // One after the other: a promise that fails while another is awaited is one that nobody handles.
    const reads = [() => store.read('runs/a/b', 1_999_999), () => store.fetch('runs/a/b', join(folder, 'x'), 1_999_999)]
    for (const read of reads) {
      const error: NoPropError = await (read() as Promise<unknown>).then(
        () => expect.unreachable('it was read'),
        (error) => error,
      )
      expect(error).toMatchObject({ code: 'NOPROP_STORE', what: 'runs/a/b in the store is too large' })
    }
    expect(await store.read('runs/a/b', 2_000_000)).toHaveLength(2_000_000)
  })
})

test('a folder that cannot be written, and what is no file in it, are told', async () => {
  const folder = temporaryDirectory()
  writeFileSync(join(folder, 'file'), '')
  const inFile = await openStore(pathToFileURL(join(folder, 'file')).href)
  const error = await inFile.create('runs/a', Buffer.from('x')).catch((error) => error)
  expect(error).toMatchObject({ code: 'NOPROP_STORE', what: 'the store does not take runs/a' })
  expect(error.received).toMatch(/ENOTDIR|EEXIST/)
  const store = await openStore(pathToFileURL(folder).href)
  mkdirSync(join(folder, 'runs', 'a'), { recursive: true })
  expect((await store.read('runs/a', 10).catch((error) => error)).code).toBe('NOPROP_STORE')
  // Nothing half-written is left, and nothing of the kind is listed.
  await store.create('runs/b', { file: join(folder, 'no such file') }).catch(() => {})
  writeFileSync(join(folder, 'runs', '.noprop-half'), 'x')
  expect(readdirSync(join(folder, 'runs')).sort()).toEqual(['.noprop-half', 'a'])
  expect(await store.list('runs/')).toEqual([])
})

test.each(['/shared', 'file://shared', 's3://', 'http://x', 3, undefined])('%s is no store', async (url) => {
  const error = await openStore(url).catch((error) => error)
  expect(error).toMatchObject({ code: 'NOPROP_OPTION', what: 'option store cannot be used' })
})
