// Whether the addons of several platforms find the same weights on one processor.
import { StepFailed } from '../support/steps.mjs'

/** Throws StepFailed if two platforms for this processor have found other weights; says which have found the same. */
export function compareWeights(found) {
  const [first, ...others] = found
  for (const { name, weights } of others) {
    const all = [...new Set([...Object.keys(first.weights), ...Object.keys(weights)])]
    const other = all.filter((net) => first.weights[net] !== weights[net])
    if (other.length > 0) throw new StepFailed(`${first.name} and ${name} find other weights: ${other.join('; ')}.`)
  }
  if (others.length === 0) return 'there is nothing to compare the weights with'
  const names = found.map(({ name }) => name).join(' and ')
  return `${names} find the same weights: ${Object.entries(first.weights)
    .map(([net, sum]) => `${net} ${sum.slice(0, 12)}`)
    .join('; ')}`
}
