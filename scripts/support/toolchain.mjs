// Says in one plain sentence when the Rust toolchain is missing or too old.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { versionOf } from './machine.mjs'
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
  if (compare(found, needed) < 0) {
    throw new StepFailed(
      `noprop needs Rust ${needed} or newer (this is Rust ${found}): run \`rustup update\` ${again}.`,
    )
  }
}

function compare(a, b) {
  const [left, right] = [a, b].map((text) => text.split('.').map(Number))
  for (let index = 0; index < 3; index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
