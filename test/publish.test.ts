import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryDirectory } from './support/data.js'
import { packAndServe } from './support/installed.js'
import { root, runNode } from './support/process.js'

const version: string = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version

/** A directory of packed packages; `manifests` are their package.json. */
function packed(...manifests: Record<string, unknown>[]): string {
  const directory = temporaryDirectory()
  for (const [index, manifest] of manifests.entries()) {
    mkdirSync(join(directory, 'package'), { recursive: true })
    writeFileSync(join(directory, 'package/package.json'), JSON.stringify(manifest))
    const name = `${index}.tgz`
    expect(spawnSync('tar', ['-czf', name, 'package'], { cwd: directory }).status).toBe(0)
  }
  return directory
}

const tag = version.includes('-') ? 'next' : 'latest'
const main = { name: 'noprop', version, optionalDependencies: { '@noprop/linux-x64-gnu': version } }
const platform = { name: '@noprop/linux-x64-gnu', version }

/** Publishes with npm and cargo replaced by programs that write down how they were called. */
function publish(directory: string, env: Record<string, string> = {}) {
  const tools = temporaryDirectory()
  const log = join(tools, 'log')
  const npm = join(tools, 'npm.cjs')
  const note = `require('node:fs').appendFileSync(${JSON.stringify(log)}, process.argv.slice(2).join(' ') + '\\n')`
  writeFileSync(
    npm,
    `${note}
const [command, name] = process.argv.slice(2)
if (command === 'config') console.log('https://registry.invalid/some/')
if (command === 'view' && name.startsWith(process.env.PUBLISHED)) console.log(${JSON.stringify(version)})
else if (command === 'view') process.exit(1)
if (command === 'publish' && process.env.NPM_CONFIG_USERCONFIG)
  require('node:fs').appendFileSync(${JSON.stringify(log)}, require('node:fs').readFileSync(process.env.NPM_CONFIG_USERCONFIG))`,
  )
  writeFileSync(join(tools, 'cargo'), `#!/bin/sh\necho "cargo $*" >> ${log}\n`, { mode: 0o755 })
  const clean = {
    ...process.env,
    NODE_AUTH_TOKEN: '',
    CARGO_REGISTRY_TOKEN: '',
    NPM_CONFIG_USERCONFIG: '',
    PUBLISHED: '-',
  }
  const PATH = `${tools}${delimiter}${process.env.PATH}`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/release/publish.mjs', directory], {
    cwd: root,
    encoding: 'utf8',
    env: { ...clean, npm_execpath: npm, PATH, ...env },
  })
  const calls = existsSync(log) ? readFileSync(log, 'utf8').replaceAll(`${directory}/`, '').trim().split('\n') : []
  return { status, stdout, stderr, calls }
}

// A stand-in for cargo is a shell script.
const unix = test.skipIf(process.platform === 'win32')

unix('without tokens nothing is published, and everything is tried', () => {
  const { status, stdout, calls } = publish(packed(main, platform))
  expect(status).toBe(0)
  expect(calls).toEqual([
    `publish 1.tgz --access public --tag ${tag} --dry-run`,
    `publish 0.tgz --access public --tag ${tag} --dry-run`,
    'cargo publish --package noprop-kernels --package noprop-core --locked --no-verify --dry-run',
  ])
  expect(stdout).toMatch(/NODE_AUTH_TOKEN is not set/)
  expect(stdout).toMatch(/CARGO_REGISTRY_TOKEN is not set/)
})

unix('with tokens platform packages go first, with provenance, and what is there already is left out', () => {
  const env = {
    NODE_AUTH_TOKEN: 'secret',
    CARGO_REGISTRY_TOKEN: 'secret',
    ACTIONS_ID_TOKEN_REQUEST_URL: 'https://x.invalid',
  }
  const { status, stdout, calls } = publish(packed(platform, main), { ...env, PUBLISHED: '@noprop/' })
  expect(status).toBe(0)
  expect(calls).toEqual([
    'config get registry',
    `view @noprop/linux-x64-gnu@${version} version`,
    `view noprop@${version} version`,
    `publish 1.tgz --access public --tag ${tag} --provenance`,
    // The token itself is in no file.
    ['//registry.invalid/some/:_authToken=$', '{NODE_AUTH_TOKEN}'].join(''),
    'cargo publish --package noprop-kernels --package noprop-core --locked --no-verify',
  ])
  expect(stdout).toMatch(/@noprop\/linux-x64-gnu@.* is published already/)
  expect(stdout).not.toMatch(/secret/)
})

unix.each([
  ['no package noprop', [platform], /does not hold the packed package noprop/],
  ['no packages', [], /does not hold the packed package noprop/],
  ['a missing platform', [main], /lacks @noprop\/linux-x64-gnu, on which noprop depends/],
  ['another version', [main, { ...platform, version: '99.0.0' }], /@noprop\/linux-x64-gnu has version 99\.0\.0/],
])('a directory with %s is refused', (_, manifests, message) => {
  const { status, stderr, calls } = publish(packed(...manifests))
  expect([status, stderr, calls]).toEqual([1, expect.stringMatching(message), []])
})

test('what was packed can be tried in an empty project, and a damaged addon is found', async () => {
  const packages = await packAndServe()
  try {
    const tarballs = join(packages.directory, 'tarballs')
    const attempt = () => runNode(['scripts/release/try.mjs', tarballs], { cwd: root, env: packages.env })
    const { code, stdout, stderr } = await attempt()
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/@noprop\/\S+ on Node [\d.]+: /)

    const name = readdirSync(tarballs).find(
      (file) => file.endsWith('.tgz') && file.startsWith(`noprop-${process.platform}`),
    )!
    const tar = (...args: string[]) => expect(spawnSync('tar', args, { cwd: tarballs }).status).toBe(0)
    tar('-xzf', name)
    const addon = readdirSync(join(tarballs, 'package')).find((file) => file.endsWith('.node'))!
    truncateSync(join(tarballs, 'package', addon), 50_000)
    tar('-czf', name, 'package')
    const damaged = await attempt()
    expect([damaged.code, damaged.stderr]).toEqual([
      1,
      expect.stringMatching(/train\.mjs` ended with 1:[\s\S]*NOPROP_ADDON/),
    ])
    rmSync(join(tarballs, name))
    expect((await attempt()).stderr).toMatch(/is not there: `npm run pack:all` makes it/)
  } finally {
    packages.close()
  }
}, 120_000)
