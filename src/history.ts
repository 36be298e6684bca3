import type { BlockEvent, History } from './events.js'
import { inspectCustom } from './inspect.js'
import { thousands } from './summary.js'

/** Gathers what the finished blocks of a run add up to. */
export class Records {
  readonly #blocks: BlockEvent[] = []

  add(event: BlockEvent): void {
    this.#blocks[event.block - 1] = event
  }

  /** Share of the blocks that were trained here rather than found finished. */
  get trainedShare(): number {
    return this.#blocks.filter(({ resumed }) => !resumed).length / this.#blocks.length
  }

  /** The history's part that tells of blocks; for when all of them are finished. */
  summary(): Pick<History, 'loss' | 'blocks'> {
    return {
      loss: this.#blocks.map(({ losses }) => losses),
      blocks: this.#blocks.map(({ block, loss, seconds, resumed }) => ({ block, loss, seconds, resumed })),
    }
  }
}

/**
 * Gives a history its line and what `console.log` prints. The methods are not enumerable: to JSON, to `structuredClone` and to
 * comparisons it stays a plain object.
 */
export function describeHistory(history: History): History {
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
    `${count}, ${thousands(loss[0]?.length ?? 0)} epochs in ${seconds.toFixed(1)} s`,
    `${thousands(Math.round(samplesPerSecond))} samples/s`,
    `last losses ${Math.min(...losses).toFixed(4)} to ${Math.max(...losses).toFixed(4)}`,
  ]
  if (validation) parts.push(`validation accuracy ${(100 * validation.accuracy).toFixed(2)} %`)
  return `History(${parts.join(', ')})`
}
