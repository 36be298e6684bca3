// `npm run build:cuda`: builds the addon with the CUDA code and its package, on any Linux machine on x86-64: it needs no GPU
// and no CUDA toolkit. `--pinned` takes the compiler from PyPI even if the machine has one.
import { statSync } from 'node:fs'
import { StepFailed, script, step } from '../support/steps.mjs'
import { requireRust } from '../support/toolchain.mjs'
import { answerOf, buildAddon, checkLinks } from './addon.mjs'
import { cudaEnvironment, optionsOf } from './environment.mjs'
import { copyToClone, inClone, isForRelease, writePackage } from './package.mjs'
import { RELEASE } from './toolkit.mjs'

await script(async () => {
  const { pinned } = optionsOf(process.argv.slice(2))
  requireRust('build its CUDA addon')
  const { env, toolkit } = await cudaEnvironment({ pinned })
  console.log(`── nvcc ${toolkit.version} in ${toolkit.home}`)
  const built = await step("the CUDA addon (Rust, release; candle's kernels take some minutes once)", () =>
    buildAddon(env),
  )
  checkLinks(built)
  if (toolkit.stubs) {
    // With the link-time libraries in place of the real ones: whatever it asks of CUDA is found, and its code runs.
    const { error } = answerOf(built, toolkit.stubs)
    if (error?.code !== 'NOPROP_CUDA_DRIVER') throw new StepFailed('the addon loads, but does not miss the driver.')
  }
  const directory = writePackage(built, { compiler: toolkit.version })
  copyToClone(built)
  console.log(`── ${directory}: ${(statSync(built).size / 1e6).toFixed(1)} MB`)
  console.log(`   a copy for this clone: ${inClone}; \`npm pack\` in the folder makes the package`)
  if (!isForRelease(toolkit.version)) {
    console.log(
      `   it is for this machine: drivers for CUDA ${RELEASE} do not read what nvcc ${toolkit.version} writes for new`,
    )
    console.log(
      '   cards, so npm refuses to publish it; `npm run build:cuda -- --pinned` takes the compiler of releases',
    )
  }
})
