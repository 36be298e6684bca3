// `npm run check:cuda`: the CUDA side as far as it can be checked without a GPU. Compiles the kernels for every capability that
// the fat binary has code for, and their PTX for newer cards; compares the compiler's report with the launches that the tests
// make; lints the feature `cuda`; and asks the addon what it finds on a driver without a card. It is not part of `npm test`,
// since candle's kernels take minutes once.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { table } from '../support/figures.mjs'
import { root, run, StepFailed, script, step } from '../support/steps.mjs'
import { requireRust } from '../support/toolchain.mjs'
import { buildAddon, checkLinks, SELECTION } from './addon.mjs'
import { cudaEnvironment, optionsOf } from './environment.mjs'
import { checkOnFakeDriver } from './fake/check.mjs'
import { MOST, notWhole, readLoops, tooLong } from './loops.mjs'
import {
  emulationOnly,
  problemsOf,
  readBounds,
  readGeneric,
  readLaunches,
  readReport,
  registersOfBlock,
} from './ptxas.mjs'
import { findDisassembler } from './toolkit.mjs'

const kernels = join(root, 'crates', 'noprop-kernels')
/**
 * A capability that the fat binary has no code for: such cards compile its PTX when it is loaded, which must be done long before
 * the look for GPUs gives up (20 s, src/cuda/).
 */
const WITHOUT_CODE = '110'

/** The capabilities in `build.rs`: those with code, and the one whose PTX newer cards compile. */
function capabilities() {
  const source = readFileSync(join(kernels, 'build.rs'), 'utf8')
  const all = [...source.matchAll(/arch=compute_(\d+),code=(sm|compute)_(\d+)/g)]
  const code = all.filter(([, , kind]) => kind === 'sm').map(([, arch, , capability]) => [capability, arch])
  const ptx = all.find(([, , kind]) => kind === 'compute')?.[3]
  if (code.length === 0 || !ptx) throw new StepFailed('crates/noprop-kernels/build.rs names no capabilities any more.')
  return { code, ptx }
}

/** Runs a program of the toolkit on the kernels; returns what it reports. */
function compile(program, args, env) {
  return called(program, args, env).stderr
}

function called(program, args, env) {
  const outcome = spawnSync(program, args, {
    cwd: kernels,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 1 << 28,
  })
  const { status, stderr, error } = outcome
  if (status === 0) return outcome
  throw new StepFailed(`\`${program} ${args.join(' ')}\` failed: ${error?.message ?? stderr.trim()}`)
}

/** The launches of every test of the kernels, as the emulation notes them down. */
async function launchesOf(directory) {
  const path = join(directory, 'launches.txt')
  const packages = ['--package', 'noprop-kernels', '--package', 'noprop-core']
  const args = ['test', ...packages, '--features', 'noprop-core/emulation', '--lib', '--quiet', '--', 'cuda', 'parity']
  await run('cargo', args, { env: { NOPROP_LAUNCHES: path } })
  if (!existsSync(path)) throw new StepFailed('the tests of the kernels launch none.')
  const launches = readLaunches(readFileSync(path, 'utf8'))
  const sources = join(kernels, 'src', 'cuda')
  for (const name of readdirSync(sources).filter((name) => name.endsWith('.cu'))) {
    for (const kernel of emulationOnly(readFileSync(join(sources, name), 'utf8'))) delete launches[kernel]
  }
  return launches
}

function checkKernels(home, env, directory, launches) {
  const { code, ptx } = capabilities()
  const nvcc = join(home, 'bin', 'nvcc')
  const flags = ['-O3', '-std=c++17', 'src/cuda/all.cu']
  const rows = []
  const problems = []
  for (const [capability, from] of code) {
    const keep = join(directory, capability)
    mkdirSync(keep)
    const arch = `-gencode=arch=compute_${from},code=sm_${capability}`
    const kept = ['-keep', '-keep-dir', keep, '-o', join(keep, 'all.cubin')]
    const report = readReport(compile(nvcc, [...flags, arch, '-cubin', '-Xptxas=-v', ...kept], env))
    if (Object.keys(report).length === 0) throw new StepFailed('ptxas reports no kernels.')
    const text = readFileSync(join(keep, 'all.ptx'), 'utf8')
    problems.push(...problemsOf(capability, report, readBounds(text), launches))
    for (const name of readGeneric(text))
      problems.push(`${name}, capability ${capability}: loads from an unknown memory`)
    for (const [name, { registers, shared, spilled }] of Object.entries(report)) {
      const { threads = 0, shared: dynamic = 0 } = launches[name] ?? {}
      rows.push([name, capability, registers, threads, registersOfBlock(registers, threads), shared + dynamic, spilled])
    }
  }
  console.log(table(['kernel', 'capability', 'registers', 'threads', 'of a block', 'shared bytes', 'spilled'], rows))
  const began = performance.now()
  const source = join(directory, ptx, 'all.ptx')
  compile(join(home, 'bin', 'ptxas'), [`-arch=sm_${WITHOUT_CODE}`, source, '-o', join(directory, 'newer.cubin')], env)
  const seconds = (performance.now() - began) / 1000
  console.log(`   a card of another capability would compile the kernels in about ${seconds.toFixed(1)} s`)
  if (problems.length > 0) throw new StepFailed(`${problems.join(';\n')}.`)
}

/** The loops of products in the code for the capability that most is measured on. */
function checkLoops(disassembler, directory, env) {
  const loops = readLoops(called(disassembler, ['-c', join(directory, '90', 'all.cubin')], env).stdout)
  const rows = Object.entries(loops).map(([name, { instructions, multiplications }]) => {
    return [name, instructions, multiplications, (instructions / multiplications).toFixed(1), MOST[name] ?? '']
  })
  console.log(table(['loop of', 'instructions', 'on tensor cores', 'ratio', 'at most'], rows))
  const problems = [...tooLong(loops), ...notWhole(loops)]
  if (problems.length > 0) throw new StepFailed(`${problems.join(';\n')}.`)
}

await script(async () => {
  const options = optionsOf(process.argv.slice(2))
  requireRust('check its CUDA side')
  const { env, toolkit } = await cudaEnvironment(options)
  mkdirSync(join(root, '.noprop'), { recursive: true })
  const directory = mkdtempSync(join(root, '.noprop', 'check-cuda-'))
  try {
    const launches = await step('the launches of the tests (emulation)', () => launchesOf(directory))
    await step(`kernels for every capability (nvcc ${toolkit.version})`, async () =>
      checkKernels(toolkit.home, env, directory, launches),
    )
    const disassembler = await findDisassembler(toolkit.home)
    await step('instructions of the loops of products', async () => checkLoops(disassembler, directory, env))
    await step('lint with the feature cuda (clippy)', () =>
      run('cargo', ['clippy', ...SELECTION, '--', '-D', 'warnings'], { env }),
    )
    const addon = await step('the CUDA addon', () => buildAddon(env))
    await step('what the addon links', async () => checkLinks(addon))
    await step('the addon on a driver without a card', () => checkOnFakeDriver(addon, join(directory, 'fake')))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
