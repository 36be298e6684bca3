import { asDataset, Dataset, datasetFromArrays, nativeDataset, readDataset, wrapDataset } from './dataset.js'
import { fromDetails, fromNative, NoPropError, native, nativeAsync } from './errors.js'
import { getNative } from './native.js'

/** Where `NoProp` has them: a symbol is no name of the API. */
export const INTERNALS = Symbol.for('noprop.internals')

/**
 * What `noprop/cluster`, and what is read only where it is asked for, take from `noprop` instead of having its own (`tsup.config.ts`): classes, so that `instanceof` holds, and the one
 * addon of the process.
 */
export const internals = {
  ...{ asDataset, Dataset, datasetFromArrays, nativeDataset, readDataset, wrapDataset, getNative },
  ...{ fromDetails, fromNative, NoPropError, native, nativeAsync },
}
