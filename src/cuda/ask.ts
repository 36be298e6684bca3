import { existsSync } from 'node:fs'
import { probeKey, readCached, writeCached } from './cache.js'
import { PROBING, probe } from './probe.js'
import { CUDA_PACKAGE, type CudaReport, unusable } from './report.js'

/** What the addon at `path` says of this machine's GPUs, from a process of its own; an answer of the last minutes counts, unless `fresh`. */
export function askAddon(
  path: string,
  { fresh = false, timeoutMs = undefined as number | undefined } = {},
): CudaReport {
  if (process.env[PROBING]) {
    return unusable({ code: 'NOPROP_DEVICE', what: 'GPUs are not tried from within a process that tries them' })
  }
  if (!existsSync(path)) {
    return unusable({
      code: 'NOPROP_CUDA_ADDON',
      what: `the CUDA addon ${path} is not there`,
      hint: `install ${CUDA_PACKAGE} anew`,
    })
  }
  const key = probeKey(path)
  const kept = fresh ? undefined : readCached(key)
  if (kept) return kept
  const report = probe(path, { timeoutMs })
  writeCached(key, report)
  return report
}
