import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { inflateSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type Dataset, datasets, type EvaluateResult, NoProp } from '../src/index.js'
import { createReport, type ReportDocument } from '../src/report/index.js'
import { chromiumPath, leftOut, pages, poorContrasts, runsScripts, unnamed, widthOf } from './support/browser.js'
import { smallIdx, squares, temporaryDirectory, vectors } from './support/data.js'
import { SMALL_MLP, smallModel } from './support/models.js'
import { done, runCli } from './support/process.js'

const TRAINING = { epochs: 3, batch: 32, learningRate: 3e-3, validationSplit: 0.2 }

/** A small trained model, and samples on which it is not always right. */
async function trained(epochs = TRAINING.epochs): Promise<{ model: NoProp; test: Dataset }> {
  const model = NoProp.create(smallModel())
  await model.fit(squares(256, 14, [0, 1, 2, 3]), { ...TRAINING, epochs })
  const { images, shape, labels } = squares(60, 14, [0, 1, 2, 3], 5)
  // Some labels are wrong.
  return {
    model,
    test: datasets.fromArrays({
      images,
      shape,
      labels: labels.map((label, index) => (index % 9 === 0 ? 3 - label : label)),
    }),
  }
}

/** A model of two numbers of three, and samples of it. */
async function ofNumbers(): Promise<{ model: NoProp; data: Dataset }> {
  const samples = 120
  const images = Float32Array.from({ length: 3 * samples }, (_, index) => Math.sin(index * index))
  const sum = (sample: number) => [0, 1, 2].reduce((total, k) => total + (images[3 * sample + k] as number), 0)
  const targets = Array.from({ length: samples }, (_, sample) => [100 + sum(sample), sum(sample) ** 2])
  const data = datasets.fromArrays({ images, shape: [3], targets })
  const model = NoProp.create({ input: [3], targets: 2, blocks: 3, net: { type: 'mlp', hidden: [16] } })
  await model.fit(data, { epochs: 4, batch: 20, learningRate: 3e-3, validationSplit: 0.2 })
  return { model, data }
}

/** The document that a page holds. */
function documentOf(html: string): ReportDocument {
  return JSON.parse(html.match(/<script type="application\/json"[^>]*>([^<]*)/)?.[1] as string)
}

/** The bytes of a grey PNG of 14 × 14 in a data URI. */
function greys(uri: string | number[]): number[] {
  const png = Buffer.from(String(uri).replace('data:image/png;base64,', ''), 'base64')
  expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([14, 14])
  const start = png.indexOf('IDAT') + 4
  const rows = inflateSync(png.subarray(start, start + png.readUInt32BE(start - 8)))
  return Array.from(rows).filter((_, index) => index % 15 > 0)
}

/** Vectors from black, the least of `scale` or 0, to white, its greatest or 1. */
function inGrey(vectors: readonly Float32Array[], scale = vectors): number[][] {
  const all = scale.flatMap((values) => Array.from(values))
  const [low, high] = [Math.min(0, ...all), Math.max(1, ...all)]
  return vectors.map((values) => [...Uint8ClampedArray.from(values, (value) => (255 * (value - low)) / (high - low))])
}

