// What `npm start` runs: trains NoProp-DT on the whole of MNIST, measures it, and shows how its blocks see a few digits.
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { datasets, NoProp, ProgressDisplay } from 'noprop'

/** @type {import('noprop').Net} */
const NET = { type: 'cnn', widths: [16, 32, 64], hidden: 128, dropout: 0.1 }
const BLOCKS = 5
/** @type {import('noprop').TrainOptions} */
const TRAINING = { epochs: 1, batch: 128, learningRate: 3e-3, learningRateSchedule: 'one-cycle' }
const OUT = '.noprop/digits.safetensors'
/** How many test digits to draw. */
const DRAWN = 6

const interrupt = new AbortController()
process.on('SIGINT', () => {
  if (interrupt.signal.aborted) process.exit(130)
  interrupt.abort()
})

try {
  await main(interrupt.signal)
} catch (error) {
  if (!interrupt.signal.aborted) throw error
  console.error('\nStopped; no model was saved.')
  process.exitCode = 130
}

async function main(signal) {
  const { train, test } = await datasets.load('mnist', { signal })
  const model = NoProp.create({ blocks: BLOCKS, net: NET, input: train.shape, classes: train.classes })
  console.log(`
NoProp on MNIST: ${BLOCKS} blocks, ${model.parameters.toLocaleString('en-US')} parameters. Each block learns alone to denoise a
noised label, from the image and that label only; none waits for another. ${train.samples.toLocaleString('en-US')} training images:
`)
  const run = model.fit(train, { ...TRAINING, signal })
  const display = new ProgressDisplay(process.stderr)
  try {
    for await (const event of run) display.show(event)
  } finally {
    display.end()
  }
  const history = await run
  const result = await model.evaluate(test, { signal })
  const noisy = await model.evaluate(test, { stochastic: true, signal })
  const { labels, probabilities, classes } = await model.predict(test, { signal })
  mkdirSync(dirname(OUT), { recursive: true })
  await model.save(OUT)

  const { accuracy, accuracyPerBlock, samples } = result
  console.log(`
Test accuracy ${percent(accuracy).trim()} on ${samples.toLocaleString('en-US')} images, after ${history.seconds.toFixed(1)} s of training \
(${Math.round(history.samplesPerSecond).toLocaleString('en-US')} samples/s through all blocks).

How denoising proceeds: accuracy of the class read after each block, without and with the sampler's noise
${accuracyPerBlock.map((value, index) => `  block ${index + 1}  ${bar(value)} ${percent(value)}   ${bar(noisy.accuracyPerBlock[index])} ${percent(noisy.accuracyPerBlock[index])}`).join('\n')}

A few test digits (the last is one it gets wrong, if there is one)
${drawDigits(test, chooseDigits(test.labels(), labels), labels, probabilities, classes)}

The model is saved in ${OUT}. What to try next:
  node dist/cli.js inspect ${OUT}
  node dist/cli.js eval ${OUT} --data mnist --sampler ddim
  node dist/cli.js predict ${OUT} --data mnist --json | head -n 3
  node dist/cli.js train --data mnist --net mlp --hidden 128,128 --blocks 10 --out .noprop/mlp.safetensors
  node dist/cli.js train --help`)
}

function percent(share) {
  return `${(100 * share).toFixed(2)} %`.padStart(8)
}

function bar(share) {
  return '█'.repeat(Math.round(20 * share)).padEnd(20, '░')
}

/** The first test digits that are all different, and the first that is taken for another. */
function chooseDigits(truth, labels) {
  const wrong = truth.findIndex((label, index) => label !== labels[index])
  const chosen = []
  for (let index = 0; chosen.length < DRAWN - 1 && index < truth.length; index++) {
    if (truth[index] === labels[index] && !chosen.some((other) => truth[other] === truth[index])) chosen.push(index)
  }
  return wrong < 0 ? chosen : [...chosen, wrong]
}

/** Digits side by side, as many as the terminal is wide, each over its prediction. */
function drawDigits(test, indices, labels, probabilities, classes) {
  const truth = test.labels()
  const pictures = indices.map((index) => drawDigit(test.sample(index), test.shape))
  const captions = indices.map((index) => {
    const sure = Math.round(100 * probabilities[index][classes.indexOf(labels[index])])
    return labels[index] === truth[index]
      ? `${labels[index]} (${sure} %)`
      : `${labels[index]} (${sure} %), is a ${truth[index]}`
  })
  const width = pictures[0][0].length + 2
  const perRow = Math.max(1, Math.floor(((process.stdout.columns ?? 80) - 2) / width))
  const rows = []
  for (let from = 0; from < indices.length; from += perRow) {
    const part = pictures.slice(from, from + perRow)
    for (let line = 0; line < part[0].length; line++) rows.push(`  ${part.map((picture) => picture[line]).join('  ')}`)
    rows.push(
      `  ${captions
        .slice(from, from + perRow)
        .map((caption) => caption.padEnd(width))
        .join('')}`.trimEnd(),
      '',
    )
  }
  return rows.join('\n').trimEnd()
}

/** An image as text: half blocks, so that a character holds two pixels; MNIST's empty margin of 4 pixels is left out. */
function drawDigit(pixels, [height, width]) {
  const margin = 4
  const lines = []
  for (let y = margin; y < height - margin; y += 2) {
    let line = ''
    for (let x = margin; x < width - margin; x++) {
      const upper = pixels[y * width + x] > 0.4
      const lower = pixels[(y + 1) * width + x] > 0.4
      line += upper && lower ? '█' : upper ? '▀' : lower ? '▄' : ' '
    }
    lines.push(line)
  }
  return lines
}
