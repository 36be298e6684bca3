// A Redis server, workers and clients of `npm run bench:cluster`, on free ports and in folders of their own.
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { root, StepFailed } from '../../support/steps.mjs'

const CLI = join(root, 'dist', 'cli.js')
const started = new Set()

process.on('exit', () => {
  for (const child of started) child.kill('SIGKILL')
})

function start(program, args, options = {}) {
  const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options })
  started.add(child)
  child.on('close', () => started.delete(child))
  let text = ''
  const readers = new Set()
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes) => {
      text += bytes
      for (const reader of readers) reader()
    })
  }
  /** Resolves with the time at which `pattern` is in what was written since `from`. */
  const wrote = (pattern, from = 0) =>
    new Promise((resolve, reject) => {
      const look = () => {
        if (!pattern.test(text.slice(from))) return
        readers.delete(look)
        resolve(performance.now())
      }
      readers.add(look)
      look()
      child.on('close', () => reject(new StepFailed(`${program} ended:\n${text}`)))
      child.on('error', () => reject(new StepFailed(`${program} is not installed.`)))
    })
  const ended = new Promise((resolve) => {
    child.on('close', (code) => resolve({ code, text }))
  })
  return { child, wrote, ended, written: () => text }
}

export const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
      server.close(() => resolve(port))
    })
  })

/** A Redis server without persistence. */
export async function startRedis(folder) {
  const port = await freePort()
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder]
  const server = start('redis-server', args)
  await server.wrote(/Ready to accept/)
  return { ...server, url: `redis://127.0.0.1:${port}` }
}

/** A worker, once it waits for blocks. */
export async function startWorker({ queue, store, cache }, ...flags) {
  const args = [CLI, 'worker', '--queue', queue, '--store', store, '--cache', cache, '--device', 'cpu']
  const worker = start(process.execPath, [...args, '--threads', '1', ...flags])
  await worker.wrote(/waits for blocks/)
  return worker
}

/** `noprop train … --json`, not waited for. */
export function startTraining(flags) {
  return start(process.execPath, [CLI, 'train', ...flags, '--json'])
}

/** The last event of a training, and the seconds that the process took. */
export async function train(flags) {
  const began = performance.now()
  const { code, text } = await startTraining(flags).ended
  if (code !== 0) throw new StepFailed(`a training ended with ${code}:\n${text}`)
  const last = JSON.parse(text.trim().split('\n').at(-1))
  return { ...last, seconds: (performance.now() - began) / 1000 }
}
