import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { datasets, type FitEvent, NoProp } from '../src/index.js'
import { createReport, ProgressPage, serveProgress } from '../src/report/index.js'
import { LiveState } from '../src/report/live-state.js'
import { chromiumPath, leftOut, pages, poorContrasts, unnamed, widthOf } from './support/browser.js'
import { smallIdx, squares } from './support/data.js'
import { SMALL_FLAGS, smallModel } from './support/models.js'
import { startCli } from './support/process.js'

const LABELS = [0, 1, 2, 3]

/** A run that goes on until it is told to end. */
function endless() {
  const model = NoProp.create(smallModel())
  const run = model.fit(squares(128, 14, LABELS), { epochs: 100_000, batch: 32, validationSplit: 0.2 })
  onTestFinished(async () => {
    run.stop()
    await run.then(
      () => {},
      () => {},
    )
  })
  return { model, run }
}

async function served(run: Parameters<typeof serveProgress>[0], options: Parameters<typeof serveProgress>[1] = {}) {
  const page = await serveProgress(run, options)
  onTestFinished(() => page.close().catch(() => {}))
  return page
}

/** The status of a request with these headers, and what came. */
function ask(
  url: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Record<string, string> } = {},
) {
  return new Promise<{ status: number; headers: Record<string, unknown>; text: string }>((resolve, reject) => {
    const asked = request(url, { method, headers }, (response) => {
      let text = ''
      response.on('data', (chunk) => {
        text += chunk
        // Events go on for as long as somebody listens.
        if (text.includes('\n\n') && response.headers['content-type'] === 'text/event-stream') {
          response.destroy()
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text })
        }
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
    })
    asked.on('error', reject)
    asked.end()
  })
}

describe('a run', () => {
  test('is watched beside whoever iterates, from its start, and by one who throws', async () => {
    const model = NoProp.create(smallModel())
    const run = model.fit(squares(64, 14, LABELS), { epochs: 2, batch: 32 })
    const [seen, late]: [FitEvent[], FitEvent[]] = [[], []]
    run.watch(() => {
      throw new Error('a defect of the watcher')
    })
    run.watch((event) => seen.push(event))
    const left: FitEvent[] = []
    const end = run.watch((event) => left.push(event))
    const iterated: string[] = []
    for await (const event of run) {
      if (event.event === 'start') {
        run.watch((event) => late.push(event))
        end()
      }
      iterated.push(event.event)
    }
    await run
    const ofKind = (events: FitEvent[], kind: string) => events.filter(({ event }) => event === kind).length
    expect([ofKind(seen, 'start'), ofKind(seen, 'epoch'), ofKind(seen, 'block'), ofKind(seen, 'done')]).toEqual([
      1, 6, 3, 1,
    ])
    expect(iterated.filter((kind) => kind === 'epoch')).toHaveLength(6)
    expect(late[0]?.event).toBe('start')
    expect(ofKind(left, 'done')).toBe(0)
    expect(() => run.watch(undefined as unknown as () => void)).toThrow(
      expect.objectContaining({ code: 'NOPROP_OPTION' }),
    )
  })
})

