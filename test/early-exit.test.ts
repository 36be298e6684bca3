import { join } from 'node:path'
import { expect, test } from 'vitest'
import { NoProp } from '../src/index.js'
import { smallIdx, squares, temporaryDirectory } from './support/data.js'
import { smallModel } from './support/models.js'
import { runCli } from './support/process.js'

// Which samples end where, and with which bits, is tested in the core; here, that it reaches the API and the command line.

async function trained() {
  const model = NoProp.create(smallModel())
  await model.fit(squares(256, 14, [0, 1, 2, 3], 1), { epochs: 12, batch: 32, learningRate: 5e-3 })
  return { model, data: squares(200, 14, [0, 1, 2, 3], 2) }
}

test('samples end where a block is sure, and an evaluation says what that gives and costs', async () => {
  const { model, data } = await trained()
  const { blocks } = model.config
  const whole = await model.evaluate(data)
  expect(whole.exit).toBeUndefined()
  const result = await model.evaluate(data, { confidence: 0.6 })
  const exit = result.exit!
  const predicted = await model.predict(data, { confidence: 0.6 })
  const counts = Array.from({ length: blocks }, (_, t) => predicted.blocks.filter((count) => count === t + 1).length)
  expect(exit.endedAfter).toEqual(counts)
  expect(counts[0]).toBeGreaterThan(0)
  const run = predicted.blocks.reduce((sum, count) => sum + count, 0)
  expect(exit.blocksPerSample).toBeCloseTo(run / 200, 12)
  expect([exit.wholeAccuracy, exit.cost]).toEqual([whole.accuracy, whole.accuracy - result.accuracy])
  expect(exit.speedUp).toBeGreaterThan(0)

  const curve = await model.exitCurve(data, { confidences: [0.6, 1] })
  expect(curve[0]).toEqual({ confidence: 0.6, accuracy: result.accuracy, blocksPerSample: exit.blocksPerSample })
  expect((await model.predict(data)).blocks).toEqual(new Uint32Array(200).fill(blocks))
  expect((await model.predict(data, { stopAfter: 1 })).blocks).toEqual(new Uint32Array(200).fill(1))
  const mean = await model.evaluate(data, { readout: 'mean' })
  expect(mean.exit?.wholeAccuracy).toBe(whole.accuracy)
})

test('what does not apply is refused', async () => {
  const { model, data } = await trained()
  await expect(model.predict(data, { confidence: 2 })).rejects.toThrow(/confidence is out of range/)
  await expect(model.predict(data, { stopAfter: 99 })).rejects.toThrow(/stopAfter is out of range/)
  await expect(model.evaluate(data, { readout: 'max' as 'mean' })).rejects.toMatchObject({ code: 'NOPROP_OPTION' })
  await expect(model.evaluate(data, { blocks: true, stopAfter: 1 })).rejects.toThrow(/whole chain/)
  await expect(model.exitCurve(data, { confidences: ['x' as never] })).rejects.toThrow(/confidences/)
  for (const given of [{ stopAfter: 1 }, { readout: 'mean' }, { confidence: 0.5 }] as const) {
    const name = Object.keys(given)[0]
    await expect(model.exitCurve(data, given as object)).rejects.toThrow(`option ${name} does not go with a curve`)
    await expect(model.fitReadout(data, given)).rejects.toThrow(`option ${name} does not go with a readout`)
  }
  const file = join(temporaryDirectory(), 'm.safetensors')
  await model.save(file)
  for (const [flags, message] of [
    [['--confidence', '--stop-after', '1'], /--stop-after does not go with --confidence without a number/],
    [['--confidence', '--readout', 'mean'], /--readout does not go with --confidence without a number/],
    [['--readouts', '--confidence', '0.5'], /--confidence NUMBER does not go with --readouts/],
  ] as const) {
    const refused = await runCli(['eval', file, '--data', 'mnist', ...flags])
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(message)])
  }
})

test('a readout that cannot be fitted is refused before the training', async () => {
  const data = squares(64, 14, [0, 1, 2, 3], 1)
  const options = { epochs: 1, batch: 32, validationSplit: 0.25, fitReadout: true }
  const headed = NoProp.create(smallModel({ head: 'softmax' }))
  for (const refused of [headed.fit(data, options), headed.estimate(data, options)]) {
    await expect(refused).rejects.toThrow(/a readout cannot be fitted to this model/)
  }
  expect(headed.trained).toBe(false)
  const model = NoProp.create(smallModel())
  await expect(model.fit(data, { ...options, onlyBlocks: [1] })).rejects.toThrow(
    /fitReadout does not go with onlyBlocks/,
  )
  expect((await model.estimate(data, options)).blocks).toBe(3)
})

