// `npm run check:threads`: the tests of teams and of runs under Rust's thread sanitizer, which finds accesses that no barrier
// orders. Needs a nightly toolchain with its library's source, since the library is compiled anew with the sanitizer.
import { join } from 'node:path'
import { capture, root, run, StepFailed, script, step } from '../support/steps.mjs'

const TOOLCHAIN = '+nightly'
/** What is run of each crate. */
const TESTS = {
  'noprop-kernels': ['team::'],
  'noprop-core': ['train::tests::teams::', 'train::tests::threads::', 'train::tests::stop::'],
}

/** The target of the nightly toolchain; throws StepFailed where there is none. */
function host() {
  const hint = 'run `rustup toolchain install nightly --component rust-src`, and the command again.'
  try {
    const sysroot = capture('rustc', [TOOLCHAIN, '--print', 'sysroot']).trim()
    capture('ls', [join(sysroot, 'lib/rustlib/src/rust/library/std')])
    return capture('rustc', [TOOLCHAIN, '-vV']).match(/^host: (.*)$/m)?.[1] ?? ''
  } catch {
    throw new StepFailed(`the thread sanitizer needs a nightly Rust toolchain with rust-src: ${hint}`)
  }
}

await script(async () => {
  const target = host()
  // Nightly's incremental objects of an interrupted build have been seen not to link.
  const env = { RUSTFLAGS: '-Zsanitizer=thread', TSAN_OPTIONS: 'halt_on_error=1', CARGO_INCREMENTAL: '0' }
  for (const [name, filters] of Object.entries(TESTS)) {
    const args = [
      ...[TOOLCHAIN, 'test', '-Zbuild-std', '--target', target, '--target-dir', join(root, 'target/threads')],
      ...['-p', name, '--features', name === 'noprop-kernels' ? 'testing' : 'default', '--lib', '--'],
    ]
    await step(`${name} under the thread sanitizer`, () => run('cargo', [...args, ...filters], { env }))
  }
})
