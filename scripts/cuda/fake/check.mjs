// The CUDA addon on a driver without a card: what it finds, what it says of each thing that can be wrong, and whole runs, by the
// kernels of the emulation.
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { parity } from '../../gpu/checks/parity.mjs'
import { CheckFailed, execute, resultOf } from '../../gpu/child.mjs'
import { root, run, StepFailed } from '../../support/steps.mjs'
import { answerOf } from '../addon.mjs'
import { cudarcSource, makeStubs } from '../stubs.mjs'

const here = join(root, 'scripts', 'cuda', 'fake')
const GIB = 2 ** 30
const CARD = { name: 'A fake card', capability: '9.0', memory: GIB, usable: true, reason: '' }

/** What the environment says is there → what the addon must answer, as far as it is given here. @type {[string, object, object][]} */
const CASES = [
  ['two cards', { FAKE_GPUS: 2 }, { devices: [0, 1].map((number) => ({ ...CARD, device: `cuda:${number}` })) }],
  [
    'no card',
    { FAKE_GPUS: 0 },
    { error: { code: 'NOPROP_DEVICE', received: /CUDA_ERROR_NO_DEVICE: no CUDA-capable/ } },
  ],
  [
    'an old driver',
    { FAKE_DRIVER: 12080 },
    { error: { code: 'NOPROP_CUDA_DRIVER_OLD', expected: 'a driver for CUDA 13.0', received: 'one for CUDA 12.8' } },
  ],
  ['an old card', { FAKE_CAPABILITY: 75 }, { devices: [{ usable: false, reason: /capability is 7\.5.*need 8\.0/ }] }],
  [
    'a card that calculates wrongly',
    { FAKE_WRONG: 1 },
    { devices: [{ usable: false, reason: /calculates wrongly.*expected: \[2\.5, .*received: \[5\.5, / }] },
  ],
  [
    'a recording that takes memory in silence',
    { FAKE_NODE: 10 },
    { devices: [{ usable: false, reason: /does something besides launches.*memory that is taken/ }] },
  ],
  ['a recording that somebody else breaks', { FAKE_BREAKS: 2 }, { devices: [{ usable: true, reason: '' }] }],
  ['a card without memory pools', { FAKE_POOLS: 0 }, { devices: [{ usable: true, reason: '' }] }],
  [
    'a kernel that faults',
    { FAKE_FAULT: 1 },
    { devices: [{ usable: false, reason: /CUDA_ERROR_ILLEGAL_ADDRESS.*restart the process/s }] },
  ],
  [
    'a card that is full',
    { FAKE_MEMORY: 8 },
    { devices: [{ usable: false, reason: /not enough free memory.*out of memory.*fewer blocks in flight/ }] },
  ],
]

/** Builds the fake libraries in `directory`, asks the addon in every case, and has it train and compare kernels. */
export async function checkOnFakeDriver(addon, directory) {
  await makeLibraries(directory)
  for (const [name, environment, expected] of CASES) {
    const answer = answerOf(addon, directory, environment)
    if (!matches(answer, { built: true, ...expected })) {
      throw new StepFailed(`with ${name} the addon answers ${JSON.stringify(answer)}.`)
    }
    console.log(`   ${name}: as it should be`)
  }
  await checkTraining(addon, directory)
  await checkSeveral(addon, directory)
  await checkParity(addon, directory)
}

async function makeLibraries(directory) {
  mkdirSync(`${directory}.objects`, { recursive: true })
  const kernels = join(`${directory}.objects`, 'kernels.o')
  const flags = ['-std=c++20', '-O1', '-fPIC', '-fno-strict-aliasing', '-xc++', '-c']
  await run('g++', [...flags, join(root, 'crates/noprop-kernels/src/cuda/all.cu'), '-o', kernels])
  const libraries = [join(here, 'libraries.c')]
  const driver = [join(here, 'driver.c'), kernels, '-lstdc++', '-lpthread']
  await makeStubs(directory, cudarcSource(root), '', { driver, cublas: libraries, curand: libraries })
}

/** The environment of a process on the fake driver, and where it reports. */
function onFake(addon, directory, name, settings) {
  const report = join(`${directory}.objects`, `${name.replaceAll(' ', '-')}.json`)
  const env = { NOPROP_ADDON: addon, LD_LIBRARY_PATH: directory, FAKE_REPORT: report, ...settings }
  return { env: Object.fromEntries(Object.entries(env).map(([key, value]) => [key, String(value)])), report }
}

/**
 * Whole runs: the same weights whatever is in flight, also where recordings are broken, by no kernel but ours, and no device is
 * closed. A run that a kernel's fault ends says so and ends by itself.
 */
async function checkTraining(addon, directory) {
  if (!existsSync(join(root, 'dist/index.js'))) await run(process.execPath, ['scripts/setup/bootstrap.mjs'])
  const net = { type: 'cnn', widths: [4, 6, 8], hidden: 8 }
  const input = { device: 'cuda:0', samples: 48, batch: 16, epochs: 2, blocks: 3, net, precision: 'bf16' }
  const train = async (name, settings, more = {}) => {
    const { env, report } = onFake(addon, directory, name, settings)
    const job = [join('scripts', 'gpu', 'jobs', 'train.mjs'), JSON.stringify({ ...input, ...more })]
    const outcome = await execute(process.execPath, job, { env, until: Date.now() + 300_000 })
    return { ...outcome, driver: JSON.parse(readFileSync(report, 'utf8')) }
  }
  let expected
  /** @type {[string, Record<string, number>, object][]} */
  const runs = [
    ['three blocks in flight', {}, { inFlight: 3 }],
    ['one block in flight', {}, { inFlight: 1 }],
    ['broken recordings', { FAKE_BREAKS: 2 }, { inFlight: 3 }],
    ['two cards', { FAKE_GPUS: 2 }, { inFlight: 3, device: 'cuda:0,1' }],
    ['no memory pools', { FAKE_POOLS: 0 }, { inFlight: 3 }],
  ]
  for (const [name, settings, more] of runs) {
    const { driver, ...outcome } = await train(name, settings, more)
    const { weightsSha256 } = resultOf(name, outcome)
    expected ??= weightsSha256
    if (weightsSha256 !== expected) throw new StepFailed(`${name}: the weights are others.`)
    if (driver.replays === 0) throw new StepFailed(`${name}: no step is recorded.`)
    if (driver.broken !== (settings.FAKE_BREAKS ?? 0))
      throw new StepFailed(`${name}: ${driver.broken} recordings were broken.`)
    if (driver.foreign > 0) throw new StepFailed(`${name}: ${driver.foreign} modules are loaded that are not noprop's.`)
    if (driver.destroyed > 0) throw new StepFailed(`${name}: a device is closed.`)
    console.log(`   ${name}: ${JSON.stringify(driver)}`)
  }
  const { code, stderr, driver } = await train('a fault in a run', { FAKE_FAULT: 150 }, { inFlight: 3 })
  if (code !== 1 || !/NOPROP_DEVICE/.test(stderr) || !/restart the process/.test(stderr))
    throw new StepFailed(`a run whose kernel faults ends with ${code}: ${stderr.trim()}`)
  console.log(`   a fault in a run: told; ${JSON.stringify(driver)}`)
}

/**
 * Runs at once on one card, none of which breaks a recording of another by opening a device or loading kernels; and predictions,
 * which take memory from the system once and not each time.
 */
async function checkSeveral(addon, directory) {
  const several = async (name, runs, predictions) => {
    const { env, report } = onFake(addon, directory, name, {})
    const input = JSON.stringify({ device: 'cuda:0', runs, predictions })
    const job = [join('scripts', 'cuda', 'fake', 'several.mjs'), input]
    const outcome = await execute(process.execPath, job, { env, until: Date.now() + 300_000 })
    const hashes = resultOf(name, outcome)
    const driver = JSON.parse(readFileSync(report, 'utf8'))
    console.log(`   ${name}: ${JSON.stringify(driver)}`)
    if (new Set(hashes).size !== 1) throw new StepFailed(`${name}: the weights are others.`)
    if (driver.broken > 0) throw new StepFailed(`${name}: ${driver.broken} recordings were broken.`)
    return driver
  }
  await several('four runs at once', 4, 0)
  const [few, many] = [await several('3 predictions', 1, 3), await several('30 predictions', 1, 30)]
  if (few.takes !== many.takes)
    throw new StepFailed(`3 predictions take memory ${few.takes} times from the system, 30 ${many.takes} times.`)
}

/** The comparison of kernels: all of them, and from a fault on. */
async function checkParity(addon, directory) {
  const compare = async (name, settings) => {
    const { env } = onFake(addon, directory, name, settings)
    const folder = join(`${directory}.objects`, name.replaceAll(' ', '-'))
    mkdirSync(folder)
    const context = { device: 'cuda', env, until: Date.now() + 600_000, sizes: { parityMost: 400 }, folder }
    try {
      return await parity(context)
    } catch (error) {
      if (!(error instanceof CheckFailed)) throw error
      return { ...error.measured, message: error.message }
    }
  }
  const whole = await compare('all kernels', {})
  if (whole.message) throw new StepFailed(`the comparison of kernels fails: ${whole.message}`)
  // In each process; in f32 the cases of the operation that comes then are lost, and those of no other.
  const faulty = await compare('a fault in the comparison', { FAKE_FAULT: 30 })
  const operations = [...new Set(faulty.failures.map(({ operation }) => operation))]
  console.log(`   ${whole.compared} comparisons; with a fault ${faulty.compared}, without ${operations.join(', ')}`)
  const told = faulty.failures.every(({ error }) => error.received.includes('CUDA_ERROR_ILLEGAL_ADDRESS'))
  if (faulty.failures.length < 3 || !told || faulty.compared === 0 || faulty.failed.length > 0)
    throw new StepFailed(`after a fault the comparison says ${JSON.stringify(faulty)}.`)
}

/** Whether `value` has everything that `expected` has; texts may be told by a pattern. */
function matches(value, expected) {
  if (expected instanceof RegExp) return typeof value === 'string' && expected.test(value)
  if (Array.isArray(expected)) {
    return (
      Array.isArray(value) && value.length === expected.length && expected.every((each, k) => matches(value[k], each))
    )
  }
  if (typeof expected !== 'object') return isDeepStrictEqual(value, expected)
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.keys(expected).every((key) => matches(value[key], expected[key]))
  )
}
