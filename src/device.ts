import { type CudaAddon, cudaReport } from './cuda/choice.js'
import type { CudaReport } from './cuda/report.js'
import { type ErrorDetails, fromDetails } from './errors.js'

/** The values of `device`. 'cuda' is the first GPU, 'cuda:1' the second; 'cuda:0,1' and 'cuda:all' are several. */
export type DeviceOption = 'auto' | 'cpu' | 'cuda' | 'cuda:all' | `cuda:${number}` | (string & {})

/** What is asked of the loaded addon: whether it has CUDA code, and which file of that kind there is. */
export interface CudaSide {
  /** Whether the addon that this process has loaded was made for GPUs. */
  loaded: boolean
  /** The CUDA addon that was looked for, or why there is none. */
  addon: CudaAddon
  /** Why it was not loaded, where it should have been. */
  problem?: ErrorDetails
}

/**
 * Settles `device` as far as the loaded addon decides it. Returns why 'auto' takes no GPU, and throws why 'cuda' can have
 * none: NOPROP_CUDA_ADDON, NOPROP_CUDA_DRIVER, NOPROP_CUDA_DRIVER_OLD, NOPROP_CUDA_LIBRARY, NOPROP_DEVICE. Whether the
 * text is one that exists, and the GPU of that number is there, is for the core to check.
 */
export function settleDevice(device: unknown, side: CudaSide, report = cudaReport): string | undefined {
  const wanted = device ?? 'auto'
  if (wanted === 'auto') {
    return side.loaded ? undefined : reasonOf(problemOf(side, report(side.addon)))
  }
  if (typeof wanted !== 'string' || !/^cuda(:|$)/.test(wanted) || side.loaded) return undefined
  // What was missing minutes ago may be there now, so the answer that is thrown is a new one.
  throw fromDetails(problemOf(side, report(side.addon, { fresh: true })))
}

function problemOf(side: CudaSide, { problem }: CudaReport): ErrorDetails {
  return (
    problem ??
    side.problem ?? {
      code: 'NOPROP_CUDA_ADDON',
      what: 'this process has loaded the addon without CUDA code',
      received: 'the GPU became usable after that',
      hint: 'start the program again',
    }
  )
}

/** One line: what is wrong, and what came. */
function reasonOf({ what, received }: ErrorDetails): string {
  return (received ? `${what} (${received})` : what).replace(/\s*\n\s*/g, ' ')
}
