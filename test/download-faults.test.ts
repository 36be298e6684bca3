import { createHash, randomUUID } from 'node:crypto'
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import type { PublishedFile } from '../src/data/catalogue.js'
import { download, type Output, writeAll } from '../src/data/download.js'
import { datasetPlaces, locate } from '../src/data/locate.js'
import { datasets } from '../src/index.js'
import { temporaryDirectory } from './support/data.js'
import { root, runCli, runNode } from './support/process.js'

afterEach(() => vi.unstubAllEnvs())

const content = Buffer.from('the published bytes'.repeat(1000))
const file: PublishedFile = {
  name: 'train-images-idx3-ubyte.gz',
  sha256: createHash('sha256').update(content).digest('hex'),
  bytes: content.length,
  unpacked: ['train-images-idx3-ubyte'],
}

async function serve(listener: RequestListener): Promise<{ base: string; closed: Promise<void> }> {
  let ended = () => {}
  const closed = new Promise<void>((resolve) => {
    ended = resolve
  })
  const server = createServer((request, response) => {
    response.on('close', ended)
    listener(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { base: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, closed }
}

const endless: RequestListener = (_, response) => {
  response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, 100))
}

test('what a disk takes only in part is written on, and no byte is an error', async () => {
  const written: number[] = []
  const slow: Output = {
    write: async (bytes, offset) => {
      written.push(...bytes.subarray(offset, offset + 7))
      return { bytesWritten: Math.min(7, bytes.byteLength - offset) }
    },
  }
  await writeAll(slow, content.subarray(0, 100))
  expect(Buffer.from(written)).toEqual(content.subarray(0, 100))
  const full: Output = { write: async () => ({ bytesWritten: 0 }) }
  await expect(writeAll(full, content)).rejects.toThrow('the disk takes no more bytes')
})

test('what onDownload throws is what the download rejects with, and the connection is closed', async () => {
  const { base, closed } = await serve(endless)
  const reason = new Error('from the callback')
  const directory = temporaryDirectory()
  const onDownload = () => {
    throw reason
  }
  await expect(download(base, file, directory, { onDownload })).rejects.toBe(reason)
  await closed
  expect(readdirSync(directory)).toEqual([`.${file.name}.part`])
})

test('after a failure nothing keeps the process alive', async () => {
  // The answer never ends: only its being cancelled lets the process end.
  const { base, closed } = await serve(endless)
  const program = `
    import { datasets } from ${JSON.stringify(join(root, 'dist/index.js'))}
    const onDownload = () => { throw new Error('from the callback') }
    await datasets.load('mnist', { onDownload }).catch((error) => console.log(error.message))`
  const env = { ...process.env, NOPROP_MIRROR: base, NOPROP_DATA: '', XDG_CACHE_HOME: temporaryDirectory() }
  const cwd = temporaryDirectory()
  const name = program.replace("'mnist'", "'fashion-mnist'")
  const { code, stdout } = await runNode(['--input-type=module', '-e', name], { cwd, env })
  expect([code, stdout]).toEqual([0, 'from the callback\n'])
  await closed
})

test('old partial files of killed downloads are gone on from; young ones and other files stay', async () => {
  const { base } = await serve((_, response) => response.end(content))
  const directory = temporaryDirectory()
  const part = (name: string) => `.${name}.4711.${randomUUID()}.part`
  const [old, young, other] = [part(file.name), part(file.name), part('other.gz')]
  const alien = `.${file.name}.mine.part`
  for (const name of [old, young, other, alien]) writeFileSync(join(directory, name), '')
  const twoDaysAgo = Date.now() / 1000 - 2 * 24 * 60 * 60
  for (const name of [old, other, alien]) utimesSync(join(directory, name), twoDaysAgo, twoDaysAgo)
  mkdirSync(join(directory, 'folder'))
  await download(base, file, directory)
  expect(readdirSync(directory).sort()).toEqual([young, other, alien, 'folder', file.name].sort())
})

test('two downloads of one file at a time both end with the whole file', async () => {
  const { base } = await serve((_, response) => response.end(content))
  const directory = temporaryDirectory()
  await Promise.all([download(base, file, directory), download(base, file, directory)])
  expect(readdirSync(directory)).toEqual([file.name])
})

test.each([
  ['a name that is too long', 'x'.repeat(5000)],
  ['a path that is too long', 'x/'.repeat(5000)],
  ['a NUL', 'a\0b'],
])('%s is NOPROP_IO, also in NOPROP_DATA, and doctor reports it', async (_, path) => {
  await expect(locate(path)).rejects.toMatchObject({
    code: 'NOPROP_IO',
    what: expect.stringContaining('cannot access'),
  })
  await expect(datasets.load(path)).rejects.toMatchObject({ code: 'NOPROP_IO' })
  // The environment cannot hold a NUL.
  if (path.includes('\0')) return
  vi.stubEnv('NOPROP_DATA', path)
  await expect(locate('mnist')).rejects.toMatchObject({ code: 'NOPROP_IO' })
  expect(datasetPlaces().mnist).toMatchObject({ directory: null, problem: { code: 'NOPROP_IO' } })
  const { code, stdout } = await runCli(['doctor'], { env: process.env })
  expect([code, stdout]).toEqual([0, expect.stringMatching(/to do +✗ data: cannot access/)])
})

test.skipIf(process.platform === 'win32')('a working directory that is gone is NOPROP_IO', async () => {
  const directory = temporaryDirectory()
  const program = `
    const { rmSync } = require('node:fs')
    const { datasets } = require(${JSON.stringify(join(root, 'dist/index.cjs'))})
    rmSync(process.cwd(), { recursive: true })
    const tell = (name) => datasets.load(name).catch(({ code }) => console.log(code))
    tell('below').then(() => tell('.'))`
  const { stdout } = await runNode(['-e', program], { cwd: directory })
  expect(stdout).toMatch(/^NOPROP_(FILE_NOT_FOUND|IO)\nNOPROP_(FILE_NOT_FOUND|IO)\n$/)
})
