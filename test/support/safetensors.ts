import { readFileSync, writeFileSync } from 'node:fs'

/** The header of a `.safetensors` file and the bytes behind it. */
export interface Safetensors {
  metadata: Record<string, string>
  tensors: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>
  data: Buffer
}

/** Reads a `.safetensors` file as its format is published: 8 bytes of length, a JSON header, the tensors' bytes. */
export function readSafetensors(path: string): Safetensors {
  const file = readFileSync(path)
  const length = Number(file.readBigUInt64LE(0))
  const { __metadata__: metadata, ...tensors } = JSON.parse(file.subarray(8, 8 + length).toString('utf8'))
  return { metadata, tensors, data: file.subarray(8 + length) }
}

/** Writes a `.safetensors` file. */
export function writeSafetensors(path: string, { metadata, tensors, data }: Safetensors): void {
  const header = Buffer.from(JSON.stringify({ __metadata__: metadata, ...tensors }))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(header.length))
  writeFileSync(path, Buffer.concat([length, header, data]))
}
