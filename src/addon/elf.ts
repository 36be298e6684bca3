import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

/** What of an ELF file (Linux's libraries and programs) decides whether it can be loaded. */
interface Elf {
  /** The processor as Node names it, or its number. */
  arch: string
  /** The dynamic loader that a program names: `/lib64/ld-linux-x86-64.so.2`, `/lib/ld-musl-x86_64.so.1`. */
  interpreter: string | undefined
  /** Bytes that the file must have for its segments to be whole, and those that it has. */
  needs: number
  bytes: number
}

const MACHINES: Record<number, string> = {
  3: 'ia32',
  40: 'arm',
  62: 'x64',
  183: 'arm64',
  243: 'riscv64',
  258: 'loong64',
}
const LOAD = 1
const INTERPRETER = 3

/** Reads the headers of `path`; undefined if it is no 64-bit little-endian ELF file. Throws what the system throws. */
export function readElf(path: string): Elf | undefined {
  const file = openSync(path, 'r')
  try {
    const { size } = fstatSync(file)
    const at = (offset: number, length: number): Buffer => {
      const buffer = Buffer.alloc(length)
      return buffer.subarray(0, readSync(file, buffer, 0, length, offset))
    }
    const header = at(0, 64)
    if (header.length < 64 || header.readUInt32BE(0) !== 0x7f454c46 || header[4] !== 2 || header[5] !== 1)
      return undefined
    const machine = header.readUInt16LE(18)
    const [entry, count] = [header.readUInt16LE(54), header.readUInt16LE(56)]
    const table = at(Number(header.readBigUInt64LE(32)), entry * count)
    let needs = Number(header.readBigUInt64LE(32)) + entry * count
    let interpreter: string | undefined
    for (let offset = 0; offset + 56 <= table.length && entry >= 56; offset += entry) {
      const start = Number(table.readBigUInt64LE(offset + 8))
      const length = Number(table.readBigUInt64LE(offset + 32))
      const type = table.readUInt32LE(offset)
      if (type === LOAD) needs = Math.max(needs, start + length)
      if (type === INTERPRETER && length < 4096) interpreter = at(start, length).toString().replace(/\0.*$/s, '')
    }
    return { arch: MACHINES[machine] ?? `processor ${machine}`, interpreter, needs, bytes: size }
  } finally {
    closeSync(file)
  }
}
