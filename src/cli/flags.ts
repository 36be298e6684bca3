import type { Command } from 'commander'
import { NoPropError } from '../errors.js'
import type { Augment, Net, SamplerOptions, Schedule, TrainOptions } from '../options.js'

/** Reads a number; what it means is for the core to judge. */
export function number(flag: string): (text: string) => number {
  return (text) => parseNumber(flag, text)
}

/** Reads numbers separated by commas. */
export function numbers(flag: string): (text: string) => number[] {
  return (text) => text.split(',').map((part) => parseNumber(flag, part))
}

function parseNumber(flag: string, text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (Number.isFinite(value)) return value
  throw new NoPropError({
    code: 'NOPROP_OPTION',
    what: `the value of ${flag} cannot be used`,
    expected: 'a number',
    received: text === '' ? 'an empty text' : text,
  })
}

/** Flags that describe the net, for training and benchmarks. */
export interface NetFlags {
  net?: string
  widths?: number[]
  hidden?: number[]
  dropout?: number
}

export function addNetFlags(command: Command): Command {
  return command
    .option('--net <cnn|mlp>', "each block's network (default: cnn)")
    .option('--widths <list>', 'channels of the convolutions (default: 32,64,128; cnn)', numbers('--widths'))
    .option(
      '--hidden <number|list>',
      'hidden units: 256 (cnn) or one number a layer, 512,512,512 (mlp)',
      numbers('--hidden'),
    )
    .option(
      '--dropout <share>',
      'share of values zeroed in training (default: 0.2 for cnn, 0 for mlp)',
      number('--dropout'),
    )
}

/** The net as the core reads it; undefined when no flag names anything of it. */
export function netOf({ net, widths, hidden, dropout }: NetFlags): Net | undefined {
  if (net === undefined && !widths && !hidden && dropout === undefined) return undefined
  const type = net ?? 'cnn'
  const units = type === 'mlp' || hidden === undefined || hidden.length > 1 ? hidden : hidden[0]
  return { type, widths, hidden: units, dropout } as Net
}

/** Flags of the noise schedule. */
export interface ScheduleFlags {
  schedule?: string
  scheduleStart?: number
  scheduleEnd?: number
  scheduleMin?: number
  scheduleMax?: number
  alphaBar?: number[]
}

export function addScheduleFlags(command: Command): Command {
  return command
    .option('--schedule <cosine|linear|custom>', 'noise schedule (default: cosine)')
    .option('--schedule-min <share>', 'smallest signal share of cosine (default: 0.0001)', number('--schedule-min'))
    .option('--schedule-max <share>', 'largest signal share of cosine (default: 0.999)', number('--schedule-max'))
    .option('--schedule-start <factor>', 'first factor of linear (default: 1)', number('--schedule-start'))
    .option('--schedule-end <factor>', 'last factor of linear (default: 0.1)', number('--schedule-end'))
    .option('--alpha-bar <list>', 'signal shares of custom: one more than blocks, ascending', numbers('--alpha-bar'))
}

/** The schedule as the core reads it; its kind follows from the flags when it is not named. */
export function scheduleOf(flags: ScheduleFlags): Schedule | undefined {
  const { schedule, scheduleStart: start, scheduleEnd: end, scheduleMin: min, scheduleMax: max, alphaBar } = flags
  const implied = alphaBar ? 'custom' : start !== undefined || end !== undefined ? 'linear' : 'cosine'
  const given = Object.fromEntries(
    Object.entries({ start, end, min, max, alphaBar }).filter(([, value]) => value !== undefined),
  )
  if (schedule === undefined && Object.keys(given).length === 0) return undefined
  return { type: schedule ?? implied, ...given } as unknown as Schedule
}

/** Flags of how a class is read off the blocks. */
export interface SamplerFlags {
  sampler?: string
  stochastic?: boolean
  seed?: number
  threads?: number
  device?: string
}

