// Completes package-lock.json after `npm install`: entries for the optional platform packages (esbuild's, biome's, …)
// of platforms that the registry at hand did not offer, so that `npm ci` finds the lock file whole everywhere, and no
// `resolved` address, so that the lock file serves any registry or mirror. Run it after every change of a dependency.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const path = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'package-lock.json')
const SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32']
const PROCESSORS = ['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64']

/** `os`, `cpu` and `libc` as the package's name tells them: `@esbuild/linux-x64`, `@biomejs/cli-linux-x64-musl`, … */
function platformOf(name) {
  const words = name.split('/').pop().split('-')
  const found = {}
  const cpu = PROCESSORS.find((processor) => words.includes(processor))
  const os = SYSTEMS.find((system) => words.includes(system))
  if (cpu) found.cpu = [cpu]
  if (os) found.os = [os]
  if (os === 'linux' && words.some((word) => word.startsWith('musl'))) found.libc = ['musl']
  else if (os === 'linux' && words.some((word) => word.startsWith('gnu'))) found.libc = ['glibc']
  return found
}

/** Where node's resolution finds `name` from the package at `from`, or undefined. */
function locate(packages, from, name) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('node_modules/') - 1))) {
    const candidate = at === '' ? `node_modules/${name}` : `${at}/node_modules/${name}`
    if (packages[candidate]) return candidate
    if (at === '') return undefined
  }
}

const lock = JSON.parse(readFileSync(path, 'utf8'))
const added = []
for (const [from, entry] of Object.entries(lock.packages)) {
  delete entry.resolved
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    if (from === '' || locate(lock.packages, from, name)) continue
    const platform = platformOf(name)
    if (!platform.os && !platform.cpu) throw new Error(`cannot tell the platform of ${name}@${range} from its name`)
    const version = range.replace(/^[~^]/, '')
    const top = `node_modules/${name}`
    const at = lock.packages[top] ? `${from}/${top}` : top
    lock.packages[at] = { version, ...platform, ...(entry.dev ? { dev: true } : {}), optional: true }
    added.push(`${name}@${version}`)
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)))
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
console.log(`package-lock.json: ${added.length} platform packages added${added.length ? `: ${added.join(', ')}` : ''}`)
