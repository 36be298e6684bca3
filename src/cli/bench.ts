import type { Command } from 'commander'
import { requireDevice } from '../device.js'
import { toJson } from '../json.js'
import { getNative } from '../native.js'
import { withStopSignal } from '../stop-signal.js'
import { counted } from '../summary.js'
import type { Field } from './fields.js'
import { addBenchFlags, benchOptionsOf } from './flags.js'
import { addExamples } from './help.js'
import type { Io } from './io.js'
import { peakMemoryMiB } from './memory.js'
import { shapeOf } from './shape.js'

/** The flags that this command itself reads; the others become options of the benchmark. */
interface BenchFlags {
  shape?: string
  classes?: number
  device?: string
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
  /** Blocks that are trained at the same time. Training only. */
  jobs?: number
  blocks: number
  batch: number
}

export function define(command: Command, io: Io): void {
  addBenchFlags(command)
  addExamples(command, 'noprop bench --net mlp --hidden 128,64 --seconds 2', 'noprop bench --mode inference --batch 1')
  command.action((flags: BenchFlags) => bench(flags, io))
}

async function bench(flags: BenchFlags, io: Io): Promise<void> {
  const { input, classes } = shapeOf('--shape', flags.shape ?? 'mnist')
  const options = { input, classes: flags.classes ?? classes, ...benchOptionsOf(flags) }
  requireDevice(flags.device)
  const json = await withStopSignal(io.signal, (stop) => getNative().bench(toJson(options), stop))
  const result = JSON.parse(json) as BenchResult
  const peak = peakMemoryMiB()
  io.emit({ event: 'done', ...result, peakMemoryMiB: peak })
  const { samplesPerSecond, gflops, precision, peakGflops, instructionSet, batch } = result
  const work = peakGflops ? counted(result.threads, 'thread') : result.device
  const place = result.jobs === undefined ? work : `${work} on ${counted(result.jobs, 'block')}`
  io.printFields([
    [
      'speed',
      `${samplesPerSecond.toFixed(1)} samples/s through ${counted(result.blocks, 'block')}, ${timesOf(result)}`,
    ],
    [
      'arithmetic',
      `${gflops.toFixed(1)} GFLOP/s${shareOf(result)} (${precision}${peakGflops ? `, ${instructionSet}` : ''})`,
    ],
    ['work', `${input.join('×')}, batch ${batch}, ${place}`],
    ...memoryOf(result),
    ['peak memory', `${Math.round(peak)} MiB`],
  ])
}

/** Of what the processor reaches; there is no such figure for a GPU. */
function shareOf({ peakGflops, peakShare }: BenchResult): string {
  if (peakGflops === undefined || peakShare === undefined) return ''
  return ` of ${peakGflops.toFixed(1)}: ${(100 * peakShare).toFixed(1)} % of peak`
}

/** A GPU's memory in training: how much of it, and how near the step is to what moving its bytes takes. */
function memoryOf({ deviceMemoryMiB, floorGigabytes, floorShare, peakGigabytes }: BenchResult): Field[] {
  if (deviceMemoryMiB === undefined || peakGigabytes === undefined) return []
  const share = `${(100 * (floorShare ?? 0)).toFixed(1)} % of the memory floor`
  return [
    [
      'GPU memory',
      `${Math.round(deviceMemoryMiB)} MiB; ${share} (${floorGigabytes?.toFixed(2)} GB per step, ${peakGigabytes.toFixed(0)} GB/s)`,
    ],
  ]
}

/** How often, and in inference how quickly, one batch went through all blocks. */
function timesOf({ stepsPerSecond, latencyMs }: BenchResult): string {
  if (latencyMs === undefined) return `${stepsPerSecond.toFixed(1)} steps/s`
  return `${stepsPerSecond.toFixed(1)} predictions/s of ${latencyMs.toFixed(2)} ms`
}
