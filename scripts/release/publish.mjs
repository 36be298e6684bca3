// `npm run release:publish -- DIRECTORY`: publishes the packed npm packages (*.tgz) of a directory, platform packages before
// the package that depends on them, then the crates. What npm has already is left out, so that a run that failed half-way can
// be repeated; cargo itself refuses a version that is there. Without NODE_AUTH_TOKEN or CARGO_REGISTRY_TOKEN that half is only tried (`--dry-run`).
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { capture, root, run, runNpm, StepFailed, script, step } from '../support/steps.mjs'
import { currentVersion } from './versions.mjs'

const version = currentVersion()

/** `{ path, name, version }` of the packed packages, the one that depends on the others last. */
function packedPackages(directory) {
  const packages = readdirSync(directory)
    .filter((file) => file.endsWith('.tgz'))
    .map((file) => {
      const path = join(directory, file)
      const manifest = JSON.parse(capture('tar', ['-xOzf', file, 'package/package.json'], { cwd: directory }))
      return { path, name: manifest.name, version: manifest.version, needs: manifest.optionalDependencies ?? {} }
    })
    .sort((a, b) => Number(a.name === 'noprop') - Number(b.name === 'noprop') || (a.name < b.name ? -1 : 1))
  const main = packages.at(-1)
  if (main?.name !== 'noprop') throw new StepFailed(`${directory} does not hold the packed package noprop.`)
  const other = packages.find((found) => found.version !== version)
  if (other) throw new StepFailed(`${other.name} has version ${other.version}, and this tree ${version}.`)
  const missing = Object.keys(main.needs).filter((name) => !packages.some((found) => found.name === name))
  if (missing.length > 0) throw new StepFailed(`${directory} lacks ${missing.join(', ')}, on which noprop depends.`)
  return packages
}

/** Runs `work` with an npm configuration that holds the token for whatever registry npm uses. */
async function withToken(token, work) {
  const folder = mkdtempSync(join(tmpdir(), 'noprop-publish-'))
  try {
    const registry = (await runNpm(['config', 'get', 'registry'], { capture: true })).trim()
    writeFileSync(join(folder, 'npmrc'), `${registry.replace(/^https?:/, '')}:_authToken=\${NODE_AUTH_TOKEN}\n`)
    await work({ NODE_AUTH_TOKEN: token, NPM_CONFIG_USERCONFIG: join(folder, 'npmrc') })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function isPublished(name) {
  try {
    return (await runNpm(['view', `${name}@${version}`, 'version'], { capture: true })).trim() === version
  } catch (error) {
    if (error instanceof StepFailed) return false
    throw error
  }
}

async function publishPackages(packages) {
  const token = process.env.NODE_AUTH_TOKEN
  if (!token) console.log('Nothing is published to npm, because NODE_AUTH_TOKEN is not set: these are trials.')
  const options = ['--access', 'public', '--tag', version.includes('-') ? 'next' : 'latest']
  // Provenance comes from the workflow that runs this; elsewhere there is nobody to vouch for it.
  if (token && process.env.ACTIONS_ID_TOKEN_REQUEST_URL) options.push('--provenance')
  const publish = async (env) => {
    for (const { name, path } of packages) {
      if (token && (await isPublished(name))) {
        console.log(`${name}@${version} is published already.`)
        continue
      }
      await step(`${name}@${version}`, () =>
        runNpm(['publish', path, ...options, ...(token ? [] : ['--dry-run'])], { env }),
      )
    }
  }
  await (token ? withToken(token, publish) : publish({}))
}

async function publishCrate() {
  const token = process.env.CARGO_REGISTRY_TOKEN
  if (!token) console.log('The crates are not published, because CARGO_REGISTRY_TOKEN is not set: this is a trial.')
  // `npm run test:crate` has built and tested them before.
  const args = [
    'publish',
    '--package',
    'noprop-kernels',
    '--package',
    'noprop-core',
    '--locked',
    '--no-verify',
    ...(token ? [] : ['--dry-run']),
  ]
  await step(`the crates noprop-kernels and noprop-core ${version}`, () => run('cargo', args))
}

await script(async () => {
  const [directory, ...more] = process.argv.slice(2)
  if (!directory || more.length > 0) throw new StepFailed('give the directory of the packed packages.')
  const packages = packedPackages(resolve(root, directory))
  await publishPackages(packages)
  await publishCrate()
})
