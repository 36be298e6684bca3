import type { BlockEvent, History } from './events.js'

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