describe('what a report says', () => {
  test('is what the model and its evaluation say', async () => {
    const { model, test } = await trained()
    const { document } = await createReport(model, test, { title: 'Squares', dataName: 'squares' })
    const evaluation = await model.evaluate(test)
    const { seconds, samplesPerSecond, ...figures } = evaluation
    expect(document.evaluation).toMatchObject(figures)
    expect(document.curves).toEqual(model.history)
    const { blocks } = await model.evaluate(test, { blocks: true })
    expect(document.blocks).toEqual({ samples: 60, contributions: blocks })
    expect(document.model.weightsSha256).toBe(await model.weightsSha256())
    expect(document.data).toMatchObject({
      name: 'squares',
      samples: 60,
      fingerprint: test.fingerprint,
      isTraining: false,
    })
    const { labels } = await model.predict(test)
    const truth = test.labels()
    for (const [target, predicted, samples] of document.cells ?? []) {
      expect(samples.length).toBe(Math.min(12, evaluation.confusion?.[target]?.[predicted] ?? 0))
      for (const sample of samples) expect([truth?.[sample], labels[sample]]).toEqual([target, predicted])
    }
    expect(document.cells?.length).toBe(evaluation.confusion?.flat().filter((count) => count > 0).length)
    for (const { sample } of evaluation.worst)
      expect(document.samples[sample]?.picture).toMatch(/^data:image\/png;base64,/)
  })

  test('shows every state and estimate of right and of wrong samples', async () => {
    const { model, test } = await trained(15)
    const { denoising } = (await createReport(model, test)).document
    const { states, labels } = await model.predict(test, { states: true })
    const truth = test.labels()
    expect(denoising).toMatchObject({
      drawn: 'classes',
      places: [0, 1, 2, 3],
      steps: [1, 2, 3],
      isOne: false,
      estimates: 'label',
    })
    const digits = (values: Float32Array | undefined) =>
      Array.from(values ?? [], (value) => Number(value.toPrecision(4)))
    for (const { sample, target, predicted, initial, steps } of denoising?.samples ?? []) {
      expect([target, predicted]).toEqual([truth?.[sample], labels[sample]])
      expect(initial).toEqual(digits(states.start[sample]))
      expect(steps.map(({ estimate }) => estimate)).toEqual(
        states.steps.map(({ estimate }) => digits(estimate[sample])),
      )
      expect(steps.map(({ state }) => state)).toEqual(states.steps.map(({ state }) => digits(state[sample])))
    }
    const right = denoising?.samples.filter(({ target, predicted }) => target === predicted) ?? []
    expect(right.map(({ target }) => target).sort()).toEqual([0, 1, 2, 3])
    expect(denoising?.samples.length).toBeGreaterThan(right.length)
  })

  test('shows prototypes as pictures of one scale of grey', async () => {
    const model = NoProp.create({ ...smallModel(), embedding: 'prototype', blocks: 2 })
    const data = squares(64, 14, [0, 1, 2, 3])
    await model.fit(data, { epochs: 1 })
    const { denoising } = (await createReport(model, data)).document
    const { states } = await model.predict(data, { states: true })
    expect(denoising).toMatchObject({ drawn: 'pictures', places: [], steps: [1, 2] })
    expect(denoising?.samples.length).toBeGreaterThan(0)
    for (const { sample, initial, steps } of denoising?.samples ?? []) {
      const chain = [states.start, ...states.steps.map(({ state }) => state)].map(
        (each) => each[sample] as Float32Array,
      )
      expect([initial, ...steps.map(({ state }) => state)].map(greys)).toEqual(inGrey(chain, chain.slice(1)))
      const estimates = states.steps.map(({ estimate }) => estimate[sample] as Float32Array)
      expect(steps.map(({ estimate }) => greys(estimate))).toEqual(inGrey(estimates))
    }
  })

  test('shows prototypes of features, which are no pictures, as values', async () => {
    const encoder = { net: { type: 'mlp', hidden: [196] } } as const
    const model = NoProp.create({ ...smallModel(), net: SMALL_MLP, embedding: 'prototype', blocks: 2, encoder })
    const data = squares(64, 14, [0, 1, 2, 3])
    await model.fit(data, { epochs: 1 })
    const { denoising } = (await createReport(model, data)).document
    const { states } = await model.predict(data, { states: true })
    const { sample = 0, initial } = denoising?.samples[0] ?? {}
    // As many features as the pictures have pixels.
    expect([denoising?.drawn, denoising?.places.length, states.start[sample]?.length]).toEqual(['values', 20, 196])
    expect(initial?.[19]).toBe(Number(states.start[sample]?.[195]?.toPrecision(4)))
  })

  test.each([
    ['orthogonal', 3, [0, 1, 2]],
    ['learned', 40, [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 21, 23, 25, 27, 29, 31, 33, 35, 37, 39]],
  ] as const)('shows values of %s vectors', async (type, dim, places) => {
    const model = NoProp.create({ ...smallModel(), embedding: { type, dim }, blocks: 2 })
    const data = squares(64, 14, [0, 1, 2, 3])
    await model.fit(data, { epochs: 1 })
    const { denoising } = (await createReport(model, data)).document
    const { states } = await model.predict(data, { states: true })
    expect(denoising).toMatchObject({ drawn: 'values', places })
    const { sample = 0, initial } = denoising?.samples[0] ?? {}
    const start = states.start[sample] as Float32Array
    expect(initial).toEqual(places.map((place) => Number(start[place]?.toPrecision(4))))
  })

  test('names samples of each pair of classes only where it is asked for', async () => {
    const { model, test } = await trained(1)
    expect((await model.evaluate(test)).examples).toBeUndefined()
    const { examples } = await model.evaluate(test, { examples: 1 })
    expect(examples?.every(([, , samples]) => samples.length === 1)).toBe(true)
    await expect(model.evaluate(test, { examples: -1 })).rejects.toMatchObject({ code: 'NOPROP_OPTION' })
  })

  test('says why something is missing, and that it was measured on the training samples', async () => {
    const data = datasets.fromArrays(vectors(64, 8, 4))
    const model = NoProp.create({ method: 'fm', net: SMALL_MLP, input: [8], classes: 4 })
    await model.fit(data, { epochs: 2 })
    const { document } = await createReport(model, data)
    expect(document.data?.isTraining).toBe(true)
    expect(document.missing.blocks).toContain('fm')
    expect(document.missing.validation).toBeDefined()
    expect(document.denoising).toMatchObject({
      isOne: true,
      estimates: 'velocity',
      steps: [1, 3, 5, 7, 9, 12, 14, 16, 18, 20],
    })
    const bare = await createReport(model, null)
    expect(bare.document.missing.evaluation).toBeDefined()
    expect(bare.document.curves?.loss[0]).toHaveLength(2)
    expect(document.samples[0]?.values).toHaveLength(8)
  })

  test.each(['dt', 'ct', 'fm', 'diffusion-blocks', 'backprop', 'forward-forward', 'adjoint'] as const)(
    'is made of a model of method %s',
    async (method) => {
      const data = datasets.fromArrays(vectors(64, 12, 4))
      const model = NoProp.create({ method, net: SMALL_MLP, input: [12], classes: 4 })
      await model.fit(data, { epochs: 2 })
      const { document } = await createReport(model, data)
      expect(document.evaluation?.samples).toBe(64)
      expect(document.curves?.loss.flat().length).toBeGreaterThan(1)
      for (const part of ['blocks', 'denoising'] as const) {
        expect([part, Boolean(document[part])]).toEqual([part, document.missing[part] === undefined])
      }
    },
  )

  test('of many classes has the most frequent confusions alone', async () => {
    const data = datasets.fromArrays(vectors(600, 120, 120))
    const model = NoProp.create({ net: { type: 'mlp', hidden: [8] }, blocks: 1, input: [120], classes: 120 })
    await model.fit(data, { epochs: 1 })
    const { document, html } = await createReport(model, data)
    expect(document.evaluation?.confusion).toBeUndefined()
    const pairs = document.evaluation?.confusionPairs ?? []
    const { confusion } = await model.evaluate(data)
    expect(pairs).toHaveLength(100)
    for (const [i, j, count] of pairs) expect([i === j, confusion?.[i]?.[j]]).toEqual([false, count])
    const greatest = Math.max(...(confusion ?? []).flatMap((row, i) => row.filter((_, j) => i !== j)))
    expect(pairs[0]?.[2]).toBe(greatest)
    expect(document.cells?.length).toBe(100)
    expect(html().length).toBeLessThan(1e6)
  })

  test('shows the rows of a table as they were', async () => {
    const rows = Array.from({ length: 40 }, (_, index) => ({
      size: 10 * index,
      colour: index % 2 ? 'red' : 'blue',
      kind: index % 2 ? 'a' : 'b',
    }))
    const { train } = await datasets.fromTable(rows, { label: 'kind' })
    const { shape: input, classes, preprocessing } = train
    const model = NoProp.create({ input, classes, preprocessing, blocks: 1, net: { type: 'mlp', hidden: [8] } })
    await model.fit(train, { epochs: 1 })
    const { document } = await createReport(model, train)
    const [sample, shown] = Object.entries(document.samples)[0]!
    expect(Object.fromEntries(shown.fields ?? [])).toEqual({
      size: String(10 * Number(sample)),
      colour: Number(sample) % 2 ? 'red' : 'blue',
    })
  })

  test('of a model of numbers has true and predicted ones, and the worst samples', async () => {
    const { model, data } = await ofNumbers()
    const { document, html } = await createReport(model, data, { title: 'Sums' })
    const { seconds, samplesPerSecond, ...figures } = await model.evaluateNumbers(data)
    expect(document.numbers?.evaluation).toMatchObject(figures)
    expect(document.evaluation).toBeUndefined()
    const [{ values }, truth] = [await model.predictNumbers(data), data.targets() as Float32Array]
    expect(document.numbers?.points[1]?.map(([, predicted]) => predicted)).toEqual(
      values.map((row) => Number(row[1]?.toPrecision(6))),
    )
    const std = model.config.targets?.std as number[]
    const losses = values.map((row, sample) =>
      [0, 1].reduce((sum, k) => sum + (((row[k] ?? 0) - (truth[2 * sample + k] ?? 0)) / (std[k] ?? 1)) ** 2, 0),
    )
    const ranked = [...losses.keys()].sort((a, b) => (losses[b] ?? 0) - (losses[a] ?? 0))
    expect(figures.worst.map(({ sample }) => sample)).toEqual(ranked.slice(0, 20))
    expect(figures.worst[0]?.loss).toBeCloseTo(losses[ranked[0] as number] as number, 4)
    expect((await model.evaluateNumbers(data, { worst: 3 })).worst).toHaveLength(3)
    expect(Object.keys(document.samples)).toHaveLength(20)
    expect(documentOf(html())).toEqual(document)
  })

  test('refuses a model without weights, a bad count and a place that cannot be written', async () => {
    const untrained = NoProp.create(smallModel())
    await expect(createReport(untrained, null)).rejects.toMatchObject({ code: 'NOPROP_NOT_TRAINED' })
    const { model } = await trained(1)
    await expect(createReport({} as NoProp, null)).rejects.toMatchObject({ code: 'NOPROP_OPTION' })
    await expect(createReport(model, null, { blockSamples: 1.5 })).rejects.toMatchObject({ code: 'NOPROP_OPTION' })
    const report = await createReport(model, null)
    await expect(report.save('')).rejects.toMatchObject({ code: 'NOPROP_OPTION' })
    await expect(report.save(join(temporaryDirectory(), 'nowhere', 'r.html'))).rejects.toMatchObject({
      code: 'NOPROP_OUTPUT',
    })
  })
})

