import type { ModelOptions } from '../../src/index.js'

/** A convolutional net that trains in moments. */
export const SMALL_CNN = { type: 'cnn', widths: [8, 8, 16], hidden: 32 } as const

/** A net for feature vectors that trains in moments. */
export const SMALL_MLP = { type: 'mlp', hidden: [32, 32] } as const

/** Command line flags of {@link SMALL_CNN} with a training that takes well under a second. */
export const SMALL_FLAGS = ['--widths', '8,8,16', '--hidden', '32', '--blocks', '3', '--epochs', '2', '--batch', '32']

/** A model for the 14×14 images of `squares` with four classes. */
export function smallModel(options: Partial<ModelOptions> = {}): ModelOptions {
  return { blocks: 3, net: SMALL_CNN, input: [14, 14, 1], classes: [0, 1, 2, 3], ...options }
}
