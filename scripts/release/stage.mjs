// Writes the folders that are packed: one for each platform's addon, and the package itself. No package has install scripts.
import { createHash } from 'node:crypto'
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, runNpm } from '../support/steps.mjs'
import { packageName } from './platforms.mjs'

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
/** What every package says about itself. */
const { version, license, author, repository, engines } = manifest
const LICENCES = ['LICENSE', 'THIRD_PARTY_NOTICES.txt']

/** The folder of a platform's package with the addon at `path`. */
export function stagePlatform(platform, path, out) {
  const directory = emptied(join(out, platform.name))
  const main = `noprop.${platform.name}.node`
  copyFileSync(path, join(directory, main))
  const name = packageName(platform)
  writeJson(directory, {
    name,
    version,
    description: `The native part of noprop for ${platform.name}. noprop installs it where it fits.`,
    license,
    author,
    repository,
    engines,
    ...platform.fields,
    main,
    files: [main, ...LICENCES],
    noprop: { sha256: createHash('sha256').update(readFileSync(path)).digest('hex') },
  })
  writeFileSync(
    join(directory, 'README.md'),
    `# ${name}\n\nThe native part of noprop for ${platform.name}; install noprop.\n`,
  )
  copyAll(LICENCES, directory)
  return directory
}

/** The folder of the package `noprop`, which depends on just this version of the packages of `platforms`. */
export function stageMain(platforms, out) {
  const directory = emptied(join(out, 'noprop'))
  const { scripts: _, devDependencies: __, napi: ___, ...published } = manifest
  writeJson(directory, {
    ...published,
    optionalDependencies: Object.fromEntries(platforms.map((platform) => [packageName(platform), version])),
  })
  copyAll([...manifest.files, 'README.md', ...LICENCES], directory)
  return directory
}

/** Packs the package of a folder into `out` and returns the tarball's path. */
export async function pack(directory, out) {
  const args = ['pack', directory, '--ignore-scripts', '--loglevel', 'error', '--pack-destination', out]
  const output = await runNpm(args, { capture: true })
  return join(out, output.trim().split('\n').at(-1))
}

/** The tarball that packing a platform's package gives. */
export function tarballOf(platform, out) {
  return join(out, `noprop-${platform.name}-${version}.tgz`)
}

function copyAll(names, directory) {
  for (const name of names.filter((name) => existsSync(join(root, name)))) {
    cpSync(join(root, name), join(directory, name), { recursive: true })
  }
}

function emptied(directory) {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  return directory
}

function writeJson(directory, content) {
  writeFileSync(join(directory, 'package.json'), `${JSON.stringify(content, null, 2)}\n`)
}