describe('the history of a model', () => {
  test('is kept by its file, for every block and epoch', async () => {
    const model = NoProp.create(smallModel())
    expect(model.history).toBeNull()
    const history = await model.fit(squares(128, 14, [0, 1, 2, 3]), TRAINING)
    const path = join(temporaryDirectory(), 'model.safetensors')
    await model.save(path)
    const kept = (await NoProp.load(path)).history
    expect(kept?.epochs).toEqual([1, 2, 3])
    const rounded = (rows: (number | null)[][] | undefined) =>
      rows?.map((row) => row.map((value) => value && Number(value.toPrecision(6))))
    expect(kept?.loss).toEqual(rounded(history.loss))
    expect(kept?.validationLoss).toEqual(rounded(history.validationLoss))
    expect(kept?.validationAccuracy).toEqual(rounded(history.validationAccuracy))
  })

  test('is the same, as is the whole file, however many blocks are in flight', async () => {
    const bytes = []
    for (const inFlight of [1, 3]) {
      const model = NoProp.create(smallModel())
      await model.fit(squares(128, 14, [0, 1, 2, 3]), { ...TRAINING, inFlight })
      const path = join(temporaryDirectory(), 'model.safetensors')
      await model.save(path)
      bytes.push(readFileSync(path).toString('base64'))
    }
    expect(bytes[0]).toBe(bytes[1])
  })
})

