import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { getAddon } from '../src/native.js'
import { temporaryDirectory } from './support/data.js'
import { root, runNode } from './support/process.js'

const document = readFileSync(join(root, 'docs/bundlers.md'), 'utf8')
// `noprop.linux-x64-gnu.node`
const addon = getAddon().path
const platform = basename(addon).split('.')[1]!

/** The document's programs by the file name in their first line. */
const programs = new Map(
  [...document.matchAll(/^```js fragment\n\/\/ (\S+)\n([\s\S]*?)^```$/gm)].map(([, name, text]) => [name!, text!]),
)

/** The packed package, once. */
let tarball: string
beforeAll(() => {
  const directory = join(root, '.noprop', 'bundlers')
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  const npm = process.env.npm_execpath
  const [command, ...first] = npm && existsSync(npm) ? [process.execPath, npm] : ['npm']
  const args = ['pack', '--ignore-scripts', '--loglevel', 'error', '--pack-destination', directory]
  execFileSync(command!, [...first, ...args], { cwd: root, stdio: 'ignore' })
  tarball = join(directory, readdirSync(directory).find((name) => name.endsWith('.tgz'))!)
})

/** A project with noprop and the platform's package in its `node_modules`, and the document's programs. */
function project(): string {
  const directory = temporaryDirectory()
  const modules = join(directory, 'node_modules')
  mkdirSync(modules)
  execFileSync('tar', ['-xzf', basename(tarball), '-C', modules], { cwd: dirname(tarball) })
  renameSync(join(modules, 'package'), join(modules, 'noprop'))
  // In a clone the packed package may bring the addon that was built there; users get it from the platform's package.
  const [, ...others] = readdirSync(join(modules, 'noprop')).filter((name) => name.endsWith('.node'))
  expect(others).toEqual([])
  rmSync(join(modules, 'noprop', basename(addon)), { force: true })
  const own = join(modules, '@noprop', platform)
  mkdirSync(own, { recursive: true })
  cpSync(addon, join(own, basename(addon)))
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  writeFileSync(
    join(own, 'package.json'),
    JSON.stringify({ name: `@noprop/${platform}`, version, main: basename(addon) }),
  )
  for (const tool of ['vite', 'esbuild', 'commander'])
    symlinkSync(join(root, 'node_modules', tool), join(modules, tool), 'junction')
  writeFileSync(join(directory, 'package.json'), '{ "type": "module", "private": true }')
  for (const [name, text] of programs) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), text)
  }
  return directory
}

/** Runs a bundle, in which nothing may point to this clone, and expects it to have learned its task. */
async function expectWorks(cwd: string, args: string[]) {
  const { NOPROP_ADDON: _, ...env } = process.env
  const { code, stdout, stderr } = await runNode(args, { cwd, env })
  expect([code, stderr]).toEqual([0, ''])
  expect(JSON.parse(stdout)).toEqual({ version: expect.stringMatching(/^\d/), accuracy: expect.any(Number) })
  expect(JSON.parse(stdout).accuracy).toBeGreaterThan(0.9)
}

async function build(cwd: string, args: string[]) {
  const { code, stdout, stderr } = await runNode(args, { cwd })
  expect([code, code === 0 ? '' : stdout + stderr]).toEqual([0, ''])
}

