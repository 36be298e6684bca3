import { existsSync } from 'node:fs'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll } from 'vitest'
import * as inPage from './in-page.mjs'

const PLACES = [
  process.env.NOPROP_CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]

/** A Chromium of this machine, or undefined; `NOPROP_CHROMIUM` names another. */
export const chromiumPath = PLACES.find((path) => path !== undefined && path !== '' && existsSync(path))

/** What the name of a group of tests says where they cannot run. */
export const leftOut = chromiumPath === undefined ? ' (left out: no Chromium; NOPROP_CHROMIUM names one)' : ''

let browser: Promise<Browser> | undefined

/** Opens pages in one browser, which is closed after the file's last test. To be called at the top of a file. */
export function pages(): (options?: Parameters<Browser['newPage']>[0]) => Promise<Watched> {
  afterAll(async () => (await browser)?.close())
  return async (options) => {
    browser ??= chromium.launch({ executablePath: chromiumPath as string, args: ['--no-sandbox'] })
    const page = await (await browser).newPage(options)
    const complaints: string[] = []
    const requests: string[] = []
    // Refusals by the page's policy are errors of the console as well.
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('request', (request) => requests.push(request.url()))
    return { page, complaints, requests }
  }
}

/** A page with what it complained of and what it asked for. */
export interface Watched {
  page: Page
  complaints: string[]
  requests: string[]
}

/** Pairs of a text and its background whose contrast is below WCAG's 4.5 (3 for large text). */
export function poorContrasts(page: Page): Promise<string[]> {
  return page.evaluate(inPage.poorContrasts)
}

/** What a screen reader cannot name: pictures, buttons, links, regions, tables and headings in a wrong order. */
export function unnamed(page: Page): Promise<string[]> {
  return page.evaluate(inPage.unnamed)
}

/** Pixels that the page is wide. */
export function widthOf(page: Page): Promise<number> {
  return page.evaluate(inPage.width)
}

/** Whether a script that is put into the page runs. */
export function runsScripts(page: Page): Promise<boolean> {
  return page.evaluate(inPage.runsScripts)
}
