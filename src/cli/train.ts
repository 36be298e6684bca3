import { basename, extname } from 'node:path'
import type { Command } from 'commander'
import { DETACH } from '../cluster/detach.js'
import { showsGpu } from '../cuda/hardware.js'
import { checkValidation, classesOf, type Dataset } from '../dataset.js'
import { NoPropError, native } from '../errors.js'
import type { History } from '../events.js'
import type { FitOptions } from '../fit.js'
import type { EvaluateResult } from '../inference.js'
import { NoProp } from '../model.js'
import { getNative } from '../native.js'
import type { NumberResult } from '../numbers.js'
import type { ModelOptions } from '../options.js'
import { ProgressDisplay } from '../progress/display.js'
import { commandOf } from '../report/command.js'
import { createReport, type Report } from '../report/create.js'
import { ProgressPage } from '../report/serve.js'
import {
  accuracyAfterBlocks,
  blocksOf,
  counted,
  methodTitle,
  outputsOf,
  percent,
  r2AfterBlocks,
  thousands,
} from '../summary.js'
import { TensorBoardWriter } from '../tensorboard/writer.js'
import { clusterOf } from './cluster-flags.js'
import { type DataFlags, openSplits, PICTURES, TABLE, TEST } from './data.js'
import { dryRun } from './dry-run.js'
import type { Field } from './fields.js'
import { addFlags, Flag, number } from './flag.js'
import { addTrainFlags, encoderFlagsIn, fitOptionsOf, modelFlagsIn, modelOptionsOf, netFor } from './flags.js'
import { addExamples } from './help.js'
import { Interruption } from './interrupts.js'
import type { Io } from './io.js'
import { keptIn } from './kept.js'
import { peakMemoryMiB } from './memory.js'
import { numberFields } from './number-report.js'
import { required, usage } from './usage.js'

/** The flags that this command itself reads; the others become options of the model and of the run. */
export interface TrainFlags {
  data?: string
  limit?: number
  seed?: number
  from?: string
  out?: string
  test?: string
  dryRun?: boolean
  tensorboard?: string
  threads?: number
  checkpoint?: string
  report?: string
  /** True where no port is named. */
  ui?: number | true
  onlyBlocks?: number[]
  encoder?: string
  queue?: string
  store?: string
  kind?: string
  detach?: boolean
}

const DATA = [
  new Flag(
    '--data <name|dir|file>',
    'mnist, fashion-mnist, cifar10, cifar100; a folder of pictures, of IDX or CIFAR files; or a table (.csv, .ndjson, .npz, …)',
  ),
  new Flag('--limit <number>', 'use only the first N training samples', { read: number }),
  new Flag('--from <file>', 'go on from the weights of this model file, which says what the model is'),
  new Flag('--out <file>', 'save the model to this file (.safetensors)'),
  new Flag('--tensorboard <dir>', 'write losses and accuracies of each epoch for TensorBoard into this directory'),
  new Flag('--report <file>', 'write a page (.html) on the training and, with test samples, on how good the model is'),
  new Flag('--ui [port]', 'show the training on a page served to this machine alone (default: a port that is free)', {
    read: number,
    sets: 'port',
  }),
  new Flag('--dry-run', 'check everything, and tell parameters, memory and time instead of training'),
]

export function define(command: Command, io: Io): void {
  addFlags(command, 'Data', [...DATA, ...TEST])
  addFlags(command, 'Tables', TABLE)
  addFlags(command, 'Folders of pictures', PICTURES)
  addTrainFlags(command)
  addExamples(
    command,
    'noprop train --data mnist --out digits.safetensors',
    'noprop train --data photos/ --size 64x64 --test-split 0.1 --out photos.safetensors',
    'noprop train --data wine.csv --label variety --test-split 0.2 --out wine.safetensors',
    'noprop train --data houses.csv --target price --test-split 0.2 --out houses.safetensors',
    'noprop train --data mnist --epochs 6 --lr 3e-3 --lr-schedule one-cycle',
    'noprop train --data mnist --epochs 20 --checkpoint run --resume',
    'noprop train --data mnist --epochs 50 --validation-split 0.1 --patience 3',
    'noprop train --data mnist --out digits.safetensors --ui --report digits.html',
    'noprop train --data mnist --from digits.safetensors --out better.safetensors',
    'noprop train --data cifar10 --net resnet --dry-run',
    'noprop train --data mnist --features shared --epochs 6 --out digits.safetensors',
    'noprop train --data mnist --only-blocks 3-6,9 --out part-2.safetensors',
    'noprop train --data mnist --queue redis://10.0.0.1 --store s3://bucket/noprop --out digits.safetensors',
  )
  command.action((flags: TrainFlags) => train(flags, io))
}

