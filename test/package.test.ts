import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { getAddon } from '../src/native.js'
import { smallIdx, temporaryDirectory } from './support/data.js'
import { root, runNode } from './support/process.js'

const npm = process.env.npm_execpath

/** An empty project into which the packed package was put, as an installation would. */
function installed(): string {
  const project = temporaryDirectory()
  const args = ['pack', '--ignore-scripts', '--loglevel', 'error', '--pack-destination', project]
  const options = { cwd: root, encoding: 'utf8' as const, stdio: ['ignore', 'pipe', 'inherit'] as const }
  if (npm && existsSync(npm)) execFileSync(process.execPath, [npm, ...args], { ...options, stdio: [...options.stdio] })
  else execFileSync('npm', args, { ...options, stdio: [...options.stdio] })
  const tarball = readdirSync(project).find((name) => name.endsWith('.tgz'))!
  const modules = join(project, 'node_modules')
  mkdirSync(modules)
  execFileSync('tar', ['-xzf', tarball, '-C', 'node_modules'], { cwd: project })
  execFileSync('mv', ['package', 'noprop'], { cwd: modules })
  symlinkSync(join(root, 'node_modules', 'commander'), join(modules, 'commander'))
  writeFileSync(join(project, 'package.json'), '{ "type": "module", "private": true }')
  return project
}

test('importing the package takes at most 60 ms', async () => {
  const url = JSON.stringify(pathToFileURL(join(root, 'dist/index.js')).href)
  const program = `const began = performance.now(); await import(${url}); console.log(performance.now() - began)`
  // The best of several: other work on the machine only ever adds to it.
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 20 && best > 60; round++) {
    best = Math.min(best, Number((await runNode(['--input-type=module', '-e', program])).stdout))
  }
  expect(best).toBeLessThanOrEqual(60)
})

test('the packed package works in an empty folder, and holds what users need', async () => {
  const project = installed()
  const files = readdirSync(join(project, 'node_modules', 'noprop'))
  expect(files).toEqual(expect.arrayContaining(['dist', 'docs', 'package.json']))
  for (const name of ['src', 'test', 'crates', 'scripts', 'node_modules', 'Cargo.toml'])
    expect(files).not.toContain(name)
  writeFileSync(
    join(project, 'use.mjs'),
    `
import { datasets, NoProp, NoPropError, version } from 'noprop'
const { train, test } = await datasets.load(process.argv[2])
const model = NoProp.create({ blocks: 2, net: { type: 'mlp', hidden: [32] }, input: train.shape, classes: train.classes })
await model.fit(train, { epochs: 5, batch: 32, learningRate: 3e-3 })
const { accuracy } = await model.evaluate(test)
await model.save('model.safetensors')
console.log(JSON.stringify({ accuracy, version, isError: new NoPropError({ code: 'NOPROP_DATA', what: '' }) instanceof Error }))`,
  )
  // The platform's addon comes as a package of its own one day; here it is the one built in this clone.
  const env = { ...process.env, NOPROP_ADDON: getAddon().path }
  const { code, stdout, stderr } = await runNode(['use.mjs', smallIdx()], { cwd: project, env })
  expect([code, stderr]).toEqual([0, ''])
  expect(JSON.parse(stdout)).toMatchObject({ accuracy: expect.any(Number), isError: true })
  expect(JSON.parse(stdout).accuracy).toBeGreaterThan(0.9)
  const cli = join(project, 'node_modules', 'noprop', 'dist', 'cli.js')
  const inspected = await runNode([cli, 'inspect', 'model.safetensors', '--json'], { cwd: project, env })
  expect(JSON.parse(inspected.stdout)).toMatchObject({ event: 'done', blocks: 2 })
})

const consumer = `
import { datasets, type FitEvent, type History, NoProp, NoPropError, type ModelOptions } from 'noprop'

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
`

test.each([
  ['node16', { module: 'node16', moduleResolution: 'node16', lib: ['ES2022'], types: ['node'] }],
  ['nodenext', { module: 'nodenext', moduleResolution: 'nodenext', lib: ['ES2022', 'DOM'], types: [] }],
  ['bundler', { module: 'esnext', moduleResolution: 'bundler', lib: ['ES2022', 'DOM'], types: [] }],
])('the types are right for a program under moduleResolution %s', async (_, compilerOptions) => {
  const project = installed()
  mkdirSync(join(project, 'node_modules', '@types'))
  symlinkSync(join(root, 'node_modules', '@types', 'node'), join(project, 'node_modules', '@types', 'node'))
  symlinkSync(join(root, 'node_modules', 'undici-types'), join(project, 'node_modules', 'undici-types'))
  writeFileSync(join(project, 'use.ts'), consumer)
  const strict = { strict: true, noEmit: true, target: 'ES2022', exactOptionalPropertyTypes: true, skipLibCheck: false }
  writeFileSync(
    join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...strict, ...compilerOptions }, files: ['use.ts'] }),
  )
  const { code, stdout } = await runNode([join(root, 'node_modules/typescript/bin/tsc')], { cwd: project })
  expect([code, stdout]).toEqual([0, ''])
})
