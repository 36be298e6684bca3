import type { Flavour } from './addon/candidates.js'
import { searchError } from './addon/failure.js'
import { type LoadedAddon, type Native, type Search, searchAddon } from './addon/search.js'

export type { Native } from './addon/search.js'

/** The one search of this process. */
let search: Search | undefined

/** The addon, loaded at first use. Throws NOPROP_ADDON. */
export function getNative(): Native {
  return getAddon().native
}

/** The addon and where it came from. Throws NOPROP_ADDON. */
export function getAddon(): LoadedAddon {
  const { loaded } = addonSearch()
  if (loaded) return loaded
  throw searchError(addonSearch(), process.env.NOPROP_ADDON)
}

/** Every place that was looked at, and why each did not serve; the search is made at first use, and once. */
export function addonSearch(): Search {
  search ??= searchAddon(process.env.NOPROP_ADDON)
  return search
}

/** Replaces the addon by a substitute; only this package's own tests use it. */
export function setNativeForTests(native: Native | undefined, flavour: Flavour = 'cpu'): void {
  search = native && { attempts: [], loaded: { native, flavour, path: 'a substitute of the tests' } }
}
