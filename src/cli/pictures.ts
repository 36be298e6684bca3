import { closeSync, type Dirent, openSync, readSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { addAbortSignal, type Readable } from 'node:stream'
import { fromSystem, NoPropError } from '../errors.js'

/** A picture to predict, or why there is none at a path that was named. */
interface Picture {
  path: string
  error?: NoPropError
}

/** Endings of picture files. */
const PICTURE = /\.(jpe?g|jpe|jfif|png|webp|gif|bmp|dib)$/i

/** What PNG, JPEG and GIF files begin with. */
const STARTS = ['\x89PNG\r\n\x1a\n', '\xff\xd8\xff', 'GIF87a', 'GIF89a']

/** A list of paths that goes on for so many characters without a separator is something else. */
const LONGEST_PATH = 1 << 16

/**
 * The pictures that `names` stand for: a file itself, a folder all pictures in it and in its folders by name, `-` the
 * paths that `input` lists. Yields them as they are found, since there may be millions.
 */
export async function* findPictures(names: Iterable<string>, input: Readable, signal: AbortSignal) {
  for (const name of names) {
    if (name !== '-') yield* expand(name)
    else for await (const path of listed(input, signal)) yield* expand(path)
  }
}

/** Groups of at most `most`. */
export async function* groups<Item>(items: AsyncIterable<Item>, most: number): AsyncGenerator<Item[]> {
  let group: Item[] = []
  for await (const item of items) {
    group.push(item)
    if (group.length < most) continue
    yield group
    group = []
  }
  if (group.length > 0) yield group
}

async function* expand(path: string): AsyncGenerator<Picture> {
  if (!isFolder(path)) {
    yield { path }
    return
  }
  let found = false
  for await (const picture of walk(path)) {
    found = true
    yield picture
  }
  if (!found) {
    const error = new NoPropError({
      code: 'NOPROP_FILE_NOT_FOUND',
      what: `${path} holds no pictures`,
      expected: 'a folder with JPEG, PNG, WebP, GIF or BMP files',
      hint: 'a directory of IDX or CIFAR files is given with --data',
    })
    yield { path, error }
  }
}

/** The pictures of a folder and of the folders in it. Hidden ones, and what macOS adds to archives, are left out. */
async function* walk(folder: string): AsyncGenerator<Picture> {
  let entries: Dirent[]
  try {
    entries = await readdir(folder, { withFileTypes: true })
  } catch (cause) {
    yield { path: folder, error: fromSystem(`cannot read the folder ${folder}`, cause) }
    return
  }
  entries.sort((one, other) => (one.name < other.name ? -1 : 1))
  for (const entry of entries) {
    if (entry.name.startsWith('.') || entry.name === '__MACOSX') continue
    const path = join(folder, entry.name)
    // A link to a folder is left out: it may lead back here.
    if (entry.isDirectory()) yield* walk(path)
    else if ((entry.name.includes('.') ? PICTURE.test(entry.name) : startsLikePicture(path)) && !isFolder(path))
      yield { path }
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    // Reading it says why.
    return false
  }
}

/** Whether a file begins as those of a picture that is read do. */
function startsLikePicture(path: string): boolean {
  try {
    // Opening a pipe would wait for ever.
    if (!statSync(path).isFile()) return false
    const start = Buffer.alloc(12)
    const file = openSync(path, 'r')
    try {
      readSync(file, start)
    } finally {
      closeSync(file)
    }
    const text = start.toString('latin1')
    const isWebp = text.startsWith('RIFF') && text.endsWith('WEBP')
    const isBmp = text.startsWith('BM') && text.slice(6, 10) === '\0\0\0\0'
    return isWebp || isBmp || STARTS.some((bytes) => text.startsWith(bytes))
  } catch {
    return false
  }
}

/** The paths of a list: one a line, or separated by NUL where one of the first characters is that (`find -print0`). */
async function* listed(input: Readable, signal: AbortSignal): AsyncGenerator<string> {
  input.setEncoding('utf8')
  let separator: string | undefined
  let rest = ''
  try {
    for await (const text of addAbortSignal(signal, input)) {
      rest += text
      separator ??= rest.includes('\0') ? '\0' : rest.includes('\n') ? '\n' : undefined
      const parts = separator === undefined ? [rest] : rest.split(separator)
      rest = parts.pop() as string
      yield* parts.map((part) => trimmed(part, separator)).filter((part) => part !== '')
      if (rest.length > LONGEST_PATH) throw notAList()
    }
  } catch (error) {
    signal.throwIfAborted()
    throw error instanceof NoPropError ? error : fromSystem('cannot read the list of paths from stdin', error)
  }
  const last = trimmed(rest, separator)
  if (last !== '') yield last
}

/** A line without the carriage return of Windows. */
function trimmed(part: string, separator: string | undefined): string {
  return separator === '\0' ? part : part.replace(/\r$/, '')
}

function notAList(): NoPropError {
  return new NoPropError({
    code: 'NOPROP_OPTION',
    what: 'stdin holds no list of paths',
    expected: 'one path a line, or paths separated by NUL',
    received: `more than ${LONGEST_PATH} characters without a separator`,
    hint: 'pictures themselves cannot be piped in; name their files',
  })
}
