import type { Dataset } from '../dataset.js'
import type { Estimate } from '../estimate.js'
import type { FitOptions } from '../fit.js'
import type { NoProp } from '../model.js'
import { counted, thousands } from '../summary.js'
import type { Field } from './fields.js'
import type { Io } from './io.js'

/** Checks a training run and tells what it would take. */
export async function dryRun(model: NoProp, samples: Dataset, options: FitOptions, io: Io): Promise<void> {
  const found = await model.estimate(samples, { ...options, signal: io.signal })
  io.emit({ event: 'done', dryRun: true, parameters: model.parameters, ...found })
  io.printFields(rows(found))
}

function rows(found: Estimate): Field[] {
  const { blocks, parametersPerBlock, forwardFlops, trainingFlops, memory, inFlight, threads } = found
  const buffers = memory.buffers > 0 ? `  buffers of ${counted(threads, 'thread')} ${size(memory.buffers)}` : ''
  const work = `${thousands(found.stepsPerBlock)} steps of ${thousands(found.batch)} samples per block`
  const { encoder } = found
  return [
    ...(encoder
      ? [
          [
            'encoder',
            `${thousands(encoder.parametersPerBlock)} parameters, ${flops(encoder.trainingFlops)} per sample in training`,
          ] as const,
        ]
      : []),
    ['parameters', `${thousands(parametersPerBlock)} per block, ${thousands(blocks * parametersPerBlock)} in all`],
    ['arithmetic', `${flops(trainingFlops)} per sample and block in training, ${flops(forwardFlops)} in prediction`],
    ['memory', `about ${size(memory.total)} besides the program's own`],
    ['', `${counted(inFlight, 'block')} in flight ${size(memory.blocks)}${buffers}  samples ${size(memory.data)}`],
    ['time', time(found)],
    ['work', `${counted(found.epochs, 'epoch')}, ${work}, on ${found.device}, ${found.precision}`],
    ['', 'dry run: nothing was trained or written'],
  ]
}

function time({ time, device }: Estimate): string {
  if (time) {
    const { seconds, samplesPerSecond, measuredSteps } = time
    const speed = `${thousands(Math.round(samplesPerSecond))} samples/s through all blocks`
    return `about ${duration(seconds)}: ${speed}, measured in ${counted(measuredSteps, 'step')}`
  }
  return device === 'cpu' ? 'not measured: the run needs more memory than is free' : 'not measured on a GPU'
}

function size(bytes: number): string {
  if (bytes >= 10 * 2 ** 30) return `${thousands(Math.round(bytes / 2 ** 30))} GiB`
  return bytes < 2 ** 20 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${thousands(Math.round(bytes / 2 ** 20))} MiB`
}

/** `123.4 MFLOP`. */
function flops(count: number): string {
  const [unit, name] = count >= 1e12 ? [1e12, 'TFLOP'] : count >= 1e9 ? [1e9, 'GFLOP'] : [1e6, 'MFLOP']
  return `${(count / unit).toFixed(count / unit < 10 ? 2 : 1)} ${name}`
}

/** `4.2 s`, `3 min 20 s`, `5 h 12 min`, `12 days 3 h`. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`
  const parts = (unit: number, large: string, small: string, per: number) => {
    const whole = Math.round(seconds / unit)
    return `${thousands(Math.floor(whole / per))} ${large} ${whole % per} ${small}`
  }
  if (seconds < 3600) return parts(1, 'min', 's', 60)
  if (seconds < 86400) return parts(60, 'h', 'min', 60)
  return parts(3600, 'days', 'h', 24)
}
