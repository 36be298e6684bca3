import type { BlockEvent, History } from './events.js'
import type { LaneEvent } from './scheduler.js'

/** Gathers what the events of a run add up to. */
export class Records {
  readonly #loss: number[][]
  readonly #blocks: (BlockEvent | undefined)[]

  constructor(blocks: number) {
    this.#loss = Array.from({ length: blocks }, () => [])
    this.#blocks = Array.from({ length: blocks })
  }

  add(event: LaneEvent): void {
    if (event.event === 'block') this.#blocks[event.block - 1] = event
    if (event.event === 'epoch') (this.#loss[event.block - 1] as number[])[event.epoch - 1] = event.loss
  }

  /** Share of the blocks that were trained here rather than found finished. */
  get trainedShare(): number {
    return this.#blocks.filter((block) => !block?.resumed).length / this.#blocks.length
  }

  summary(epochs: number): Pick<History, 'loss' | 'blocks'> {
    return {
      loss: this.#loss.map((losses) => Array.from({ length: epochs }, (_, epoch) => losses[epoch] ?? Number.NaN)),
      blocks: this.#blocks.flatMap((event) => {
        if (!event) return []
        const { block, loss, seconds, resumed } = event
        return [{ block, loss, seconds, resumed }]
      }),
    }
  }
}
