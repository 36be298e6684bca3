#!/usr/bin/env node
// Stands in for a Python with PyTorch: what is asked of it for `npm run gpu:check`, without either.
import { createInterface } from 'node:readline'

const args = process.argv.slice(2)
const say = (value) => console.log(JSON.stringify(value))
if (args[0] === '-c') {
  say({ version: '3.12.0', paths: [], torch: '2.0.0', cuda: null, sees: false })
} else if (args.includes('vmap')) {
  console.error('Traceback (most recent call last):\nRuntimeError: there is no compiler')
  process.exitCode = 1
} else {
  say({ ready: true })
  const speed = args.includes('tuned') ? 200 : 100
  for await (const _ of createInterface({ input: process.stdin })) say({ samples_per_s: speed, peak_mib: 64 })
}
