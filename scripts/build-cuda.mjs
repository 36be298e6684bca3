// `npm run build:cuda`: builds the addon with the CUDA code and its package, on any Linux machine on x86-64: it needs no GPU
// and no CUDA toolkit. `--pinned` takes the compiler from PyPI even if the machine has one.
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cudaEnvironment } from './cuda/environment.mjs'
import { packageDirectory, writePackage } from './cuda/package.mjs'
import { root, run, StepFailed, script, step } from './support/steps.mjs'
import { requireRust } from './support/toolchain.mjs'

function options() {
  try {
    return parseArgs({ options: { pinned: { type: 'boolean', default: false } } }).values
  } catch (error) {
    throw new StepFailed(`${error.message.split('.')[0]}; there is --pinned.`)
  }
}

/** What cargo is asked for; `npm run check:cuda` asks for the same, so that candle's kernels are compiled once. */
async function build(env) {
  await run('cargo', ['build', '--release', '--locked', '--package', 'noprop-napi', '--features', 'cuda'], { env })
  const { stdout } = spawnSync('cargo', ['metadata', '--format-version', '1', '--no-deps'], { cwd: root, encoding: 'utf8' })
  return join(JSON.parse(stdout).target_directory, 'release', 'libnoprop_napi.so')
}

/**
 * Loads the addon with the link-time libraries in place of the real ones. They answer that there is no driver, and so must the
 * addon: whatever it asks of CUDA was found, and its code runs.
 */
function tryOut(addon, stubs) {
  const program = `process.stdout.write(require(${JSON.stringify(addon)}).probeCuda())`
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', program], {
    encoding: 'utf8',
    env: { ...process.env, LD_LIBRARY_PATH: stubs },
  })
  if (/"code":"NOPROP_CUDA_DRIVER"/.test(stdout)) return
  throw new StepFailed(`the addon was built but does not load: ${(stderr || stdout).trim()}`)
}

await script(async () => {
  const { pinned } = options()
  requireRust('build its CUDA addon')
  const { env, toolkit } = await cudaEnvironment({ pinned })
  console.log(`── nvcc ${toolkit.version} in ${toolkit.home}`)
  const built = await step("the CUDA addon (Rust, release; candle's kernels take some minutes once)", () => build(env))
  const addon = writePackage(built)
  if (toolkit.stubs) tryOut(addon, toolkit.stubs)
  console.log(`── ${packageDirectory}: ${(statSync(addon).size / 1e6).toFixed(1)} MB`)
  console.log('   this clone finds it there by itself; `npm pack` or `npm publish` in that folder makes the package')
})
