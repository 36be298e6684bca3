import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { onTestFinished } from 'vitest'

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let word = Math.imul(state ^ (state >>> 15), state | 1)
    word = (word + Math.imul(word ^ (word >>> 7), word | 61)) ^ word
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A directory of its own for the test that asks, gone when that test is finished. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'noprop-test-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Greyscale images of bytes with labels. */
export interface Images {
  images: Uint8Array
  shape: number[]
  labels: number[]
}

/** Separable images: class k is a bright square whose place tells k, on noise. */
export function squares(count: number, side: number, labels: readonly number[], seed = 1): Images {
  const random = seeded(seed)
  const images = Uint8Array.from({ length: count * side * side }, () => random() * 60)
  const chosen = Array.from({ length: count }, (_, index) => index % labels.length)
  const perRow = Math.ceil(Math.sqrt(labels.length))
  const cell = Math.floor(side / perRow)
  for (const [sample, kind] of chosen.entries()) {
    const top = Math.floor(kind / perRow) * cell
    const left = (kind % perRow) * cell
    for (let y = top; y < top + cell; y++) {
      for (let x = left; x < left + cell; x++) images[(sample * side + y) * side + x] = 180 + random() * 75
    }
  }
  return { images, shape: [side, side, 1], labels: chosen.map((kind) => labels[kind]!) }
}

/** Separable feature vectors: class k has a high value at place k. */
export function vectors(count: number, length: number, classes: number, seed = 1) {
  const random = seeded(seed)
  const labels = Array.from({ length: count }, (_, index) => index % classes)
  const images = Float32Array.from({ length: count * length }, () => random() - 0.5)
  for (const [sample, label] of labels.entries()) images[sample * length + label]! += 3
  return { images, shape: [length], labels }
}

/** The bytes of an IDX file. */
export function idx(type: 'images' | 'labels', sizes: readonly number[], bytes: Uint8Array): Buffer {
  const header = Buffer.alloc(4 + 4 * sizes.length)
  header.writeUInt32BE(type === 'images' ? 2051 : 2049, 0)
  for (const [index, size] of sizes.entries()) header.writeUInt32BE(size, 4 + 4 * index)
  return Buffer.concat([header, bytes])
}

/** Four IDX files in `directory`; returns it. */
export function writeIdx(
  directory: string,
  { train, test, gzip }: { train: Images; test: Images; gzip?: boolean },
): string {
  mkdirSync(directory, { recursive: true })
  const write = (name: string, content: Buffer) => {
    writeFileSync(join(directory, gzip ? `${name}.gz` : name), gzip ? gzipSync(content) : content)
  }
  for (const [prefix, { images, shape, labels }] of [
    ['train', train],
    ['t10k', test],
  ] as const) {
    write(`${prefix}-images-idx3-ubyte`, idx('images', [labels.length, shape[0]!, shape[1]!], images))
    write(`${prefix}-labels-idx1-ubyte`, idx('labels', [labels.length], Uint8Array.from(labels)))
  }
  return directory
}

/** A small data set of IDX files in a directory of its own. */
export function smallIdx({
  train = 256,
  test = 64,
  side = 14,
  labels = [0, 1, 2, 3],
  gzip = false,
  seed = 1,
} = {}): string {
  return writeIdx(temporaryDirectory(), {
    train: squares(train, side, labels, seed),
    test: squares(test, side, labels, seed + 1),
    gzip,
  })
}
