// The places that state this project's version, which is one for the npm packages and the crates.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, StepFailed } from '../support/steps.mjs'

/** A version as Semantic Versioning writes it, without build metadata, which registries do not tell apart. */
const VERSION =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][\da-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][\da-zA-Z-]*))*))?$/

/**
 * File, name of the place, and a pattern whose groups are what stands before the version and the version. A pattern that
 * is `many` may be found any number of times, every other exactly once.
 */
/** @type {[string, string, RegExp, string?][]} */
const PLACES = [
  ['package.json', 'version', /^( {2}"version": ")([^"]+)/gm],
  ['package.json', 'platform packages', /("@noprop\/[\w-]+": ")([^"]+)/g, 'many'],
  ['package-lock.json', 'version', /^( {2}"version": ")([^"]+)/gm],
  ['package-lock.json', 'root package', /("": \{\s+"name": "noprop",\s+"version": ")([^"]+)/g],
  ['package-lock.json', 'platform packages', /("@noprop\/[\w-]+": ")([^"]+)/g, 'many'],
  [
    'package-lock.json',
    'locked platform packages',
    /("node_modules\/@noprop\/[\w-]+": \{\s+"version": ")([^"]+)/g,
    'many',
  ],
  ['Cargo.toml', 'workspace', /(\[workspace\.package\]\s+version = ")([^"]+)/g],
  ['Cargo.toml', 'noprop-kernels', /(\nnoprop-kernels = \{.*version = "=)([^"]+)/g],
  ['Cargo.lock', 'noprop-core', /(\nname = "noprop-core"\nversion = ")([^"]+)/g],
  ['Cargo.lock', 'noprop-kernels', /(\nname = "noprop-kernels"\nversion = ")([^"]+)/g],
  ['Cargo.lock', 'noprop-napi', /(\nname = "noprop-napi"\nversion = ")([^"]+)/g],
]

const read = (file) => readFileSync(join(root, file), 'utf8')

/** Every stated version: `{ file, place, version }`. */
function statedVersions() {
  return PLACES.flatMap(([file, place, pattern, many]) => {
    const found = [...read(file).matchAll(pattern)]
    if (!many && found.length !== 1) {
      throw new StepFailed(`${file} should state the version once (${place}), and does ${found.length} times.`)
    }
    return found.map(([, , version]) => ({ file, place, version }))
  })
}

/** The one version, or StepFailed naming the places that differ. */
export function currentVersion() {
  const stated = statedVersions()
  const [first] = stated
  const different = stated.filter(({ version }) => version !== first.version)
  if (different.length === 0) return first.version
  const others = different.map(({ file, place, version }) => `${file} (${place}) has ${version}`)
  throw new StepFailed(`the versions differ: ${first.file} has ${first.version}, ${others.join(', ')}.`)
}

/** Puts `version` in every place. */
export function writeVersion(version) {
  for (const [file, , pattern] of PLACES) {
    writeFileSync(
      join(root, file),
      read(file).replace(pattern, (_, before) => before + version),
    )
  }
}

/** Throws StepFailed unless `version` is one. */
export function checkVersion(version) {
  if (VERSION.test(version ?? '')) return
  throw new StepFailed(
    `${version ? `${version} is not a version` : 'the version is missing'}: give one like 1.2.3 or 1.2.3-beta.1.`,
  )
}

/** Negative, zero or positive as `a` comes before, with or after `b` (Semantic Versioning, 11). */
export function compareVersions(a, b) {
  const [left, right] = [a, b].map((text) => VERSION.exec(text))
  for (const part of [1, 2, 3]) {
    if (left[part] !== right[part]) return Number(left[part]) - Number(right[part])
  }
  return comparePrerelease(left[4], right[4])
}

function comparePrerelease(a, b) {
  if (a === b) return 0
  if (!a || !b) return a ? -1 : 1
  const [left, right] = [a.split('.'), b.split('.')]
  for (let index = 0; ; index++) {
    const [x, y] = [left[index], right[index]]
    if (x === y) continue
    if (x === undefined || y === undefined) return x === undefined ? -1 : 1
    const [isX, isY] = [x, y].map((part) => /^\d+$/.test(part))
    if (isX && isY) return Number(x) - Number(y)
    if (isX !== isY) return isX ? -1 : 1
    return x < y ? -1 : 1
  }
}
