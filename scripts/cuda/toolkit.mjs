// Finds a CUDA compiler, or fetches the one that PyPI has: no root rights, no installer, 271 MB in the user's cache.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { root, run, StepFailed, step } from '../support/steps.mjs'

/** The release that requirements.txt pins, which is also the oldest that is supported. */
export const RELEASE = '13.0'
const VERSION = '13.0.88'
/** The release that nvdisasm.txt pins. */
const NVDISASM = '13.2.78'

/**
 * A CUDA toolkit: `home` holds `bin/nvcc`, `version` is what nvcc tells, and `fetched` says that it is PyPI's, which has no
 * libraries to link with. An nvcc of the machine (CUDA_HOME, CUDA_PATH, PATH) comes first, unless `pinned`.
 */
export async function findToolkit({ pinned = false } = {}) {
  requirePlatform()
  const own = pinned ? undefined : installedHome()
  if (own) {
    const version = nvccVersion(own)
    if (version && Number.parseFloat(version) >= Number(RELEASE)) return { home: own, version, fetched: false }
    console.log(
      `${join(own, 'bin/nvcc')} is ${version ?? 'not usable'}; at least ${RELEASE} is needed, so one is fetched`,
    )
  }
  return { home: await fetched(), version: VERSION, fetched: true }
}

function requirePlatform() {
  if (process.platform === 'linux' && process.arch === 'x64') return
  throw new StepFailed(`the CUDA addon is built on Linux on x86-64; this is ${process.platform} on ${process.arch}.`)
}

/** The toolkit that the machine has, if any. */
function installedHome() {
  for (const home of [process.env.CUDA_HOME, process.env.CUDA_PATH]) {
    if (home && existsSync(join(home, 'bin', 'nvcc'))) return home
  }
  const directory = process.env.PATH?.split(':').find((path) => path && existsSync(join(path, 'nvcc')))
  return directory && dirname(directory)
}

/** What `nvcc --version` tells: 13.0.88. */
function nvccVersion(home) {
  const { stdout } = spawnSync(join(home, 'bin', 'nvcc'), ['--version'], { encoding: 'utf8' })
  return stdout?.match(/V(\d+\.\d+\.\d+)/)?.[1]
}

/** Where the fetched compiler is kept: the user's cache, or the clone where there is no home folder. */
export function toolkitDirectory(env = process.env) {
  const home = env.HOME || safeHome()
  const cache = env.XDG_CACHE_HOME || (home && home !== '/' ? join(home, '.cache') : undefined)
  return cache ? join(cache, 'noprop', `cuda-${VERSION}`) : join(root, '.noprop', `cuda-${VERSION}`)
}

function safeHome() {
  try {
    return homedir()
  } catch {
    return undefined
  }
}

/** The home of the compiler from PyPI, fetched unless it is there. */
async function fetched() {
  const directory = toolkitDirectory()
  const home = join(directory, 'nvidia', 'cu13')
  if (existsSync(directory)) {
    if (nvccVersion(home) === VERSION) return home
    rmSync(directory, { recursive: true, force: true })
  }
  const python = requirePip()
  await step(`the CUDA compiler ${VERSION} from PyPI, into ${directory}`, () =>
    install(python, directory, join(root, 'scripts', 'cuda', 'requirements.txt')),
  )
  if (nvccVersion(home) !== VERSION) throw new StepFailed(`${home}/bin/nvcc does not run on this machine.`)
  return home
}

/** A disassembler: that of the toolkit, else PyPI's, fetched unless it is there (4 MB). */
export async function findDisassembler(home) {
  const own = join(home, 'bin', 'nvdisasm')
  if (existsSync(own)) return own
  const directory = join(dirname(toolkitDirectory()), `nvdisasm-${NVDISASM}`)
  const program = join(directory, 'nvidia', 'cu13', 'bin', 'nvdisasm')
  if (!existsSync(program)) {
    const python = requirePip()
    await step(`the disassembler ${NVDISASM} from PyPI, into ${directory}`, () =>
      install(python, directory, join(root, 'scripts', 'cuda', 'nvdisasm.txt')),
    )
  }
  chmodSync(program, 0o755)
  return program
}

/** Into a neighbour first, so that an interrupted fetch leaves nothing that looks whole. */
async function install(python, directory, requirements) {
  mkdirSync(dirname(directory), { recursive: true })
  const partial = mkdtempSync(`${directory}-`)
  try {
    await run(python, [
      ...['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '--no-compile'],
      ...['--require-hashes', '--only-binary=:all:', '--root-user-action=ignore'],
      ...['--target', partial, '--requirement', requirements],
    ])
    renameSync(partial, directory)
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
}

/** A Python that has pip; throws StepFailed with what to install. */
function requirePip() {
  const wanted = process.env.NOPROP_PYTHON ? [process.env.NOPROP_PYTHON] : ['python3', 'python']
  const python = wanted.find((name) => spawnSync(name, ['--version']).status === 0)
  const otherwise = `or install CUDA ${RELEASE} or newer and set CUDA_HOME`
  if (!python) {
    throw new StepFailed(
      `there is neither nvcc nor Python to fetch it with: install python3 with pip (Debian: \`apt-get install python3-pip\`), ${otherwise}.`,
    )
  }
  if (spawnSync(python, ['-m', 'pip', '--version']).status !== 0) {
    throw new StepFailed(
      `there is no nvcc, and ${python} has no pip to fetch it with: install pip (Debian: \`apt-get install python3-pip\`), ${otherwise}.`,
    )
  }
  return python
}