describe('what a page is told', () => {
  const start = {
    event: 'start',
    epochs: 50,
    batch: 32,
    samples: 1000,
    stepsPerBlock: 1600,
    parameters: 1,
    threads: 2,
    inFlight: 16,
    resume: false,
    measure: 'accuracy',
    device: 'cpu',
  } as const
  const progress = {
    event: 'progress',
    epochs: 50,
    steps: 1600,
    samplesPerSecond: 1,
    secondsLeft: 1,
    jobs: 16,
    threads: 2,
  } as const

  test('of ten thousand blocks is as little as of a hundred', () => {
    const state = new LiveState()
    const blocks = 9_999
    state.add({ ...start, blocks })
    for (let block = 1; block <= blocks; block++) {
      for (let epoch = 1; epoch <= 50; epoch++)
        state.add({ event: 'epoch', block, epoch, loss: block / epoch, validationLoss: 1, validationAccuracy: 0.5 })
      state.add({ ...progress, block, epoch: 25, step: 800, loss: block })
    }
    const snapshot = state.snapshot()
    expect(snapshot.share).toBeCloseTo(0.5)
    expect(snapshot.groups.length).toBeLessThanOrEqual(120)
    expect(snapshot.groups.at(-1)?.to).toBe(blocks)
    expect(JSON.stringify(snapshot).length).toBeLessThan(60_000)
    const { epochs, lines } = snapshot.loss
    expect(lines.map(({ name }) => name)).toEqual(['least', 'lower quartile', 'median', 'upper quartile', 'greatest'])
    expect(lines.map(({ values }) => values[0])).toEqual([1, 2501, 5000, 7500, 9999])
    expect(epochs).toHaveLength(50)
  })

  test('of a few is every block, with what an earlier run had made left out of speed and time', () => {
    const state = new LiveState()
    state.add({ ...start, blocks: 2, resume: true })
    state.add({ ...progress, block: 1, epoch: 25, step: 800, loss: 0.5 })
    state.add({
      event: 'block',
      block: 2,
      loss: 0.25,
      losses: [0.5, 0.25],
      reason: 'epochs',
      seconds: 3,
      resumed: true,
    })
    const before = state.snapshot()
    expect([before.share, before.finished, before.samplesPerSecond, before.secondsLeft]).toEqual([
      0.75,
      1,
      undefined,
      undefined,
    ])
    expect(before.loss.lines.map(({ values }) => values)).toEqual([
      [null, null],
      [0.5, 0.25],
    ])
    state.add({ ...progress, block: 1, epoch: 25, step: 1200, loss: 0.4 })
    expect(state.snapshot().secondsLeft).toBeGreaterThan(0)
  })
})

describe('the server', () => {
  test('serves those alone who have the token, by the names of this machine, from no other site', async () => {
    const { run } = endless()
    const { url } = await served(run)
    const { port, host } = new URL(url)
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[\w-]{24}\/$/)
    const page = await ask(url)
    expect([page.status, page.headers['content-type'], page.headers['cache-control']]).toEqual([
      200,
      'text/html; charset=utf-8',
      'no-store',
    ])
    expect(page.headers['referrer-policy']).toBe('no-referrer')
    expect((await ask(`${url}events`)).text).toMatch(/^event: look\ndata: \{/)
    const of = async (...args: Parameters<typeof ask>) => (await ask(...args)).status
    for (const path of [url, `${url}events`]) {
      expect(await of(path, { headers: { host: `evil.example:${port}` } })).toBe(421)
      expect(await of(path, { headers: { host: 'localhost' } })).toBe(421)
      expect(await of(path, { headers: { origin: 'http://evil.example' } })).toBe(403)
      expect(await of(path, { headers: { origin: 'null' } })).toBe(403)
      expect(await of(path, { headers: { 'sec-fetch-site': 'cross-site' } })).toBe(403)
      expect(await of(path, { method: 'POST' })).toBe(405)
      expect(await of(path, { headers: { host: `localhost:${port}`, origin: `http://${host}` } })).toBe(200)
    }
    const wrong = url.replace(/\w(?=\/$)/, (last) => (last === 'A' ? 'B' : 'A'))
    for (const path of [`http://${host}/`, `http://${host}/events`, wrong, `${wrong}events`, `${url}nothing`]) {
      expect([path, await of(path)]).toEqual([path, 404])
    }
  })

  test('takes a port that is free, and says which are not', async () => {
    const { run } = endless()
    const { url } = await served(run)
    const port = Number(new URL(url).port)
    await expect(serveProgress(run, { port })).rejects.toMatchObject({
      code: 'NOPROP_IO',
      hint: expect.stringContaining('port'),
    })
    const none = serveProgress(undefined as unknown as typeof run)
    await expect(none).rejects.toMatchObject({ code: 'NOPROP_OPTION', what: 'there is no run to show' })
    for (const port of [-1, 70_000, 1.5, '80' as unknown as number])
      await expect(serveProgress(run, { port })).rejects.toMatchObject({ code: 'NOPROP_OPTION' })
  })

  test('tells of a run that fails, and can be closed again and again', async () => {
    const model = NoProp.create(smallModel())
    const run = model.fit(squares(64, 14, LABELS), { batch: 100_000 })
    const page = await ProgressPage.open({})
    page.watch(run)
    await expect(run).rejects.toMatchObject({ code: 'NOPROP_OPTION' })
    const { text } = await ask(`${page.url}events`)
    expect(JSON.parse(text.split('data: ')[1] as string)).toMatchObject({
      state: 'failed',
      error: expect.stringContaining('batch'),
    })
    await page.close()
    await page.close()
    await expect(ask(page.url)).rejects.toThrow()
  })
})

