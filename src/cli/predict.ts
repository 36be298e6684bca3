import type { Command } from 'commander'
import { locate } from '../data/locate.js'
import { type Dataset, datasetFromDirectory, datasetFromPngs } from '../dataset.js'
import { NoProp } from '../model.js'
import { printable } from '../printable.js'
import { downloadNote } from './download-note.js'
import { addFlags, Flag } from './flag.js'
import { addSamplerFlags, samplerOf } from './flags.js'
import { addExamples } from './help.js'
import type { Io } from './io.js'
import { usage } from './program.js'

interface PredictFlags {
  data?: string
}

export function define(command: Command, io: Io): void {
  command.argument('<file>', 'model file').argument('[images...]', 'PNG images of the size that the model takes')
  addFlags(command, 'Data', [
    new Flag('--data <name|dir>', 'predict the test samples of a data set: a name or a directory'),
  ])
  addSamplerFlags(command)
  addExamples(
    command,
    'noprop predict digits.safetensors picture.png',
    'noprop predict digits.safetensors --data mnist --json',
  )
  command.action((file: string, images: string[], flags: PredictFlags) => predict(file, images, flags, io))
}

async function predict(file: string, images: string[], flags: PredictFlags, io: Io): Promise<void> {
  if ((flags.data === undefined) === (images.length === 0)) {
    throw usage(
      images.length === 0 ? 'nothing to predict is named' : 'both --data and images are named',
      'name either --data NAME|DIR or PNG images',
    )
  }
  const model = await NoProp.load(file)
  const samples = await samplesOf(model, images, flags, io)
  const { labels, probabilities, classes } = await model.predict(samples, { ...samplerOf(flags), signal: io.signal })
  for (const [index, label] of labels.entries()) {
    if (io.closed) break
    io.signal.throwIfAborted()
    const row = Array.from(probabilities[index] as Float32Array, (probability) => Number(probability.toPrecision(6)))
    const source = images.length > 0 ? { path: images[index] } : { index }
    io.emit({ event: 'prediction', ...source, label, probabilities: row })
    io.print(
      `${printable(images[index] ?? String(index))}\t${label}\t${(row[classes.indexOf(label)] ?? Number.NaN).toFixed(4)}`,
    )
    await io.drain()
  }
  io.emit({ event: 'done', samples: labels.length, classes })
}

async function samplesOf(model: NoProp, images: string[], flags: PredictFlags, io: Io): Promise<Dataset> {
  if (flags.data === undefined) return datasetFromPngs(images, model.config.input)
  const directory = await locate(flags.data, { signal: io.signal, onDownload: downloadNote(io) })
  return datasetFromDirectory(directory, 'test')
}
