// Builds the addon of one platform, on a machine of its kind or with zig on Linux.
import { join } from 'node:path'
import { target } from '../support/cargo.mjs'
import { run } from '../support/steps.mjs'
import { emptyNodeLibrary, rustTarget, Unavailable, zigPath } from './tools.mjs'

const CARGO = ['--release', '--locked', '--package', 'noprop-addon']

/** Builds a platform's addon and returns its path. Throws Unavailable where this machine cannot. */
export async function buildAddon(platform) {
  const isAtHome = platform.fields.os[0] === process.platform
  if (platform.native && isAtHome) return cargoBuild(platform)
  if (platform.linux && process.platform === 'linux') return zigBuild(platform)
  const needed = platform.linux ? 'a Linux machine' : 'a Mac'
  throw new Unavailable(`it needs ${needed}; the release workflow builds it on one`)
}

async function cargoBuild({ native, file }) {
  await rustTarget(native)
  await run('cargo', ['build', ...CARGO, '--target', native])
  return join(target, native, 'release', file)
}

async function zigBuild({ linux, glibc, rustFlags, fields, file }) {
  const PATH = await zigPath()
  await rustTarget(linux)
  const env = { PATH }
  if (rustFlags) env[`CARGO_TARGET_${linux.replaceAll('-', '_').toUpperCase()}_RUSTFLAGS`] = rustFlags
  if (fields.os[0] === 'win32') env.LIBNODE_PATH = emptyNodeLibrary()
  await run('cargo', ['zigbuild', ...CARGO, '--target', glibc ? `${linux}.${glibc}` : linux], { env })
  return join(target, linux, 'release', file)
}
