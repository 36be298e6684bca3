// `npm run check:emulation`: runs every CUDA kernel on the processor under the sanitizers of the C++ compiler, which find
// what a comparison of results may not: accesses outside of memory (global and shared), undefined behaviour, and threads of
// a block that share memory without a barrier.
//
//   --address         the address and undefined-behaviour sanitizers alone
//   --thread          the thread sanitizer alone, every thread of a block being a real one
//   --most N          leaves out cases of more than N values under the thread sanitizer, which is slow; the test names the
//                     kernels that it then does not reach (12000: six of the convolutions')
import { execFileSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { builtPrograms } from '../support/cargo.mjs'
import { run, StepFailed, script, step } from '../support/steps.mjs'
import { compiler, missingCompiler, requireRust } from '../support/toolchain.mjs'

/** Kernels are C++, so the Rust around them is compiled without optimisation, which takes a tenth of the time. */
const PACKAGES = ['noprop-kernels', 'noprop-core']
const CARGO = PACKAGES.flatMap((name) => ['--config', `profile.dev.package.${name}.opt-level=0`])
/** No job takes longer than this, unless a kernel never ends. */
const LIMIT_SECONDS = 3600

const JOBS = {
  address: {
    flags: '-fsanitize=address,undefined -fno-sanitize-recover=all',
    libraries: ['asan', 'ubsan'],
    // The test harness keeps memory to its end.
    env: { ASAN_OPTIONS: 'detect_leaks=0' },
  },
  thread: {
    flags: '-fsanitize=thread -DNOPROP_EMULATION_THREADS',
    libraries: ['tsan'],
    // Rust's standard library is not instrumented, so of its memory only the allocations are seen: without the
    // synchronisation between them they look like races. Accesses of the kernels are not affected.
    env: { TSAN_OPTIONS: 'halt_on_error=1 ignore_interceptors_accesses=1' },
  },
}

/** Builds the tests of both crates with kernels under a job's sanitizers. Returns the programs. */
async function build({ flags }) {
  const args = [
    ...[...CARGO, 'test', ...PACKAGES.flatMap((name) => ['-p', name])],
    ...['--features', 'noprop-core/emulation', '--lib', '--no-run'],
  ]
  return builtPrograms('the tests', args, { NOPROP_EMULATION_FLAGS: flags })
}

/** A sanitizer's library, which must be loaded before the program's others. */
function library(name) {
  const path = execFileSync(compiler, [`-print-file-name=lib${name}.so`], { encoding: 'utf8' }).trim()
  // The compiler repeats the name of what it does not find.
  if (!path.includes('/')) throw new StepFailed(`the C++ compiler has no lib${name}.so: install its sanitizers.`)
  return path
}

async function check(job, env) {
  const variables = Object.entries({ ...job.env, ...env, LD_PRELOAD: job.libraries.map(library).join(' ') })
  for (const program of await build(job)) {
    const command = ['env', ...variables.map(([name, value]) => `${name}=${value}`), program]
    const filters = ['cuda::', 'parity::', '--test-threads=1', '--nocapture']
    await run('timeout', [String(LIMIT_SECONDS), ...command, ...filters])
  }
}

await script(async () => {
  const { values } = parseArgs({
    options: { address: { type: 'boolean' }, thread: { type: 'boolean' }, most: { type: 'string' } },
  })
  if (!/^\d+$/.test(values.most ?? '0'))
    throw new StepFailed(`the value of --most must be a number, not ${values.most}.`)
  requireRust('test its kernels')
  if (process.platform !== 'linux') throw new StepFailed('the sanitizers are run on Linux only.')
  const missing = missingCompiler()
  if (missing) throw new StepFailed(`the kernels cannot be emulated, because ${missing}.`)
  const both = !values.address && !values.thread
  if (values.address || both) await step('address and undefined-behaviour sanitizers', () => check(JOBS.address, {}))
  if (values.thread || both) {
    await step('thread sanitizer', () => check(JOBS.thread, values.most ? { NOPROP_PARITY_MOST: values.most } : {}))
  }
})
