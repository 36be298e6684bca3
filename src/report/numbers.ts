import type { Dataset, NoProp, NumberOptions, SamplerOptions } from '../index.js'
import { evenly } from './choose.js'
import type { Numbers } from './document.js'

/** Samples whose numbers are drawn. */
const MOST_POINTS = 2000
/** Targets that are drawn; the table has all. */
const MOST_TARGETS = 12
/** Digits that a page can show. */
const DIGITS = 6

/** How good a model's numbers are. Every figure is one of `model.evaluateNumbers`, every point one of `model.predictNumbers`. */
export async function numbersOf(
  model: NoProp,
  dataset: Dataset,
  sampler: SamplerOptions,
  signal: AbortSignal | undefined,
): Promise<Numbers> {
  const options: NumberOptions = { ...sampler, ...(signal ? { signal } : {}) }
  const evaluation = await model.evaluateNumbers(dataset, options)
  const { values } = await model.predictNumbers(dataset, options)
  const truth = dataset.targets() ?? new Float32Array()
  const { preprocessing, targets } = model.config
  const count = targets?.count ?? 1
  const drawn = Math.min(count, MOST_TARGETS)
  const named = preprocessing?.type === 'table' ? preprocessing.target : undefined
  const seen = evenly(values.length, MOST_POINTS).map((place) => place - 1)
  const rounded = (value: number | undefined) => Number((value ?? 0).toPrecision(DIGITS))
  return {
    names: named ?? Array.from({ length: count }, (_, target) => (count === 1 ? 'the number' : `number ${target + 1}`)),
    evaluation,
    samples: seen,
    points: Array.from({ length: drawn }, (_, target) =>
      seen.map((sample) => [rounded(truth[sample * count + target]), rounded(values[sample]?.[target])]),
    ),
  }
}
