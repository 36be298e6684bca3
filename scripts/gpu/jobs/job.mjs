// What jobs share: their input, their addon, data that needs no file, and the end.
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** What `child.mjs` handed over. */
export const input = JSON.parse(process.argv[2])

/** The addon itself; NOPROP_ADDON names it. */
export function addon() {
  return require(process.env.NOPROP_ADDON)
}

/** Images of 28 × 28 bytes and labels, by a formula: each class is bright elsewhere. */
export function images(samples) {
  const pixel = (index) => {
    const [sample, place] = [Math.floor(index / 784), index % 784]
    const bright = Math.floor(place / 79) === sample % 10 ? 150 : 0
    return bright + ((index * 7919 + sample * 104_729) % 101)
  }
  return {
    images: Uint8Array.from({ length: samples * 784 }, (_, index) => pixel(index)),
    shape: [28, 28, 1],
    labels: Int32Array.from({ length: samples }, (_, index) => index % 10),
  }
}

/** The job's result, as its last line. */
export function done(result) {
  console.log(JSON.stringify(result))
}

// Whoever started this job may be killed without a word, also before this line. The job must not keep the GPU busy for nobody.
const parent = Number(process.env.NOPROP_STARTED_BY ?? process.ppid)
setInterval(() => {
  try {
    process.kill(parent, 0)
  } catch {
    process.kill(process.pid, 'SIGKILL')
  }
}, 500).unref()
