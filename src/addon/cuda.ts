import { askAddon } from '../cuda/ask.js'
import { oneLine } from '../cuda/report.js'
import type { Reason } from './reason.js'

const CURE = 'fix the GPU or its driver (nvidia-smi shows what the driver sees); until then the processor is used'

/**
 * Why the CUDA addon at `path` should not be loaded here, or undefined if it should. It is tried in a process of its own: a
 * broken driver may crash or hang there, and this process must go on with the addon for the processor.
 */
export function cudaRefusal(path: string): Reason | undefined {
  const { problem } = askAddon(path)
  if (!problem) return undefined
  const kind = problem.code === 'NOPROP_CUDA_LIBRARY' ? 'missing-cuda-library' : 'refused'
  return { kind, text: oneLine(problem), cure: problem.hint ?? CURE }
}
