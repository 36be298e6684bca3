import type { Command } from 'commander'
import { locate } from '../data/locate.js'
import { datasetFromDirectory } from '../dataset.js'
import type { RunsResult } from '../inference.js'
import { NoProp } from '../model.js'
import { table, thousands } from '../summary.js'
import { downloadNote } from './download-note.js'
import { addSamplerFlags, number, type SamplerFlags, samplerOf } from './flags.js'
import type { Io } from './io.js'
import { required } from './program.js'

interface EvalFlags extends SamplerFlags {
  data?: string
  runs?: number
}

export function define(command: Command, io: Io): void {
  command
    .argument('<file>', 'model file')
    .option('--data <name|dir>', 'the data set whose test samples to use: a name or a directory')
    .option(
      '--runs <number>',
      'measure so often, with the seeds from --seed on: adds mean and deviation',
      number('--runs'),
    )
  addSamplerFlags(command)
  command.action((file: string, flags: EvalFlags) => evaluate(file, flags, io))
}

async function evaluate(file: string, flags: EvalFlags, io: Io): Promise<void> {
  const data = required(flags.data, '--data NAME|DIR')
  const model = await NoProp.load(file)
  const directory = await locate(data, { signal: io.signal, onDownload: downloadNote(io) })
  const test = await datasetFromDirectory(directory, 'test')
  const result = await model.evaluate(test, { ...samplerOf(flags), runs: flags.runs, signal: io.signal })
  io.emit({ event: 'done', ...result })
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`
  const lines = [
    `accuracy        ${percent(result.accuracy)} of ${thousands(result.samples)} samples`,
    `loss            ${result.loss.toFixed(4)}`,
    `after block     ${result.accuracyPerBlock.map((accuracy, index) => `${index + 1}: ${percent(accuracy)}`).join('  ')}`,
    `speed           ${thousands(Math.round(result.samplesPerSecond))} samples/s`,
  ]
  if (flags.runs !== undefined) {
    const { accuracyMean, accuracyStd, accuracies } = result as RunsResult
    lines.push(`over ${accuracies.length} runs     ${percent(accuracyMean)} ± ${percent(accuracyStd)}`)
  }
  if (result.confusion && result.classes.length <= 12) lines.push('', confusionTable(result.classes, result.confusion))
  io.print(lines.join('\n'))
}

/** Rows are the true labels, columns the predicted ones. */
function confusionTable(classes: readonly number[], confusion: readonly (readonly number[])[]): string {
  const head = ['true \\ predicted', ...classes.map(String)]
  return table([head, ...confusion.map((row, index) => [String(classes[index]), ...row.map(String)])])
}
