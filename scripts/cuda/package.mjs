// The package @noprop/cuda-linux-x64: one addon and its manifest, as the packages of the platforms are.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stagePlatform } from '../release/stage.mjs'
import { root } from '../support/steps.mjs'
import { RELEASE } from './toolkit.mjs'

const PLATFORM = { name: 'cuda-linux-x64', fields: { os: ['linux'], cpu: ['x64'], libc: ['glibc'] } }

/** Where a clone's own loader looks for it (`src/addon/candidates.ts`). */
export const inClone = join(root, 'noprop.cuda-linux-x64.node')

const README = `# @noprop/cuda-linux-x64

The native part of [noprop](https://www.npmjs.com/package/noprop) with CUDA code. Install it beside noprop, in the same
version; noprop then finds it by itself, and \`device: 'auto'\` takes a GPU where one works.

It needs Linux on x86-64 with glibc, a GPU of compute capability 8.0 or newer, NVIDIA's driver 580 or newer, and the
libraries cuBLAS and cuRAND of CUDA 13. \`npx noprop doctor\` says what is missing.

The addon contains NVIDIA's static CUDA runtime (libcudart_static.a), which the End User License Agreement of the CUDA
Toolkit, Attachment A, lets applications distribute. THIRD_PARTY_NOTICES.txt has the licences of everything else.
`

/** Whether what a compiler of this version writes runs on the oldest driver that is supported, PTX included. */
export function isForRelease(compiler) {
  return compiler.startsWith(`${RELEASE}.`)
}

/**
 * Puts the package together around the addon that nvcc `compiler` built, in the folder `out`; returns the package's own folder
 * there. npm refuses to publish one that is not for releases.
 */
export function writePackage(addon, { out = join(root, '.noprop'), compiler }) {
  const directory = stagePlatform(PLATFORM, addon, out)
  writeFileSync(join(directory, 'README.md'), README)
  if (!isForRelease(compiler)) {
    const path = join(directory, 'package.json')
    const manifest = { ...JSON.parse(readFileSync(path, 'utf8')), private: true }
    writeFileSync(path, `${JSON.stringify(manifest, null, 2)}\n`)
  }
  return directory
}

/** A copy for the clone itself. */
export function copyToClone(addon) {
  copyFileSync(addon, inClone)
}
