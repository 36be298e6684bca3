import type { EvaluateResult } from '../inference.js'

/** Samples whose way out of the noise is drawn: so many right ones, and so many wrong ones. */
export const MOST_RIGHT = 6
export const MOST_WRONG = 6

/** What a prediction said of the first samples of a data set. */
interface Seen {
  /** Places of the labels and of the predictions among the classes. */
  targets: readonly number[]
  predicted: readonly number[]
}

/**
 * The samples to draw: right ones of as many classes as there are, then the first wrong ones, those of the least probable labels
 * first where the evaluation names them.
 */
export function chooseSamples({ targets, predicted }: Seen, evaluation: EvaluateResult | undefined): number[] {
  const right: number[] = []
  const classes = new Set<number>()
  for (const [sample, target] of targets.entries()) {
    if (right.length === MOST_RIGHT) break
    if (predicted[sample] !== target || classes.has(target)) continue
    classes.add(target)
    right.push(sample)
  }
  const isWrong = (sample: number) => sample < targets.length && predicted[sample] !== targets[sample]
  const named = (evaluation?.worst ?? []).map(({ sample }) => sample).filter(isWrong)
  const others = targets.flatMap((_, sample) => (isWrong(sample) ? [sample] : []))
  const wrong = [...new Set([...named, ...others])].slice(0, MOST_WRONG)
  return [...right, ...wrong]
}

/** At most `most` of the numbers 1 … last, evenly spaced, the first and the last among them. */
export function evenly(last: number, most: number): number[] {
  if (last <= most) return Array.from({ length: last }, (_, index) => index + 1)
  return Array.from({ length: most }, (_, index) => 1 + Math.round((index * (last - 1)) / (most - 1)))
}
