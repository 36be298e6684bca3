// Builds the CUDA addon, and asks it what it finds.
import { spawnSync } from 'node:child_process'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, run, StepFailed } from '../support/steps.mjs'

/**
 * What cargo is asked for, always in this selection of packages and this profile: with another one the crates that candle's
 * build uses would have other features, and its kernels would be compiled anew, for minutes.
 */
export const SELECTION = ['--release', '--locked', '--package', 'noprop-addon', '--features', 'cuda']

/** Builds the addon; returns its file. */
export async function buildAddon(env) {
  await run('cargo', ['build', ...SELECTION], { env })
  const { stdout } = spawnSync('cargo', ['metadata', '--format-version', '1', '--no-deps'], {
    cwd: root,
    encoding: 'utf8',
  })
  const release = join(JSON.parse(stdout).target_directory, 'release')
  // Node loads what is called so.
  const addon = join(release, 'noprop.cuda-linux-x64.node')
  copyFileSync(join(release, 'libnoprop_addon.so'), addon)
  return addon
}

/** What the addon says of the GPUs, with the CUDA libraries of `libraries` in place of the system's. */
export function answerOf(addon, libraries, env = {}) {
  const program = 'process.stdout.write(require(process.argv[1]).probeCuda())'
  const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', program, addon], {
    encoding: 'utf8',
    env: { ...process.env, ...env, LD_LIBRARY_PATH: libraries },
  })
  if (status === 0) return JSON.parse(stdout)
  throw new StepFailed(`the addon was built but does not load: ${stderr.trim().split('\n').at(-1)}.`)
}

/** The libraries that a shared object names for the loader (`readelf -d`). */
export function neededOf(text) {
  return [...text.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name)
}

/**
 * The addon may need the libraries that docs/cuda.md names, and no others of CUDA's: link-time libraries in their place would hide
 * it here, and users would miss them.
 */
export function foreignOf(needed) {
  const known = ['libcuda.so.1', 'libcublas.so.13', 'libcublasLt.so.13', 'libcurand.so.10']
  return needed.filter((name) => /^lib(cu|nv)/.test(name) && !known.includes(name))
}

/** Refuses an addon that needs another library of CUDA's. */
export function checkLinks(addon) {
  const { status, stdout, stderr, error } = spawnSync('readelf', ['-d', addon], { encoding: 'utf8' })
  if (status !== 0) throw new StepFailed(`readelf cannot read ${addon}: ${error?.message ?? stderr.trim()}`)
  const needed = neededOf(stdout)
  console.log(`   ${needed.join(', ')}`)
  const foreign = foreignOf(needed)
  if (foreign.length > 0) throw new StepFailed(`the addon needs ${foreign.join(', ')}, which users need not have.`)
}
