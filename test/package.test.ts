import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { installWithNpm, type Packages, packAndServe } from './support/installed.js'
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
  expect(files).toEqual(expect.arrayContaining(['dist', 'docs', 'package.json', 'README.md', 'LICENSE']))
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

/** The bytes of a file, or of all files in a folder. */
function bytes(path: string): number {
  if (!statSync(path).isDirectory()) return statSync(path).size
  return readdirSync(path).reduce((sum, name) => sum + bytes(join(path, name)), 0)
}

test('the addon takes at most 6 MB, and all that is installed at most 8 MB', () => {
  const scope = join(installed, 'node_modules', '@noprop')
  expect(bytes(scope)).toBeGreaterThan(1e6)
  expect(bytes(scope)).toBeLessThanOrEqual(6e6)
  expect(bytes(join(installed, 'node_modules'))).toBeLessThanOrEqual(8e6)
})

/** What a program takes, in milliseconds: medians of 15 runs in turns with others. */
interface Times {
  /** Processor time, to which other work on the machine adds nothing. */
  processor: number
  /** Waiting: the least by which the clock went further than the processor. */
  waiting: number
}

async function times(...programs: string[][]): Promise<Times[]> {
  const runs: Times[][] = programs.map(() => [])
  for (let round = 0; round < 15; round++) {
    for (const [index, args] of programs.entries()) {
      const observed = ['--require', join(root, 'test/support/processor-time.cjs'), ...args]
      const { code, stderr, milliseconds } = await runNode(observed, { cwd: installed, env: packages.env })
      expect([code, stderr]).toEqual([0, expect.stringMatching(/^[\d.]+\n$/)])
      runs[index]!.push({ processor: Number(stderr), waiting: milliseconds - Number(stderr) })
    }
  }
  return runs.map((each) => ({
    processor: each.map(({ processor }) => processor).sort((a, b) => a - b)[7]!,
    waiting: Math.min(...each.map(({ waiting }) => waiting)),
  }))
}

test('import and require each take at most 60 ms over an empty Node process', async () => {
  const used = (how: string) => `globalThis.used = (${how}).NoProp`
  const importing = ['--input-type=module', '-e', used(`await import('noprop')`)]
  const [empty, ...filled] = await times(['-e', ''], importing, ['-e', used(`require('noprop')`)])
  for (const { processor, waiting } of filled) {
    expect(processor - empty!.processor).toBeLessThanOrEqual(60)
    // A busy machine makes both wait; what an import itself waited for would come on top.
    expect(waiting - empty!.waiting).toBeLessThan(1000)
  }
})

test('the command that `npx noprop` runs answers --help within 150 ms', async () => {
  const bin = join(installed, 'node_modules', '.bin', process.platform === 'win32' ? 'noprop.cmd' : 'noprop')
  expect(existsSync(bin)).toBe(true)
  const help = [join(installed, 'node_modules', 'noprop', 'dist', 'cli.js'), '--help']
  expect((await runNode(help)).stdout).toContain('Usage: noprop')
  const [empty, helping] = await times(['-e', ''], help)
  expect(helping!.processor).toBeLessThanOrEqual(150)
  expect(helping!.waiting - empty!.waiting).toBeLessThan(1000)
})

/** A program that uses the whole API; the first line brings the names. */
const consumer = (imports: string) => `
${imports}

async function main(): Promise<void> {
const options: ModelOptions = { input: [28, 28], classes: 10, net: 'cnn', schedule: { type: 'linear', end: 0.2 } }
const model = NoProp.create(options)
const { train, test } = await datasets.load('mnist', { limit: 100, signal: AbortSignal.timeout(1000) })
const run = model.fit(train, { epochs: 1, learningRateSchedule: 'one-cycle', validation: test })
for await (const event of run) {
  const seen: FitEvent = event
  if (seen.event === 'epoch') seen.loss.toFixed(1)
}
const history: History = await run
const once = await model.evaluate(test, { sampler: 'ddim' })
const often = await model.evaluate(test, { runs: 3 })
const { labels, probabilities } = await model.predict(new Float32Array(784))
const first: number | undefined = probabilities[0]?.[labels[0] ?? 0]
console.log(history.loss[0]?.[0], once.confusion, often.accuracyStd, first, await NoProp.load(new URL('file:///x')))
if ((history as unknown) instanceof NoPropError) throw history
// @ts-expect-error an option that there is not
NoProp.create({ input: [4], classes: 2, block: 3 })
// @ts-expect-error a sampler that there is not
await model.evaluate(test, { sampler: 'euler' })
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
