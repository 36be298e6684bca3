import { deflateSync } from 'node:zlib'

/** Pixels in row-major order, as bytes. */
interface Pixels {
  width: number
  height: number
  /** 1 for grey, 3 for colours. */
  channels: 1 | 3
  bytes: Uint8Array | Uint8ClampedArray
}

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
/** PNG's numbers for grey and for colours. */
const COLOUR_TYPES = { 1: 0, 3: 2 } as const

/** A picture as a PNG in a data URI. */
export function dataUri(pixels: Pixels): string {
  return `data:image/png;base64,${png(pixels).toString('base64')}`
}

/** A PNG of 8 bits, without filters: pictures of a few pixels gain nothing from them. */
export function png({ width, height, channels, bytes }: Pixels): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header[8] = 8
  header[9] = COLOUR_TYPES[channels]
  const stride = width * channels
  const rows = Buffer.alloc(height * (stride + 1))
  for (let y = 0; y < height; y++) rows.set(bytes.subarray(y * stride, (y + 1) * stride), y * (stride + 1) + 1)
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(type: string, content: Buffer): Buffer {
  const framed = Buffer.alloc(content.length + 12)
  framed.writeUInt32BE(content.length, 0)
  framed.write(type, 4, 'latin1')
  content.copy(framed, 8)
  framed.writeUInt32BE(crc32(framed.subarray(4, -4)), content.length + 8)
  return framed
}

/** Node's own `crc32` is younger than the oldest Node that is supported. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}
