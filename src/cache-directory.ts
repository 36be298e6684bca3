import { homedir } from 'node:os'
import { join } from 'node:path'

/** What this package keeps for this user, in the platform's cache directory; undefined for a user without a home. */
export function cacheDirectory(
  env: NodeJS.ProcessEnv = process.env,
  platform: string = process.platform,
): string | undefined {
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, 'noprop')
  if (platform === 'win32' && env.LOCALAPPDATA) return join(env.LOCALAPPDATA, 'noprop')
  const home = homeDirectory()
  if (!home) return undefined
  if (platform === 'win32') return join(home, 'AppData', 'Local', 'noprop')
  return platform === 'darwin' ? join(home, 'Library', 'Caches', 'noprop') : join(home, '.cache', 'noprop')
}

/** Empty or undefined where the user has none, as in many containers. */
function homeDirectory(): string | undefined {
  try {
    return homedir()
  } catch {
    return undefined
  }
}
