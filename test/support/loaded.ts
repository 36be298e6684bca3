import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { runNode } from './process.js'

/** What a program loaded. */
export interface Loaded {
  /** Files of JavaScript, without Node's own. */
  files: string[]
  /** Their bytes. */
  bytes: number
  /** Node's own modules, as `node:fs`. */
  builtins: string[]
  /** What the program printed. */
  stdout: string
}

/** Runs node with `args`, which must end well, and lists what it loaded, as V8's record of its coverage has it. */
export async function loadedBy(args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'noprop-loaded-'))
  const env = { ...process.env, ...options.env, NODE_V8_COVERAGE: directory }
  const { code, stdout, stderr } = await runNode(args, { ...options, env })
  expect([code, stderr]).toEqual([0, ''])
  const urls = readdirSync(directory).flatMap((name) => {
    const { result } = JSON.parse(readFileSync(join(directory, name), 'utf8')) as { result: { url: string }[] }
    return result.map(({ url }) => url)
  })
  // A program that was given by --eval has a name as well, but no file.
  const paths = urls.filter((url) => url.startsWith('file:')).map((url) => fileURLToPath(url))
  const files = paths.filter((path) => existsSync(path))
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0)
  return { files, bytes, builtins: urls.filter((url) => url.startsWith('node:')), stdout } satisfies Loaded
}
