// What cargo needs in its environment to build with the feature `cuda`.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { root, StepFailed } from '../support/steps.mjs'
import { cudarcSource, makeStubs } from './stubs.mjs'
import { findToolkit } from './toolkit.mjs'

/** The options of `npm run build:cuda` and `check:cuda`. */
export function optionsOf(args) {
  return parseArgs({ args, options: { pinned: { type: 'boolean', default: false } } }).values
}

/**
 * The environment of `cargo build --features cuda`, with the toolkit that serves: fetched, and link-time libraries made, where
 * there is none. candle's own kernels are compiled for capability 8.0 and above.
 */
export async function cudaEnvironment(options) {
  requireCompiler()
  const toolkit = await findToolkit(options)
  const { home, version, fetched } = toolkit
  // Both names, since cudarc, candle's build script and ours do not ask for the same one.
  const env = { CUDA_HOME: home, CUDA_PATH: home, CUDA_COMPUTE_CAP: '80' }
  env.PATH = `${join(home, 'bin')}:${process.env.PATH}`
  // The release as cudarc writes it: 13.0 is 13000.
  const [major, minor] = version.split('.')
  env.CUDARC_CUDA_VERSION = `${major}0${minor}0`
  if (fetched) {
    const stubs = join(home, 'lib', 'stubs')
    toolkit.stubs = stubs
    await makeStubs(stubs, cudarcSource(root), join(home, 'lib', 'libcudart_static.a'))
    env.LIBRARY_PATH = [stubs, process.env.LIBRARY_PATH].filter(Boolean).join(':')
  }
  return { env, toolkit }
}

function requireCompiler() {
  for (const name of ['gcc', 'g++']) {
    if (spawnSync(name, ['--version']).status === 0) continue
    throw new StepFailed(
      `nvcc needs ${name}: install a C++ compiler (Debian: \`apt-get install g++\`) and run the command again.`,
    )
  }
}
