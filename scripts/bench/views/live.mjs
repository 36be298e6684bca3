// How fast a run trains that is watched.
import { spawn } from 'node:child_process'
import { request } from 'node:http'
import { join } from 'node:path'
import { root } from '../../support/steps.mjs'

const RUN = join(root, 'scripts', 'bench', 'views', 'run.mjs')

/** Starts a run; tells its page's address, if it has one, and its samples a second. */
async function speed(args, watch = listen) {
  const child = spawn(process.execPath, [RUN, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  /** @type {undefined | (() => unknown)} */
  let end
  let watching = false
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', async (chunk) => {
    output += chunk
    const url = output.match(/^page (.*)$/m)?.[1]
    if (!url || watching) return
    watching = true
    end = await watch(url)
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  await end?.()
  if (code !== 0) throw new Error(`the run ended with ${code}`)
  return Number(output.match(/^speed (.*)$/m)[1])
}

/** Reads a page's events and draws nothing. */
async function listen(url) {
  const page = new URL(url)
  page.pathname = `${page.pathname.replace(/\/$/, '')}/events`
  const asked = request(page, (response) => response.resume())
  asked.on('error', () => {}).end()
  return () => asked.destroy()
}

/** The speeds of a run without a page, with one that is listened to, and with one in a browser, if there is one. */
export function liveSpeeds(launch) {
  const show = async (url) => {
    const browser = await launch()
    const page = await browser.newPage()
    await page.goto(url, { waitUntil: 'commit' })
    return () => browser.close()
  }
  return [() => speed([]), () => speed(['--page'], listen), ...(launch ? [() => speed(['--page'], show)] : [])]
}
