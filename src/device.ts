import type { Search } from './addon/search.js'
import { askAddon } from './cuda/ask.js'
import { showsGpu } from './cuda/hardware.js'
import { CUDA_PACKAGE, type CudaReport, oneLine, unusable } from './cuda/report.js'
import { type ErrorDetails, fromDetails } from './errors.js'
import { addonSearch } from './native.js'
import { version } from './version.js'

/** The values of `device`. 'cuda' is the first GPU, 'cuda:1' the second; 'cuda:0,1' and 'cuda:all' are several. */
export type DeviceOption = 'auto' | 'cpu' | 'cuda' | 'cuda:all' | `cuda:${number}` | (string & {})

/**
 * Settles `device` as far as the loaded addon decides it. Returns why 'auto' takes no GPU, and throws why 'cuda' can have
 * none: NOPROP_CUDA_ADDON, NOPROP_CUDA_DRIVER, NOPROP_CUDA_DRIVER_OLD, NOPROP_CUDA_LIBRARY, NOPROP_DEVICE. Whether the
 * text is one that exists, and the GPU of that number is there, is for the core to check.
 */
export function settleDevice(device: unknown, search: Search, hasGpu = showsGpu): string | undefined {
  const wanted = device ?? 'auto'
  const isCuda = typeof wanted === 'string' && /^cuda(:(all|\d+(,\d+)*))?$/.test(wanted)
  if (search.loaded?.flavour === 'cuda' || (wanted !== 'auto' && !isCuda)) return undefined
  // What was missing minutes ago may be there now, so what is thrown is a new answer.
  const { problem = STALE } = lookForGpus(search, { fresh: isCuda })
  if (isCuda) throw fromDetails(problem)
  // Where there is no GPU, a package for GPUs is not what is missing.
  return problem.code === 'NOPROP_CUDA_ADDON' && !hasGpu() ? 'this machine shows no NVIDIA GPU' : oneLine(problem)
}

/** As {@link settleDevice}, where nobody is told why 'auto' takes no GPU. */
export function requireDevice(device: unknown): void {
  if (device !== undefined && device !== 'auto') settleDevice(device, addonSearch())
}

const STALE: ErrorDetails = {
  code: 'NOPROP_CUDA_ADDON',
  what: 'this process has loaded the addon without CUDA code',
  received: 'a GPU that became usable after that',
  hint: 'start the program again',
}

/** The GPUs that noprop can use on this machine, or why there is none; whatever addon was loaded. */
export function lookForGpus(
  { attempts, loaded }: Search,
  options?: { fresh?: boolean; timeoutMs?: number },
): CudaReport {
  if (process.env.NOPROP_ADDON && loaded) return askAddon(loaded.path, options)
  const found = attempts.find(({ flavour, path }) => flavour === 'cuda' && path !== undefined)
  // Of another version, cut off, for another processor: what the search found before anything was tried.
  const isUntried = found?.reason && found.reason.kind !== 'refused' && found.reason.kind !== 'missing-cuda-library'
  if (found?.path !== undefined && !isUntried) return askAddon(found.path, options)
  if (found?.reason) {
    const { text, cure } = found.reason
    return unusable({ code: 'NOPROP_CUDA_ADDON', what: `the CUDA addon cannot be used: ${text}`, hint: cure })
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return unusable({
      code: 'NOPROP_CUDA_ADDON',
      what: `there is no CUDA addon for ${process.platform} on ${process.arch}`,
      hint: 'GPUs need Linux on x86-64',
    })
  }
  return unusable({
    code: 'NOPROP_CUDA_ADDON',
    what: `the package ${CUDA_PACKAGE} is not installed`,
    hint: `npm install ${CUDA_PACKAGE}@${version}`,
  })
}
