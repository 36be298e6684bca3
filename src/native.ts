import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type * as addon from '../index.js'
import { cudaReport, findCudaAddon } from './cuda/choice.js'
import type { CudaSide } from './device.js'
import { NoPropError } from './errors.js'

/** What the addon exports; `index.d.ts` is generated from the Rust binding. */
export type Native = typeof addon

/** The addon once it is loaded, the file or package it came from, and what it means for GPUs. */
export interface LoadedAddon {
  native: Native
  path: string
  cuda: CudaSide
}

const require = createRequire(import.meta.url)
// Both `src/` and `dist/` lie directly in the package's root.
const packageRoot = fileURLToPath(new URL('..', import.meta.url))
let loaded: LoadedAddon | undefined

/** The addon, loaded at first use. Throws NOPROP_ADDON. */
export function getNative(): Native {
  return getAddon().native
}

/** The addon and where it came from. Throws NOPROP_ADDON. */
export function getAddon(): LoadedAddon {
  loaded ??= loadAddon(process.env.NOPROP_ADDON)
  return loaded
}

/** Replaces the addon by a substitute; only this package's own tests use it. */
export function setNativeForTests(native: Native | undefined): void {
  const addon = { problem: { code: 'NOPROP_CUDA_ADDON', what: 'a substitute of the tests is no CUDA addon' } } as const
  loaded = native && { native, path: 'a substitute of the tests', cuda: { loaded: false, addon } }
}

/** The platform names that could serve this process, best first. On Linux the wrong C library simply fails to load. */
export function platformNames(platform: string = process.platform, arch: string = process.arch): string[] {
  if (platform === 'linux') return [`linux-${arch}-gnu`, `linux-${arch}-musl`]
  if (platform === 'win32') return [`win32-${arch}-msvc`]
  return [`${platform}-${arch}`]
}

/**
 * Looks for the addon: at `explicit` (the environment variable NOPROP_ADDON) and there alone when it is given, else the CUDA
 * addon where it can use a GPU (it has the processor's code as well; a process loads one), else the package's root, else the
 * platform packages. Throws NOPROP_ADDON with every place and why it did not serve.
 */
export function loadAddon(explicit: string | undefined): LoadedAddon {
  const cuda: CudaSide = { loaded: false, addon: explicit ? { path: resolve(explicit) } : findCudaAddon() }
  const places = explicit ? [resolve(explicit)] : [...usableCudaAddon(cuda), ...candidates()]
  const failures: string[] = []
  let cause: unknown
  for (const place of places) {
    const isFile = place.endsWith('.node') || explicit !== undefined
    if (isFile && !existsSync(place)) {
      failures.push(`${place} (no such file)`)
      continue
    }
    try {
      const native = require(place) as Native
      return { native, path: place, cuda: { ...cuda, loaded: hasCuda(native) } }
    } catch (error) {
      cause ??= error
      failures.push(`${place} (${reasonOf(error, place)})`)
    }
  }
  throw new NoPropError(
    {
      code: 'NOPROP_ADDON',
      what: 'the native addon cannot be loaded',
      expected: `an addon for ${process.platform} ${process.arch}`,
      received: `searched ${failures.join(', ')}`,
      hint: explicit
        ? 'correct or unset NOPROP_ADDON'
        : 'in a clone of the repository run `npm run build`; elsewhere install the package anew, without --omit=optional',
    },
    { cause },
  )
}

/** The CUDA addon, if there is one and its probe found a GPU that it can use. */
function usableCudaAddon({ addon }: CudaSide): string[] {
  return 'path' in addon && !cudaReport(addon).problem ? [addon.path] : []
}

/** Whether an addon was made for GPUs. */
function hasCuda(native: Native): boolean {
  return JSON.parse(native.systemInfo?.() ?? '{}').cuda === true
}

function candidates(): string[] {
  const names = platformNames()
  return [...names.map((name) => join(packageRoot, `noprop.${name}.node`)), ...names.map((name) => `@noprop/${name}`)]
}

/** The innermost reason of a failed load: loaders wrap the one that matters (a missing library, say) in others. */
function reasonOf(error: unknown, place: string): string {
  let inner = error
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause
  const { code, message } = inner as NodeJS.ErrnoException
  if (code === 'MODULE_NOT_FOUND' && message.includes(`'${place}'`)) return 'not installed'
  return String(message ?? inner).split('\n')[0] as string
}
