// `npm run bench:race`: noprop and PyTorch train the same net on the same data with the same batch and optimiser, in turns; figures into
// docs/benchmarks.md. Until a share of the test samples is right (`--target`, default 0.99), or, with `--epochs N`, for so many epochs. `--data
// NAME` (default mnist), `--blocks N` (default 3), `--lr RATE` (default 1e-3), `--lr-schedule constant|one-cycle`, `--precision f32|bf16` (both,
// if not given), `--seeds N` (default 3).
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bootstrap } from '../setup/bootstrap.mjs'
import { median, number, percent, plural, putFigures, table } from '../support/figures.mjs'
import { packageVersion, processor } from '../support/machine.mjs'
import { root, StepFailed, script, step } from '../support/steps.mjs'
import { findTorch } from './peers/programs.mjs'

const THREADS = 2
/** Epochs after which nobody goes on to a target. */
const MOST = 10

/** @typedef {{ epoch: number, seconds: number, accuracy: number }} Result */

function options() {
  const { values, tokens } = parseArgs({
    options: {
      data: { type: 'string', default: 'mnist' },
      blocks: { type: 'string', default: '3' },
      target: { type: 'string', default: '0.99' },
      epochs: { type: 'string' },
      lr: { type: 'string', default: '1e-3' },
      'lr-schedule': { type: 'string', default: 'constant' },
      precision: { type: 'string' },
      seeds: { type: 'string', default: '3' },
    },
    tokens: true,
  })
  const [blocks, target, lr, seeds] = [values.blocks, values.target, values.lr, values.seeds].map(Number)
  const epochs = values.epochs === undefined ? undefined : Number(values.epochs)
  if (!(blocks >= 1 && target > 0 && target < 1 && seeds >= 1 && lr > 0 && (epochs ?? 1) >= 1))
    throw new StepFailed(
      '--blocks, --epochs and --seeds are numbers from 1, --lr is above 0, --target is a share between 0 and 1.',
    )
  const given = tokens.flatMap((token) => (token.kind === 'option' ? [`${token.rawName} ${token.value}`] : []))
  const precisions = values.precision === undefined ? ['f32', 'bf16'] : [values.precision]
  const schedule = /** @type {'constant' | 'one-cycle'} */ (values['lr-schedule'])
  return { data: values.data, blocks, target, epochs, lr, schedule, precisions, seeds, command: given.join(' ') }
}

/** Writes a part of a data set as raw bytes, a channel after the other, as PyTorch has them, and its labels. */
function writePart(folder, part, set) {
  const [height = 1, width = 1, channels = 1] = set.shape
  const pixels = height * width
  const bytes = new Uint8Array(set.samples * pixels * channels)
  for (let sample = 0; sample < set.samples; sample++) {
    const values = set.sample(sample)
    for (let index = 0; index < values.length; index++) {
      const place = (index % channels) * pixels + Math.floor(index / channels)
      bytes[sample * values.length + place] = Math.round(255 * values[index])
    }
  }
  writeFileSync(join(folder, `${part}-images`), bytes)
  writeFileSync(join(folder, `${part}-labels`), Uint8Array.from(/** @type {Int32Array} */ (set.labels())))
}

