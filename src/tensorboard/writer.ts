import { appendFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { describe } from '../data/describe.js'
import { NoPropError } from '../errors.js'
import type { FitEvent } from '../events.js'
import { makeDirectory } from '../make-directory.js'
import { scalarRecord, versionRecord } from './records.js'

/** Writers of this process, so that two of them in one directory have files of their own. */
let writers = 0

/**
 * Writes the epochs of a run as event files that TensorBoard reads (`tensorboard --logdir DIR`). Each block is a run of its own,
 * `block-01`, `block-02`, …, so that TensorBoard draws them in one chart, `model` is the whole, and `encoder` what blocks may share. The steps are epochs. Tags:
 * `loss` and, with validation, `validation_loss` and `validation_accuracy`. Give it every event of a run:
 *
 * ```ts
 * const writer = new TensorBoardWriter('logs')
 * for await (const event of run) writer.write(event)
 * ```
 */
export class TensorBoardWriter {
  readonly #directory: string
  /** The runs whose files have been begun. */
  readonly #begun = new Set<string>()
  readonly #name: string
  #digits = 2
  #epochs = 0

  /** Writes below `directory`, which is made when there is something to write. Throws NOPROP_OPTION. */
  constructor(directory: string) {
    if (typeof directory !== 'string' || directory === '') {
      throw new NoPropError({
        code: 'NOPROP_OPTION',
        what: 'the directory of TensorBoard files cannot be used',
        expected: 'a path',
        received: describe(directory),
      })
    }
    this.#directory = directory
    const seconds = String(Math.floor(Date.now() / 1000)).padStart(10, '0')
    this.#name = `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${writers++}`
  }

  /** Takes in an event of the run, and writes what it says of epochs. Throws NOPROP_OUTPUT. */
  write(event: FitEvent): void {
    if (event.event === 'encoder') {
      if (event.of.event === 'epoch') this.#scalars('encoder', event.of.epoch, { loss: event.of.loss })
    } else if (event.event === 'start') {
      this.#digits = Math.max(2, String(event.blocks).length)
    } else if (event.event === 'epoch') {
      const { block, epoch, loss, validationLoss, validationAccuracy } = event
      this.#epochs = Math.max(this.#epochs, epoch)
      this.#scalars(`block-${String(block).padStart(this.#digits, '0')}`, epoch, {
        loss,
        ...(validationLoss === undefined ? {} : { validation_loss: validationLoss }),
        ...(validationAccuracy === undefined ? {} : { validation_accuracy: validationAccuracy }),
      })
    } else if (event.event === 'chain' || event.event === 'validation') {
      // The finished model stands at the last epoch.
      const epoch = event.event === 'chain' ? event.epoch : this.#epochs
      this.#scalars('model', epoch, { validation_loss: event.loss, validation_accuracy: event.accuracy })
    }
  }

  #scalars(run: string, step: number, scalars: Record<string, number>): void {
    const wallTime = Date.now() / 1000
    const directory = join(this.#directory, run)
    try {
      const begun = this.#begun.has(run)
      if (!begun) makeDirectory(directory)
      const record = scalarRecord({ wallTime, step, scalars })
      appendFileSync(join(directory, this.#name), begun ? record : Buffer.concat([versionRecord(wallTime), record]))
      this.#begun.add(run)
    } catch (error) {
      throw new NoPropError(
        {
          code: 'NOPROP_OUTPUT',
          what: `the files for TensorBoard cannot be written in ${directory}`,
          expected: 'a directory that can be made and written to',
          received: (error as Error).message,
        },
        { cause: error },
      )
    }
  }
}
