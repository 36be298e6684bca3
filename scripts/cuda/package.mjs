// The package @noprop/cuda-linux-x64: one addon and its manifest.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../support/steps.mjs'

/** Where it is put together; `src/cuda/choice.ts` looks there in a clone. */
export const packageDirectory = join(root, '.noprop', 'cuda-linux-x64')
const ADDON = 'noprop.cuda-linux-x64.node'

/** The manifest that goes with this version of noprop. */
export function manifestOf({ version, license, author, engines }) {
  return {
    name: '@noprop/cuda-linux-x64',
    version,
    description: 'The native addon of noprop with CUDA code, for Linux on x86-64',
    license,
    author,
    engines,
    os: ['linux'],
    cpu: ['x64'],
    libc: ['glibc'],
    main: ADDON,
    files: [ADDON],
  }
}

const README = `# @noprop/cuda-linux-x64

The native addon of [noprop](https://www.npmjs.com/package/noprop) with CUDA code. Install it beside noprop, in the same
version; noprop then finds it by itself, and \`device: 'auto'\` takes a GPU where one works.

It needs Linux on x86-64 with glibc, a GPU of compute capability 8.0 or newer, NVIDIA's driver 580 or newer, and CUDA 13's
libraries (cuBLAS, cuRAND, NVRTC). \`npx noprop doctor\` says what is missing.
`

/** Puts the package together around the built addon; returns the addon's path there. */
export function writePackage(addon) {
  const main = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  rmSync(packageDirectory, { recursive: true, force: true })
  mkdirSync(packageDirectory, { recursive: true })
  writeFileSync(join(packageDirectory, 'package.json'), `${JSON.stringify(manifestOf(main), null, 2)}\n`)
  writeFileSync(join(packageDirectory, 'README.md'), README)
  copyFileSync(join(root, 'LICENSE'), join(packageDirectory, 'LICENSE'))
  const target = join(packageDirectory, ADDON)
  copyFileSync(addon, target)
  return target
}
