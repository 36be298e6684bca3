// The CUDA addon on a driver without a card: what it finds, and what it says of each thing that can be wrong.
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { root, StepFailed } from '../../support/steps.mjs'
import { answerOf } from '../addon.mjs'
import { cudarcSource, makeStubs } from '../stubs.mjs'

const here = join(root, 'scripts', 'cuda', 'fake')
const GIB = 2 ** 30
const CARD = { name: 'A fake card', capability: '9.0', memory: GIB, usable: true, reason: '' }

/** What the environment says is there → what the addon must answer, as far as it is given here. */
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
    { FAKE_FAULT: 1 },
    { devices: [{ usable: false, reason: /calculates wrongly.*expected: \[2\.5, .*received: \[5\.5, / }] },
  ],
  [
    'a recording that takes memory in silence',
    { FAKE_NODE: 10 },
    { devices: [{ usable: false, reason: /does something besides launches.*memory that is taken/ }] },
  ],
  [
    'a card that is full',
    { FAKE_MEMORY: 8 },
    { devices: [{ usable: false, reason: /not enough free memory.*out of memory.*fewer blocks in flight/ }] },
  ],
]

/** Builds the fake libraries in `directory` and asks the addon in every case. */
export async function checkOnFakeDriver(addon, directory) {
  const libraries = join(here, 'libraries.c')
  const instead = { driver: join(here, 'driver.c'), cublas: libraries, curand: libraries }
  await makeStubs(directory, cudarcSource(root), '', instead)
  for (const [name, environment, expected] of CASES) {
    const answer = answerOf(addon, directory, environment)
    if (!matches(answer, { built: true, ...expected })) {
      throw new StepFailed(`with ${name} the addon answers ${JSON.stringify(answer)}.`)
    }
    console.log(`   ${name}: as it should be`)
  }
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