await script(async () => {
  const { data, blocks, target, epochs, lr, schedule, precisions, seeds, command } = options()
  const torch = findTorch()
  if (!torch) throw new StepFailed('there is no Python that can import torch: NOPROP_PYTHON names one.')
  await bootstrap()
  const { datasets, NoProp } = await import('../../dist/index.js')
  const { train, test } = await datasets.load(/** @type {'mnist'} */ (data))
  if (test === undefined) throw new StepFailed(`${data} has no test samples.`)
  const most = epochs ?? MOST
  const enough = ({ epoch, accuracy }) => (epochs === undefined ? accuracy >= target : epoch === epochs)
  const late = (name) => new StepFailed(`${name} has not reached ${target} in ${most} epochs.`)

  /** Epochs and seconds until noprop is done: with its tests after every epoch, or, for a number of epochs, of the training alone. */
  const noprop = async (precision, seed) => {
    const model = NoProp.create({ input: train.shape, classes: train.classes, net: 'cnn', blocks, seed })
    const began = performance.now()
    const options = { epochs: most, learningRate: lr, learningRateSchedule: schedule, batch: 128, precision }
    const tested = epochs === undefined ? { validation: test } : {}
    const run = model.fit(train, { ...options, threads: THREADS, device: 'cpu', ...tested })
    const seconds = () => (performance.now() - began) / 1000
    for await (const event of run) {
      if (event.event !== 'chain' || !enough(event)) continue
      return { epoch: event.epoch, seconds: seconds(), accuracy: event.accuracy }
    }
    if (epochs === undefined) throw late('noprop')
    const taken = seconds()
    return { epoch: epochs, seconds: taken, accuracy: (await model.evaluate(test, { threads: THREADS })).accuracy }
  }
  const folder = mkdtempSync(join(tmpdir(), 'noprop-race-'))
  const pytorch = (precision, seed) => {
    const [side = 1, , channels = 1] = train.shape
    const flags = {
      side,
      channels,
      classes: train.classes.length,
      blocks,
      target: epochs === undefined ? target : 2,
      epochs: most,
      lr,
      'lr-schedule': schedule,
      seed,
      threads: THREADS,
      amp: precision === 'f32' ? 'none' : precision,
    }
    const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)])
    const text = execFileSync(torch.python, [join(root, 'bench/peer_race.py'), folder, ...args], { encoding: 'utf8' })
    /** @type {Result} */
    const last = JSON.parse(text.trim().split('\n').at(-1) ?? '')
    if (!enough(last)) throw late('PyTorch')
    return last
  }
  const racers = precisions.flatMap((precision) => {
    const suffix = precision === 'f32' ? '' : `, ${precision}`
    return [
      { name: `noprop${suffix}`, run: noprop, precision, results: /** @type {Result[]} */ ([]) },
      { name: `PyTorch eager${suffix}`, run: pytorch, precision, results: /** @type {Result[]} */ ([]) },
    ]
  })
  try {
    for (const [part, set] of Object.entries({ train, test })) writePart(folder, part, set)
    for (let seed = 0; seed < seeds; seed++) {
      for (const { name, run, precision, results } of racers) {
        await step(`seed ${seed}, ${name}`, async () => results.push(await run(precision, seed)))
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  const range = (values, written) => {
    if (seeds === 1) return written(values[0])
    return `${written(median(values))} (${written(Math.min(...values))}–${written(Math.max(...values))})`
  }
  const seconds = ({ results }) => results.map(({ seconds }) => seconds)
  const last = (results) =>
    epochs === undefined
      ? results.map(({ epoch }) => epoch).join(', ')
      : range(
          results.map(({ accuracy }) => accuracy),
          percent,
        )
  const rows = racers.map((racer) => [racer.name, range(seconds(racer), number), last(racer.results)])
  const ratios = precisions.map((precision, index) => {
    const [own = 0, peer = 0] = racers.slice(2 * index, 2 * index + 2).map((racer) => median(seconds(racer)))
    return `**${(peer / own).toFixed(2)}** in ${precision}`
  })
  const header =
    epochs === undefined
      ? [`${data}, until ${100 * target} % of the test`, 'seconds', 'epochs of each seed']
      : [`${data}, ${plural(epochs, 'epoch')}`, 'seconds', 'accuracy']
  const text = [
    `${processor()}, noprop ${packageVersion()}, PyTorch ${torch.version}, ${THREADS} threads. ${blocks} of the paper's blocks; ${seeds === 1 ? 'one seed' : `medians of ${seeds} seeds, with the range`}.`,
    `\`npm run bench:race${command === '' ? '' : ` -- ${command}`}\``,
    '',
    table(header, rows),
    '',
    `PyTorch ÷ noprop: ${ratios.join(', ')}.`,
  ].join('\n')
  console.log(`\n${text}`)
  const marker = epochs === undefined ? 'bench:race' : 'bench:race -- --epochs'
  putFigures(join(root, 'docs', 'benchmarks.md'), marker, text)
})
