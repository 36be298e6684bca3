// PyTorch's programs, each in a process that stays: it is built and compiled once, and measured whenever its turn comes.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { root } from '../support/steps.mjs'
import { CheckFailed, endGroup, errorIn } from './child.mjs'

/** Starts `bench/peer_torch.py --serve`; `ready` resolves when it is warm, `measure()` gives one result. */
export function startPeer(torch, { mode, amp, device, shape, blocks, batch, net, iterations, warmUp }, { env, until }) {
  const args = ['bench/peer_torch.py', '--serve', '--modes', mode, '--amp', amp, '--device', device, '--shape', shape]
  const sizes = { steps: blocks, batch, iters: iterations, warmup: warmUp }
  for (const [name, value] of Object.entries(sizes)) args.push(`--${name}`, String(value))
  if (net) args.push('--net', net.type)
  const child = spawn(torch.python, args, { cwd: root, env: { ...process.env, ...env }, detached: true })
  let errors = ''
  child.stderr.on('data', (chunk) => (errors = (errors + chunk).slice(-10_000)))
  child.stdin.on('error', () => {})
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ended = new Promise((resolve) => child.on('error', resolve).on('close', resolve))
  const timer = setTimeout(() => endGroup(child), Math.max(0, until - Date.now()))
  ended.then(() => clearTimeout(timer))
  const next = async () => {
    const { value, done } = await lines.next()
    if (!done) return JSON.parse(value)
    await ended
    const late = Date.now() >= until
    throw new CheckFailed(late ? 'it did not end in its time' : `it failed: ${errorIn(errors) || 'no message'}`)
  }
  const ready = next()
  // Whoever asks for it gets the error.
  ready.catch(() => {})
  return {
    ready,
    measure() {
      child.stdin.write('\n')
      return next()
    },
    async stop() {
      endGroup(child)
      await ended
    },
  }
}
