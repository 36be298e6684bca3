// Training on the GPU and on the processor, and the property that nothing but block, configuration, data and seed counts.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { CheckFailed, job } from '../child.mjs'
import { difference, tensorsOf } from '../weights.mjs'

/** A tenth of the usual one: with that, roundings grow within 20 steps to a fifth of what bf16 does. */
const RATE = 1e-4
/**
 * Parameters may differ by this share of the way that AdamW can move them. It divides each gradient by its own size, so
 * a value whose true gradient is 0 (a bias in front of a batch norm, a weight behind a ReLU that is off) moves by
 * rounding alone. docs/gpu.md has how far ways to sum and products in fewer bits come apart: these must not pass for f32.
 */
const PARAMETERS = 0.01
/** Running means and variances, over their size. */
const STATISTICS = 7e-4
/** Each block's loss of each epoch, averages over samples. */
const LOSSES = 2e-4

/** The same 20 steps of three blocks on the device and on the processor. */
export async function training({ device, env, until, sizes, folder }) {
  const { samples, net } = sizes
  const input = { samples, batch: samples / 10, epochs: 2, blocks: 3, net, learningRate: RATE, precision: 'f32' }
  const on = async (place, file) => {
    const save = join(folder, file)
    const result = await job('train', { ...input, device: place, save }, { env, until })
    const tensors = tensorsOf(save)
    rmSync(save)
    return { ...result, tensors }
  }
  const [here, there] = [await on('cpu', 'processor.safetensors'), await on(device, 'device.safetensors')]
  const steps = 20
  const { parameters, statistics, worst } = difference(here.tensors, there.tensors, { rate: RATE, steps })
  const losses = Math.max(
    ...here.loss.flatMap((of, block) => of.map((loss, epoch) => apart(loss, there.loss[block][epoch]))),
  )
  const tolerances = { parameters: PARAMETERS, statistics: STATISTICS, losses: LOSSES }
  const measured = { steps, device: there.device, parameters, statistics, losses, worst, tolerances }
  const beyond = Object.entries(tolerances).filter(([name, tolerance]) => !(measured[name] <= tolerance))
  if (beyond.length === 0) return measured
  const told = beyond.map(
    ([name, tolerance]) => `${name} differ by ${measured[name].toPrecision(3)}, more than ${tolerance}`,
  )
  throw new CheckFailed(`after ${steps} steps ${told.join(', ')}`, measured)
}

function apart(a, b) {
  return Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b), 1e-6)
}

/** Two devices of the same model, one of them `device`, as the option is written; undefined where there are none. */
export function twoOf(device, cards = []) {
  if (device === 'emulated') return 'emulated:2'
  const usable = cards.filter((card) => card.usable)
  const first = usable.find((card) => card.device === (device === 'cuda' ? 'cuda:0' : device))
  const second = usable.find((card) => card !== first && card.name === first?.name)
  return first && second && `${first.device},${second.device.slice('cuda:'.length)}`
}

/**
 * Ten blocks with 10, again 10, 3 and 1 in flight, on two GPUs where there are two, and interrupted and resumed: the same
 * weights, in every precision.
 */
export async function determinism({ device, env, until, sizes, precisions, probe }) {
  const { samples, net, determinismEpochs: epochs } = sizes
  const two = twoOf(device, probe?.devices)
  const found = {}
  for (const precision of precisions) {
    const input = { device, samples, batch: samples / 10, blocks: 10, net, precision }
    const of = { runs: [] }
    found[precision] = of
    const train = async (more) => {
      try {
        return await job('train', { ...input, epochs, ...more }, { env, until })
      } catch (error) {
        if (!(error instanceof CheckFailed)) throw error
        // What was seen before counts as well.
        throw new CheckFailed([error.message, ...problemsOf(found)].join('; '), found)
      }
    }
    const run = async (name, more) => of.runs.push({ name, weightsSha256: (await train(more)).weightsSha256 })
    for (const inFlight of [10, 10, 3, 1]) await run(`${inFlight} in flight`, { inFlight })
    if (two) await run(`10 in flight on ${two}`, { inFlight: 10, device: two })
    // Long enough to be broken off in its middle.
    const long = { inFlight: 3, epochs: 10 * epochs }
    of.whole = (await train(long)).weightsSha256
    const { weightsSha256, interrupted } = await train({ ...long, interrupt: 2 * epochs })
    Object.assign(of, { resumed: weightsSha256, interrupted })
  }
  const problems = problemsOf(found)
  if (problems.length > 0) throw new CheckFailed(problems.join('; '), found)
  return found
}

const problemsOf = (found) => Object.entries(found).flatMap(([precision, of]) => differences(precision, of))

/** What of one precision is not the same, as far as it was tried. */
export function differences(precision, { runs, whole, resumed, interrupted }) {
  const [first, ...others] = runs
  const differing = others.filter(({ weightsSha256 }) => weightsSha256 !== first.weightsSha256)
  const unequal = differing.map(({ name }) => `${precision}: the weights with ${name} are not those with ${first.name}`)
  if (resumed === undefined) return unequal
  return [
    ...unequal,
    ...(interrupted ? [] : [`${precision}: the run ended before it could be interrupted`]),
    ...(whole === resumed ? [] : [`${precision}: the weights of the resumed run are others`]),
  ]
}
