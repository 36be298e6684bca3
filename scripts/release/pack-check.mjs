// `npm run pack:check`: after `npm run pack:all`, installs each package into an empty folder and trains there, with Node of
// its platform: arm64 in qemu, musl with its own loader, Windows in wine. Those for this processor must find the same weights, since
// these do not depend on a system's library of mathematics. What cannot be run here is told with what it lacks.
//   --only NAME,…   just these platforms
//   --out DIR       another folder of packages
//   --require       fails if a packed platform could not be run
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { table } from '../support/figures.mjs'
import { packageVersion } from '../support/machine.mjs'
import { root, run, runNpm, StepFailed, script, step } from '../support/steps.mjs'
import { OLDEST_GLIBC, PLATFORMS, packageName } from './platforms.mjs'
import { nodeFor, WINE } from './runners.mjs'
import { pack, tarballOf } from './stage.mjs'
import { Unavailable } from './tools.mjs'
import { compareWeights } from './weights.mjs'

/** What an addon may take, in bytes. */
const LIMIT = 6e6

/** What is run in each folder. */
const PROGRAMS = ['train.mjs', 'train.cjs', 'weights.mjs']

/** Installs the packages for `platform` from their tarballs, and from nowhere else, into a new folder. */
async function install(platform, out, commander) {
  const directory = mkdtempSync(join(tmpdir(), 'noprop-check-'))
  writeFileSync(join(directory, 'package.json'), '{ "private": true }')
  const { os, cpu, libc } = platform.fields
  const target = [`--os=${os[0]}`, `--cpu=${cpu[0]}`, ...(libc ? [`--libc=${libc[0]}`] : []), '--force']
  const tarballs = [tarballOf(platform, out), commander, join(out, `noprop-${packageVersion()}.tgz`)]
  const quiet = ['--offline', '--no-audit', '--no-fund', '--loglevel', 'error']
  await runNpm(['install', ...quiet, ...target, ...tarballs], { cwd: directory })
  for (const name of PROGRAMS) copyFileSync(join(root, 'test/support', name), join(directory, name))
  return directory
}

function inspect(platform, directory) {
  const path = join(directory, 'node_modules', packageName(platform), `noprop.${platform.name}.node`)
  const { size } = statSync(path)
  const needed = [...readFileSync(path, 'latin1').matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor))
  const newest = Math.max(0, ...needed)
  const allowed = platform.glibc ? Number(OLDEST_GLIBC.split('.')[1]) : 0
  if (newest > allowed)
    throw new StepFailed(`${path} needs glibc 2.${newest}, and may need ${platform.glibc ?? 'none'}.`)
  const takes = `${kilobytes(size)}${newest ? `, glibc 2.${newest}` : ''}`
  return { takes, isLarge: size > LIMIT }
}

const kilobytes = (bytes) => `${Math.ceil(bytes / 1000).toLocaleString('en-US')} kB`

/**
 * Trains, and returns the sums of the weights that `weights.mjs` finds, by net and precision.
 *
 * @param {string[]} node the command and first arguments that stand for `node`
 */
async function train([command, ...first], directory) {
  const options = { cwd: directory, env: WINE }
  const json = async (program) => JSON.parse(await run(command, [...first, program], { ...options, capture: true }))
  for (const program of ['train.mjs', 'train.cjs']) {
    const result = await json(program)
    if (result.correct !== true) throw new StepFailed(`${program} did not learn: ${JSON.stringify(result)}`)
  }
  await run(command, [...first, join('node_modules', 'noprop', 'dist', 'cli.js'), 'doctor'], options)
  return json('weights.mjs')
}

/** Adds to `found` the weights that were found, and to `large` what takes more than it may: all else is checked before that fails. */
async function check(platform, out, commander, found, large) {
  const name = packageName(platform)
  if (!existsSync(tarballOf(platform, out))) return [name, 'not packed', 'npm run pack:all says why']
  return step(name, async () => {
    const directory = await install(platform, out, commander)
    try {
      const { takes, isLarge } = inspect(platform, directory)
      if (isLarge) large.push(name)
      try {
        const weights = await train(await nodeFor(platform), directory)
        if (platform.fields.cpu[0] === process.arch) found.push({ name, weights })
        return [name, 'trains', takes]
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error
        return [name, 'not run', `${takes}; ${error.message}`]
      }
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })
}

await script(async () => {
  const { values } = parseArgs({
    options: { only: { type: 'string' }, out: { type: 'string' }, require: { type: 'boolean', default: false } },
  })
  const out = resolve(root, values.out ?? '.noprop/packages')
  const wanted = values.only?.split(',')
  if (!existsSync(out) || !readdirSync(out).some((name) => name.endsWith('.tgz')))
    throw new StepFailed(`There are no packages in ${out}: run \`npm run pack:all\`.`)
  const temporary = mkdtempSync(join(tmpdir(), 'noprop-check-'))
  const rows = []
  const found = []
  const large = []
  try {
    const commander = await pack(join(root, 'node_modules', 'commander'), temporary)
    for (const platform of PLATFORMS) {
      if (!wanted || wanted.includes(platform.name)) rows.push(await check(platform, out, commander, found, large))
    }
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
  console.log(`\n${table(['package', 'state', 'what it takes, or lacks'], rows)}\n`)
  if (found.length > 0) console.log(compareWeights(found))
  const open = rows.filter(([, state]) => state === 'not run').map(([name]) => name)
  if (values.require && open.length > 0) throw new StepFailed(`Not run, and required: ${open.join(', ')}.`)
  if (large.length > 0)
    throw new StepFailed(`An addon may take ${kilobytes(LIMIT)}, and more take ${large.join(', ')}.`)
})
