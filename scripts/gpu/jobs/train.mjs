// Trains on images made by a formula: `{ samples, blocks, net?, save?, interrupt?, …options of fit }`. With `interrupt` the run is
// broken off when a block has finished that epoch, and a new model goes on from its checkpoint.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NoProp } from '../../../dist/index.js'
import { done, images, input } from './job.mjs'

const { samples, blocks, net, save, interrupt, ...options } = input
const data = images(samples)
const create = () => NoProp.create({ blocks, input: data.shape, classes: 10, ...(net && { net }) })

async function train() {
  const model = create()
  return { model, history: await model.fit(data, options) }
}

async function trainInterrupted() {
  const checkpoint = mkdtempSync(join(tmpdir(), 'noprop-gpu-check-'))
  try {
    const run = create().fit(data, { ...options, checkpoint })
    let interrupted = false
    for await (const event of run) {
      if (event.event !== 'epoch' || event.epoch < interrupt) continue
      interrupted = true
      break
    }
    interrupted &&= await run.then(
      () => false,
      (/** @type {any} */ error) => error.code === 'NOPROP_CANCELLED',
    )
    const model = create()
    const history = await model.fit(data, { ...options, checkpoint, resume: true })
    return { model, history, interrupted }
  } finally {
    rmSync(checkpoint, { recursive: true, force: true })
  }
}

const { model, history, interrupted } = await (interrupt ? trainInterrupted() : train())
if (save) await model.save(save)
const { weightsSha256, device, seconds, samplesPerSecond, loss } = history
done({ weightsSha256, device, seconds, samplesPerSecond, loss, parameters: model.parameters, interrupted })
