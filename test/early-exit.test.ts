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
