// Runs the steps of the other scripts: announces each, times it, and ends the script with a plain sentence when one fails.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')

/** A step that did not succeed; `message` is one plain sentence. */
export class StepFailed extends Error {
  /** What the step printed, where it was captured. @type {string | undefined} */
  output
}

/** Runs `work` under a heading and says how long it took. */
export async function step(name, work) {
  const began = performance.now()
  console.log(`── ${name}`)
  const result = await work()
  console.log(`── ${name}: ${((performance.now() - began) / 1000).toFixed(1)} s`)
  return result
}

/** Runs a command, in the repository's root by default, its output passed through; with `capture` its stdout is returned too. */
export function run(command, args, { capture = false, env = {}, cwd = root } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', capture ? 'pipe' : 'inherit', 'inherit'],
    })
    let output = ''
    child.stdout?.on('data', (chunk) => {
      output += chunk
      process.stdout.write(chunk)
    })
    child.on('error', (error) => reject(new StepFailed(`${command} cannot be started: ${error.message}.`)))
    child.on('close', (code, signal) => {
      if (code === 0) resolve(output)
      else {
        const failure = new StepFailed(`\`${[command, ...args].join(' ')}\` failed (${signal ?? `exit code ${code}`}).`)
        failure.output = output
        reject(failure)
      }
    })
  })
}

/** Runs a command, in the repository's root by default, without showing what it prints, and returns that. */
export function capture(command, args, { cwd = root } = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  if (error) throw new StepFailed(`${command} cannot be started: ${error.message}.`)
  if (status !== 0) throw new StepFailed(`\`${[command, ...args].join(' ')}\` failed: ${stderr.trim()}`)
  return stdout
}

/** Runs a command that an npm package brings. */
export function runTool(packageName, args, { bin = packageName, ...options } = {}) {
  const directory = join(root, 'node_modules', packageName)
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
  const path = typeof manifest.bin === 'string' ? manifest.bin : manifest.bin[bin]
  return run(process.execPath, [join(directory, path), ...args], options)
}

/** Runs npm with the Node that runs this script. */
export function runNpm(args, options) {
  const npm = process.env.npm_execpath
  if (npm && existsSync(npm)) return run(process.execPath, [npm, ...args], options)
  return run(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, options)
}

/**
 * Runs a script's `main`; a failed step is told in its one sentence and sets the exit code, and so is an option that
 * `parseArgs` does not know. The head of the script's file says which there are.
 */
export async function script(main) {
  try {
    await main()
  } catch (error) {
    const isUsage = error.code?.startsWith('ERR_PARSE_ARGS_')
    if (!isUsage && !(error instanceof StepFailed)) throw error
    const hint = isUsage ? `; the first lines of ${process.argv[1]} list the options.` : ''
    console.error(isUsage ? error.message.split(/[.;] /)[0] + hint : error.message)
    process.exitCode = 1
  }
}
