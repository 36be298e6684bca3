import { Dataset, datasetFromArrays, nativeDataset, readDataset } from './dataset.js'
import { fromDetails, fromNative, NoPropError, native, nativeAsync } from './errors.js'
import { getNative } from './native.js'

/** Where `NoProp` has them: a symbol is no name of the API. */
export const INTERNALS = Symbol.for('noprop.internals')

/**
 * What `noprop/cluster` takes from `noprop` instead of having its own (`tsup.config.ts`): classes, so that `instanceof` holds, and the one
 * addon of the process.
 */
export const internals = {
  ...{ Dataset, datasetFromArrays, nativeDataset, readDataset, getNative },
  ...{ fromDetails, fromNative, NoPropError, native, nativeAsync },
}
