// Says in one plain sentence when the Rust toolchain is missing or too old, and what the emulation of CUDA kernels lacks.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isOlder, versionOf } from './machine.mjs'
import { root, StepFailed } from './steps.mjs'

/** Throws StepFailed unless cargo and a rustc as new as Cargo.toml asks are there. */
export function requireRust(purpose = 'build its addon') {
  const needed = readFileSync(join(root, 'Cargo.toml'), 'utf8').match(/rust-version = "([\d.]+)"/)[1]
  const again = 'and run the command again'
  if (versionOf('cargo') === undefined) {
    throw new StepFailed(
      `noprop needs a Rust toolchain (${needed} or newer) to ${purpose}: install one from https://rustup.rs ${again}.`,
    )
  }
  const found = versionOf('rustc')
  if (found === undefined)
    throw new StepFailed(`rustc is missing beside cargo: install Rust from https://rustup.rs ${again}.`)
  if (isOlder(found, needed)) {
    throw new StepFailed(
      `noprop needs Rust ${needed} or newer (this is Rust ${found}): run \`rustup update\` ${again}.`,
    )
  }
}

/** The C++ compiler that cargo's build script calls. */
export const compiler = process.env.CXX || 'c++'

/** Why the CUDA kernels cannot be compiled for the processor here, or undefined. Their emulation needs C++20 and ucontext. */
export function missingCompiler() {
  const input = '#include <bit>\n#include <ucontext.h>\nstatic_assert(std::bit_cast<unsigned>(1.0f) != 0);\n'
  /** @type {{ error?: NodeJS.ErrnoException, status: number | null }} */
  const { error, status } = spawnSync(compiler, ['-std=c++20', '-fsyntax-only', '-xc++', '-'], { input })
  if (error?.code === 'ENOENT') return `there is no C++ compiler \`${compiler}\``
  if (status !== 0) return `the C++ compiler \`${compiler}\` does not know C++20, or the system has no ucontext.h`
}
