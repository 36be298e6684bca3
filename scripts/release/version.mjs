// `npm run release:version -- 0.2.0`: moves all versions together, and makes the changelog's unreleased part that version's.
// `-- --check v0.2.0` (or without the v) changes nothing and says whether the tree is that release; the release workflow asks.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, StepFailed, script } from '../support/steps.mjs'
import { checkVersion, compareVersions, currentVersion, writeVersion } from './versions.mjs'

const CHANGELOG = 'CHANGELOG.md'
const UNRELEASED = '## [Unreleased]'
const changelog = () => readFileSync(join(root, CHANGELOG), 'utf8')

/** The heading of a version with its date, or undefined. */
function heading(version) {
  return changelog()
    .split('\n')
    .find((line) => line.startsWith(`## [${version}]`))
}

/** What users will notice, which is what stands below the heading of what is not released yet. */
function unreleased() {
  const [, after] = changelog().split(`${UNRELEASED}\n`)
  if (after === undefined) throw new StepFailed(`${CHANGELOG} has no heading \`${UNRELEASED}\`.`)
  return after.split(/^## /m)[0].trim()
}

/** Refuses to mix a release with other changes. */
function requireCleanTree() {
  const { status, stdout, stderr } = spawnSync('git', ['status', '--porcelain'], { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new StepFailed(`git cannot tell whether the tree is clean: ${(stderr ?? '').trim()}`)
  if (stdout.trim()) throw new StepFailed(`there are uncommitted changes: commit them first.\n${stdout.trimEnd()}`)
}

/** Registries show where a project lives; nothing is released before that is known. */
function requireAddresses() {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const missing = ['repository', 'homepage', 'bugs'].filter((field) => !manifest[field])
  const problems = missing.length > 0 ? [`package.json lacks ${missing.join(', ')}`] : []
  for (const path of ['Cargo.toml', 'crates/noprop-kernels/Cargo.toml', 'crates/noprop-core/Cargo.toml']) {
    if (!/^repository\b/m.test(readFileSync(join(root, path), 'utf8'))) problems.push(`${path} lacks repository`)
  }
  if (problems.length > 0) throw new StepFailed(`the project has no public address yet: ${problems.join(', ')}.`)
}

function release(version) {
  checkVersion(version)
  requireCleanTree()
  const current = currentVersion()
  if (heading(version)) throw new StepFailed(`${CHANGELOG} has ${version} already: a version is released once.`)
  // The current version may be given as long as it is not released: so the first release keeps the number it was born with.
  if (compareVersions(version, current) < 0) throw new StepFailed(`${version} comes before the current ${current}.`)
  if (!unreleased()) throw new StepFailed(`${CHANGELOG} says nothing below \`${UNRELEASED}\`: tell users what changed.`)
  requireAddresses()
  writeVersion(version)
  const date = new Date().toISOString().slice(0, 10)
  writeFileSync(join(root, CHANGELOG), changelog().replace(UNRELEASED, `${UNRELEASED}\n\n## [${version}] - ${date}`))
  console.log(`${current} → ${version}, ${date}. Run \`npm test\`, commit, and push the tag v${version}.`)
}

function check(tag) {
  const version = tag?.replace(/^v/, '')
  checkVersion(version)
  const current = currentVersion()
  if (version !== current) throw new StepFailed(`${tag} is not the version of this tree, which is ${current}.`)
  if (!heading(version))
    throw new StepFailed(`${CHANGELOG} does not have ${version}: \`npm run release:version -- ${version}\`.`)
  console.log(version)
}

await script(async () => {
  const [first, second, ...more] = process.argv.slice(2)
  if (first === '--check' && more.length === 0) return check(second)
  if (second !== undefined || first?.startsWith('-')) throw new StepFailed('give one version, or --check and a tag.')
  release(first)
})
