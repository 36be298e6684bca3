// Runs noprop and its peers once each, in processes of their own, and reads their figure.
import { execFile, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { builtPrograms } from '../../support/cargo.mjs'
import { root, StepFailed } from '../../support/steps.mjs'
import { pictures, table } from './files.mjs'

const execute = promisify(execFile)
const DATA = join('scripts', 'bench', 'peers', 'data.mjs')

/** The last line of a program's output, which is JSON. */
async function json(program, args, env = {}) {
  const { stdout } = await execute(program, args, {
    cwd: root,
    env: { ...process.env, ...env },
    maxBuffer: 1 << 26,
    timeout: 1_200_000,
  })
  return JSON.parse(stdout.trim().split('\n').at(-1))
}

/** A Python that can import torch, with torch's version: that of NOPROP_PYTHON, else python3; or undefined. */
export function findTorch() {
  const named = process.env.NOPROP_PYTHON
  const python = named ?? 'python3'
  const { status, stdout } = spawnSync(python, ['-c', 'import torch; print(torch.__version__)'], { encoding: 'utf8' })
  if (status === 0) return { python, version: stdout.trim() }
  if (named) throw new StepFailed(`NOPROP_PYTHON (${named}) is no Python that can import torch: correct or unset it.`)
}

/** A Python that can import these modules: that of NOPROP_PYTHON, else python3; or undefined. */
export function findPython(modules) {
  const python = process.env.NOPROP_PYTHON ?? 'python3'
  const { status } = spawnSync(python, ['-c', `import ${modules.join(', ')}`], { encoding: 'utf8' })
  return status === 0 ? python : undefined
}

/** Builds candle's program; returns its path. */
export async function buildCandle() {
  const args = ['build', '--release', '--package', 'noprop-core', '--example', 'peer_candle']
  return (await builtPrograms('the example peer_candle', args))[0]
}

/** What every run needs: how long to measure, and the programs that are there. */
export function programs({ quick, torch, candle }) {
  const [seconds, iterations, warmUp] = quick ? ['0.5', '1', '1'] : ['3', '3', '1']
  return {
    /** `noprop bench` with `flags`; returns the field `value` of its result. */
    noprop: (flags, value = 'samplesPerSecond') => ({
      name: 'noprop',
      run: async () =>
        (await json(process.execPath, ['dist/cli.js', 'bench', ...flags, '--seconds', seconds, '--json']))[value],
    }),
    /** Peak memory of `noprop` that trains `blocks` blocks, one in flight. */
    nopropMemory: (blocks) => ({
      name: 'noprop, one block in flight',
      run: async () =>
        (await json(process.execPath, [join('scripts', 'bench', 'peers', 'train.mjs'), String(blocks)])).peakMemoryMiB,
    }),
    /** Samples a second of a whole run, times its blocks. */
    wholeRun: (blocks, threads) => ({
      name: `noprop, ${blocks} blocks`,
      run: async () =>
        (await json(process.execPath, [join('scripts', 'bench', 'peers', 'whole-run.mjs'), `${blocks}`, `${threads}`]))
          .perSecond,
    }),
    /** Samples a second of a whole run by a method. */
    methodRun: (method, blocks, threads) => ({
      name: 'noprop',
      run: async () => {
        const args = [join('scripts', 'bench', 'peers', 'whole-run.mjs'), `${blocks}`, `${threads}`, method]
        return (await json(process.execPath, args)).perSecond / blocks
      },
    }),
    /** A mode of `bench/peer_torch.py`; none without PyTorch. */
    torch: (mode, flags, { name = `PyTorch ${mode}`, value = 'samples_per_s', iters = iterations } = {}) =>
      torch && {
        name,
        run: async () => {
          const timing = ['--iters', iters, '--warmup', warmUp]
          return (await json(torch.python, ['bench/peer_torch.py', '--modes', mode, ...timing, ...flags]))[value]
        },
      },
    /** Reading a CSV file: noprop, and pandas if it is there. */
    csv: () => {
      const rows = quick ? 20_000 : 1_000_000
      const python = findPython(['pandas'])
      const pandas = (mode) => async () => (await json(python, ['bench/peer_data.py', mode, table(rows)])).per_second
      return [
        { name: 'noprop', run: async () => (await json(process.execPath, [DATA, 'csv', table(rows)])).perSecond },
        python && { name: 'pandas', run: pandas('csv') },
        python && { name: 'pandas, the reader alone', run: pandas('csv-read') },
      ]
    },
    /** Decoding and resizing JPEG files: noprop, Pillow, without which there are none, and libvips. */
    jpeg: (threads) => {
      const python = findPython(['PIL'])
      const folder = () => pictures(quick ? 200 : 10_000, python)
      const peer = (mode) => async () =>
        (await json(python, ['bench/peer_data.py', mode, folder(), String(threads)])).per_second
      return [
        python && {
          name: 'noprop',
          run: async () => (await json(process.execPath, [DATA, 'jpeg', folder()])).perSecond,
        },
        python && { name: 'Pillow', run: peer('jpeg') },
        python && findPython(['pyvips']) && { name: 'libvips', run: peer('vips') },
      ]
    },
    /** candle's autograd, training ten of the paper's blocks at batch 128. */
    candle: (shape, threads) => ({
      name: 'candle autograd',
      run: async () => {
        const env = { RAYON_NUM_THREADS: String(threads) }
        return (await json(candle, [shape, '128', '10', quick ? '1' : '2'], env)).samplesPerSecond
      },
    }),
  }
}
