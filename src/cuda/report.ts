import type { ErrorDetails } from '../errors.js'

/** A GPU that the driver shows. */
interface Gpu {
  /** As the option `device` names it: 'cuda:0'. */
  device: string
  /** As its maker calls it. */
  name: string
  /** Compute capability, '9.0'. */
  capability: string
  /** Memory in bytes. */
  memory: number
  /** Whether noprop's kernels ran on it. */
  usable: boolean
  /** Why not; empty for a usable one. */
  reason: string
}

/** What a look for GPUs found: what there is, and if nothing of it can be used, why. */
export interface CudaReport {
  gpus: Gpu[]
  problem?: ErrorDetails
}

/** The package that users install for GPUs. */
export const CUDA_PACKAGE = '@noprop/cuda-linux-x64'

/** The libraries of CUDA that the addon loads, and where to get them. */
const LIBRARIES_HINT =
  'install cuBLAS and cuRAND of CUDA 13 (CUDA itself, or `pip install "nvidia-cublas==13.*" "nvidia-curand==10.*"`) and name their folder in LD_LIBRARY_PATH before Node starts'
const DRIVER_HINT =
  'install the driver from https://www.nvidia.com/drivers (580 or newer); in a container start it with --gpus all'
const WHERE_HINT = '`noprop doctor` says more'

/** Nothing can be used because of `details`. */
export function unusable(details: ErrorDetails): CudaReport {
  return { gpus: [], problem: details }
}

/** One line: what is wrong, and what came. */
export function oneLine({ what, received }: ErrorDetails): string {
  return (received ? `${what} (${received})` : what).replace(/\s*\n\s*/g, ' ')
}

/** The report that the addon's own answer (`probeCuda()`) makes, or undefined if it is none. */
export function readAnswer(text: string): CudaReport | undefined {
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof answer !== 'object' || answer === null) return undefined
  const { built, failed, error, devices } = answer as Record<string, unknown>
  if (typeof failed === 'string') return unusable(loadProblem(failed))
  if (built === false) {
    return unusable({ code: 'NOPROP_CUDA_ADDON', what: 'the addon has no CUDA code', hint: `install ${CUDA_PACKAGE}` })
  }
  if (isDetails(error)) return unusable(error)
  if (!Array.isArray(devices) || !devices.every(isGpu)) return undefined
  return withProblem(devices)
}

function withProblem(gpus: Gpu[]): CudaReport {
  if (gpus.some(({ usable }) => usable)) return { gpus }
  const reasons = gpus.map(({ device, name, reason }) => `${device} (${name}): ${reason}`)
  return {
    gpus,
    problem: {
      code: 'NOPROP_DEVICE',
      what: 'no GPU can be used',
      received: reasons.join(', ') || 'the driver shows none',
      hint: WHERE_HINT,
    },
  }
}

/** What it means that the system's loader refused the addon with this message. */
export function loadProblem(message: string): ErrorDetails {
  const library = message.match(/(lib[\w.+-]+\.so[\w.]*): cannot open shared object file/)?.[1]
  if (library?.startsWith('libcuda.so')) {
    return {
      code: 'NOPROP_CUDA_DRIVER',
      what: 'there is no NVIDIA driver',
      expected: library,
      received: 'no such library on this machine',
      hint: DRIVER_HINT,
    }
  }
  if (library) {
    return {
      code: 'NOPROP_CUDA_LIBRARY',
      what: `the library ${library} is missing`,
      expected: `${library} where the system's loader looks`,
      hint: LIBRARIES_HINT,
    }
  }
  const symbol = message.match(/undefined symbol: (\w+)/)?.[1]
  // The driver's own functions are cuInit, cuLaunchKernel, …; cuBLAS and the rest write their name before the capital.
  if (symbol && /^cu[A-Z]/.test(symbol)) {
    return {
      code: 'NOPROP_CUDA_DRIVER_OLD',
      what: 'the NVIDIA driver is too old',
      expected: 'a driver for CUDA 13.0 (580 or newer)',
      received: `one without ${symbol}`,
      hint: DRIVER_HINT,
    }
  }
  if (symbol && /^(cublas|curand)/.test(symbol)) {
    return {
      code: 'NOPROP_CUDA_LIBRARY',
      what: `a library of CUDA has no ${symbol}`,
      expected: 'the libraries of CUDA 13',
      received: 'older ones',
      hint: LIBRARIES_HINT,
    }
  }
  return {
    code: 'NOPROP_CUDA_ADDON',
    what: 'the CUDA addon cannot be loaded',
    received: message,
    hint: `install ${CUDA_PACKAGE} anew, in the version of noprop; it needs Linux on x86-64 with glibc`,
  }
}

export function isGpu(value: unknown): value is Gpu {
  const gpu = value as Partial<Gpu> | null
  return (
    typeof gpu === 'object' &&
    gpu !== null &&
    [gpu.device, gpu.name, gpu.capability, gpu.reason].every((text) => typeof text === 'string') &&
    typeof gpu.memory === 'number' &&
    typeof gpu.usable === 'boolean'
  )
}

export function isDetails(value: unknown): value is ErrorDetails {
  const details = value as Partial<ErrorDetails> | null
  return (
    typeof details === 'object' &&
    details !== null &&
    typeof details.code === 'string' &&
    typeof details.what === 'string'
  )
}
