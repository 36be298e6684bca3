import { type Dataset, datasets, type EvaluateResult, type NoProp, NoPropError, type SamplerOptions } from '../index.js'
import { isOneNet, methodName } from '../summary.js'
import { chooseSamples, evenly } from './choose.js'
import type { Denoising, DrawnState } from './document.js'
import { isPicture, pictureOf, rangeOf } from './sample.js'

/** Samples that are looked at to choose from. */
const MOST_SEEN = 500
/** Values of samples and of states that may be in memory for it. */
const MOST_VALUES = 8e6
/** Steps, and bars of one state, that are drawn. */
const MOST_STEPS = 10
const MOST_BARS = 20
/** Greatest sides of a state's picture, of which there are hundreds. */
const MOST_SIDE = 32

/** How a few samples come out of the noise, or why nobody can see that. Every state is one of `model.predict`. */
export async function denoisingOf(
  model: NoProp,
  dataset: Dataset,
  evaluation: EvaluateResult,
  sampler: SamplerOptions,
  signal: AbortSignal | undefined,
): Promise<Denoising | string> {
  const { classes, blocks, embedding } = model.config
  // What blocks see: samples, or what the encoder makes of them.
  const seen = model.encoderLayers?.at(-1)?.shape ?? dataset.shape
  const size = sizeOf(dataset)
  const width =
    'dim' in embedding ? embedding.dim : embedding.type === 'prototype' ? sizeOf({ shape: seen }) : classes.length
  const perSample = size + 2 * width * stepsOf(model, sampler)
  const count = Math.min(MOST_SEEN, dataset.samples, Math.floor(MOST_VALUES / perSample))
  if (count < 1) return `The states of ${blocks} blocks of ${width} values are too many to be drawn.`
  const first = firstOf(dataset, count)
  try {
    const { labels, states } = await model.predict(first, { ...sampler, signal, states: true })
    const placeOf = new Map(classes.map((label, place) => [label, place]))
    const places = (values: ArrayLike<number | string> | null) =>
      Array.from(values ?? [], (label) => placeOf.get(label) ?? 0)
    const [targets, predicted] = [places(first.labels()), places(labels)]
    const samples = chooseSamples({ targets, predicted }, evaluation)
    const steps = evenly(states.steps.length, MOST_STEPS)
    // A method of one net makes several steps with it.
    const isOne = states.steps.length > blocks
    const how: Pick<Denoising, 'drawn' | 'places' | 'steps' | 'isOne' | 'estimates'> = {
      ...drawnOf(embedding.type, seen, width),
      steps: steps.map((step) => (isOne ? step : (states.steps[step - 1]?.block ?? step))),
      isOne,
      estimates: VELOCITIES.includes(methodName(model.config)) ? 'velocity' : 'label',
    }
    if (how.drawn === 'classes') {
      const last = states.steps.at(-1)?.estimate ?? []
      how.places = drawnClasses(
        samples.map((sample) => ({
          places: [targets[sample] ?? 0, predicted[sample] ?? 0],
          estimate: last[sample] ?? new Float32Array(),
        })),
        classes.length,
      )
    }
    const draw = (values: readonly Float32Array[], whole = values) => drawnStates(values, how, seen, whole.map(rangeOf))
    return {
      ...how,
      samples: samples.map((sample) => {
        const of = (each: readonly Float32Array[] | undefined) => each?.[sample] ?? new Float32Array(width)
        const made = steps.map((step) => states.steps[step - 1])
        const estimates = draw(made.map((each) => of(each?.estimate)))
        const moved = made.map((each) => of(each?.state))
        // The noise is cut where it is beyond what comes of it.
        const [initial = [], ...after] = draw([of(states.start), ...moved], moved)
        return {
          sample,
          target: targets[sample] ?? 0,
          predicted: predicted[sample] ?? 0,
          initial,
          steps: estimates.map((estimate, index) => ({ estimate, state: after[index] ?? [] })),
        }
      }),
    }
  } catch (error) {
    // A method without a chain.
    if (error instanceof NoPropError && error.code === 'NOPROP_OPTION')
      return `There is nothing to draw: ${error.what}.`
    throw error
  } finally {
    first.dispose()
  }
}

/** Steps of the chain, at most. */
function stepsOf({ config }: NoProp, { steps, stepsPerBlock = 1 }: SamplerOptions): number {
  const own = typeof config.method === 'object' && 'steps' in config.method ? config.method.steps : 20
  return isOneNet(config) ? (steps ?? own) : config.blocks * stepsPerBlock
}

/** Methods whose net tells the way rather than the label. */
const VELOCITIES = ['fm', 'adjoint']

/** What is drawn of states of `width` values, before samples say which classes matter. */
function drawnOf(embedding: string, shape: readonly number[], width: number): Pick<Denoising, 'drawn' | 'places'> {
  if (embedding === 'one-hot') return { drawn: 'classes', places: [] }
  if (embedding === 'prototype' && isPicture(shape)) return { drawn: 'pictures', places: [] }
  return { drawn: 'values', places: evenly(width, MOST_BARS).map((place) => place - 1) }
}

/** States, or estimates, of one chain; pictures of one chain have one scale, which holds all of these ranges. */
function drawnStates(
  states: readonly Float32Array[],
  { drawn, places }: Pick<Denoising, 'drawn' | 'places'>,
  shape: readonly number[],
  ranges: readonly [number, number][],
): DrawnState[] {
  if (drawn !== 'pictures')
    return states.map((values) => places.map((place) => Number((values[place] ?? 0).toPrecision(4))))
  const [low, high] = [Math.min(...ranges.map(([least]) => least)), Math.max(...ranges.map(([, most]) => most))]
  return states.map((values) => pictureOf(values, shape, [low, high], MOST_SIDE))
}

/** All classes, or, of many, labels and predictions and then those that are estimated highest. */
function drawnClasses(samples: readonly { places: number[]; estimate: Float32Array }[], classes: number): number[] {
  if (classes <= MOST_BARS) return Array.from({ length: classes }, (_, place) => place)
  const chosen = new Set(samples.flatMap(({ places }) => places))
  for (let rank = 1; chosen.size < MOST_BARS && rank <= MOST_BARS; rank++) {
    for (const { estimate } of samples) {
      const order = Array.from(estimate.keys()).sort(
        (one, other) => (estimate[other] as number) - (estimate[one] as number),
      )
      if (chosen.size < MOST_BARS && order[rank - 1] !== undefined) chosen.add(order[rank - 1] as number)
    }
  }
  return [...chosen].sort((one, other) => one - other)
}

/** The first samples as a data set of their own, in which each has the place, and so the noise, that it has in the whole. */
export function firstOf(dataset: Dataset, count: number): Dataset {
  const size = sizeOf(dataset)
  const images = new Float32Array(count * size)
  for (let sample = 0; sample < count; sample++) images.set(dataset.sample(sample), sample * size)
  const labels = dataset.labels()?.slice(0, count)
  return datasets.fromArrays({ images, shape: dataset.shape, labels })
}

/** Values of a sample. */
function sizeOf({ shape }: Pick<Dataset, 'shape'>): number {
  return shape.reduce((product, side) => product * side, 1)
}
