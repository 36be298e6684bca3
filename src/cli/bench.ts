import type { Command } from 'commander'
import { withStopSignal } from '../abort.js'
import { settleDevice } from '../device.js'
import { NoPropError } from '../errors.js'
import { toJson } from '../json.js'
import { addonSearch, getNative } from '../native.js'
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
  device?: string
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
  /** On the processor only. */
  peakGflops?: number
  peakShare?: number
  /** Where it was measured: 'cpu', 'cuda:0'. */
  device: string
  /** Training on a GPU only, as are the next three. */
  deviceMemoryMiB?: number
  peakGigabytes?: number
  floorGigabytes?: number
  floorShare?: number
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
    .option('--device <auto|cpu|cuda[:i]>', 'where to compute (default: auto)')
    .option('--seconds <number>', 'measure for so long', number('--seconds'))
  addNetFlags(command)
  addPrecisionFlag(command)
  command.action((flags: BenchFlags) => bench(flags, io))
}

async function bench(flags: BenchFlags, io: Io): Promise<void> {
  const { blocks, batch, threads, inFlight, device, precision, seconds } = flags
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
    device,
    precision,
    seconds,
  }
  settleDevice(device, addonSearch())
  const json = await withStopSignal(io.signal, (stop) => getNative().bench(toJson(options), stop))
  const result = JSON.parse(json) as BenchResult
  const peak = peakMemoryMiB()
  io.emit({ event: 'done', ...result, peakMemoryMiB: peak })
  io.print(
    [
      `speed           ${result.samplesPerSecond.toFixed(1)} samples/s through ${result.blocks} blocks, ${timesOf(result)}`,
      `arithmetic      ${result.gflops.toFixed(1)} GFLOP/s${shareOf(result)} (${result.precision}${result.peakGflops ? `, ${result.instructionSet}` : ''})`,
      `work            ${input.join('×')}, batch ${result.batch}, ${result.peakGflops ? `${result.threads} threads` : result.device}`,
      ...memoryOf(result),
      `peak memory     ${Math.round(peak)} MiB`,
    ].join('\n'),
  )
}

/** Of what the processor reaches; there is no such figure for a GPU. */
function shareOf({ peakGflops, peakShare }: BenchResult): string {
  if (peakGflops === undefined || peakShare === undefined) return ''
  return ` of ${peakGflops.toFixed(1)}: ${(100 * peakShare).toFixed(1)} % of peak`
}

/** A GPU's memory in training: how much of it, and how near the step is to what moving its bytes takes. */
function memoryOf({ deviceMemoryMiB, floorGigabytes, floorShare, peakGigabytes }: BenchResult): string[] {
  if (deviceMemoryMiB === undefined || peakGigabytes === undefined) return []
  const share = `${(100 * (floorShare ?? 0)).toFixed(1)} % of the memory floor`
  return [
    `GPU memory      ${Math.round(deviceMemoryMiB)} MiB; ${share} (${floorGigabytes?.toFixed(2)} GB a step, ${peakGigabytes.toFixed(0)} GB/s)`,
  ]
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