test('noprop report and train --report write a page with the figures of eval --json', async () => {
  const data = smallIdx()
  const directory = temporaryDirectory()
  const [out, page] = [join(directory, 'model.safetensors'), join(directory, 'trained.html')]
  const flags = ['--widths', '8,8,16', '--hidden', '32', '--blocks', '3', '--epochs', '2', '--batch', '32']
  const trained = await done(['train', '--data', data, ...flags, '--out', out, '--report', page])
  expect(trained.report).toBe(page)
  const { seconds, samplesPerSecond, event, ...figures } = await done(['eval', out, '--data', data])
  const fromRun = documentOf(readFileSync(page, 'utf8'))
  expect(fromRun.evaluation).toMatchObject(figures)
  expect(fromRun.run?.device).toBe('cpu')
  expect(fromRun.made.command).toContain('--report')
  expect(trained.testAccuracy).toBe(figures.accuracy)

  expect(await done(['report', out, '--data', data])).toMatchObject({
    out: join(directory, 'model.html'),
    accuracy: figures.accuracy,
  })
  const html = readFileSync(join(directory, 'model.html'), 'utf8')
  const document = documentOf(html)
  expect(document.evaluation).toMatchObject(figures)
  expect(document.made.command).toContain(`noprop report ${out}`)
  // What is not pictures: at most 1 MB.
  const pictures = Object.values(document.samples).reduce((sum, { picture }) => sum + (picture?.length ?? 0), 0)
  expect(statSync(join(directory, 'model.html')).size - pictures).toBeLessThan(1e6)

  const { code, stderr } = await runCli(['report', out, '--data', data, '--out', join(directory, 'no', 'where.html')])
  expect([code, stderr]).toEqual([1, expect.stringMatching(/^error NOPROP_OUTPUT: [^\n]+\n$/)])
  expect((await runCli(['report', out])).stderr).toMatch(/NOPROP_USAGE: the option --data /)
})

