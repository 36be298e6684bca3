import { throwIfAborted } from '../abort.js'
import { requireObject, toJson } from '../json.js'
import type { Native } from '../native.js'
import { withStopSignal } from '../stop-signal.js'

/** Options of `model.exportOnnx`. The sampler is always one without noise. */
export interface OnnxOptions {
  /** The rule from state to state, as for `predict`. Default: that of the method. */
  sampler?: 'posterior' | 'resample' | 'ddim' | 'euler' | 'heun'
  /** Steps from noise to label, for methods of one net. Default 20. Every step is written out: at most 50,000 nodes in all. */
  steps?: number
  /** Steps within each block, for 'diffusion-blocks'. Default 1. */
  stepsPerBlock?: number
  /** The last block that is taken, for 'dt' and 'diffusion-blocks': a smaller, faster model. Default: the last there is. */
  stopAfter?: number
  /** Seed of the initial noise that is used where a caller gives none: the same for all samples. Default 0. */
  seed?: number
  /** What samples are: bytes, which are divided by 255, or numbers as they are. Default 'uint8' for images, else 'float32'. */
  input?: 'uint8' | 'float32'
  /** Stops the work; the promise then rejects with the signal's reason. */
  signal?: AbortSignal
}

/** What `model.exportOnnx` has written. */
export interface OnnxFile {
  /** Version of ONNX's operators. */
  opset: number
  /** Size of the file. */
  bytes: number
  /** Number of nodes. */
  nodes: number
  inputs: OnnxPort[]
  outputs: OnnxPort[]
}

/** An input or output of an ONNX file. */
export interface OnnxPort {
  name: string
  /** What its elements are. */
  type: 'float' | 'double' | 'uint8' | 'int64' | 'string'
  /** Its dimensions; one that may be any number is a name. */
  shape: (number | string)[]
  /** What it holds. */
  about: string
}

/** Writes an ONNX file. */
export async function exportOnnx(
  model: InstanceType<Native['NativeModel']>,
  file: string,
  options: OnnxOptions,
): Promise<OnnxFile> {
  const { signal, ...rest } = requireObject(options, 'the options of exportOnnx')
  const json = toJson(rest)
  throwIfAborted(signal)
  return JSON.parse(await withStopSignal(signal, (stop) => model.exportOnnx(file, json, stop)))
}
