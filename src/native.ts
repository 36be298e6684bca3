import { searchError } from './addon/failure.js'
import { type FoundAddon, type Native, type Search, searchAddon } from './addon/search.js'
import type { CudaSide } from './device.js'

export type { Native } from './addon/search.js'

/** The addon once it is loaded, the file that it came from, and what it means for GPUs. */
export interface LoadedAddon extends FoundAddon {
  cuda: CudaSide
}

/** The one search of this process, and what it loaded. */
let search: Search | undefined
let addon: LoadedAddon | undefined

/** The addon, loaded at first use. Throws NOPROP_ADDON. */
export function getNative(): Native {
  return getAddon().native
}

/** The addon and where it came from. Throws NOPROP_ADDON. */
export function getAddon(): LoadedAddon {
  if (addon) return addon
  const { loaded, cuda } = addonSearch()
  if (!loaded) throw searchError(addonSearch(), process.env.NOPROP_ADDON)
  addon = { ...loaded, cuda }
  return addon
}

/** Every place that was looked at, and why each did not serve; the search is made at first use, and once. */
export function addonSearch(): Search {
  search ??= searchAddon(process.env.NOPROP_ADDON)
  return search
}

/** Replaces the addon by a substitute; only this package's own tests use it. */
export function setNativeForTests(native: Native | undefined): void {
  const problem = { code: 'NOPROP_CUDA_ADDON', what: 'a substitute of the tests is no CUDA addon' } as const
  addon = native && { native, path: 'a substitute of the tests', cuda: { loaded: false, addon: { problem } } }
}