describe.skipIf(!chromiumPath)(`a report in a browser${leftOut}`, () => {
  const open = pages()

  async function shown(options: Parameters<typeof open>[0] = {}, change?: (document: ReportDocument) => void) {
    const { model, test } = await trained()
    const report = await createReport(model, test, {
      title: 'Squares',
      dataName: 'squares',
      command: 'noprop report x',
    })
    change?.(report.document)
    const path = join(temporaryDirectory(), 'report.html')
    await report.save(path)
    const watched = await open(options)
    await watched.page.goto(pathToFileURL(path).href)
    await watched.page.waitForSelector('.chart svg')
    return { ...watched, model, test, document: report.document }
  }

  test('complains of nothing, asks for nothing, and has every figure', async () => {
    const { page, complaints, requests, model, test, document } = await shown()
    expect(complaints).toEqual([])
    expect(requests.filter((url) => !/^(file|data):/.test(url))).toEqual([])
    expect(await page.locator('meta[http-equiv]').getAttribute('content')).toMatch(
      /^default-src 'none';.*connect-src 'none'/,
    )
    const evaluation = await model.evaluate(test)
    const text = async (selector: string) => (await page.textContent(selector))?.replaceAll('\u00a0', ' ')
    const figures = await text('#figures')
    for (const figure of [
      `${(100 * evaluation.accuracy).toFixed(2)} %`,
      evaluation.logLoss.toFixed(4),
      evaluation.loss.toFixed(4),
      evaluation.macroAverage.f1.toFixed(4),
      `${(100 * evaluation.calibration.ece).toFixed(2)} %`,
    ]) {
      expect(figures).toContain(figure)
    }
    expect(await matrixOf(page)).toEqual(evaluation.confusion)
    expect(await tableOf(page, '#classes')).toEqual(classRows(evaluation))
    expect((await tableOf(page, '#blocks')).slice(0, 3).map(([, accuracy]) => accuracy)).toEqual(
      evaluation.accuracyPerBlock.map((accuracy) => `${(100 * accuracy).toFixed(2)} %`),
    )
    const losses = await tableOf(page, '#training')
    expect(losses[0]?.slice(1)).toEqual(model.history?.loss.map(([first]) => first?.toFixed(4)))
    const chains = await page.locator('.chain').count()
    expect(chains).toBe(document.denoising?.samples.length)
    expect(await page.locator('.chain').first().locator('.steps rect').count()).toBe(4 * (1 + 2 * 3))
    expect(await page.locator('#worst .card').count()).toBe(evaluation.worst.length)
    expect(await text('#details')).toContain(await model.weightsSha256())
  })

  test('the confusion matrix is walked with arrow keys and shows samples of a number', async () => {
    const { page, document } = await shown()
    const first = page.locator('.matrix button').first()
    await first.focus()
    // One stop of the tab key for the whole matrix.
    expect(await page.locator('.matrix button[tabindex="0"]').count()).toBe(1)
    await page.keyboard.press('ArrowRight')
    await page.keyboard.press('ArrowRight')
    await page.keyboard.press('ArrowRight')
    await page.keyboard.press('Enter')
    const samples = document.cells?.find(([i, j]) => i === 0 && j === 3)?.[2] ?? []
    expect(samples.length).toBeGreaterThan(0)
    expect(await page.locator('.panel h3').textContent()).toBe('0 taken for 3')
    expect(await page.locator('.panel .card').count()).toBe(samples.length)
    const sources = await page
      .locator('.panel img')
      .evaluateAll((images) => images.map((image) => image.getAttribute('src')))
    expect(sources).toEqual(samples.map((sample) => document.samples[sample]?.picture))
    const label = await page.locator('.matrix button[aria-pressed="true"]').getAttribute('aria-label')
    expect(label).toBe(`0 taken for 3: ${document.evaluation?.confusion?.[0]?.[3]} samples`)
  })

  test.each(['light', 'dark'] as const)('has contrast and names for everything, %s', async (colorScheme) => {
    const { page } = await shown({ colorScheme })
    await page.locator('.matrix button').first().click()
    expect(await poorContrasts(page)).toEqual([])
    expect(await unnamed(page)).toEqual([])
  })

  test.each([360, 1280])('is no wider than a screen of %d pixels', async (width) => {
    const { page } = await shown({ viewport: { width, height: 740 } })
    const wide = await widthOf(page)
    expect(wide).toBeLessThanOrEqual(width)
  })

  test.each(['light', 'dark'] as const)('of numbers is as whole, %s', async (colorScheme) => {
    const { model, data } = await ofNumbers()
    const report = await createReport(model, data)
    const path = join(temporaryDirectory(), 'report.html')
    await report.save(path)
    const { page, complaints } = await open({ colorScheme, viewport: { width: 360, height: 740 } })
    await page.goto(pathToFileURL(path).href)
    await page.waitForSelector('#numbers .chart svg')
    expect(complaints).toEqual([])
    const { r2, targets } = await model.evaluateNumbers(data)
    expect(await page.textContent('#figures')).toContain(r2.toFixed(4))
    const scores = page.locator('#numbers .table tbody tr')
    expect(await scores.evaluateAll((rows) => rows.map((row) => row.children[1]?.textContent))).toEqual(
      targets.map((target) => target.r2.toFixed(4)),
    )
    expect(await page.locator('#numbers figure').count()).toBe(2)
    expect(await page.locator('#worst .card').count()).toBe(20)
    expect(await page.textContent('#training')).toContain('Validation R²')
    expect(await poorContrasts(page)).toEqual([])
    expect(await unnamed(page)).toEqual([])
    expect(await widthOf(page)).toBeLessThanOrEqual(360)
  })

  test.each(['light', 'dark'] as const)('shows prototypes as pictures, %s', async (colorScheme) => {
    const model = NoProp.create({ ...smallModel(), embedding: 'prototype', blocks: 2 })
    const data = squares(64, 14, [0, 1, 2, 3])
    await model.fit(data, { epochs: 1 })
    const report = await createReport(model, data)
    const path = join(temporaryDirectory(), 'report.html')
    await report.save(path)
    const { page, complaints } = await open({ colorScheme, viewport: { width: 360, height: 740 } })
    await page.goto(pathToFileURL(path).href)
    const chain = page.locator('#denoising .chain').first()
    const { initial, steps } = report.document.denoising?.samples[0] ?? { initial: '', steps: [] }
    const pictures = await chain
      .locator('.steps img')
      .evaluateAll((images) =>
        images.map((image) => [image.getAttribute('src'), (image as unknown as { naturalWidth: number }).naturalWidth]),
      )
    expect(pictures).toEqual(
      [initial, ...steps.flatMap(({ estimate, state }) => [estimate, state])].map((uri) => [uri, 14]),
    )
    expect(complaints).toEqual([])
    expect(await poorContrasts(page)).toEqual([])
    expect(await unnamed(page)).toEqual([])
    expect(await widthOf(page)).toBeLessThanOrEqual(360)
  })

  test('text of others stays text', async () => {
    const evil = '</script><script>document.title="evil"</script><img src=x onerror=alert(1)><!-- $& '
    const { page, complaints } = await shown({}, (document) => {
      document.title = evil
      document.model.config.classes = [evil, 'b', 'c', 'd']
      document.made.command = evil
    })
    expect(complaints).toEqual([])
    expect(await page.locator('h1').textContent()).toBe(evil)
    expect(await page.title()).toContain('<img src=x')
    expect(await page.locator('#details pre').first().textContent()).toContain('<!-- $&')
    expect(await page.locator('.matrix tbody th').first().textContent()).toBe(evil)
  })

  test('its policy lets in no script but its own', async () => {
    const { page, complaints } = await shown()
    expect(await runsScripts(page)).toBe(false)
    expect(complaints.join()).toContain('Content Security Policy')
  })
})

