import { type Dataset, datasets, type EvaluateResult, type NoProp, NoPropError, type SamplerOptions } from '../index.js'
import { methodName } from '../summary.js'
import { chooseSamples, evenly } from './choose.js'
import type { Denoising } from './document.js'

/** Samples that are looked at to choose from. */
const MOST_SEEN = 500
/** Values of samples and of states that may be in memory for it. */
const MOST_VALUES = 8e6
/** Steps and classes that are drawn. */
const MOST_STEPS = 10
const MOST_CLASSES = 20

/** How a few samples come out of the noise, or why nobody can see that. Every state is one of `model.predict`. */
export async function denoisingOf(
  model: NoProp,
  dataset: Dataset,
  evaluation: EvaluateResult,
  sampler: SamplerOptions,
  signal: AbortSignal | undefined,
): Promise<Denoising | string> {
  const { classes, blocks, embedding } = model.config
  if (embedding.type !== 'one-hot') return 'Only states of one-hot embeddings have a value for each class to be drawn.'
  const size = dataset.shape.reduce((product, side) => product * side, 1)
  const perSample = size + 2 * classes.length * stepsOf(model, sampler)
  const count = Math.min(MOST_SEEN, dataset.samples, Math.floor(MOST_VALUES / perSample))
  if (count < 1) return `The states of ${blocks} blocks of ${classes.length} classes are too many to be drawn.`
  const first = firstOf(dataset, count)
  try {
    const { labels, states } = await model.predict(first, { ...sampler, signal, states: true })
    const placeOf = new Map(classes.map((label, place) => [label, place]))
    const places = (values: ArrayLike<number | string> | null) =>
      Array.from(values ?? [], (label) => placeOf.get(label) ?? 0)
    const [targets, predicted] = [places(first.labels()), places(labels)]
    const samples = chooseSamples({ targets, predicted }, evaluation)
    const drawn = evenly(states.steps.length, MOST_STEPS)
    const last = states.steps.at(-1)?.estimate ?? []
    const shown = drawnClasses(
      samples.map((sample) => ({
        places: [targets[sample] ?? 0, predicted[sample] ?? 0],
        estimate: last[sample] ?? new Float32Array(),
      })),
      classes.length,
    )
    const pick = (values: Float32Array | undefined) =>
      shown.map((place) => Number((values?.[place] ?? 0).toPrecision(4)))
    // A method of one net makes several steps with it.
    const isOne = states.steps.length > blocks
    return {
      classes: shown,
      steps: drawn.map((step) => (isOne ? step : (states.steps[step - 1]?.block ?? step))),
      isOne,
      estimates: VELOCITIES.includes(methodName(model.config)) ? 'velocity' : 'label',
      samples: samples.map((sample) => ({
        sample,
        target: targets[sample] ?? 0,
        predicted: predicted[sample] ?? 0,
        initial: pick(states.start[sample]),
        steps: drawn.map((step) => {
          const { estimate, state } = states.steps[step - 1] ?? {}
          return { estimate: pick(estimate?.[sample]), state: pick(state?.[sample]) }
        }),
      })),
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
  return ONE_NET.includes(methodName(config)) ? (steps ?? own) : config.blocks * stepsPerBlock
}

/** Methods of one net that makes all steps, and those whose net tells the way rather than the label. */
const ONE_NET = ['ct', 'fm', 'adjoint']
const VELOCITIES = ['fm', 'adjoint']

/** All classes, or, of many, labels and predictions and then those that are estimated highest. */
function drawnClasses(samples: readonly { places: number[]; estimate: Float32Array }[], classes: number): number[] {
  if (classes <= MOST_CLASSES) return Array.from({ length: classes }, (_, place) => place)
  const chosen = new Set(samples.flatMap(({ places }) => places))
  for (let rank = 1; chosen.size < MOST_CLASSES && rank <= MOST_CLASSES; rank++) {
    for (const { estimate } of samples) {
      const order = Array.from(estimate.keys()).sort(
        (one, other) => (estimate[other] as number) - (estimate[one] as number),
      )
      if (chosen.size < MOST_CLASSES && order[rank - 1] !== undefined) chosen.add(order[rank - 1] as number)
    }
  }
  return [...chosen].sort((one, other) => one - other)
}

/** The first samples as a data set of their own, in which each has the place, and so the noise, that it has in the whole. */
export function firstOf(dataset: Dataset, count: number): Dataset {
  const size = dataset.shape.reduce((product, side) => product * side, 1)
  const images = new Float32Array(count * size)
  for (let sample = 0; sample < count; sample++) images.set(dataset.sample(sample), sample * size)
  const labels = dataset.labels()?.slice(0, count)
  return datasets.fromArrays({ images, shape: dataset.shape, labels })
}
