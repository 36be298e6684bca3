import { datasetFromArrays, nativeDataset } from '../dataset.js'
import { native, nativeAsync } from '../errors.js'
import { getNative } from '../native.js'

/** The kind of device that blocks are trained on here, on which their bits depend: `cpu-avx512`, `cuda-nvidia-h100-80gb-hbm3`. */
export async function kindHere(device: string): Promise<string> {
  const config = JSON.stringify({ input: [2], classes: [0, 1], blocks: 1, net: { type: 'mlp', hidden: [2] } })
  const model = native(() => getNative().NativeModel.create(config))
  const data = datasetFromArrays({ images: new Float32Array(8), shape: [2], labels: [0, 1, 0, 1] })
  try {
    const options = JSON.stringify({ device })
    return JSON.parse(await nativeAsync(() => model.describe(nativeDataset(data), options, null, null))).kind
  } finally {
    data.dispose()
    model.dispose()
  }
}
