// `npm run pack:all`: builds the addon of every platform that this machine can build for, and packs the npm packages into
// `.noprop/packages/`: one for each addon, and `noprop`, which depends on those whose packages lie there.
//   --only NAME,…   just these: names of platforms (`linux-x64-musl`), and `noprop`
//   --built         builds nothing: packs the addon and the TypeScript that this clone has built, for this machine alone
//   --out DIR       another folder
//   --require       fails if `noprop` would lack a platform
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { bootstrap } from '../setup/bootstrap.mjs'
import { table } from '../support/figures.mjs'
import { root, StepFailed, script, step } from '../support/steps.mjs'
import { requireRust } from '../support/toolchain.mjs'
import { buildAddon } from './build.mjs'
import { PLATFORMS, packageName, thisPlatform } from './platforms.mjs'
import { pack, stageMain, stagePlatform, tarballOf } from './stage.mjs'
import { Unavailable } from './tools.mjs'

const MAIN = 'noprop'
const names = [...PLATFORMS.map(({ name }) => name), MAIN]

function readArguments() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      built: { type: 'boolean', default: false },
      out: { type: 'string' },
      require: { type: 'boolean', default: false },
    },
  })
  const only = values.only?.split(',') ?? (values.built ? [thisPlatform().name, MAIN] : names)
  const unknown = only.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new StepFailed(`there is no package ${unknown}: there are ${names.join(', ')}.`)
  return { ...values, only, out: resolve(root, values.out ?? '.noprop/packages') }
}

/** Builds and packs one platform; returns its row of the table. */
async function packPlatform(platform, { built, out }) {
  const name = packageName(platform)
  try {
    return await step(name, async () => {
      const addon = built ? builtAddon(platform) : await buildAddon(platform)
      const tarball = await pack(stagePlatform(platform, addon, out), out)
      return [name, 'packed', sizes(addon, tarball)]
    })
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    return [name, 'not built here', error.message]
  }
}

/** The addon that `npm run build` made in this clone. */
function builtAddon(platform) {
  const suffix = platform.name.startsWith('win32-') ? '-msvc' : ''
  const path = join(root, `noprop.${platform.name}${suffix}.node`)
  if (!existsSync(path)) throw new StepFailed(`${path} is not there: run \`npm run build\`.`)
  return path
}

async function packMain(out) {
  const platforms = PLATFORMS.filter((platform) => existsSync(tarballOf(platform, out)))
  const tarball = await pack(stageMain(platforms, out), out)
  const absent = PLATFORMS.filter((platform) => !platforms.includes(platform)).map(packageName)
  const depends = absent.length > 0 ? `, without ${absent.join(', ')}` : ', for all platforms'
  return { row: [MAIN, 'packed', `${kilobytes(tarball)}${depends}`], absent }
}

function sizes(addon, tarball) {
  return `${kilobytes(addon)}, packed ${kilobytes(tarball)}`
}

function kilobytes(path) {
  return `${Math.ceil(statSync(path).size / 1000).toLocaleString('en-US')} kB`
}

await script(async () => {
  const options = readArguments()
  const { only, built, out } = options
  if (!built) {
    requireRust('build its addons')
    if (only.includes(MAIN)) await bootstrap()
  }
  mkdirSync(out, { recursive: true })
  const rows = []
  for (const platform of PLATFORMS) if (only.includes(platform.name)) rows.push(await packPlatform(platform, options))
  const main = only.includes(MAIN) ? await step(MAIN, () => packMain(out)) : undefined
  if (main) rows.push(main.row)
  console.log(`\n${table(['package', 'state', 'size, or why not'], rows)}\n\nThe packages are in ${join(out, '*.tgz')}`)
  const missing = main?.absent ?? rows.filter(([, state]) => state !== 'packed').map(([name]) => name)
  if (options.require && missing.length > 0) throw new StepFailed(`Not there, and required: ${missing.join(', ')}.`)
})
