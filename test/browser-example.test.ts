import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { NoProp } from '../src/index.js'
import { seeded, temporaryDirectory } from './support/data.js'
import { root, startNode } from './support/process.js'

const CHROMIUM = process.env.NOPROP_CHROMIUM ?? '/usr/bin/chromium'
const RUNTIME = process.env.NOPROP_ORT_WEB ?? join(root, 'examples/browser/node_modules/onnxruntime-web/dist')
const playwright = await import('playwright-core' as string).catch(() => undefined)
const missing = [
  existsSync(CHROMIUM) ? [] : [`${CHROMIUM} (NOPROP_CHROMIUM)`],
  playwright ? [] : ['playwright-core'],
  existsSync(RUNTIME) ? [] : ['onnxruntime-web (npm install in examples/browser, or NOPROP_ORT_WEB)'],
].flat()
const name = 'a page classifies what is drawn on it'

/** Strokes of one direction: class 1 is upright, class 7 lies flat. */
function strokes(count: number) {
  const random = seeded(4)
  const images = new Uint8Array(count * 784)
  const labels = Array.from({ length: count }, (_, sample) => [1, 7][sample % 2]!)
  for (const [sample, label] of labels.entries()) {
    const shift = Math.floor(random() * 5) - 2
    for (let along = 4; along < 24; along++) {
      for (let across = 12; across < 16; across++) {
        const [x, y] = label === 1 ? [across + shift, along] : [along, across + shift]
        images[sample * 784 + y * 28 + x] = 200 + random() * 55
      }
    }
  }
  return { images, shape: [28, 28, 1], labels }
}

test.skipIf(missing.length > 0)(
  missing.length > 0 ? `${name} (left out: no ${missing.join(', ')})` : name,
  async () => {
    const file = join(temporaryDirectory(), 'model.onnx')
    const model = NoProp.create({ input: [28, 28, 1], classes: 10, blocks: 2, net: { type: 'mlp', hidden: [16] } })
    await model.fit(strokes(200), { epochs: 5, batch: 20, learningRate: 3e-3 })
    await model.exportOnnx(file)
    const server = startNode(['examples/browser/serve.mjs', file, '--port', '0', '--ort', RUNTIME])
    onTestFinished(() => void server.child.kill())
    const address = (await server.wrote(/http:\S+\n/)).trim()
    const browser = await playwright.chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
    onTestFinished(() => browser.close())
    const page = await browser.newPage({ viewport: { width: 360, height: 740 } })
    const errors: string[] = []
    page.on(
      'console',
      (message: { type(): string; text(): string }) => message.type() === 'error' && errors.push(message.text()),
    )
    page.on('pageerror', (error: Error) => errors.push(error.message))
    await page.goto(address)
    const answer = page.locator('#answer')
    await answer.filter({ hasText: 'Draw a digit.' }).waitFor()
    const { x, y, width } = await page.locator('#paper').boundingBox()
    const draw = async (from: number[], to: number[]) => {
      await page.mouse.move(x + from[0]! * width, y + from[1]! * width)
      await page.mouse.down()
      await page.mouse.move(x + to[0]! * width, y + to[1]! * width, { steps: 8 })
      await page.mouse.up()
    }
    await draw([0.4, 0.2], [0.4, 0.8])
    await answer.filter({ hasText: 'This is a 1.' }).waitFor()
    expect(
      await page
        .locator('meter')
        .nth(1)
        .evaluate((meter: { value: number }) => meter.value),
    ).toBeGreaterThan(0.5)
    await page.getByRole('button', { name: 'Clear' }).click()
    await answer.filter({ hasText: 'Draw a digit.' }).waitFor()
    await draw([0.2, 0.6], [0.8, 0.6])
    await answer.filter({ hasText: 'This is a 7.' }).waitFor()
    // Nothing stands beyond a narrow screen.
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    expect(errors).toEqual([])
  },
)
