// What probabilities are worth: calibration, and how well doubt tells foreign samples. Each table has a row a sample and a column a class.

/** Bins of the calibration, as `evaluate` has them. */
const BINS = 15

/** The mean of several tables, which are an ensemble's or a stochastic chain's. */
export function meanOf(tables) {
  return tables[0].map((row, sample) => Array.from(row, (_, k) => average(tables.map((table) => table[sample][k]))))
}

/** The doubt of each sample: what the most probable class lacks of certainty. */
export const lack = (table) => table.map((row) => 1 - Math.max(...row))

/** The doubt of each sample as the spread of several answers: the variance of each probability, summed over the classes. */
export function spread(tables) {
  const means = meanOf(tables)
  return means.map((row, sample) =>
    row.reduce((sum, mean, k) => sum + average(tables.map((table) => (table[sample][k] - mean) ** 2)), 0),
  )
}

/** Share of the samples whose most probable class is right. */
export function accuracy(table, classes) {
  return average(table.map((row, sample) => Number(row.indexOf(Math.max(...row)) === classes[sample])))
}

/** Mean of Σ_k (p_k − [k = y])², from 0 to 2. */
export function brier(table, classes) {
  const error = (p, k, sample) => (p - Number(k === classes[sample])) ** 2
  return average(table.map((row, sample) => Array.from(row).reduce((sum, p, k) => sum + error(p, k, sample), 0)))
}

/** Expected calibration error (Guo et al. 2017). */
export function calibrationError(table, classes) {
  const bins = Array.from({ length: BINS }, () => ({ confidence: 0, right: 0 }))
  for (const [sample, row] of table.entries()) {
    const confidence = Math.max(...row)
    const bin = bins[Math.min(BINS - 1, Math.max(0, Math.ceil(confidence * BINS) - 1))]
    bin.confidence += confidence
    bin.right += Number(row.indexOf(confidence) === classes[sample])
  }
  return bins.reduce((sum, { confidence, right }) => sum + Math.abs(confidence - right), 0) / table.length
}

/**
 * The chance that a foreign sample has more doubt than one of the kind that was learned, ties counting half: the area under the curve of
 * true and false alarms.
 */
export function detection(known, foreign) {
  const all = [...known.map((doubt) => ({ doubt, far: 0 })), ...foreign.map((doubt) => ({ doubt, far: 1 }))]
  all.sort((a, b) => a.doubt - b.doubt)
  let ranks = 0
  for (let first = 0; first < all.length; ) {
    let last = first
    while (last + 1 < all.length && all[last + 1].doubt === all[first].doubt) last += 1
    // The mean rank, from 1, of those that are equal.
    const rank = (first + last) / 2 + 1
    for (let at = first; at <= last; at++) ranks += all[at].far * rank
    first = last + 1
  }
  const [near, far] = [known.length, foreign.length]
  return (ranks - (far * (far + 1)) / 2) / (near * far)
}

function average(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
