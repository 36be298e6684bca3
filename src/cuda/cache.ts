import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { cacheDirectory } from '../cache-directory.js'
import { makeDirectory } from '../make-directory.js'
import { version } from '../version.js'
import { type CudaReport, isDetails, isGpu } from './report.js'

/** How long an answer counts. Whoever asks for a GPU by name, and `noprop doctor`, do not go by it. */
const LIFETIME_MS = 10 * 60_000

/** What an answer depends on; another key is another question. */
export function probeKey(addon: string): string {
  const { mtimeMs, size } = statSync(addon)
  const { CUDA_VISIBLE_DEVICES, NVIDIA_VISIBLE_DEVICES, LD_LIBRARY_PATH } = process.env
  return JSON.stringify([
    ...[version, addon, mtimeMs, size, driver(), changed('/etc/ld.so.cache')],
    ...[CUDA_VISIBLE_DEVICES, NVIDIA_VISIBLE_DEVICES, LD_LIBRARY_PATH].map((value) => value ?? null),
  ])
}

/** The driver's own words, which change with every update. */
function driver(): string {
  try {
    return readFileSync('/proc/driver/nvidia/version', 'utf8')
  } catch {
    return ''
  }
}

/** When a file was last written: libraries that are installed are entered into the loader's list, for one. */
function changed(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? null
}

/** The file that keeps answers, or undefined where there is no place for one. */
function cacheFile(): string | undefined {
  const directory = cacheDirectory()
  return directory && join(directory, 'cuda-probe.json')
}

/** The kept answer to `key`, if there is one that still counts. */
export function readCached(key: string, file = cacheFile(), now = Date.now()): CudaReport | undefined {
  try {
    if (!file) return undefined
    const kept = JSON.parse(readFileSync(file, 'utf8'))
    const { gpus, problem } = kept.report as CudaReport
    const age = now - kept.time
    if (kept.key !== key || !(age >= 0 && age < LIFETIME_MS)) return undefined
    if (!Array.isArray(gpus) || !gpus.every(isGpu) || (problem !== undefined && !isDetails(problem))) return undefined
    return problem ? { gpus, problem } : { gpus }
  } catch {
    return undefined
  }
}

/** Keeps an answer; where nothing can be written, nothing is kept. */
export function writeCached(key: string, report: CudaReport, file = cacheFile(), now = Date.now()): void {
  if (!file) return
  const partial = `${file}.${process.pid}`
  try {
    makeDirectory(dirname(file))
    writeFileSync(partial, JSON.stringify({ key, time: now, report }))
    renameSync(partial, file)
  } catch {
    try {
      rmSync(partial, { force: true })
    } catch {
      // There is nothing to remove.
    }
  }
}