test('train --ui prints the address, and nobody need look', async () => {
  const { wrote, ended } = startCli(['train', '--data', smallIdx(), ...SMALL_FLAGS, '--ui'])
  await wrote(/watch the training at http:\/\/127\.0\.0\.1:\d+\/[\w-]+\//)
  expect(await ended).toMatchObject({ code: 0 })
  const refused = await startCli(['train', '--data', smallIdx(), ...SMALL_FLAGS, '--ui', '99999']).ended
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/NOPROP_OPTION: --ui is out of range/)])
})

describe.skipIf(!chromiumPath)(`a live page in a browser${leftOut}`, () => {
  const open = pages()

  test('shows the run in every window, is closed without harm, and becomes the report', async () => {
    const data = squares(256, 14, LABELS)
    const alone = NoProp.create(smallModel())
    const options = { epochs: 40, batch: 32, validationSplit: 0.2 }
    const expected = await alone.fit(data, options)
    const model = NoProp.create(smallModel())
    const samples = datasets.fromArrays(squares(40, 14, LABELS, 7))
    const page = await ProgressPage.open({
      title: 'Squares',
      report: () => createReport(model, samples, { title: 'Squares' }),
    })
    onTestFinished(() => page.close())
    const [one, other] = [await open(), await open()]
    await one.page.goto(page.url)
    await other.page.goto(page.url)
    await one.page.getByText('The run is being prepared.').waitFor()
    await other.page.getByText('The run is being prepared.').waitFor()
    const run = model.fit(data, options)
    page.watch(run)
    await other.page.close()
    const history = await run
    expect(history.weightsSha256).toBe(expected.weightsSha256)
    await page.close()
    await one.page.waitForSelector('.matrix')
    const { accuracy } = await model.evaluate(samples)
    expect((await one.page.locator('#figures').textContent())?.replaceAll('\u00a0', ' ')).toContain(
      `${(100 * accuracy).toFixed(2)} %`,
    )
    // The server is gone, and the report is still there to be kept.
    const [download] = await Promise.all([one.page.waitForEvent('download'), one.page.locator('.save').click()])
    const saved = readFileSync(await download.path(), 'utf8')
    expect(saved).toMatch(/<meta http-equiv="Content-Security-Policy" content="[^"]*connect-src 'none'/)
    expect(saved).toContain('@observablehq/plot')
    const again = await open()
    await again.page.goto(`file://${await download.path()}`)
    await again.page.setContent(saved)
    await again.page.waitForSelector('.matrix')
    expect([...one.complaints, ...other.complaints, ...again.complaints]).toEqual([])
  })

  test.each(['light', 'dark'] as const)(
    'has contrast and names, fits 360 pixels, and follows, %s',
    async (colorScheme) => {
      const { run } = endless()
      const { url } = await served(run, { title: 'Squares' })
      const { page, complaints, requests } = await open({ viewport: { width: 360, height: 740 }, colorScheme })
      await page.goto(url)
      await page.waitForSelector('.chart svg')
      expect(await poorContrasts(page)).toEqual([])
      expect(await unnamed(page)).toEqual([])
      expect(await widthOf(page)).toBeLessThanOrEqual(360)
      expect(await page.locator('[role=status]').textContent()).toMatch(/^Training 3 blocks on 104 samples/)
      const done = () => page.locator('.figures .value').first().textContent()
      const first = await done()
      await expect.poll(done, { timeout: 60_000 }).not.toBe(first)
      expect(complaints).toEqual([])
      expect(requests.filter((asked) => !asked.startsWith(url) && !asked.startsWith('data:'))).toEqual([])
    },
  )
})