type Page = Awaited<ReturnType<ReturnType<typeof pages>>>['page']

function matrixOf(page: Page): Promise<number[][]> {
  return page
    .locator('.matrix tbody tr')
    .evaluateAll((rows) =>
      rows.map((row) =>
        [...row.querySelectorAll('button')].map((button) => Number(button.textContent?.replaceAll(',', ''))),
      ),
    )
}

/** The cells of the first table of a part, a row each. */
async function tableOf(page: Page, part: string): Promise<string[][]> {
  const rows = await page
    .locator(`${part} table`)
    .first()
    .locator('tbody tr')
    .evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent ?? '')))
  return rows.map((row) => row.map((cell) => cell.replaceAll('\u00a0', ' ')))
}

function classRows({ classes, perClass, macroAverage, weightedAverage, samples }: EvaluateResult): string[][] {
  const digits = (values: (number | undefined)[]) => values.map((value) => (value ?? 0).toFixed(4))
  const { precision, recall, f1, support } = perClass
  const average = ({ precision, recall, f1 }: EvaluateResult['macroAverage']) => digits([precision, recall, f1])
  return [
    ...classes.map((label, place) => [
      String(label),
      ...digits([precision[place], recall[place], f1[place]]),
      String(support[place]),
    ]),
    ['macro average', ...average(macroAverage), String(samples)],
    ['weighted average', ...average(weightedAverage), String(samples)],
  ]
}
