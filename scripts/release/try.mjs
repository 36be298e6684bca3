// `npm run release:try -- DIRECTORY`: installs the packed packages of a directory (*.tgz) into an empty project outside this
// clone, with the npm and the Node that run this, and uses them: `import`, `require`, the command line. What they depend on
// comes from npm's registry. The release does this on every platform, where neither Rust nor this clone's build is at hand.
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve, sep } from 'node:path'
import { root, runNpm, StepFailed, script, step } from '../support/steps.mjs'
import { packageName, thisPlatform } from './platforms.mjs'
import { tarballOf } from './stage.mjs'
import { currentVersion } from './versions.mjs'

const version = currentVersion()

/** The packed package and that of this machine's addon. */
function tarballs(directory) {
  const platform = thisPlatform()
  if (!platform) throw new StepFailed(`no package is made for ${process.platform} ${process.arch}.`)
  const paths = [join(directory, `noprop-${version}.tgz`), tarballOf(platform, directory)]
  const missing = paths.find((path) => !existsSync(path))
  if (missing) throw new StepFailed(`${missing} is not there: \`npm run pack:all\` makes it.`)
  return { platform, paths }
}

/** What a program prints as JSON. */
function result(project, args) {
  const { NOPROP_ADDON: _, ...env } = process.env
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: project, encoding: 'utf8', env })
  if (status === 0 && stderr === '') return JSON.parse(stdout)
  throw new StepFailed(`\`node ${args.join(' ')}\` ended with ${status}:\n${stdout}${stderr}`)
}

function use(project, platform) {
  for (const program of ['train.mjs', 'train.cjs']) {
    copyFileSync(join(root, 'test/support', program), join(project, program))
    const { correct, version: found } = result(project, [program])
    if (!correct || found !== version) throw new StepFailed(`${program} learned ${correct} with version ${found}.`)
  }
  const modules = join(project, 'node_modules')
  const { bin } = JSON.parse(readFileSync(join(modules, 'noprop', 'package.json'), 'utf8'))
  const doctor = result(project, [join(modules, 'noprop', bin.noprop), 'doctor', '--json'])
  if (!doctor.addon.path.startsWith(join(modules, packageName(platform)) + sep)) {
    throw new StepFailed(`the addon that was loaded is ${doctor.addon.path}, not the one that was installed.`)
  }
}

await script(async () => {
  const [directory, ...more] = process.argv.slice(2)
  if (!directory || more.length > 0) throw new StepFailed('give the directory of the packed packages.')
  const { platform, paths } = tarballs(resolve(root, directory))
  const project = realpathSync(mkdtempSync(join(tmpdir(), 'noprop-try-')))
  try {
    writeFileSync(join(project, 'package.json'), '{ "name": "empty", "version": "1.0.0", "private": true }')
    const options = ['--no-audit', '--no-fund', '--loglevel', 'error']
    await step('npm install', () => runNpm(['install', ...paths, ...options], { cwd: project }))
    await step(`${packageName(platform)} on Node ${process.versions.node}`, async () => use(project, platform))
  } finally {
    rmSync(project, { recursive: true, force: true })
  }
})
