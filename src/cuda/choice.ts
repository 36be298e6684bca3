import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ErrorDetails } from '../errors.js'
import { version } from '../version.js'
import { probeKey, readCached, writeCached } from './cache.js'
import { PROBING, probe } from './probe.js'
import { CUDA_PACKAGE, type CudaReport, unusable } from './report.js'

/** The CUDA addon's file, or why there is none. */
export type CudaAddon = { path: string } | { problem: ErrorDetails }

const require = createRequire(import.meta.url)
// Both `src/` and `dist/` lie directly in the package's root; `npm run build:cuda` puts its package there in a clone.
const packageRoot = dirname(fileURLToPath(new URL('.', import.meta.url)))

/** Looks for the CUDA addon: in a clone that has built one, then among the installed packages. */
export function findCudaAddon(
  root = rootOf(packageRoot),
  resolve: (name: string) => string = require.resolve,
): CudaAddon {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return missing(`there is no CUDA addon for ${process.platform} on ${process.arch}`, 'GPUs need Linux on x86-64')
  }
  const built = join(root, '.noprop', 'cuda-linux-x64', 'package.json')
  let manifest: string
  try {
    manifest = existsSync(built) ? built : resolve(`${CUDA_PACKAGE}/package.json`)
  } catch {
    return missing(`the package ${CUDA_PACKAGE} is not installed`, `\`npm install ${CUDA_PACKAGE}@${version}\``)
  }
  const { main, version: found } = JSON.parse(readFileSync(manifest, 'utf8')) as { main: string; version: string }
  if (found !== version) {
    return missing(
      `${CUDA_PACKAGE} has version ${found}, and noprop ${version}`,
      manifest === built ? '`npm run build:cuda` builds it anew' : `\`npm install ${CUDA_PACKAGE}@${version}\``,
    )
  }
  return { path: join(dirname(manifest), main) }
}

/** `dist/` holds all modules side by side, `src/` has folders. */
function rootOf(directory: string): string {
  return existsSync(join(directory, 'package.json')) ? directory : dirname(directory)
}

function missing(what: string, hint: string): CudaAddon {
  return { problem: { code: 'NOPROP_CUDA_ADDON', what, hint } }
}

/** What an addon says of this machine's GPUs, from a process of its own; an answer of the last minutes counts, unless `fresh`. */
export function cudaReport(
  addon: CudaAddon,
  { fresh = false, timeoutMs = undefined as number | undefined } = {},
): CudaReport {
  if ('problem' in addon) return unusable(addon.problem)
  if (process.env[PROBING]) {
    return unusable({ code: 'NOPROP_DEVICE', what: 'GPUs are not tried from within a process that tries them' })
  }
  if (!existsSync(addon.path)) {
    return unusable({
      code: 'NOPROP_CUDA_ADDON',
      what: `the CUDA addon ${addon.path} is not there`,
      hint: `install ${CUDA_PACKAGE} anew`,
    })
  }
  const key = probeKey(addon.path)
  const kept = fresh ? undefined : readCached(key)
  if (kept) return kept
  const report = probe(addon.path, { timeoutMs })
  writeCached(key, report)
  return report
}
