import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { sep } from 'node:path'
import { here } from '../here.js'

/**
 * The package.json of an installed package, seen from this one; where this one is in an Electron archive, also seen from
 * outside of it. Throws what Node throws where it is not installed.
 */
export function installedManifest(name: string): string {
  const wanted = `${name}/package.json`
  try {
    return createRequire(here).resolve(wanted)
  } catch (error) {
    const outside = outsideArchive(here)
    if (outside === here) throw error
    return createRequire(outside).resolve(wanted)
  }
}

/** Electron packs programs into `app.asar`; libraries, which the system must open, lie unpacked beside it. */
export function unpacked(path: string): string {
  const outside = outsideArchive(path)
  return outside !== path && existsSync(outside) ? outside : path
}

function outsideArchive(path: string): string {
  return path.replace(`.asar${sep}`, `.asar.unpacked${sep}`)
}
