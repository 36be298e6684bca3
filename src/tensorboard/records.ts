// The format of TensorBoard's event files: TFRecord frames (tensorflow/core/lib/io/record_writer.h), each around an `Event`
// (tensorboard/compat/proto/event.proto, summary.proto) in protocol buffers.

/** What an event file is told at one time. */
export interface ScalarEvent {
  /** Seconds since 1970. */
  wallTime: number
  step: number
  /** Values by their tags. */
  scalars: Readonly<Record<string, number>>
}

/** The first record of every file. */
export function versionRecord(wallTime: number): Buffer {
  return framed(Buffer.concat([double(1, wallTime), bytes(3, Buffer.from('brain.Event:2'))]))
}

/** A record with some scalars. */
export function scalarRecord({ wallTime, step, scalars }: ScalarEvent): Buffer {
  const values = Object.entries(scalars).map(([tag, value]) =>
    bytes(1, Buffer.concat([bytes(1, Buffer.from(tag)), float(2, value)])),
  )
  // A step of 0 is the default, which is not written.
  const at = step === 0 ? [] : [key(2, 0), varint(step)]
  return framed(Buffer.concat([double(1, wallTime), ...at, bytes(5, Buffer.concat(values))]))
}

/** Length, checksum of the length, data, checksum of the data. */
function framed(data: Buffer): Buffer {
  const head = Buffer.alloc(12)
  head.writeBigUInt64LE(BigInt(data.length))
  head.writeUInt32LE(masked(crc32c(head.subarray(0, 8))), 8)
  const tail = Buffer.alloc(4)
  tail.writeUInt32LE(masked(crc32c(data)))
  return Buffer.concat([head, data, tail])
}

/** A field's number with how its value is written: 0 as a varint, 1 in 8 bytes, 2 behind its length, 5 in 4 bytes. */
function key(field: number, type: 0 | 1 | 2 | 5): Buffer {
  return varint(field * 8 + type)
}

function varint(value: number): Buffer {
  const parts: number[] = []
  let left = value
  while (left >= 128) {
    parts.push((left % 128) + 128)
    left = Math.floor(left / 128)
  }
  return Buffer.from([...parts, left])
}

function bytes(field: number, value: Buffer): Buffer {
  return Buffer.concat([key(field, 2), varint(value.length), value])
}

function double(field: number, value: number): Buffer {
  const data = Buffer.alloc(8)
  data.writeDoubleLE(value)
  return Buffer.concat([key(field, 1), data])
}

function float(field: number, value: number): Buffer {
  const data = Buffer.alloc(4)
  data.writeFloatLE(value)
  return Buffer.concat([key(field, 5), data])
}

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  return crc
})

/** CRC-32C (Castagnoli; RFC 3720, B.4). */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of data) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 255] as number)
  return ~crc >>> 0
}

/** As checksums stand in records, so that a record within a record has another one. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}
