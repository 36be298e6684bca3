import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromDetails, type NoPropError } from '../../errors.js'

/** Samples that the memory of a step is measured on: two batches. */
const SAMPLES = 256
/** How it is trained for that. */
export const ONE_STEP = ['--limit', `${SAMPLES}`, '--threads', '1', '--in-flight', '1', '--device', 'cpu']
/** The least net, whose training shows what the program and the samples take. */
const LEAST = ['--method', 'dt', '--net', 'mlp', '--hidden', '1', '--blocks', '1']

/**
 * Peak memory in MiB of training two steps by these flags, one block in flight on one thread, beyond that of a net without any size. Each
 * is trained by `noprop train` in a process of its own.
 */
export async function measureMemory(data: string, flags: readonly string[], signal: AbortSignal): Promise<number> {
  const common = ['--data', data, ...ONE_STEP]
  const [least, peak] = [
    await peakOf([...common, ...LEAST, '--batch', '128'], signal),
    await peakOf([...flags, ...common], signal),
  ]
  return Math.max(0, peak - least)
}

async function peakOf(flags: readonly string[], signal: AbortSignal): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'noprop-memory-'))
  try {
    const out = join(directory, 'model.safetensors')
    const { peakMemoryMiB } = await lastLine(['train', ...flags, '--epochs', '1', '--out', out, '--json'], signal)
    return peakMemoryMiB as number
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The last object that this program prints with these arguments. Throws what it failed with. */
async function lastLine(args: readonly string[], signal: AbortSignal): Promise<Record<string, unknown>> {
  signal.throwIfAborted()
  const child = spawn(process.execPath, [process.argv[1] as string, ...args], { stdio: ['ignore', 'pipe', 'ignore'] })
  const stop = () => child.kill('SIGTERM')
  signal.addEventListener('abort', stop, { once: true })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  return new Promise<Record<string, unknown>>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', () => {
      signal.removeEventListener('abort', stop)
      if (signal.aborted) return reject(signal.reason)
      const event = JSON.parse(text.trim().split('\n').at(-1) || '{}')
      if (event.event === 'done') resolve(event)
      else reject(failure(event))
    })
  })
}

function failure(event: Record<string, unknown>): NoPropError {
  const what = typeof event.what === 'string' ? event.what : 'a training that was to be measured ended without a word'
  return fromDetails({ ...event, code: event.code ?? 'NOPROP_INTERNAL', what } as Parameters<typeof fromDetails>[0])
}
