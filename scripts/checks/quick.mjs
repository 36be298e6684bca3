// `npm run check`: what is quick, for the inner loop. Formats, types and lints of everything, and the tests near what differs from
// the last commit. `npm test` runs all there is.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { bootstrap } from '../setup/bootstrap.mjs'
import { capture, root, run, runTool, script, step } from '../support/steps.mjs'
import { checkRust, checkTypeScript } from './static.mjs'

/** Files that differ from the last commit, new ones included. */
function changedFiles() {
  const tracked = capture('git', ['diff', '--name-only', 'HEAD'])
  const fresh = capture('git', ['ls-files', '--others', '--exclude-standard'])
  return [...new Set(`${tracked}${fresh}`.split('\n').filter(Boolean))].filter((file) => existsSync(join(root, file)))
}

/** The unit tests near a Rust file: those of its module, or of the module above it for a file of tests. */
function testsNear(file) {
  const [, crate, path] = file.match(/^crates\/(noprop-(?:core|kernels))\/src\/(.+)\.rs$/) ?? []
  if (!crate) return []
  const module = path.split('/').filter((name) => !['mod', 'lib', 'tests'].includes(name))
  return [{ crate, filter: module.slice(0, 2).join('::') }]
}

await script(async () => {
  const changed = changedFiles()
  const rust = changed.some((file) => /\.rs$|Cargo\.toml$/.test(file))
  await bootstrap()
  await checkTypeScript()
  if (rust) {
    await checkRust()
    const near = new Map(changed.flatMap(testsNear).map((test) => [`${test.crate} ${test.filter}`, test]))
    for (const { crate, filter } of near.values()) {
      await step(`tests of ${crate}, ${filter}`, () => run('cargo', ['test', '-p', crate, '--lib', '--quiet', filter]))
    }
  }
  const typescript = changed.filter((file) => /\.(ts|mjs|cjs)$/.test(file))
  if (typescript.length > 0) {
    await step('tests near the changed TypeScript (vitest)', () =>
      runTool('vitest', ['related', '--run', '--passWithNoTests', ...typescript]),
    )
  }
})
