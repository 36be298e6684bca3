// Trains the paper's blocks on random images, one in flight, and prints the process's peak memory: `train.mjs BLOCKS`.
import { readFileSync } from 'node:fs'
import { NoProp } from '../../../dist/index.js'

const samples = 256
const images = Uint8Array.from({ length: samples * 784 }, (_, index) => (index * 7919) % 251)
const labels = Int32Array.from({ length: samples }, (_, index) => index % 10)
const classes = Array.from({ length: 10 }, (_, index) => index)
const model = NoProp.create({ blocks: Number(process.argv[2]), input: [28, 28, 1], classes })
await model.fit({ images, shape: [28, 28, 1], labels }, { batch: 128, inFlight: 1, threads: 1 })

/** Linux tells the peak of this program alone; elsewhere it may include that of the one that started it. */
function peakMemoryMiB() {
  try {
    return Number(readFileSync('/proc/self/status', 'utf8').match(/^VmHWM:\s+(\d+) kB$/m)[1]) / 1024
  } catch {
    return process.resourceUsage().maxRSS / 1024
  }
}
console.log(JSON.stringify({ peakMemoryMiB: peakMemoryMiB() }))
