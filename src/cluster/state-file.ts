import { open } from 'node:fs/promises'

/** Most bytes of a header that are read for the step. */
const MOST_HEADER = 64 << 20

/** The step of a block's checkpoint file; 0 where it does not say one. Whether the file can be trusted, the core finds out. */
export async function stepOf(path: string): Promise<number> {
  try {
    const file = await open(path)
    try {
      const length = Buffer.alloc(8)
      await file.read(length, 0, 8, 0)
      const bytes = Number(length.readBigUInt64LE())
      if (bytes > MOST_HEADER || bytes > (await file.stat()).size) return 0
      const header = Buffer.alloc(bytes)
      await file.read(header, 0, bytes, 8)
      const { step } = JSON.parse(JSON.parse(header.toString()).__metadata__.progress)
      return Number.isSafeInteger(step) && step >= 0 ? step : 0
    } finally {
      await file.close()
    }
  } catch {
    return 0
  }
}
