// Makes a clone ready to run: npm packages, the addon, the TypeScript. What is current is not built again.
// `--types` also puts the addon's generated types into index.d.ts, which is committed.
import { copyFileSync, existsSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root, runNpm, runTool, script, step } from '../support/steps.mjs'
import { requireRust } from '../support/toolchain.mjs'
import { unlessCurrent } from './stamp.mjs'

/** The addon's types as the last build generated them. */
export const generatedTypes = '.noprop/index.d.ts'

/** The head of these types. */
const HEADER = `/*
 * The native contract: what the addon (crates/noprop-napi) offers to the TypeScript in src/, and nobody else calls. Options and
 * results are JSON. The API that users import is src/index.ts.
 *
 * napi-rs generates this file from the Rust code: \`npm run build\` renews it, and \`npm test\` fails if it is stale.
 */
/* eslint-disable */

`

export async function bootstrap({ types = false } = {}) {
  await installPackages()
  const built = [await buildAddon(), types && takeTypes(), await buildTypeScript()]
  if (!built.some(Boolean)) console.log('── everything is built already')
}

async function installPackages() {
  const lock = join(root, 'package-lock.json')
  const installed = join(root, 'node_modules', '.package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return
  // Before minutes of installing, not after them.
  if (builtAddons().length === 0) requireRust()
  await step('npm packages', () => runNpm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel', 'error']))
  // npm leaves the file as it is when nothing changed.
  utimesSync(installed, new Date(), new Date())
}

/** The addons for the processor; the one with CUDA code is another script's. */
function builtAddons() {
  return readdirSync(root).filter((name) => /^noprop\.(?!cuda-).*\.node$/.test(name))
}

function buildAddon() {
  const inputs = ['Cargo.toml', 'Cargo.lock', 'crates', '.cargo', 'rust-toolchain.toml', 'scripts/setup/bootstrap.mjs']
  return unlessCurrent(
    'addon',
    inputs,
    () => [...builtAddons(), generatedTypes],
    async () => {
      requireRust()
      await step('the addon (Rust, release)', () =>
        runTool(
          '@napi-rs/cli',
          [
            ...['build', '--platform', '--release', '--no-js', '--output-dir', '.', '--dts', generatedTypes],
            ...['--dts-header', HEADER],
            ...['--manifest-path', 'crates/noprop-addon/Cargo.toml', '--package-json-path', 'package.json'],
          ],
          { bin: 'napi' },
        ),
      )
    },
  )
}

function takeTypes() {
  copyFileSync(join(root, generatedTypes), join(root, 'index.d.ts'))
}

function buildTypeScript() {
  const inputs = [
    'src',
    'index.d.ts',
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'tsup.config.ts',
    'scripts/setup/page.mjs',
  ]
  const outputs = () =>
    [
      ...['index', 'report', 'cluster'].flatMap((name) =>
        ['js', 'cjs', 'd.ts', 'd.cts'].map((kind) => `${name}.${kind}`),
      ),
      'cluster-client.cjs',
      'encoder.cjs',
      'cli.js',
      'progress.js',
      'page.html',
    ].map((name) => `dist/${name}`)
  return unlessCurrent('typescript', inputs, outputs, () =>
    step('the TypeScript', () => {
      rmSync(join(root, 'dist'), { recursive: true, force: true })
      return runTool('tsup', ['--silent'])
    }),
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await script(() => bootstrap({ types: process.argv.includes('--types') }))
}
