// `npm run bench:simulation`: 1,000 workers and 9,999 blocks, simulated: where a run on many machines would break. `--workers N`, `--blocks N`,
// `--block-seconds N`, and every other figure of `MEASURED` by its name.
import { parseArgs } from 'node:util'
import { number, percent, table } from '../support/figures.mjs'
import { script } from '../support/steps.mjs'
import { simulate } from './cluster/simulation.mjs'

/** Figures that `npm run bench:cluster` measures, or that are usual for machines of a cloud. */
const MEASURED = {
  workers: 1000,
  blocks: 9999,
  'block-seconds': 600,
  // Machines of one kind differ by so much.
  spread: 0.05,
  'failures-per-hour': 0.05,
  'restart-seconds': 120,
  'recovery-seconds': 25,
  'upload-seconds': 60,
  'state-bytes': 15e6,
  'part-bytes': 3.7e6,
  'data-bytes': 47e6,
  'queue-seconds': 0.0012,
  'message-seconds': 0.0003,
  'store-bytes-per-second': 12.5e9,
  'worker-bytes-per-second': 125e6,
  'client-bytes-per-second': 125e6,
}

await script(async () => {
  const names = Object.keys(MEASURED)
  const { values } = parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: 'string' }])) })
  const given = Object.fromEntries(
    names.map((name) => [
      name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase()),
      Number(values[name] ?? MEASURED[name]),
    ]),
  )
  const cases = {
    'as given': {},
    'ten times the failures': { failuresPerHour: 10 * given.failuresPerHour },
    'a store of a tenth': { storeBytesPerSecond: given.storeBytesPerSecond / 10 },
    'a store of a hundredth (one disk)': { storeBytesPerSecond: given.storeBytesPerSecond / 100 },
    'blocks of a tenth': { blockSeconds: given.blockSeconds / 10 },
    'blocks of a hundredth': { blockSeconds: given.blockSeconds / 100 },
    'a client of a tenth': { clientBytesPerSecond: given.clientBytesPerSecond / 10 },
    'ten times the workers': { workers: 10 * given.workers },
  }
  const rows = Object.entries(cases).map(([name, change]) => {
    const { seconds, ideal, deaths, repeated, busy } = simulate({ ...given, ...change })
    const shares = [busy.queue, busy.store, busy.client].map(percent)
    return [name, number(seconds), percent(ideal / seconds), String(deaths), percent(repeated), ...shares]
  })
  console.log(table(['', 'seconds', 'of the ideal', 'deaths', 'repeated', 'queue', 'store', 'client'], rows))
})
