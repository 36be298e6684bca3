import { execFileSync, spawnSync } from 'node:child_process'
import { appendFileSync, chmodSync, copyFileSync, cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fetched, nodeOf } from '../scripts/support/fetched.mjs'
import { version } from '../src/version.js'
import { squares, writeIdx } from './support/data.js'
import { installWithNpm, type Packages, packAndServe } from './support/installed.js'
import { events, root, runNode, startNode } from './support/process.js'

// The packages and the versions of Node that are fetched here are those for Linux on x64; other platforms test theirs when
// they are released (`npm run pack:check`).
describe.runIf(process.platform === 'linux' && process.arch === 'x64')('the packages as a registry gives them', () => {
  let packages: Packages
  let installed: string

  beforeAll(async () => {
    packages = await packAndServe()
    installed = await installWithNpm(packages)
    copyFileSync(join(root, 'test/support/train.cjs'), join(installed, 'train.cjs'))
    copyFileSync(join(root, 'test/support/train.mjs'), join(installed, 'train.mjs'))
  }, 300_000)

  afterAll(() => packages?.close())

  /** What a program prints as JSON; fails with what it wrote when it did not succeed. */
  async function result(args: string[], cwd: string, env = packages.env): Promise<Record<string, unknown>> {
    const { code, stdout, stderr } = await runNode(args, { cwd, env })
    expect([code, stderr]).toEqual([0, ''])
    return JSON.parse(stdout)
  }

  test('npm installs the package, the platform package and commander, and asks for nothing else', () => {
    const names = ['noprop', '@noprop/linux-x64-gnu', 'commander']
    const lock = JSON.parse(readFileSync(join(installed, 'package-lock.json'), 'utf8'))
    expect(Object.keys(lock.packages).sort()).toEqual(['', ...names.map((name) => `node_modules/${name}`)].sort())
    for (const name of names) expect(lock.packages[`node_modules/${name}`].hasInstallScript).toBeUndefined()
    // npm looks up what the optional peers would be, and installs none.
    const { peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
    const isPeer = (path: string) => decodeURIComponent(path.slice(1)) in peerDependencies
    expect(packages.registry.missed.filter((path: string) => !isPeer(path))).toEqual([])
  })

  describe.each([20, 22, 24, 26])('on Node %i', (major) => {
    let node: string
    beforeAll(async () => {
      node = await nodeOf(major)
    }, 300_000)

    test.each(['train.mjs', 'train.cjs'])('%s trains and predicts', (program) => {
      const output = execFileSync(node, [program], { cwd: installed, env: packages.env, encoding: 'utf8' })
      expect(JSON.parse(output)).toEqual({ node: expect.stringMatching(`^v${major}\\.`), version, correct: true })
    })
  })

  describe('on Deno', () => {
    let deno: string
    beforeAll(async () => {
      deno = join(await fetched('@deno/linux-x64-glibc@2.9.6'), 'deno')
    }, 300_000)
    const ALLOWED = ['--allow-ffi', '--allow-read', '--allow-env']
    const run = (flags: string[], program: string) => {
      const env = { ...packages.env, NO_COLOR: '1' }
      const args = ['run', '--no-prompt', ...flags, program]
      return spawnSync(deno, args, { cwd: installed, env, encoding: 'utf8' })
    }

    test.each(['train.mjs', 'train.cjs'])(
      '%s trains and predicts with the permissions that the hint names',
      (program) => {
        const { status, stdout, stderr } = run(ALLOWED, program)
        expect([status, stderr]).toEqual([0, ''])
        expect(JSON.parse(stdout)).toMatchObject({ version, correct: true })
      },
    )

    test('each permission that is missing is told with what gives it', () => {
      for (const missing of ALLOWED) {
        const { status, stderr } = run(
          ALLOWED.filter((flag) => flag !== missing),
          'train.mjs',
        )
        const text = stderr.replaceAll('\n', ' ')
        expect([missing, status, text]).toEqual([missing, 1, expect.stringContaining('NoPropError')])
        expect(text).toContain(`run again with the ${missing} flag`)
        expect(text).toContain('hint: start the program with `deno run --allow-ffi --allow-read --allow-env`')
        expect(text).not.toContain('please report')
      }
    })
  })

  test.each(['train.mjs', 'train.cjs'])(
    '%s trains and predicts on Bun',
    async (program) => {
      const bun = join(await fetched('@oven/bun-linux-x64@1.4.5'), 'bin', 'bun')
      const output = execFileSync(bun, [program], { cwd: installed, env: packages.env, encoding: 'utf8' })
      expect(JSON.parse(output)).toMatchObject({ version, correct: true })
    },
    300_000,
  )

  test('pnpm installs it', async () => {
    const cwd = packages.project()
    const pnpm = join(await fetched('pnpm@10.34.9'), 'bin', 'pnpm.cjs')
    const added = await runNode([pnpm, 'add', 'noprop'], { cwd, env: packages.env })
    expect([added.code, added.stderr]).toEqual([0, ''])
    for (const program of ['train.mjs', 'train.cjs']) {
      copyFileSync(join(installed, program), join(cwd, program))
      expect(await result([program], cwd)).toMatchObject({ correct: true })
    }
  }, 300_000)

  test('yarn installs it with its node-modules linker', async () => {
    const cwd = packages.project()
    const yarn = join(await fetched('@yarnpkg/cli-dist@4.18.1'), 'bin', 'yarn.js')
    writeFileSync(join(cwd, 'yarn.lock'), '')
    const added = await runNode([yarn, 'add', 'noprop'], { cwd, env: packages.env })
    expect([added.code, added.stdout]).toEqual([0, expect.stringContaining('Done')])
    for (const program of ['train.mjs', 'train.cjs']) {
      copyFileSync(join(installed, program), join(cwd, program))
      expect(await result([program], cwd)).toMatchObject({ correct: true })
    }
  }, 300_000)

  test("the README's program trains, saves and predicts", async () => {
    const programs = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)]
    const program = programs.map(([, text]) => text!).find((text) => text.includes('model.save('))
    const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext }
    writeFileSync(join(installed, 'readme.mjs'), ts.transpileModule(program!, { compilerOptions }).outputText)
    copyFileSync(join(root, 'test/support/small-data.mjs'), join(installed, 'small-data.mjs'))
    const labels = Array.from({ length: 10 }, (_, label) => label)
    writeIdx(join(installed, 'data', 'mnist'), { train: squares(256, 28, labels), test: squares(64, 28, labels, 2) })
    const { code, stdout, stderr } = await runNode(['--import', './small-data.mjs', 'readme.mjs'], {
      cwd: installed,
      env: { ...packages.env, NOPROP_DATA: join(installed, 'data') },
    })
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/accuracy [\d.]+ after/)
    expect(stdout).toMatch(/\ntrue\n$/)
  })

  test('import and require give the same classes', async () => {
    const program = `
      import * as imported from 'noprop'
      import { createRequire } from 'node:module'
      const required = createRequire(import.meta.url)('noprop')
      const model = required.NoProp.create({ input: [2], classes: 2, net: 'mlp' })
      console.log(JSON.stringify({
        names: [Object.keys(imported).sort(), Object.keys(required).sort()],
        same: Object.keys(imported).every((name) => imported[name] === required[name]),
        model: model instanceof imported.NoProp,
      }))`
    const { names, same, model } = await result(['--input-type=module', '-e', program], installed)
    expect([same, model]).toEqual([true, true])
    expect((names as string[][])[0]).toEqual((names as string[][])[1])
  })

  test('worker threads import it any number of times, one after the other and side by side', async () => {
    writeFileSync(
      join(installed, 'workers.mjs'),
      `
      import { Worker } from 'node:worker_threads'
      const inWorker = () => new Promise((resolve, reject) => {
        const worker = new Worker('./train.mjs', { stdout: true })
        let text = ''
        worker.stdout.on('data', (chunk) => { text += chunk })
        worker.on('error', reject).on('exit', () => resolve(JSON.parse(text).correct))
      })
      const done = []
      for (let round = 0; round < 6; round++) done.push(await inWorker())
      done.push(...(await Promise.all(Array.from({ length: 4 }, inWorker))))
      const { NoProp } = await import('noprop')
      NoProp.create({ input: [2], classes: 2, net: 'mlp' })
      console.log(JSON.stringify({ done }))`,
    )
    expect(await result(['workers.mjs'], installed)).toEqual({ done: Array(10).fill(true) })
  })

  test('two versions serve one process side by side', async () => {
    const cwd = packages.project()
    const older = join(cwd, 'node_modules', 'older', 'node_modules')
    for (const modules of [join(cwd, 'node_modules'), older])
      cpSync(join(installed, 'node_modules'), modules, { recursive: true })
    // The other version: its JavaScript and its addon say so, and the library is a file of its own.
    const bundle = join(older, 'noprop/dist/index.cjs')
    writeFileSync(bundle, readFileSync(bundle, 'utf8').replaceAll(`"${version}"`, '"0.0.1"'))
    const platform = join(older, '@noprop/linux-x64-gnu')
    const addon = `module.exports = { ...require('./noprop.linux-x64-gnu.node'), version: () => '0.0.1' }`
    writeFileSync(join(platform, 'main.js'), addon)
    writeFileSync(join(platform, 'package.json'), '{ "version": "0.0.1", "main": "main.js" }')
    copyFileSync(join(installed, 'train.cjs'), join(cwd, 'train.cjs'))
    copyFileSync(join(installed, 'train.cjs'), join(older, '..', 'train.cjs'))
    writeFileSync(join(cwd, 'both.cjs'), `require('./train.cjs'); require('./node_modules/older/train.cjs')`)
    const { code, stdout, stderr } = await runNode(['both.cjs'], { cwd, env: packages.env })
    expect([code, stderr]).toEqual([0, ''])
    const outcomes = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(outcomes.map(({ correct }) => correct)).toEqual([true, true])
    expect(outcomes.map(({ version }) => version).sort()).toEqual(['0.0.1', version])
  })

  describe('without the right to write, or a home', () => {
    // Root may write everywhere, so the process is that of somebody who owns nothing and is in no list of users.
    const nobody = process.getuid?.() === 0 ? { uid: 54_321, gid: 54_321 } : {}
    const { HOME: _, XDG_CACHE_HOME: __, XDG_DATA_HOME: ___, ...homeless } = process.env

    function readOnly(): string {
      chmodSync(packages.directory, 0o755)
      chmodSync(installed, 0o555)
      return installed
    }

    test('it trains in memory that the system lends', async () => {
      const cwd = readOnly()
      const { code, stdout, stderr } = await runNode(['train.mjs'], { cwd, env: homeless, ...nobody })
      expect([code, stderr]).toEqual([0, ''])
      expect(JSON.parse(stdout)).toMatchObject({ correct: true })
    })

    test('where not even temporary files can be written, training says so, and the rest works', async () => {
      const cwd = readOnly()
      const env = { ...homeless, TMPDIR: cwd }
      const { code, stderr } = await runNode(['train.mjs'], { cwd, env, ...nobody })
      expect([code, stderr]).toEqual([1, expect.stringMatching(/NOPROP_IO.*TMPDIR/s)])
      const cli = join(cwd, 'node_modules/noprop/dist/cli.js')
      const doctor = await runNode([cli, 'doctor', '--json'], { cwd, env, ...nobody })
      expect([doctor.code, doctor.stderr]).toEqual([0, ''])
      expect(events(doctor)).toMatchObject([{ event: 'done', ok: true, datasets: { mnist: null } }])
    })

    test('a data set that would have to be kept somewhere asks for a place', async () => {
      const cwd = readOnly()
      const program = `import { datasets } from 'noprop'; await datasets.load('cifar10')`
      const outcome = await runNode(['--input-type=module', '-e', program], { cwd, env: homeless, ...nobody })
      expect([outcome.code, outcome.stderr]).toEqual([1, expect.stringMatching(/NOPROP_DATA.*XDG_CACHE_HOME/s)])
    })
  })

  test('`noprop doctor` tells a file that was changed', async () => {
    const cwd = packages.project()
    cpSync(join(installed, 'node_modules'), join(cwd, 'node_modules'), { recursive: true })
    const cli = join(cwd, 'node_modules/noprop/dist/cli.js')
    const look = async () => events(await runNode([cli, 'doctor', '--json'], { cwd, env: packages.env }))[0]
    expect(await look()).toMatchObject({ ok: true, addon: { intact: true }, advice: [] })
    appendFileSync(join(cwd, 'node_modules/@noprop/linux-x64-gnu/noprop.linux-x64-gnu.node'), 'x')
    const advice = [expect.stringContaining('not the file that was packed')]
    expect(await look()).toMatchObject({ ok: true, addon: { intact: false }, advice })
  })

  test('without the platform package `noprop doctor` tells so, and what to do, with exit code 1', async () => {
    const cwd = await installWithNpm(packages, '--omit=optional')
    expect(existsSync(join(cwd, 'node_modules/@noprop'))).toBe(false)
    const cli = join(cwd, 'node_modules/noprop/dist/cli.js')
    const text = await runNode([cli, 'doctor'], { cwd, env: packages.env })
    expect(text.code).toBe(1)
    expect(text.stdout).toMatch(/searched +@noprop\/linux-x64-gnu: not installed\n/)
    expect(text.stdout).toMatch(/\nto do +[✗x] @noprop\/linux-x64-gnu: not installed: [^\n]*--omit=optional/)
    expect(text.stderr).toMatch(/^error NOPROP_ADDON: [^\n]*not installed[^\n]*\n$/)
    const json = await runNode([cli, 'doctor', '--json'], { cwd, env: packages.env })
    expect(json.code).toBe(1)
    const [report] = events(json)
    expect(report).toMatchObject({ event: 'done', ok: false, addon: null, node: process.version, devices: [] })
    expect(report!.search).toEqual(
      expect.arrayContaining([expect.objectContaining({ place: '@noprop/linux-x64-gnu', result: 'not-installed' })]),
    )
    expect(report!.advice).toHaveLength(1)
    const mended = startNode([cli, '--help'], { cwd, env: packages.env })
    expect((await mended.ended).code).toBe(0)
  }, 120_000)
})
