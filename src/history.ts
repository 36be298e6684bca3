import { nativeAsync } from './errors.js'
import type { BlockEvent, ChainEvent, History } from './events.js'
import { inspectCustom } from './inspect.js'
import type { Native } from './native.js'
import type { TrainingRecord } from './options.js'
import { thousands } from './summary.js'

/** Gathers what the finished blocks of a run add up to. */
export class Records {
  readonly #byBlock: BlockEvent[] = []
  readonly #chain: Omit<ChainEvent, 'event'>[] = []

  add(event: BlockEvent | ChainEvent): void {
    if (event.event === 'block') this.#byBlock[event.block - 1] = event
    else this.#chain.push({ epoch: event.epoch, accuracy: event.accuracy, loss: event.loss })
  }

  /** In their order; a part of a model has not all of them, and `filter` leaves out what is not there. */
  get #blocks(): BlockEvent[] {
    return this.#byBlock.filter(() => true)
  }

  /** Epochs of the blocks that were trained here rather than found finished, shared out over all blocks. */
  get trainedEpochs(): number {
    const trained = this.#blocks.filter(({ resumed }) => !resumed)
    return trained.reduce((sum, { losses }) => sum + losses.length, 0) / this.#blocks.length
  }

  /** The history's part that tells of blocks; for when all of them are finished. */
  summary(): Pick<History, 'loss' | 'blocks' | 'validationLoss' | 'validationAccuracy' | 'chain'> {
    const isValidated = this.#blocks.some(({ validation }) => validation !== undefined)
    return {
      loss: this.#blocks.map(({ losses }) => losses),
      blocks: this.#blocks.map(({ block, loss, losses, seconds, resumed, reason, bestEpoch }) => ({
        ...{ block, loss, seconds, resumed, epochs: losses.length, reason },
        ...(bestEpoch === undefined ? {} : { bestEpoch }),
      })),
      ...(isValidated
        ? {
            validationLoss: this.#blocks.map((block) => byEpoch(block, 'loss')),
            validationAccuracy: this.#blocks.map((block) => byEpoch(block, 'accuracy')),
            chain: this.#chain,
          }
        : {}),
    }
  }
}

/** The history of a run that has ended, whose model has its weights. */
export async function historyOf(
  model: InstanceType<Native['NativeModel']>,
  records: Records,
  {
    began,
    samples,
    notBegun = [],
    where,
  }: {
    began: number
    samples: number
    notBegun?: readonly number[]
    where: Pick<History, 'device' | 'whyNoGpu'>
  },
): Promise<History> {
  const seconds = (performance.now() - began) / 1000
  return describeHistory({
    ...records.summary(),
    ...(notBegun.length > 0 ? { notBegun: [...notBegun] } : {}),
    seconds,
    samplesPerSecond: (samples * records.trainedEpochs) / seconds,
    weightsSha256: await nativeAsync(() => model.weightsSha256()),
    options: (JSON.parse(model.training ?? 'null') as TrainingRecord).options,
    ...where,
  })
}

/** A value of each epoch's validation; null where there was none. */
function byEpoch({ losses, validation }: BlockEvent, value: 'loss' | 'accuracy'): (number | null)[] {
  const row: (number | null)[] = losses.map(() => null)
  for (const found of validation ?? []) row[found.epoch - 1] = found[value]
  return row
}

/**
 * Gives a history its line and what `console.log` prints. The methods are not enumerable: to JSON, to `structuredClone` and to
 * comparisons it stays a plain object.
 */
function describeHistory(history: History): History {
  const inspect = (_depth: number, options: object, show: (value: object, options: object) => string) =>
    `History ${show({ ...history }, options)}`
  return Object.defineProperties(history, {
    toString: { value: () => historyLine(history) },
    [Symbol.toStringTag]: { value: 'History' },
    [inspectCustom]: { value: inspect },
  })
}

function historyLine({ blocks, loss, seconds, samplesPerSecond, validation }: History): string {
  const count = blocks.length === 1 ? '1 block' : `${thousands(blocks.length)} blocks`
  const losses = blocks.map((block) => block.loss)
  const parts = [
    `${count}, ${thousands(Math.max(0, ...loss.map(({ length }) => length)))} epochs in ${seconds.toFixed(1)} s`,
    `${thousands(Math.round(samplesPerSecond))} samples/s`,
    `last losses ${Math.min(...losses).toFixed(4)} to ${Math.max(...losses).toFixed(4)}`,
  ]
  if (validation) parts.push(`validation accuracy ${(100 * validation.accuracy).toFixed(2)} %`)
  return `History(${parts.join(', ')})`
}
