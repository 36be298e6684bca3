// The server of examples/server under load, and onnxruntime beside it.
import { execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'
import { root } from '../../support/steps.mjs'
import { findPython } from '../peers/programs.mjs'

const EXAMPLE = join(root, 'examples', 'server')

/** Requests a second and latencies of a model that is served, at 1 and 64 connections. */
export async function serverLoad(model, seconds) {
  const server = spawn(process.execPath, [join(EXAMPLE, 'server.mjs'), model, '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    server.stdout.setEncoding('utf8')
    const address = await new Promise((resolve, reject) => {
      server.stdout.once('data', (text) => resolve(text.trim()))
      server.once('exit', (code) => reject(new Error(`the server ended with ${code}`)))
    })
    const text = execFileSync(process.execPath, [join(EXAMPLE, 'load.mjs'), address, '784', String(seconds)], {
      encoding: 'utf8',
    })
    const line = /^(\d+) connections: (\d+) requests\/s, p50 (\S+) ms, p99 (\S+) ms$/gm
    return [...text.matchAll(line)].map(([, connections, rate, p50, p99]) => ({
      ...{ connections: Number(connections), rate: Number(rate), p50, p99 },
    }))
  } finally {
    server.kill()
  }
}

/** The same of the exported model, called from Python without a server; nothing where there is no onnxruntime. */
export function onnxruntimeLoad(onnx, seconds) {
  const python = findPython(['onnxruntime', 'numpy'])
  if (!python) return []
  const text = execFileSync(python, [join(EXAMPLE, 'onnxruntime_load.py'), onnx, String(seconds)], { encoding: 'utf8' })
  const line = /^(\d+) samples a call: (\d+) samples\/s, p50 (\S+) ms, p99 (\S+) ms$/gm
  return [...text.matchAll(line)].map(([, samples, rate, p50, p99]) => ({
    ...{ samples: Number(samples), rate: Number(rate), p50, p99 },
  }))
}
