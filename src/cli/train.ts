import type { Command } from 'commander'
import { locate } from '../data/locate.js'
import { checkValidation, type Dataset, datasetFromDirectory } from '../dataset.js'
import { native } from '../errors.js'
import { NoProp } from '../model.js'
import { getNative } from '../native.js'
import type { ModelOptions } from '../options.js'
import { thousands } from '../summary.js'
import { downloadNote } from './download-note.js'
import {
  addFitFlags,
  addNetFlags,
  addScheduleFlags,
  type FitFlags,
  fitOptionsOf,
  type NetFlags,
  netOf,
  number,
  type ScheduleFlags,
  scheduleOf,
} from './flags.js'
import { Interruption } from './interrupts.js'
import type { Io } from './io.js'
import { keptIn } from './kept.js'
import { peakMemoryMiB } from './memory.js'
import { required } from './program.js'
import { ProgressDisplay } from './progress.js'

interface TrainFlags extends FitFlags, NetFlags, ScheduleFlags {
  data?: string
  method?: string
  blocks?: number
  embedding?: string
  seed?: number
  limit?: number
  out?: string
}

export function define(command: Command, io: Io): void {
  command
    .option('--data <name|dir>', 'mnist, fashion-mnist, cifar10, cifar100, or a directory of IDX or CIFAR files')
    .option('--method <dt>', 'training method (default: dt)')
    .option('--blocks <number>', 'number of blocks T (default: 10)', number('--blocks'))
    .option('--embedding <one-hot>', 'label embedding (default: one-hot)')
    .option('--seed <number>', 'seed of every random number (default: 0)', number('--seed'))
    .option('--limit <number>', 'train on the first so many samples only', number('--limit'))
    .option('--out <file>', 'write the model there (.safetensors)')
  addNetFlags(command)
  addScheduleFlags(command)
  addFitFlags(command)
  command.action((flags: TrainFlags) => train(flags, io))
}

async function train(flags: TrainFlags, io: Io): Promise<void> {
  const { out } = flags
  const data = required(flags.data, '--data NAME|DIR')
  // A path that cannot be written is found before training, not after it.
  if (out !== undefined) native(() => getNative().probeOutput(out))
  const directory = await locate(data, { signal: io.signal, onDownload: downloadNote(io) })
  const samples = await datasetFromDirectory(directory, 'train', flags.limit)
  const test = await datasetFromDirectory(directory, 'test')
  io.signal.throwIfAborted()
  const model = NoProp.create(modelOptions(flags, samples, test))
  checkValidation(test, model.config)
  if (out !== undefined) await model.probeSave(out)
  io.note(introduction(flags, model, samples, test))

  const history = await fitShown(model, samples, flags, io)
  if (out !== undefined) await model.save(out)
  const tested = await model.evaluate(test, { threads: flags.threads, signal: io.signal })
  const peak = peakMemoryMiB()
  io.emit({
    event: 'done',
    testAccuracy: tested.accuracy,
    testLoss: tested.loss,
    accuracyPerBlock: tested.accuracyPerBlock,
    trainSeconds: history.seconds,
    samplesPerSecond: history.samplesPerSecond,
    peakMemoryMiB: peak,
    weightsSha256: history.weightsSha256,
    parameters: model.parameters,
    device: history.device,
    ...(out === undefined ? {} : { out }),
  })
  io.print(
    [
      `test accuracy   ${(100 * tested.accuracy).toFixed(2)} % of ${thousands(test.samples)} samples, loss ${tested.loss.toFixed(4)}`,
      `after block     ${tested.accuracyPerBlock.map((accuracy, index) => `${index + 1}: ${(100 * accuracy).toFixed(1)} %`).join('  ')}`,
      `trained in      ${history.seconds.toFixed(1)} s, ${thousands(Math.round(history.samplesPerSecond))} samples/s through all blocks, on ${history.device}`,
      `peak memory     ${Math.round(peak)} MiB`,
      `weights         sha256 ${history.weightsSha256}`,
      `model           ${out ?? 'not saved (--out FILE saves it)'}`,
    ].join('\n'),
  )
}

/** The classes are those of both splits, so that the first few samples alone (`--limit`) make the same model as all. */
function modelOptions(flags: TrainFlags, samples: Dataset, test: Dataset): ModelOptions {
  const { method, blocks, embedding, seed } = flags
  const classes = [...new Set([...samples.classes, ...test.classes])].sort((a, b) => a - b)
  return {
    method: method as ModelOptions['method'],
    blocks,
    input: samples.shape,
    classes,
    net: netOf(flags),
    schedule: scheduleOf(flags),
    embedding: embedding as ModelOptions['embedding'],
    seed,
  }
}

function introduction(flags: TrainFlags, model: NoProp, samples: Dataset, test: Dataset): string {
  const { config } = model
  return [
    `${flags.data}: ${thousands(samples.samples)} training and ${thousands(test.samples)} test samples, ${samples.shape.join('×')}, ${config.classes.length} classes`,
    `NoProp-${config.method.toUpperCase()}: ${config.blocks} ${config.net.type} blocks, ${thousands(model.parameters)} parameters`,
  ].join('\n')
}

/** Trains with a progress display or JSON events; an interruption says what is kept and how to go on. */
async function fitShown(model: NoProp, samples: Dataset, flags: TrainFlags, io: Io) {
  const run = model.fit(samples, { ...fitOptionsOf(flags), signal: io.signal })
  const display = io.json ? undefined : new ProgressDisplay(process.stderr)
  try {
    for await (const event of run) {
      if (event.event === 'start' && event.whyNoGpu) io.note(`on the processor, no GPU: ${event.whyNoGpu}`)
      display?.show(event)
      if (event.event !== 'done') io.emit(event)
    }
    return await run
  } catch (error) {
    if (error instanceof Interruption) throw error.withHint(howToGoOn(flags))
    const { cause, message } = error as Error
    throw cause instanceof Interruption ? cause.withHint(`not every block in flight could be kept: ${message}`) : error
  } finally {
    display?.end()
  }
}

function howToGoOn(flags: TrainFlags): string {
  if (flags.checkpoint === undefined) return 'nothing is kept; with --checkpoint DIR a run can be resumed'
  const typed = process.argv.slice(2).filter((arg) => arg !== '--resume')
  const quoted = [...typed, '--resume'].map((arg) =>
    /^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", "'\\''")}'`,
  )
  return `${keptIn(flags.checkpoint)}; resume with: noprop ${quoted.join(' ')}`
}
