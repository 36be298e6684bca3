// `npm run bench:race`: the time until MNIST's test samples are right to 99 %, by noprop and by PyTorch, in turns, with the same net, batch and
// optimiser; figures into docs/benchmarks.md. `--blocks N` (default 3), `--target SHARE` (default 0.99), `--seeds N` (default 3).
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bootstrap } from '../setup/bootstrap.mjs'
import { median, number, putFigures, table } from '../support/figures.mjs'
import { packageVersion, processor } from '../support/machine.mjs'
import { root, StepFailed, script, step } from '../support/steps.mjs'
import { findTorch } from './peers/programs.mjs'

const THREADS = 2
/** Epochs after which nobody goes on. */
const MOST = 10
const RACERS = [
  { name: 'noprop', precision: 'f32' },
  { name: 'PyTorch eager', precision: 'f32' },
  { name: 'noprop, bf16', precision: 'bf16' },
  { name: 'PyTorch eager, bf16', precision: 'bf16' },
]

await script(async () => {
  const { values } = parseArgs({
    options: {
      blocks: { type: 'string', default: '3' },
      target: { type: 'string', default: '0.99' },
      seeds: { type: 'string', default: '3' },
    },
  })
  const [blocks, target, seeds] = [values.blocks, values.target, values.seeds].map(Number)
  if (!(blocks >= 1 && target > 0 && target < 1 && seeds >= 1))
    throw new StepFailed('--blocks and --seeds are numbers from 1, --target is a share between 0 and 1.')
  const torch = findTorch()
  if (!torch) throw new StepFailed('there is no Python that can import torch: NOPROP_PYTHON names one.')
  await bootstrap()
  const { datasets, NoProp } = await import('../../dist/index.js')
  const { train, test } = await datasets.load('mnist')

  /** Epochs and seconds, its own tests included, until the chain of noprop is there. */
  const noprop = async (precision, seed) => {
    const model = NoProp.create({ input: train.shape, classes: train.classes, net: 'cnn', blocks, seed })
    const began = performance.now()
    const options = { epochs: MOST, learningRate: 1e-3, batch: 128, precision, threads: THREADS }
    for await (const event of model.fit(train, { ...options, device: 'cpu', validation: test })) {
      if (event.event !== 'chain' || event.accuracy < target) continue
      return { epoch: event.epoch, seconds: (performance.now() - began) / 1000, accuracy: event.accuracy }
    }
    throw new StepFailed(`noprop has not reached ${target} in ${MOST} epochs.`)
  }

  const folder = mkdtempSync(join(tmpdir(), 'noprop-race-'))
  const results = RACERS.map(() => /** @type {{ epoch: number, seconds: number, accuracy: number }[]} */ ([]))
  try {
    for (const [part, set] of Object.entries({ train, test })) {
      const size = set.shape.reduce((product, side) => product * side, 1)
      const bytes = new Uint8Array(set.samples * size)
      for (let sample = 0; sample < set.samples; sample++)
        bytes.set(
          set.sample(sample).map((value) => Math.round(255 * value)),
          sample * size,
        )
      writeFileSync(join(folder, `${part}-images`), bytes)
      writeFileSync(join(folder, `${part}-labels`), Uint8Array.from(/** @type {Int32Array} */ (set.labels())))
    }
    const pytorch = (precision, seed) => {
      const flags = {
        blocks,
        target,
        seed,
        threads: THREADS,
        epochs: MOST,
        amp: precision === 'f32' ? 'none' : precision,
      }
      const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)])
      const text = execFileSync(torch.python, [join(root, 'bench/peer_race.py'), folder, ...args], { encoding: 'utf8' })
      const last = JSON.parse(text.trim().split('\n').at(-1) ?? '')
      if (last.accuracy < target) throw new StepFailed(`PyTorch has not reached ${target} in ${MOST} epochs.`)
      return last
    }
    for (let seed = 0; seed < seeds; seed++) {
      for (const [index, { name, precision }] of RACERS.entries()) {
        await step(`seed ${seed}, ${name}`, async () => {
          results[index]?.push(await (name.startsWith('noprop') ? noprop(precision, seed) : pytorch(precision, seed)))
        })
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  const range = (values) =>
    seeds === 1
      ? number(values[0])
      : `${number(median(values))} (${number(Math.min(...values))}–${number(Math.max(...values))})`
  const rows = RACERS.map(({ name }, index) => {
    const own = results[index] ?? []
    return [name, range(own.map(({ seconds }) => seconds)), own.map(({ epoch }) => epoch).join(', ')]
  })
  const times = (index) => median((results[index] ?? []).map(({ seconds }) => seconds))
  const text = [
    `${processor()}, noprop ${packageVersion()}, PyTorch ${torch.version}, ${THREADS} threads. ${blocks} of the paper's blocks; ${seeds === 1 ? 'one seed' : `medians of ${seeds} seeds, with the range`}.`,
    `\`npm run bench:race -- --blocks ${blocks} --target ${target} --seeds ${seeds}\``,
    '',
    table([`MNIST, until ${100 * target} % of the test`, 'seconds', 'epochs of each seed'], rows),
    '',
    `PyTorch ÷ noprop: **${(times(1) / times(0)).toFixed(2)}** in f32, **${(times(3) / times(2)).toFixed(2)}** in bf16.`,
  ].join('\n')
  console.log(`\n${text}`)
  putFigures(join(root, 'docs', 'benchmarks.md'), 'bench:race', text)
})