test('views of images are averaged on the command line, too', async () => {
  const { model } = await trained()
  const file = join(temporaryDirectory(), 'm.safetensors')
  await model.save(file)
  const data = smallIdx({ test: 100 })
  const json = async (...args: string[]) => {
    const { code, stdout, stderr } = await runCli([...args, '--json'])
    expect([code, stderr]).toEqual([0, ''])
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  }
  const losses = await Promise.all(['1', '2', '10'].map((n) => json('eval', file, '--data', data, '--views', n)))
  expect(new Set(losses.map((events) => events.at(-1).loss)).size).toBe(3)
  const plain = await json('eval', file, '--data', data)
  expect(losses[0]?.at(-1).loss).toBe(plain.at(-1).loss)
  const [one] = await json('predict', file, '--data', data, '--views', '1')
  const [two] = await json('predict', file, '--data', data, '--views', '2', '--stop-after', '2')
  expect(two.probabilities ?? two).not.toEqual(one.probabilities ?? one)
  for (const [args, message] of [
    [['--views', '0'], /--views is out of range.*1 to 10/],
    [['--views', '2', '--confidence', '0.9'], /--views does not go with --confidence/],
    [['--views', '2', '--device', 'cuda'], /NOPROP_/],
  ] as const) {
    const bad = await runCli(['eval', file, '--data', data, ...args])
    expect([args, bad.code === 0, bad.stderr]).toEqual([args, false, expect.stringMatching(message)])
  }
})

test('a readout is fitted to held-out samples, kept in the file and dropped by other weights', async () => {
  const [data, held] = [squares(256, 14, [0, 1, 2, 3], 1), squares(200, 14, [0, 1, 2, 3], 2)]
  const model = NoProp.create(smallModel())
  const options = { epochs: 3, batch: 32, learningRate: 5e-3 }
  await model.fit(data, { ...options, validation: held, fitReadout: true })
  const fitted = model.readout!
  expect([fitted.weights.length, fitted.samples]).toEqual([3, 200])
  const found = await model.evaluate(held, { readout: 'fitted' })
  expect(found.logLoss).toBeCloseTo(fitted.logLoss, 3)
  // Of all weights those have the least loss; the mean's are some of them.
  expect(found.logLoss).toBeLessThanOrEqual((await model.evaluate(held, { readout: 'mean' })).logLoss)
  expect(found.exit?.wholeAccuracy).toBe((await model.evaluate(held)).accuracy)
  expect(await model.fitReadout(held, { threads: 1 })).toEqual(fitted)

  const file = join(temporaryDirectory(), 'm.safetensors')
  await model.save(file)
  const loaded = await NoProp.load(file)
  expect(loaded.readout).toEqual(fitted)
  const predicted = await model.predict(held.images, { readout: 'fitted' })
  expect(await loaded.predict(held.images, { readout: 'fitted' })).toEqual(predicted)
  await loaded.fit(data, { ...options, retrain: [2], seed: 3 })
  expect(loaded.readout).toBeNull()
  await expect(loaded.predict(held.images, { readout: 'fitted' })).rejects.toThrow(/needs weights.*fitReadout/)
  await expect(model.predict(held.images, { readout: 'fitted', stopAfter: 1 })).rejects.toThrow(/does not go with/)
  await expect(model.fit(data, { ...options, fitReadout: true })).rejects.toThrow(/fitReadout needs validation samples/)
  const flow = NoProp.create(smallModel({ method: 'fm', blocks: 1 }))
  await flow.fit(data, options)
  await expect(flow.fitReadout(held)).rejects.toThrow(/cannot be fitted.*method dt or diffusion-blocks/)

  const set = smallIdx()
  const shown = await runCli(['eval', file, '--data', set, '--readouts'])
  expect([shown.code, shown.stderr]).toEqual([0, ''])
  for (const name of ['state', 'mean', 'fitted']) expect(shown.stdout).toMatch(new RegExp(`^${name} +[\\d.]+ %`, 'm'))
  const out = join(temporaryDirectory(), 'n.safetensors')
  const net = ['--net', 'mlp', '--hidden', '16', '--blocks', '2', '--validation-split', '0.2']
  expect((await runCli(['train', '--data', set, ...net, '--fit-readout', '--out', out])).code).toBe(0)
  expect((await NoProp.load(out)).readout?.weights).toHaveLength(2)
})

test('the command line shows it', async () => {
  const { model } = await trained()
  const file = join(temporaryDirectory(), 'm.safetensors')
  await model.save(file)
  const data = smallIdx()
  const shown = await runCli(['eval', file, '--data', data, '--confidence', '0.5'])
  expect([shown.code, shown.stderr]).toEqual([0, ''])
  expect(shown.stdout).toMatch(/^blocks run +[\d.]+ of \d+ a sample, [\d.]+ × as fast$/m)
  expect(shown.stdout).toMatch(/^whole chain +[\d.]+ %: /m)
  const curve = await runCli(['eval', file, '--data', data, '--confidence'])
  expect(curve.stdout).toMatch(/^confidence +accuracy +blocks a sample$/m)
  const json = await runCli(['eval', file, '--data', data, '--confidence', '--json'])
  expect(JSON.parse(json.stdout.trim().split('\n').at(-1) as string).curve).toHaveLength(8)
  const predicted = await runCli(['predict', file, '--data', data, '--stop-after', '1', '--json'])
  expect(JSON.parse(predicted.stdout.split('\n')[0] as string)).toMatchObject({ event: 'prediction', blocks: 1 })
  const bad = await runCli(['eval', file, '--data', data, '--stop-after', '0'])
  expect([bad.code, bad.stderr]).toEqual([2, expect.stringContaining('--stop-after')])
})
