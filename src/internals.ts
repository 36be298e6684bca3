import { Dataset, datasetFromArrays, nativeDataset, readDataset } from './dataset.js'
import { fromDetails, fromNative, NoPropError, native, nativeAsync } from './errors.js'
import { NoProp, wrapModel } from './model.js'
import { getNative } from './native.js'

/**
 * What `noprop/cluster` takes from here instead of having its own (`tsup.config.ts`): classes, so that `instanceof` holds, and the one
 * addon of the process. Found by a symbol, which is no name of the API.
 */
Object.defineProperty(NoProp, Symbol.for('noprop.internals'), {
  value: {
    ...{ Dataset, datasetFromArrays, nativeDataset, readDataset, NoProp, wrapModel, getNative },
    ...{ fromDetails, fromNative, NoPropError, native, nativeAsync },
  },
})
