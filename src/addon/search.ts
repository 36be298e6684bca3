import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import type * as addon from '../../index.js'
import { type CudaAddon, cudaReport, findCudaAddon } from '../cuda/choice.js'
import { CUDA_PACKAGE } from '../cuda/report.js'
import type { CudaSide } from '../device.js'
import { here, packageRoot } from '../here.js'
import { version } from '../version.js'
import { installedManifest, unpacked } from './installed.js'
import { libcOf } from './libc.js'
import { type Machine, type Place, placesFor } from './places.js'
import {
  cudaReason,
  fileReason,
  libcReason,
  loadReason,
  notInstalledReason,
  type Reason,
  versionReason,
} from './reason.js'

/** What the addon exports; `index.d.ts` is generated from the Rust binding. */
export type Native = typeof addon

/** A place that was looked at, the file found there, and why it did not serve; without a reason it was loaded. */
export interface Attempt {
  /** The absolute path of a file, or the name of a package. */
  place: string
  /** Whether it is the addon with CUDA code. */
  cuda?: boolean
  path?: string
  reason?: Reason
  /** What the loader threw. */
  error?: unknown
}

/** The addon once it is loaded, and the file that it came from. */
export interface FoundAddon {
  native: Native
  path: string
}

/** A search: all that was looked at, in order, up to what was loaded, and what it means for GPUs. */
export interface Search {
  attempts: Attempt[]
  loaded?: FoundAddon
  cuda: CudaSide
}

const require = createRequire(here)

/** The machine that this process runs on. */
export function thisMachine(): Machine {
  return { platform: process.platform, arch: process.arch, libc: libcOf() }
}

/**
 * Looks for the addon and loads the first that serves: at `explicit` (the environment variable NOPROP_ADDON) and there
 * alone when it is given, else the CUDA addon where it can use a GPU (it has the processor's code as well; a process loads
 * one), else wherever {@link placesFor} says.
 */
export function searchAddon(explicit: string | undefined, machine: Machine = thisMachine()): Search {
  const attempts: Attempt[] = []
  const cuda: CudaAddon = explicit ? { path: resolve(explicit) } : findCudaAddon()
  const end = (loaded?: FoundAddon): Search => ({
    attempts,
    loaded,
    cuda: { loaded: loaded !== undefined && hasCuda(loaded.native), addon: cuda },
  })
  if (!explicit && machine.platform === 'linux' && machine.arch === 'x64') {
    const attempt: Attempt = { place: CUDA_PACKAGE, cuda: true }
    attempts.push(attempt)
    const found = tryCuda(cuda, attempt)
    if (found) return end(found)
  }
  const places: Place[] = explicit ? [{ kind: 'file', name: resolve(explicit) }] : placesFor(machine, packageRoot)
  for (const place of places) {
    const attempt: Attempt = { place: place.name }
    const found = tryPlace(place, attempt, machine)
    // An addon for the C library that this process does not have is worth a word only if it is there.
    const isAbsent = attempt.reason?.kind === 'not-installed' || attempt.reason?.kind === 'no-file'
    const isOther = place.libc !== undefined && machine.libc !== undefined && place.libc !== machine.libc
    if (!(isAbsent && isOther)) attempts.push(attempt)
    if (found) return end(found)
  }
  return end()
}

/** The CUDA addon if its probe, in a process of its own, found a GPU that it can use. */
function tryCuda(cuda: CudaAddon, attempt: Attempt): FoundAddon | undefined {
  if ('problem' in cuda) {
    attempt.reason = cudaReason(cuda.problem, cuda.isAbsent)
    return undefined
  }
  attempt.path = cuda.path
  const { problem } = cudaReport(cuda)
  attempt.reason = problem ? cudaReason(problem) : undefined
  return problem ? undefined : load(cuda.path, attempt)
}

function tryPlace(place: Place, attempt: Attempt, machine: Machine): FoundAddon | undefined {
  try {
    attempt.reason = place.kind === 'file' ? findFile(place, attempt) : findPackage(place, attempt)
  } catch (error) {
    attempt.reason = loadReason(error)
  }
  const path = attempt.path
  if (attempt.reason || path === undefined) return undefined
  if (place.libc && machine.libc && place.libc !== machine.libc) attempt.reason = libcReason(machine.libc)
  else attempt.reason = fileReason(path)
  return attempt.reason ? undefined : load(path, attempt)
}

/** Loads a file, unless it is of another version. */
function load(path: string, attempt: Attempt): FoundAddon | undefined {
  try {
    const native = require(path) as Native
    const found = native.version?.()
    if (found === version) return { native, path }
    attempt.reason = versionReason(found)
  } catch (error) {
    attempt.error = error
    attempt.reason = loadReason(error)
  }
  return undefined
}

function findFile({ name }: Place, attempt: Attempt): Reason | undefined {
  if (existsSync(name)) {
    attempt.path = unpacked(name)
    return undefined
  }
  return { kind: 'no-file', text: 'no such file', cure: 'in a clone of the repository run `npm run build`' }
}

function findPackage({ name }: Place, attempt: Attempt): Reason | undefined {
  let manifest: string
  try {
    manifest = installedManifest(name)
  } catch {
    return notInstalledReason(name)
  }
  const { version: found, main } = JSON.parse(readFileSync(manifest, 'utf8')) as { version?: string; main: string }
  attempt.path = unpacked(join(dirname(manifest), main))
  if (found !== version) return versionReason(found)
  if (existsSync(attempt.path)) return undefined
  return { ...notInstalledReason(name), kind: 'corrupt', text: `its file ${main} is missing` }
}

/** Whether an addon was made for GPUs. */
function hasCuda(native: Native): boolean {
  return JSON.parse(native.systemInfo?.() ?? '{}').cuda === true
}
