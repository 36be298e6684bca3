// Pages in Debian's Chromium.
import { existsSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'

const PLACES = [process.env.NOPROP_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** Starts the Chromium of this machine; undefined where there is none. */
export function findChromium() {
  const executablePath = PLACES.find((path) => path && existsSync(path))
  return executablePath && (() => chromium.launch({ executablePath, args: ['--no-sandbox'] }))
}

/** Seconds from asking for a file until its charts are drawn. */
export async function secondsToUse(launch, file) {
  const browser = await launch()
  try {
    const page = await browser.newPage()
    const began = performance.now()
    await page.goto(pathToFileURL(file).href)
    await page.waitForSelector('svg', { state: 'attached' })
    // Two frames: what was drawn is on the screen.
    await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))')
    return (performance.now() - began) / 1000
  } finally {
    await browser.close()
  }
}