async function train(flags: TrainFlags, io: Io): Promise<void> {
  const { out } = flags
  const data = required(flags.data, '--data NAME|DIR|FILE')
  // A path that cannot be written is found before training, not after it.
  for (const path of [out, flags.report]) {
    if (path !== undefined) native(() => getNative().probeOutput(path))
  }
  const where: DataFlags = { data, limit: flags.limit, seed: flags.seed }
  const from = flags.from === undefined ? undefined : await loaded(flags)
  const { train: samples, test } = await openSplits(where, flags, io, from?.config)
  io.signal.throwIfAborted()
  const model = from ?? (await created(flags, samples, test))
  const options = fitOptionsOf(flags)
  return trainModel(
    model,
    [samples, test],
    flags,
    flags.from === undefined ? options : { ...options, continue: true },
    io,
  )
}

/** Trains a model, saves it and measures it. */
export async function trainModel(
  model: NoProp,
  [samples, test]: [Dataset, Dataset | null],
  flags: TrainFlags,
  options: FitOptions,
  io: Io,
): Promise<void> {
  const { out } = flags
  if (flags.detach && model.config.encoder) {
    throw usage(
      '--detach does not go with an encoder',
      'stay with the run: its workers train blocks, and know no encoder',
    )
  }
  if (test) checkValidation(test, model.config)
  // The room on the disk is tried by filling it, which a dry run does not.
  if (out !== undefined && !flags.dryRun) await model.probeSave(out)
  for (const line of introduction(flags, model, samples, test)) io.note(line)
  if (flags.dryRun) return dryRun(model, samples, options, io)

  const page = await openPage(flags, io)
  try {
    const history = await fitShown(model, samples, [flags, options], page, io)
    // Left to its workers.
    if (history === undefined) return
    if (out !== undefined) {
      await model.save(out)
      io.saved = out
    }
    const report = await reported(model, test, history, flags, page, io)
    const tested = report
      ? { classes: report.document.evaluation, numbers: report.document.numbers?.evaluation }
      : await tests(model, test, flags, io)
    tell(model, history, tested, flags, io)
  } finally {
    // The pages that are open have their report then.
    await page?.close()
  }
}

/** The result on the test samples, if there are any. */
async function tests(model: NoProp, test: Dataset | null, { threads }: TrainFlags, io: Io): Promise<Tested> {
  if (!test || !model.trained) return {}
  const options = { threads, signal: io.signal }
  if (model.config.targets) return { numbers: await model.evaluateNumbers(test, options) }
  return { classes: await model.evaluate(test, options) }
}

/** The page that shows the run, where one is asked for. */
async function openPage({ ui, data }: TrainFlags, io: Io): Promise<ProgressPage | undefined> {
  if (ui === undefined) return undefined
  const page = await ProgressPage.open({ ...(ui === true ? {} : { port: ui }), title: String(data) })
  io.emit({ event: 'page', url: page.url })
  io.note(`watch the training at ${page.url}`)
  return page
}

/** The report, where a file is to have it or a page was looked at. */
async function reported(
  model: NoProp,
  test: Dataset | null,
  history: History,
  flags: TrainFlags,
  page: ProgressPage | undefined,
  io: Io,
): Promise<Report | undefined> {
  // A part of a model cannot be asked.
  if (!model.trained || (flags.report === undefined && !page?.wasSeen)) return undefined
  const report = await createReport(model, test, {
    history,
    threads: flags.threads,
    title: flags.out === undefined ? String(flags.data) : basename(flags.out, extname(flags.out)),
    dataName: flags.test ?? flags.data,
    command: commandOf(process.argv.slice(2)),
    signal: io.signal,
  })
  if (flags.report !== undefined) await report.save(flags.report)
  page?.show(report)
  return report
}

/** What test samples say, of classes or of numbers. */
interface Tested {
  classes?: EvaluateResult | undefined
  numbers?: NumberResult | undefined
}

