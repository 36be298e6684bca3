import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve, sep } from 'node:path'
import type * as addon from '../../index.js'
import { here } from '../here.js'
import { version } from '../version.js'
import { type Candidate, candidatesFor, type Flavour, type Machine } from './candidates.js'
import { cudaRefusal } from './cuda.js'
import { libcOf } from './libc.js'
import { fileReason, libcReason, loadReason, notInstalledReason, type Reason, versionReason } from './reason.js'

/** What the addon exports; `index.d.ts` is generated from the Rust binding. */
export type Native = typeof addon

/** A candidate that was looked at, the file found there, and why it did not serve; without a reason it was loaded. */
export interface Attempt {
  flavour: Flavour
  /** The absolute path of a file, or the name of a package. */
  place: string
  path?: string
  reason?: Reason
  /** What the loader threw. */
  error?: unknown
}

/** The addon once it is loaded. */
export interface LoadedAddon {
  native: Native
  flavour: Flavour
  /** The file that it came from. */
  path: string
}

/** A search: all that was looked at, in order, up to what was loaded. */
export interface Search {
  attempts: Attempt[]
  loaded?: LoadedAddon
}

const require = createRequire(here)
/** `dist/`, or in a clone's tests `src/`, lies directly in the package's root. */
const packageRoot = resolve(dirname(here), '..')

/** The machine that this process runs on. */
export function thisMachine(): Machine {
  return { platform: process.platform, arch: process.arch, libc: libcOf() }
}

/**
 * Looks for the addon and loads the first that serves: at `explicit` (the environment variable NOPROP_ADDON) and there
 * alone when it is given, else wherever {@link candidatesFor} says.
 */
export function searchAddon(explicit: string | undefined, machine: Machine = thisMachine()): Search {
  const attempts: Attempt[] = []
  const candidates: Candidate[] = explicit
    ? [{ flavour: 'cpu', kind: 'file', name: resolve(explicit) }]
    : candidatesFor(machine, packageRoot)
  for (const candidate of candidates) {
    const attempt: Attempt = { flavour: candidate.flavour, place: candidate.name }
    const native = tryCandidate(candidate, attempt, machine, explicit !== undefined)
    // An addon for the C library that this process does not have is worth a word only if it is there.
    const isAbsent = attempt.reason?.kind === 'not-installed' || attempt.reason?.kind === 'no-file'
    const isIdle = isAbsent && candidate.libc !== undefined && candidate.libc !== machine.libc
    if (!isIdle || machine.libc === undefined) attempts.push(attempt)
    if (native) {
      attempt.flavour = explicit ? flavourOf(native) : candidate.flavour
      return { attempts, loaded: { native, flavour: attempt.flavour, path: attempt.path as string } }
    }
  }
  return { attempts }
}

/** What an addon that was named, not looked for, turns out to be. */
function flavourOf(native: Native): Flavour {
  return JSON.parse(native.systemInfo?.() ?? '{}').cuda === true ? 'cuda' : 'cpu'
}

/** The addon of a candidate, or undefined with the reason in `attempt`. */
function tryCandidate(
  candidate: Candidate,
  attempt: Attempt,
  machine: Machine,
  isExplicit: boolean,
): Native | undefined {
  try {
    attempt.reason = candidate.kind === 'file' ? findFile(candidate, attempt) : findPackage(candidate, attempt)
    const path = attempt.path
    if (attempt.reason || path === undefined) return undefined
    if (candidate.libc && machine.libc && candidate.libc !== machine.libc) attempt.reason = libcReason(machine.libc)
    attempt.reason ??= fileReason(path)
    if (candidate.flavour === 'cuda' && !isExplicit) attempt.reason ??= cudaRefusal(path)
    if (attempt.reason) return undefined
    const native = require(path) as Native
    const found = native.version?.()
    if (found === version) return native
    attempt.reason = versionReason(found)
  } catch (error) {
    attempt.error = error
    attempt.reason = loadReason(error)
  }
  return undefined
}

function findFile({ name }: Candidate, attempt: Attempt): Reason | undefined {
  if (!existsSync(name))
    return { kind: 'no-file', text: 'no such file', cure: 'in a clone of the repository run `npm run build`' }
  attempt.path = unpacked(name)
  return undefined
}

function findPackage({ name }: Candidate, attempt: Attempt): Reason | undefined {
  const manifest = resolveManifest(name)
  if (manifest === undefined) return notInstalledReason(name)
  const { version: found, main } = JSON.parse(readFileSync(manifest, 'utf8')) as { version?: string; main: string }
  attempt.path = unpacked(join(dirname(manifest), main))
  if (found !== version) return versionReason(found)
  if (existsSync(attempt.path)) return undefined
  return { ...notInstalledReason(name), kind: 'corrupt', text: `its file ${main} is missing` }
}

/** The package.json of an installed package, seen from this one; outside the archive too when this is in an asar. */
function resolveManifest(name: string): string | undefined {
  for (const from of new Set([here, outsideArchive(here)])) {
    try {
      return createRequire(from).resolve(`${name}/package.json`)
    } catch {
      // Not installed there.
    }
  }
  return undefined
}

/** Electron packs programs into `app.asar`; libraries, which the system must open, lie unpacked beside it. */
function unpacked(path: string): string {
  const outside = outsideArchive(path)
  return outside !== path && existsSync(outside) ? outside : path
}

function outsideArchive(path: string): string {
  return path.replace(`.asar${sep}`, `.asar.unpacked${sep}`)
}