export function addSamplerFlags(command: Command): Command {
  return command
    .option('--sampler <posterior|resample|ddim>', 'rule from block to block (default: posterior)')
    .option('--stochastic', 'add the noise of each step (default: take its mean)')
    .option('--seed <number>', 'seed of the initial state and of the noise (default: 0)', number('--seed'))
    .option('--threads <number>', 'cores to use (default: all)', number('--threads'))
    .option('--device <auto|cpu|cuda[:i]>', 'where to compute (default: auto)')
}

export function samplerOf({ sampler, stochastic, seed, threads, device }: SamplerFlags): SamplerOptions {
  return { sampler, stochastic, seed, threads, device } as SamplerOptions
}

/** The flag of what factors are rounded to, for training and benchmarks. */
export interface PrecisionFlags {
  precision?: string
}

export function addPrecisionFlag(command: Command): Command {
  return command.option(
    '--precision <f32|tf32|bf16>',
    'factors of products and convolutions in training (default: f32)',
  )
}

/** Reads `shift=4,flip`; what the values mean is for the core to judge. */
function augmentOf(text: string): Augment {
  const augment: Augment = {}
  for (const part of text.split(',').map((part) => part.trim())) {
    const shift = part.match(/^shift=(.*)$/)?.[1]
    if (shift !== undefined) augment.shift = parseNumber('--augment shift', shift)
    else if (part === 'flip') augment.flip = true
    else if (part !== 'none' || text.trim() !== 'none')
      throw new NoPropError({
        code: 'NOPROP_OPTION',
        what: 'the value of --augment cannot be used',
        expected: 'shift=PIXELS, flip, both separated by a comma, or none',
        received: text === '' ? 'an empty text' : text,
      })
  }
  return augment
}

/** Flags of `train` that go to the core under another name. */
export interface FitFlags
  extends Omit<TrainOptions, 'learningRate' | 'learningRateSchedule' | 'precision'>,
    PrecisionFlags {
  lr?: number
  lrSchedule?: string
}

export function addFitFlags(command: Command): Command {
  return addPrecisionFlag(command)
    .option('--epochs <number>', 'passes over the training samples (default: 1)', number('--epochs'))
    .option('--batch <number>', 'samples a step (default: 128)', number('--batch'))
    .option('--lr <rate>', 'learning rate, with one-cycle its peak (default: 0.001)', number('--lr'))
    .option('--lr-schedule <constant|one-cycle>', 'learning rate over time (default: constant)')
    .option('--weight-decay <rate>', "AdamW's weight decay (default: 0.001)", number('--weight-decay'))
    .option('--weighting <uniform|snr>', "factor of each block's loss (default: uniform)")
    .option('--eta <number>', 'the η of snr (default: 0.1)', number('--eta'))
    .option('--augment <list>', 'change training images: shift=PIXELS, flip, or both (default: none)', augmentOf)
    .option('--device <auto|cpu|cuda[:i]>', 'where to train: cuda, cuda:1, cuda:0,1, cuda:all (default: auto)')
    .option('--threads <number>', 'cores that train (default: all)', number('--threads'))
    .option('--in-flight <number>', 'most blocks begun and not finished (default: up to 16)', number('--in-flight'))
    .option('--checkpoint <dir>', 'keep the state of the run there')
    .option('--checkpoint-seconds <number>', 'at least this often (default: 30)', number('--checkpoint-seconds'))
    .option('--resume', 'go on with the run in --checkpoint, or begin it')
}

export function fitOptionsOf(flags: FitFlags): TrainOptions {
  const { epochs, batch, lr, lrSchedule, weightDecay, weighting, eta, device, threads, inFlight } = flags
  const { precision, augment, checkpoint, checkpointSeconds, resume } = flags
  return {
    epochs,
    batch,
    learningRate: lr,
    learningRateSchedule: lrSchedule as TrainOptions['learningRateSchedule'],
    weightDecay,
    weighting,
    eta,
    precision: precision as TrainOptions['precision'],
    augment,
    device,
    threads,
    inFlight,
    checkpoint,
    checkpointSeconds,
    resume,
  }
}