const vite = join(root, 'node_modules/vite/bin/vite.js')
/** A statement, not an example in a text. */
const imports = /^import\b[^\n]*['"]noprop['"]/m

test('esbuild leaves noprop outside of a bundle, with the program and with the command of the document', async () => {
  const directory = project()
  await build(directory, ['build.mjs'])
  const bundle = join(directory, 'dist/app.mjs')
  const made = readFileSync(bundle, 'utf8')
  expect(made).toMatch(imports)
  await expectWorks(directory, ['dist/app.mjs'])
  const command = document.match(/^npx esbuild (.*)$/m)![1]!.split(' ')
  renameSync(bundle, `${bundle}.old`)
  execFileSync(join(root, 'node_modules/.bin/esbuild'), command, { cwd: directory, stdio: 'ignore' })
  expect(readFileSync(bundle, 'utf8')).toBe(made)
})

test('esbuild makes noprop part of a bundle, beside which the addon is found', async () => {
  const directory = project()
  await build(directory, ['build-whole.mjs'])
  expect(readFileSync(join(directory, 'dist/app.mjs'), 'utf8')).not.toMatch(imports)
  renameSync(join(directory, 'node_modules/noprop'), join(directory, 'gone'))
  await expectWorks(directory, ['dist/app.mjs'])
})

test.each([
  ['vite.config.mjs', 'server/app.js'],
  ['vite.bundled.mjs', 'bundled/app.js'],
])('Vite builds server code with %s', async (config, bundle) => {
  const directory = project()
  await build(directory, [vite, 'build', '--logLevel', 'error', '--config', config])
  expect(readFileSync(join(directory, bundle), 'utf8')).toMatch(imports)
  await expectWorks(directory, [bundle])
})

test("Vite's development server runs it", async () => {
  const directory = project()
  const program = `
    import { createServer } from 'vite'
    const server = await createServer({ server: { middlewareMode: true }, logLevel: 'error', optimizeDeps: { noDiscovery: true } })
    await server.ssrLoadModule('/src/app.js')
    await server.close()`
  writeFileSync(join(directory, 'serve.mjs'), program)
  await expectWorks(directory, ['serve.mjs'])
})

test('an unpacked addon is named as in Electron', async () => {
  const directory = project()
  const app = join(directory, 'resources/app.asar')
  const unpacked = join(directory, 'resources/app.asar.unpacked/node_modules')
  for (const folder of [app, unpacked]) mkdirSync(folder, { recursive: true })
  for (const name of ['package.json', 'src', 'electron-main.mjs', 'node_modules'])
    renameSync(join(directory, name), join(app, name))
  renameSync(join(app, 'node_modules/@noprop'), join(unpacked, '@noprop'))
  const main = join(app, 'electron-main.mjs')
  writeFileSync(main, readFileSync(main, 'utf8').replaceAll('linux-x64-gnu', platform))
  const resources = `data:text/javascript,process.resourcesPath=${encodeURIComponent(JSON.stringify(join(directory, 'resources')))}`
  await expectWorks(app, ['--import', resources, main])
})

test('workers import it at the same time and again and again', async () => {
  const directory = project()
  const program = `
    import { isMainThread, parentPort, Worker } from 'node:worker_threads'
    if (isMainThread) {
      const answers = []
      const one = () => new Promise((resolve, reject) => {
        const worker = new Worker(new URL(import.meta.url))
        worker.on('message', (message) => answers.push(message)).on('error', reject).on('exit', resolve)
      })
      for (let round = 0; round < 3; round++) await Promise.all([one(), one(), one()])
      const { version, NoProp } = await import('noprop')
      console.log(JSON.stringify([answers.length, new Set(answers).size, answers[0] === version, typeof NoProp.create]))
    } else {
      const [first, second] = await Promise.all([import('noprop'), import('noprop?again').catch(() => import('noprop'))])
      const model = first.NoProp.create({ input: [2], classes: 2, blocks: 1, net: 'mlp' })
      await model.fit(first.datasets.fromArrays({ images: [[0, 1], [1, 0]], labels: [0, 1] }), { epochs: 1, batch: 2 })
      parentPort.postMessage(second.version)
    }`
  writeFileSync(join(directory, 'workers.mjs'), program)
  const { NOPROP_ADDON: _, ...env } = process.env
  const { code, stdout, stderr } = await runNode(['workers.mjs'], { cwd: directory, env })
  expect([code, stderr, stdout.trim()]).toEqual([0, '', '[9,1,true,"function"]'])
})