/** Tells what the training came to. */
function tell(model: NoProp, history: History, { classes: tested, numbers }: Tested, flags: TrainFlags, io: Io): void {
  const { out, report } = flags
  const peak = peakMemoryMiB()
  io.emit({
    event: 'done',
    ...(tested && {
      testAccuracy: tested.accuracy,
      testLoss: tested.loss,
      accuracyPerBlock: tested.accuracyPerBlock,
    }),
    ...(numbers && { test: numbers }),
    trainSeconds: history.seconds,
    samplesPerSecond: history.samplesPerSecond,
    peakMemoryMiB: peak,
    weightsSha256: history.weightsSha256,
    parameters: model.parameters,
    device: history.device,
    ...(history.validation ? { validation: history.validation } : {}),
    ...(history.validationNumbers ? { validation: history.validationNumbers } : {}),
    ...(out === undefined ? {} : { out }),
    ...(report === undefined ? {} : { report }),
  })
  io.printFields([
    ...(numbers ? numberFields(numbers, 'test ') : tested ? testFields(tested) : model.part ? NO_MODEL : NOT_TESTED),
    ...watched(history),
    ...(numbers ? ([['R² after block', r2AfterBlocks(numbers.r2PerBlock)]] as const) : []),
    ...(tested ? ([['after block', accuracyAfterBlocks(tested.accuracyPerBlock, 1)]] as const) : []),
    [
      'trained in',
      `${history.seconds.toFixed(1)} s, ${thousands(Math.round(history.samplesPerSecond))} samples/s through all blocks, on ${history.device}`,
    ],
    ['peak memory', `${Math.round(peak)} MiB`],
    ['weights', `sha256 ${history.weightsSha256}`],
    [model.part ? 'part' : 'model', out ?? 'not saved (--out FILE saves it)'],
    ...(report === undefined ? [] : [['report', report] as const]),
  ])
}

const NOT_TESTED: Field[] = [['test accuracy', 'not measured: there are no test samples (--test, --test-split)']]

const NO_MODEL: Field[] = [['test accuracy', 'not measured: this is a part (noprop assemble makes a model of all)']]

function testFields({ accuracy, samples, loss }: EvaluateResult): Field[] {
  return [['test accuracy', `${percent(accuracy, 2)} of ${thousands(samples)} samples, loss ${loss.toFixed(4)}`]]
}

/** What validation and early stopping came to. */
function watched({ validation, validationNumbers, blocks }: History): Field[] {
  const early = blocks.filter(({ reason }) => reason !== 'epochs')
  const list = early.map(({ block, epochs, bestEpoch }) => {
    return `${block}: ${counted(epochs, 'epoch')}${bestEpoch === undefined ? '' : ` (best ${bestEpoch})`}`
  })
  return [
    ...(validation
      ? [
          [
            'validation',
            `${percent(validation.accuracy, 2)} of ${thousands(validation.samples)} samples, loss ${validation.loss.toFixed(4)}`,
          ] as const,
        ]
      : []),
    ...(validationNumbers ? numberFields(validationNumbers, 'validation ') : []),
    ...(early.length > 0 ? [['ended early', list.join('  ')] as const] : []),
  ]
}

/** The model to go on from, whose file says what it is. Throws NOPROP_USAGE where flags say it as well. */
async function loaded(flags: TrainFlags): Promise<NoProp> {
  const [flag] = modelFlagsIn(flags)
  if (flag === undefined) return NoProp.load(flags.from as string)
  throw usage(`${flag} is given beside --from`, `leave out ${flag}: the model is that of the file`)
}

/** A new model, perhaps with the encoder of another. Throws NOPROP_USAGE where flags say what that is as well. */
async function created(flags: TrainFlags, samples: Dataset, test: Dataset | null): Promise<NoProp> {
  const options = modelOptions(flags, samples, test)
  if (flags.encoder === undefined) return NoProp.create(options)
  const [flag] = encoderFlagsIn(flags)
  if (flag !== undefined) {
    throw usage(`${flag} is given beside --encoder`, `leave out ${flag}: the encoder is that of the file`)
  }
  const source = await NoProp.load(flags.encoder)
  try {
    return NoProp.create({ ...options, encoder: source })
  } finally {
    source.dispose()
  }
}

/** The classes are those of both splits, so that the first few samples alone (`--limit`) make the same model as all. */
function modelOptions(flags: TrainFlags, samples: Dataset, test: Dataset | null): ModelOptions {
  const classes = classesOf(samples, ...(test ? [test] : []))
  const { shape: input, preprocessing } = samples
  if (samples.targetCount > 0) {
    return { input, targets: samples.targetCount, preprocessing, ...modelOptionsOf(flags, netFor(input, flags), input) }
  }
  return { input, classes, preprocessing, ...modelOptionsOf(flags, netFor(input, flags), input) }
}

function introduction(flags: TrainFlags, model: NoProp, samples: Dataset, test: Dataset | null): string[] {
  const { config } = model
  return [
    `${flags.data}: ${thousands(samples.samples)} training and ${test ? thousands(test.samples) : 'no'} test samples, ${samples.shape.join('×')}, ${outputsOf(config)}`,
    `${methodTitle(config)}: ${blocksOf(config)}, ${thousands(model.parameters)} parameters`,
  ]
}

