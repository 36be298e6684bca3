import type { Command } from 'commander'
import { withStopSignal } from '../abort.js'
import { NoPropError } from '../errors.js'
import { toJson } from '../json.js'
import { getNative } from '../native.js'
import { addNetFlags, addPrecisionFlag, type NetFlags, netOf, number, type PrecisionFlags } from './flags.js'
import type { Io } from './io.js'
import { peakMemoryMiB } from './memory.js'

interface BenchFlags extends NetFlags, PrecisionFlags {
  mode?: string
  shape?: string
  classes?: number
  blocks?: number
  batch?: number
  threads?: number
  inFlight?: number
  seconds?: number
}

/** What the core measured. */
interface BenchResult {
  mode: 'train' | 'inference'
  samplesPerSecond: number
  stepsPerSecond: number
  /** Inference only. */
  latencyMs?: number
  gflops: number
  peakGflops: number
  peakShare: number
  precision: string
  instructionSet: string
  threads: number
  blocks: number
  batch: number
}

/** The shapes of the known data sets. */
const SHAPES: Record<string, { input: number[]; classes: number }> = {
  mnist: { input: [28, 28, 1], classes: 10 },
  'fashion-mnist': { input: [28, 28, 1], classes: 10 },
  cifar10: { input: [32, 32, 3], classes: 10 },
  cifar100: { input: [32, 32, 3], classes: 100 },
}

export function define(command: Command, io: Io): void {
  command
    .option('--mode <train|inference>', 'what to measure (default: train)')
    .option('--shape <shape>', 'mnist, cifar10, cifar100, HxWxC or N (default: mnist)')
    .option('--classes <number>', 'number of classes (default: those of the shape, else 10)', number('--classes'))
    .option('--blocks <number>', 'number of blocks (default: 10)', number('--blocks'))
    .option('--batch <number>', 'samples a step or prediction (default: 128)', number('--batch'))
    .option('--threads <number>', 'cores to use (default: all)', number('--threads'))
    .option('--in-flight <number>', 'most blocks begun and not finished', number('--in-flight'))
    .option('--seconds <number>', 'measure for so long', number('--seconds'))
  addNetFlags(command)
  addPrecisionFlag(command)
  command.action((flags: BenchFlags) => bench(flags, io))
}

async function bench(flags: BenchFlags, io: Io): Promise<void> {
  const { blocks, batch, threads, inFlight, precision, seconds } = flags
  const { input, classes } = shapeOf(flags.shape ?? 'mnist')
  const options = {
    mode: flags.mode,
    input,
    classes: flags.classes ?? classes,
    net: netOf(flags),
    blocks,
    batch,
    threads,
    inFlight,
    precision,
    seconds,
  }
  const json = await withStopSignal(io.signal, (stop) => getNative().bench(toJson(options), stop))
  const result = JSON.parse(json) as BenchResult
  const peak = peakMemoryMiB()
  io.emit({ event: 'done', ...result, peakMemoryMiB: peak })
  io.print(
    [
      `speed           ${result.samplesPerSecond.toFixed(1)} samples/s through ${result.blocks} blocks, ${timesOf(result)}`,
      `arithmetic      ${result.gflops.toFixed(1)} GFLOP/s of ${result.peakGflops.toFixed(1)}: ${(100 * result.peakShare).toFixed(1)} % of peak (${result.precision}, ${result.instructionSet})`,
      `work            ${input.join('×')}, batch ${result.batch}, ${result.threads} threads`,
      `peak memory     ${Math.round(peak)} MiB`,
    ].join('\n'),
  )
}

/** How often, and in inference how quickly, one batch went through all blocks. */
function timesOf({ stepsPerSecond, latencyMs }: BenchResult): string {
  if (latencyMs === undefined) return `${stepsPerSecond.toFixed(1)} steps/s`
  return `${stepsPerSecond.toFixed(1)} predictions/s of ${latencyMs.toFixed(2)} ms`
}

/** A named shape, `28x28x1`, `28x28` or `784`. */
function shapeOf(text: string): { input: number[]; classes: number } {
  const known = Object.hasOwn(SHAPES, text) ? SHAPES[text] : undefined
  if (known) return known
  if (/^\d{1,9}(x\d{1,9}){0,2}$/.test(text)) return { input: text.split('x').map(Number), classes: 10 }
  throw new NoPropError({
    code: 'NOPROP_OPTION',
    what: 'the value of --shape cannot be used',
    expected: `one of ${Object.keys(SHAPES).join(', ')}, HxWxC or N`,
    received: text,
  })
}
