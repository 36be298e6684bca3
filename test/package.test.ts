import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { installWithNpm, type Packages, packAndServe } from './support/installed.js'
import { loadedBy } from './support/loaded.js'
import { root, runNode } from './support/process.js'

let packages: Packages
let installed: string

beforeAll(async () => {
  packages = await packAndServe()
  installed = await installWithNpm(packages)
}, 300_000)

afterAll(() => packages?.close())

test('the package holds what users need and nothing else, and the platform package is of just its version', () => {
  const directory = join(installed, 'node_modules', 'noprop')
  const files = readdirSync(directory)
  expect(files).toEqual(expect.arrayContaining(['dist', 'docs', 'examples', 'package.json', 'README.md', 'LICENSE']))
  for (const name of ['src', 'test', 'crates', 'scripts', 'node_modules', 'Cargo.toml'])
    expect(files).not.toContain(name)
  expect(files.filter((name) => name.endsWith('.node'))).toEqual([])
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
  expect(manifest.scripts).toBeUndefined()
  expect(manifest.devDependencies).toBeUndefined()
  const [platform, ...others] = Object.entries(manifest.optionalDependencies)
  expect([platform, others]).toEqual([[expect.stringMatching(/^@noprop\//), manifest.version], []])
  const own = JSON.parse(readFileSync(join(installed, 'node_modules', platform![0], 'package.json'), 'utf8'))
  expect(own).toMatchObject({ version: manifest.version, os: [process.platform], cpu: [process.arch] })
  expect(own.scripts).toBeUndefined()
})

test('an example that is copied out of the package runs with it', async () => {
  const example = join(installed, 'table.mjs')
  copyFileSync(join(installed, 'node_modules/noprop/examples/table.mjs'), example)
  const { code, stdout, stderr } = await runNode([example], { cwd: installed, env: packages.env })
  expect([code, stderr, stdout]).toEqual([0, '', expect.stringContaining('test accuracy')])
})

/** The bytes of a file, or of all files in a folder. */
function bytes(path: string): number {
  if (!statSync(path).isDirectory()) return statSync(path).size
  return readdirSync(path).reduce((sum, name) => sum + bytes(join(path, name)), 0)
}

test('the addon takes at most 10 MB, and all that is installed at most 12 MB', () => {
  const scope = join(installed, 'node_modules', '@noprop')
  expect(bytes(scope)).toBeGreaterThan(1e6)
  expect(bytes(scope)).toBeLessThanOrEqual(10e6)
  expect(bytes(join(installed, 'node_modules'))).toBeLessThanOrEqual(12e6)
})

/** Modules of Node's that take their time to load, and that nothing needs before there is work to do. */
const HEAVY = /^node:(http|https|http2|tls|zlib|worker_threads|test|repl|inspector|internal\/deps\/undici)/

/** Ends a program: which native libraries it has loaded. */
const NATIVE = `
process.report.excludeNetwork = true
console.log(JSON.stringify(process.report.getReport().sharedObjects.filter((name) => name.endsWith('.node'))))`

test.each([
  ['import', ['--input-type=module', '-e', `globalThis.used = (await import('noprop')).NoProp${NATIVE}`], 2],
  ['require', ['-e', `globalThis.used = require('noprop').NoProp${NATIVE}`], 1],
])('%s loads one file of JavaScript (and its entry), and does nothing yet', async (_, args, most) => {
  const { files, bytes, builtins, stdout } = await loadedBy(args, { cwd: installed, env: packages.env })
  expect(files.length, files.join(', ')).toBeLessThanOrEqual(most)
  expect(files.length).toBeGreaterThan(0)
  expect(bytes).toBeLessThanOrEqual(150_000)
  expect(builtins.filter((name) => HEAVY.test(name))).toEqual([])
  expect(JSON.parse(stdout)).toEqual([])
})

test('the command that `npx noprop` runs reads for --help only what it prints', async () => {
  const bin = join(installed, 'node_modules', '.bin', process.platform === 'win32' ? 'noprop.cmd' : 'noprop')
  expect(existsSync(bin)).toBe(true)
  const help = [join(installed, 'node_modules', 'noprop', 'dist', 'cli.js'), '--help']
  const { files, bytes, builtins, stdout } = await loadedBy(help, { cwd: installed, env: packages.env })
  expect(stdout).toContain('Usage: noprop')
  expect(files.length, files.join(', ')).toBeLessThanOrEqual(24)
  expect(bytes).toBeLessThanOrEqual(250_000)
  expect(files.filter((name) => /index\.cjs|\.node$/.test(name))).toEqual([])
  expect(builtins.filter((name) => HEAVY.test(name))).toEqual([])
})

/** A program that uses the whole API; the first line brings the names. */
const consumer = (imports: string) => `
${imports}

async function main(): Promise<void> {
const options: ModelOptions = { input: [28, 28], classes: 10, net: 'cnn', schedule: { type: 'linear', end: 0.2 } }
const model = NoProp.create(options)
const { train, test } = await datasets.load('mnist', { limit: 100, signal: AbortSignal.timeout(60_000) })
const run = model.fit(train, { epochs: 1, learningRateSchedule: 'one-cycle', validation: test })
for await (const event of run) {
  const seen: FitEvent = event
  if (seen.event === 'epoch') seen.loss.toFixed(1)
}
const history: History = await run
const once = await model.evaluate(test, { sampler: 'ddim' })
const often = await model.evaluate(test, { runs: 3 })
const { labels, probabilities } = await model.predict(new Float32Array(784))
// A label is a number or a name.
const first: number | undefined = probabilities[0]?.[Number(labels[0])]
console.log(history.loss[0]?.[0], once.confusion, often.accuracyStd, first, await NoProp.load(new URL('file:///x')))
if ((history as unknown) instanceof NoPropError) throw history
// @ts-expect-error an option that there is not
NoProp.create({ input: [4], classes: 2, block: 3 })
// @ts-expect-error a sampler that there is not
await model.evaluate(test, { sampler: 'rk4' })
// @ts-expect-error models are created or loaded
new NoProp()
// @ts-expect-error only runs have a spread
once.accuracyStd
}

void main()
`

const NAMES = '{ datasets, type FitEvent, type History, NoProp, NoPropError, type ModelOptions }'
const imported = `import ${NAMES} from 'noprop'`
const required = `import noprop = require('noprop')
import type { FitEvent, History, ModelOptions } from 'noprop'
const { datasets, NoProp, NoPropError } = noprop`

test.each([
  ['node16', { module: 'node16', moduleResolution: 'node16', lib: ['ES2022'], types: ['node'] }],
  ['nodenext', { module: 'nodenext', moduleResolution: 'nodenext', lib: ['ES2022', 'DOM'], types: [] }],
  ['bundler', { module: 'esnext', moduleResolution: 'bundler', lib: ['ES2022', 'DOM'], types: [] }],
])('the types are right for programs under moduleResolution %s', async (name, compilerOptions) => {
  const project = packages.project()
  const modules = join(project, 'node_modules')
  mkdirSync(join(modules, '@types'), { recursive: true })
  for (const [at, from] of [
    ['noprop', join(installed, 'node_modules', 'noprop')],
    ['@types/node', join(root, 'node_modules', '@types', 'node')],
    ['undici-types', join(root, 'node_modules', 'undici-types')],
  ] as const) {
    mkdirSync(dirname(join(modules, at)), { recursive: true })
    symlinkSync(from, join(modules, at))
  }
  const programs: Record<string, string> = { 'use.mts': consumer(imported), 'use.cts': consumer(imported) }
  // Bundlers know no \`import = require\` in what they compile to ES modules.
  if (name !== 'bundler') programs['require.cts'] = consumer(required)
  for (const [file, text] of Object.entries(programs)) writeFileSync(join(project, file), text)
  const strict = { strict: true, noEmit: true, target: 'ES2022', exactOptionalPropertyTypes: true, skipLibCheck: false }
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...strict, ...compilerOptions }, files: Object.keys(programs) }),
  )
  const { code, stdout } = await runNode([join(root, 'node_modules/typescript/bin/tsc')], { cwd: project })
  expect([code, stdout]).toEqual([0, ''])
})
