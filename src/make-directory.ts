import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * Makes a directory, with those above it, unless it is there. Each is made alone: `recursive` of Node 20 never returns where the
 * system says that there is no such place, as /proc does. Throws what the system says.
 */
export function makeDirectory(path: string): void {
  const missing: string[] = []
  for (let at = resolve(path); !existsSync(at); at = dirname(at)) {
    missing.unshift(at)
    // A drive that is not there has nothing above it.
    if (dirname(at) === at) break
  }
  for (const each of missing.length > 0 ? missing : [path]) {
    try {
      mkdirSync(each)
    } catch (error) {
      // Another process may have made it meanwhile.
      if (!isDirectory(each)) throw error
    }
  }
}

/** Whether there is a directory of that name. */
export function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}
