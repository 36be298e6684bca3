import { randomBytes } from 'node:crypto'
import { type FileHandle, open, rename, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { NoPropError } from '../index.js'

/** Writes a text file so that it appears whole or not at all. Rejects with NOPROP_OUTPUT. */
export async function writeWhole(path: string, text: string): Promise<void> {
  if (typeof path !== 'string' || path === '') {
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: 'the path of the report cannot be used',
      expected: 'a path',
      received: path === '' ? 'an empty text' : String(path),
    })
  }
  const temporary = join(dirname(path), `.noprop-report-${randomBytes(6).toString('hex')}`)
  let file: FileHandle | undefined
  try {
    file = await open(temporary, 'wx')
    await file.writeFile(text)
    await file.sync()
    await file.close()
    file = undefined
    await rename(temporary, path)
  } catch (cause) {
    await file?.close().catch(() => {})
    await unlink(temporary).catch(() => {})
    throw new NoPropError(
      {
        code: 'NOPROP_OUTPUT',
        what: `cannot write the report ${path}`,
        received: cause instanceof Error ? cause.message : String(cause),
        hint: 'choose a path in a folder that exists and may be written to',
      },
      { cause },
    )
  }
}
