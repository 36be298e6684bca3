import type { FitEvent, ProgressEvent, StartEvent } from '../events.js'
import { evenly } from './choose.js'
import type { LiveGroup, LiveLines, LiveSnapshot } from './live-snapshot.js'

/** Blocks up to which each has a tile and a line of its own; more are put together. */
const MOST_LINES = 24
const MOST_TILES = 120
/** Points of a line, and of a band of many blocks, whose every point is a sort of as many values. */
const MOST_POINTS = 200
const MOST_BAND_POINTS = 60

/** What one block is known to have come to. */
interface BlockState {
  /** Share of its steps that is made. */
  share: number
  loss: number | null
  finished: boolean
  losses: number[]
  validationLoss: (number | undefined)[]
  accuracies: (number | undefined)[]
}

/**
 * What a live page shows of a run. Taking in an event costs next to nothing; a snapshot costs a walk over the blocks, and is as
 * small for ten thousand blocks as for a hundred.
 */
export class LiveState {
  #start: StartEvent | undefined
  #began = 0
  #ended: number | undefined
  #state: LiveSnapshot['state'] = 'preparing'
  #error: string | undefined
  readonly #blocks: (BlockState | undefined)[] = []
  readonly #chain: { epoch: number; accuracy: number; loss: number }[] = []
  #newest: ProgressEvent | undefined
  /** Share of all blocks that was made before this run. */
  #before = 0
  readonly #met = new Set<number>()

  /** Takes in an event of the run. */
  add(event: FitEvent): void {
    if (event.event === 'start') {
      this.#start = event
      this.#state = 'training'
      this.#began = performance.now()
    } else if (event.event === 'progress') {
      const block = this.#of(event.block)
      this.#meet(event.block, event.step / event.steps)
      block.share = event.step / event.steps
      block.loss = event.loss ?? block.loss
      this.#newest = event
    } else if (event.event === 'epoch') {
      const block = this.#of(event.block)
      block.losses[event.epoch - 1] = event.loss
      block.loss = event.loss
      block.validationLoss[event.epoch - 1] = event.validationLoss
      block.accuracies[event.epoch - 1] = event.validationAccuracy
    } else if (event.event === 'block') {
      const block = this.#of(event.block)
      if (event.resumed) this.#meet(event.block, 1)
      block.share = 1
      block.finished = true
      block.loss = event.loss
      block.losses = event.losses
      for (const { epoch, loss, accuracy } of event.validation ?? []) {
        block.validationLoss[epoch - 1] = loss
        block.accuracies[epoch - 1] = accuracy
      }
    } else if (event.event === 'chain') {
      this.#chain.push({ epoch: event.epoch, accuracy: event.accuracy, loss: event.loss })
    } else if (event.event === 'done') {
      this.end('finished')
    }
  }

  /** The run has ended, for whatever reason. */
  end(state: 'finished' | 'failed', error?: string): void {
    if (this.#ended !== undefined) return
    this.#ended = performance.now()
    this.#state = state
    this.#error = error
  }

  /** Everything that the page shows now. */
  snapshot(): LiveSnapshot {
    const start = this.#start
    const seconds = start ? ((this.#ended ?? performance.now()) - this.#began) / 1000 : 0
    const blocks = start?.blocks ?? 0
    let [made, finished] = [0, 0]
    for (const block of this.#blocks) {
      made += block?.share ?? 0
      if (block?.finished) finished++
    }
    const share = blocks > 0 ? made / blocks : 0
    const own = share - this.#before / Math.max(1, blocks)
    const isRunning = this.#state === 'training'
    return {
      state: this.#state,
      ...(this.#error === undefined ? {} : { error: this.#error }),
      ...(start ? { start } : {}),
      seconds,
      ...(isRunning && own > 0 ? { secondsLeft: (seconds * (1 - share)) / own } : {}),
      ...(start && own > 0 && seconds > 0 ? { samplesPerSecond: (own * start.samples * start.epochs) / seconds } : {}),
      ...(isRunning && this.#newest ? { jobs: this.#newest.jobs, threads: this.#newest.threads } : {}),
      share,
      finished,
      groups: this.#groups(blocks),
      loss: this.#lines(blocks, (block) => block.losses),
      validationLoss: this.#lines(blocks, (block) => block.validationLoss),
      validationAccuracy: this.#lines(blocks, (block) => block.accuracies),
      chain: evenly(this.#chain.length, MOST_POINTS).flatMap((place) => this.#chain[place - 1] ?? []),
    }
  }

  #of(number: number): BlockState {
    const found = this.#blocks[number - 1]
    if (found) return found
    const made: BlockState = { share: 0, loss: null, finished: false, losses: [], validationLoss: [], accuracies: [] }
    this.#blocks[number - 1] = made
    return made
  }

  /** What a resumed run says first of a block is where the earlier run left it. */
  #meet(block: number, share: number): void {
    if (!this.#start?.resume || this.#met.has(block)) return
    this.#met.add(block)
    this.#before += share
  }

  /** The blocks in tiles of as many each. */
  #groups(blocks: number): LiveGroup[] {
    const each = Math.max(1, Math.ceil(blocks / MOST_TILES))
    const groups: LiveGroup[] = []
    for (let from = 1; from <= blocks; from += each) {
      const to = Math.min(blocks, from + each - 1)
      let [share, losses, known, finished] = [0, 0, 0, 0]
      for (let block = from; block <= to; block++) {
        const state = this.#blocks[block - 1]
        share += state?.share ?? 0
        finished += state?.finished ? 1 : 0
        if (state?.loss == null) continue
        losses += state.loss
        known++
      }
      const count = to - from + 1
      groups.push({ from, to, share: share / count, finished, loss: known > 0 ? losses / known : null })
    }
    return groups
  }

  /** A line a block, or, of many blocks, five lines: the least, the quartiles and the greatest. */
  #lines(blocks: number, of: (block: BlockState) => readonly (number | undefined)[]): LiveLines {
    let last = 0
    for (const block of this.#blocks) if (block) last = Math.max(last, of(block).length)
    if (blocks <= MOST_LINES) {
      const epochs = evenly(last, MOST_POINTS)
      const lines = Array.from({ length: blocks }, (_, index) => {
        const block = this.#blocks[index]
        const values = block ? of(block) : []
        return { name: index + 1, values: epochs.map((epoch) => values[epoch - 1] ?? null) }
      })
      return { epochs, lines: lines.some(({ values }) => values.some((value) => value !== null)) ? lines : [] }
    }
    const epochs: number[] = []
    const rows: number[][] = []
    let most = 0
    for (const epoch of evenly(last, MOST_BAND_POINTS)) {
      const values: number[] = []
      for (const block of this.#blocks) {
        const value = block && of(block)[epoch - 1]
        if (value !== undefined) values.push(value)
      }
      // The newest epochs, which few blocks have reached, would be another spread than that of all.
      most = Math.max(most, values.length)
      if (values.length === 0 || values.length < most / 2) continue
      epochs.push(epoch)
      rows.push(quantiles(Float64Array.from(values)))
    }
    const names = ['least', 'lower quartile', 'median', 'upper quartile', 'greatest']
    const lines = names.map((name, at) => ({ name, values: rows.map((row) => row[at] as number) }))
    return { epochs, lines: rows.length > 0 ? lines : [] }
  }
}

/** Least, quartiles and greatest, without interpolation: values that there are. */
function quantiles(values: Float64Array): number[] {
  values.sort()
  return [0, 0.25, 0.5, 0.75, 1].map((share) => values[Math.round(share * (values.length - 1))] as number)
}
