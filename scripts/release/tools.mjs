// The tools that build addons for other machines: zig, which links for every platform, cargo-zigbuild, and Rust's libraries.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { versionOf } from '../support/machine.mjs'
import { root, run, StepFailed } from '../support/steps.mjs'

// The newest that were tried together. `runtime/` has the texts of just this zig.
const PYTHON_PACKAGES = ['ziglang==0.15.2', 'cargo-zigbuild==0.24.0']
const environment = join(root, '.noprop', 'pack-tools')

/** A tool that is not here and cannot be had: the platform is left out with this sentence, and others go on. */
export class Unavailable extends StepFailed {}

/** The PATH on which `cargo zigbuild` and its zig are found; both come from PyPI into `.noprop/` unless they are installed. */
export async function zigPath() {
  if (versionOf('cargo-zigbuild') && versionOf('zig', 'version')) return process.env.PATH
  const bin = join(environment, 'bin')
  if (!existsSync(join(bin, 'cargo-zigbuild'))) {
    const why = `zig and cargo-zigbuild are not installed, and Python cannot install them (${PYTHON_PACKAGES.join(', ')})`
    await orUnavailable(why, async () => {
      await run('python3', ['-m', 'venv', environment])
      await run(join(bin, 'python'), [
        '-m',
        'pip',
        'install',
        '--quiet',
        '--disable-pip-version-check',
        ...PYTHON_PACKAGES,
      ])
    })
  }
  return [bin, process.env.PATH].join(delimiter)
}

/** The command and first arguments that are zig. */
export async function zigCommand() {
  await zigPath()
  return versionOf('zig', 'version') ? ['zig'] : [join(environment, 'bin', 'python'), '-m', 'ziglang']
}

/** Rust's standard library for `target`, by rustup. */
export async function rustTarget(target) {
  const why = `Rust's standard library for ${target} is not installed, and rustup cannot install it`
  await orUnavailable(why, () => run('rustup', ['target', 'add', target]))
}

/**
 * A folder that napi's build script takes for that of Node's import library on Windows. The addon looks Node's functions up
 * when it is loaded, so nothing needs to be in it: an empty archive answers the linker.
 */
export function emptyNodeLibrary() {
  const directory = join(root, '.noprop', 'libnode')
  mkdirSync(directory, { recursive: true })
  for (const name of ['libnode.dll', 'libnode.a', 'libnode.dll.a']) writeFileSync(join(directory, name), '!<arch>\n')
  return directory
}

async function orUnavailable(why, work) {
  try {
    await work()
  } catch (error) {
    if (error instanceof StepFailed) throw new Unavailable(`${why}: ${error.message}`)
    throw error
  }
}
