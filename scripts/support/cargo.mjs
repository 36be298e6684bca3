// What cargo builds, and where it puts it.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root, StepFailed } from './steps.mjs'

/** The folder of cargo's results. */
export const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target')

/** Runs `cargo` with these arguments, silently, and returns the paths of the programs that it built. Throws StepFailed with `what`. */
export async function builtPrograms(what, args, env = {}) {
  const options = { cwd: root, env: { ...process.env, ...env }, maxBuffer: 1 << 26 }
  const all = [...args, '--quiet', '--message-format', 'json']
  const { stdout } = await promisify(execFile)('cargo', all, options).catch((error) => {
    throw new StepFailed(`${what} cannot be built:\n${error.stderr}`)
  })
  const messages = stdout.split('\n').filter(Boolean)
  return messages.map((line) => JSON.parse(line)).flatMap(({ executable }) => executable ?? [])
}