/** Trains with a progress display or JSON events; an interruption says what is kept and how to resume. */
async function fitShown(
  model: NoProp,
  samples: Dataset,
  [flags, given]: [TrainFlags, FitOptions],
  page: ProgressPage | undefined,
  io: Io,
) {
  const abort = new AbortController()
  const cluster = clusterOf(flags)
  const run = model.fit(samples, { ...given, ...(cluster ? { cluster } : {}), signal: abort.signal })
  page?.watch(run)
  // Where there is a file to save it to, Ctrl-C leaves a model of what there is.
  let interruption: Interruption | undefined
  const onInterrupt = () => {
    const { reason } = io.signal
    // Blocks that are cut short are no part of a model that has the others.
    const { onlyBlocks, retrain, append } = given
    const isPart = onlyBlocks !== undefined || retrain !== undefined || append !== undefined
    const cannotEnd = flags.out === undefined || isPart || cluster !== undefined
    if (cannotEnd || !(reason instanceof Interruption) || reason.signal !== 'SIGINT') abort.abort(reason)
    else {
      interruption = reason
      run.stop()
    }
  }
  if (io.signal.aborted) onInterrupt()
  io.signal.addEventListener('abort', onInterrupt, { once: true })
  let submitted: string | undefined
  let kept: string | undefined
  const tensorboard = flags.tensorboard === undefined ? undefined : new TensorBoardWriter(flags.tensorboard)
  const display = io.json ? undefined : new ProgressDisplay(io.screen)
  const onStop = () => {
    // When it goes on, after `fg`, the shell has written below the display.
    display?.restart()
    process.kill(process.pid, 'SIGSTOP')
    // Meanwhile the terminal may have got another size.
    process.kill(process.pid, 'SIGWINCH')
  }
  process.on('SIGTSTP', onStop)
  try {
    for await (const event of run) {
      // Where there is no GPU of NVIDIA, nobody misses one.
      if (event.event === 'start' && event.whyNoGpu && showsGpu()) {
        io.note(`training on the processor, no GPU: ${event.whyNoGpu}`)
      }
      if (event.event === 'encoder' && event.of.event === 'start') io.note('first the encoder, which the blocks share')
      if (event.event === 'features')
        io.note(`${event.width} features of each sample, found in ${event.seconds.toFixed(1)} s`)
      if (event.event === 'learning-rate')
        io.note(`learning rate ${event.learningRate}, found in ${event.curve.length} steps`)
      if (event.event === 'start' && event.run) {
        io.note(`run ${event.run.slice(0, 12)} is in the queue of ${event.device}`)
        submitted = event.run
        if (flags.detach) abort.abort(DETACH)
      }
      display?.show(event)
      tensorboard?.write(event)
      if (event.event !== 'done') io.emit(event)
      // Without a file to write, training on would be for nothing.
      if (flags.out === undefined && flags.checkpoint === undefined && io.failure) throw io.failure
    }
    const history = await run
    if (!interruption) return history
    await model.save(flags.out as string)
    io.saved = flags.out
    kept = whatIsKept(flags, history)
    throw interruption
  } catch (error) {
    if ((error as unknown) === DETACH) return leave(submitted as string, io)
    const stopped = interruption && error instanceof NoPropError && error.code === 'NOPROP_CANCELLED'
    if (interruption && stopped) {
      throw interruption.withHint(
        kept ?? `no model is saved, since it needs blocks that had not begun; ${howToResume(flags)}`,
      )
    }
    if (error instanceof Interruption) throw error.withHint(submitted ? CANCELLED : howToResume(flags))
    const { cause, message } = error as Error
    throw cause instanceof Interruption ? cause.withHint(`not every block in flight could be kept: ${message}`) : error
  } finally {
    io.signal.removeEventListener('abort', onInterrupt)
    display?.end()
    process.off('SIGTSTP', onStop)
  }
}

const CANCELLED =
  'the run is cancelled; the same command goes on with what its workers have kept (--detach leaves a run to them)'

/** Says how to come back to a run that is left to its workers. */
function leave(run: string, io: Io): undefined {
  io.emit({ event: 'done', run, detached: true })
  io.print(`run ${run} is left to its workers; noprop runs attach ${run.slice(0, 12)} waits for it`)
}

/** What a run has saved that was told to end with what there is. */
function whatIsKept(flags: TrainFlags, { blocks, notBegun }: History): string {
  const which =
    notBegun && flags.from === undefined ? `a model of the first ${counted(blocks.length, 'block')}` : 'the model'
  const goOn = flags.checkpoint === undefined ? `--from ${flags.out} goes on from it` : howToResume(flags)
  return `${which} as it was then is in ${flags.out}; ${goOn}`
}

function howToResume(flags: TrainFlags): string {
  if (flags.checkpoint === undefined) return 'nothing is kept; with --checkpoint DIR a run can be resumed'
  const typed = process.argv.slice(2).filter((arg) => arg !== '--resume')
  return `${keptIn(flags.checkpoint)}; resume with: ${commandOf([...typed, '--resume'])}`
}
