import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, runNode } from './process.js'
import { type Registry, serveRegistry } from './registry.js'

/** A folder with the packed packages, a registry that serves them, and room for projects; `close` removes it all. */
export interface Packages {
  registry: Registry
  directory: string
  /** A new folder with nothing in it but a `package.json`. */
  project(): string
  /** The environment of a package manager that knows only this registry, and of no configuration or cache of this user. */
  env: NodeJS.ProcessEnv
  close(): void
}

/** The command line of the npm that runs these tests, or of the one beside Node. */
function npmCommand(): string {
  const own = process.env.npm_execpath
  if (own?.includes('npm-cli')) return own
  return execFileSync('npm', ['root', '--global'], { encoding: 'utf8' }).trim().concat('/npm/bin/npm-cli.js')
}

/** Packs `noprop` and the addon of this machine as they are built in this clone, with what they depend on, and serves them. */
export async function packAndServe(): Promise<Packages> {
  const directory = mkdtempSync(join(tmpdir(), 'noprop-packages-'))
  const out = join(directory, 'tarballs')
  const packed = await runNode([join(root, 'scripts/release/pack.mjs'), '--built', '--out', out])
  if (packed.code !== 0) throw new Error(packed.stdout + packed.stderr)
  const commander = join(root, 'node_modules', 'commander')
  execFileSync(process.execPath, [npmCommand(), 'pack', commander, '--silent', '--pack-destination', out])
  const tarballs = readdirSync(out).filter((name) => name.endsWith('.tgz'))
  const registry = await serveRegistry(tarballs.map((name) => join(out, name)))
  const outside = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|yarn_|pnpm_|NOPROP_|NODE_OPTIONS|VITEST)/i.test(name),
  )
  const home = join(directory, 'home')
  mkdirSync(home)
  const env: NodeJS.ProcessEnv = {
    ...Object.fromEntries(outside),
    HOME: home,
    XDG_CACHE_HOME: join(home, 'cache'),
    XDG_DATA_HOME: join(home, 'data'),
    npm_config_registry: registry.url,
    npm_config_update_notifier: 'false',
    npm_config_manage_package_manager_versions: 'false',
    YARN_NPM_REGISTRY_SERVER: registry.url,
    YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
    YARN_NODE_LINKER: 'node-modules',
    YARN_ENABLE_TELEMETRY: 'false',
    YARN_GLOBAL_FOLDER: join(home, 'yarn'),
  }
  let projects = 0
  const project = () => {
    const path = join(directory, `project-${++projects}`)
    mkdirSync(path)
    writeFileSync(join(path, 'package.json'), '{ "name": "empty", "version": "1.0.0", "private": true }')
    return path
  }
  const close = () => {
    registry.close()
    rmSync(directory, { recursive: true, force: true })
  }
  return { registry, directory, project, env, close }
}

/** Installs with npm into a new project, and returns its folder. */
export async function installWithNpm({ project, env }: Packages, ...flags: string[]): Promise<string> {
  const cwd = project()
  const args = [npmCommand(), 'install', 'noprop', '--no-audit', '--no-fund', '--loglevel', 'error', ...flags]
  const { code, stdout, stderr } = await runNode(args, { cwd, env })
  if (code !== 0) throw new Error(stdout + stderr)
  return cwd
}
