// Link-time libraries: an addon that uses the driver, cuBLAS and the rest must be linked with something that has their names.
// A machine without a GPU has no such library, and PyPI's compiler brings none, so one is made of each here: every function
// that cudarc declares, with no code in it. At run time the loader finds the real ones by the same file names.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { run, StepFailed } from '../support/steps.mjs'

/**
 * cudarc's module → the library's name for the linker, the file name that the loader will look for, and what its functions
 * return here: CUDA_ERROR_STUB_LIBRARY of the driver, "internal error" or "not initialised" of the others.
 */
/** @type {Record<string, [string, string, number]>} */
const LIBRARIES = {
  driver: ['cuda', 'libcuda.so.1', 34],
  nvrtc: ['nvrtc', 'libnvrtc.so.13', 11],
  curand: ['curand', 'libcurand.so.10', 101],
  cublas: ['cublas', 'libcublas.so.13', 1],
  cublaslt: ['cublasLt', 'libcublasLt.so.13', 1],
}

/** The functions that a `sys/mod.rs` of cudarc takes from its library; some are declared once for each release. */
export function declaredFunctions(source) {
  return [...new Set([...source.matchAll(/extern "C" \{\s*fn (\w+)\(/g)].map(([, name]) => name))]
}

/**
 * Makes the libraries in `directory`; `cudarc` is that crate's folder, `runtime` the static CUDA runtime. What the sources in
 * `instead` (by cudarc's module: a list of C sources and objects, and of options of the linker) define, they define.
 */
export async function makeStubs(directory, cudarc, runtime, instead = {}) {
  const done = join(directory, '.made-from')
  const files = Object.values(instead).flat()
  const definitions = files.filter((path) => path.endsWith('.c')).map((path) => readFileSync(path, 'utf8'))
  const current = JSON.stringify([cudarc, LIBRARIES, runtime, definitions])
  if (existsSync(done) && readFileSync(done, 'utf8') === current) return
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  for (const [module, [name, soname, answer]] of Object.entries(LIBRARIES)) {
    const names = declaredFunctions(readFileSync(join(cudarc, 'src', module, 'sys', 'mod.rs'), 'utf8'))
    if (names.length === 0) throw new StepFailed(`cudarc's ${module} declares no functions in the way that is known.`)
    const source = join(directory, `${name}.c`)
    writeFileSync(
      source,
      names.map((each) => `__attribute__((weak)) int ${each}(void) { return ${answer}; }\n`).join(''),
    )
    const output = join(directory, soname)
    const sources = [source, ...(instead[module] ?? ['-nostdlib'])]
    await run('gcc', ['-shared', '-fPIC', '-w', `-Wl,-soname,${soname}`, '-o', output, ...sources])
    symlinkSync(soname, join(directory, `lib${name}.so`))
    rmSync(source)
  }
  // candle-kernels asks for the CUDA runtime, which is small enough to be linked in.
  writeFileSync(join(directory, 'libcudart.so'), `INPUT(${runtime})\n`)
  writeFileSync(done, current)
}

/** The folder of the crate cudarc as cargo resolves it for the addon. */
export function cudarcSource(root) {
  const manifest = join(root, 'crates', 'noprop-addon', 'Cargo.toml')
  const { status, stdout, stderr } = spawnSync(
    'cargo',
    ['metadata', '--format-version', '1', '--locked', '--features', 'cuda', '--manifest-path', manifest],
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  )
  if (status !== 0) throw new StepFailed(`\`cargo metadata\` failed: ${stderr.trim()}`)
  const found = JSON.parse(stdout).packages.find(({ name }) => name === 'cudarc')
  if (!found) throw new StepFailed('the feature `cuda` does not bring the crate cudarc any more.')
  return dirname(found.manifest_path)
}
