// Compares two model files tensor by tensor.
import { readFileSync } from 'node:fs'

/** The tensors of a safetensors file of f32: name → values. */
export function tensorsOf(path) {
  const file = readFileSync(path)
  const length = Number(file.readBigUInt64LE(0))
  const { __metadata__: _, ...tensors } = JSON.parse(file.toString('utf8', 8, 8 + length))
  return Object.fromEntries(
    Object.entries(tensors).map(
      ([
        name,
        {
          dtype,
          data_offsets: [from, to],
        },
      ]) => {
        if (dtype !== 'F32') throw new Error(`${name} is ${dtype}, not F32`)
        // A copy, because the values need not begin at a multiple of four.
        const bytes = new Uint8Array(file.subarray(8 + length + from, 8 + length + to))
        return [name, new Float32Array(bytes.buffer)]
      },
    ),
  )
}

function squares(values) {
  let sum = 0
  for (const value of values) sum += value * value
  return sum
}

/**
 * How far two trainings came apart, as shares: of all parameters, the root of their mean squared difference over what AdamW
 * may have moved them at most (`rate` × `steps`); of running statistics, over their own size. NaN on a side is infinite.
 */
export function difference(a, b, { rate, steps }) {
  const sums = { params: [0, 0], stats: [0, 0] }
  const worst = { name: '', share: 0 }
  for (const [name, values] of Object.entries(a)) {
    const other = b[name]
    if (other?.length !== values.length) throw new Error(`${name} is not in both files`)
    const apart = squares(values.map((value, index) => value - other[index]))
    if (name.includes('.params.')) {
      sums.params[0] += apart
      sums.params[1] += values.length
      const share = Math.sqrt(apart / values.length) / (rate * steps)
      if (!(share <= worst.share)) Object.assign(worst, { name, share })
    } else {
      sums.stats[0] += apart
      sums.stats[1] += squares(values)
    }
  }
  /** @param {number[]} sums */
  const root = ([top, bottom]) => (bottom === 0 ? 0 : Math.sqrt(top / bottom))
  const finite = (value) => (Number.isNaN(value) ? Number.POSITIVE_INFINITY : value)
  return { parameters: finite(root(sums.params) / (rate * steps)), statistics: finite(root(sums.stats)), worst }
}
