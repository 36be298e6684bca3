// Reads what the compiler says of each kernel, and judges whether the launches that the tests make fit a GPU.

/** Registers of a multiprocessor, and registers that are handed out at once to the 32 threads of a warp. */
const REGISTERS = 65_536
const REGISTERS_AT_ONCE = 256
const THREADS_MAX = 1024

/**
 * Greatest shared memory of a block in bytes, static and dynamic, by compute capability (CUDA C++ Programming Guide, table
 * "Technical Specifications per Compute Capability"). Code also runs on newer capabilities of the same first number.
 */
const SHARED = { 80: 163, 86: 99, 89: 99, 90: 227, 100: 227, 103: 227, 120: 99, 121: 99 }
/** Capabilities without code of their own → whose code runs on them. */
const RUNS = { 86: '80', 103: '100', 121: '120' }

/** Compute capabilities on which code that was compiled for `capability` runs. */
function runsOn(capability) {
  return Object.keys(SHARED).filter((each) => each === capability || RUNS[each] === capability)
}

/** `ptxas -v` → for each kernel its registers, static shared memory and spilled bytes. */
export function readReport(text) {
  const kernels = {}
  let kernel
  for (const line of text.split('\n')) {
    const name = line.match(/Compiling entry function '([^']+)'/)?.[1]
    if (name) kernels[name] = kernel = { registers: 0, shared: 0, spilled: 0 }
    if (!kernel) continue
    const spilled = line.match(/(\d+) bytes spill stores, (\d+) bytes spill loads/)
    if (spilled) kernel.spilled = Math.max(Number(spilled[1]), Number(spilled[2]))
    const used = line.match(/Used (\d+) registers/)
    if (!used) continue
    kernel.registers = Number(used[1])
    kernel.shared = Number(line.match(/(\d+) bytes smem/)?.[1] ?? 0)
  }
  return kernels
}

/** PTX → for each kernel the most threads of a block that it was compiled for. */
export function readBounds(ptx) {
  const entries = ptx.matchAll(/\.entry (\w+)\s*\([^)]*\)\s*(?:\.maxntid (\d+)(?:, (\d+), (\d+))?)?/g)
  return Object.fromEntries([...entries].map(([, name, x, y = 1, z = 1]) => [name, x ? x * y * z : undefined]))
}

/** PTX → the kernels that read or write without knowing which memory it is, which takes longer. */
export function readGeneric(ptx) {
  const kernels = ptx.split(/\.entry (\w+)/).slice(1)
  return kernels.filter((_, i) => i % 2 === 0 && /\b(?:ld|st)(?:\.v[24])?\.[fubs]\d/.test(kernels[i + 1]))
}

/** The lines `kernel threads shared` that the tests wrote → for each kernel its greatest launches. */
export function readLaunches(text) {
  const launches = {}
  for (const line of text.split('\n').filter(Boolean)) {
    const [name, threads, shared] = line.split(' ')
    launches[name] ??= { threads: 0, shared: 0 }
    launches[name].threads = Math.max(launches[name].threads, Number(threads))
    launches[name].shared = Math.max(launches[name].shared, Number(shared))
  }
  return launches
}

/** The kernels of a source that only the emulation compiles: those within `#ifndef __CUDACC__`. */
export function emulationOnly(source) {
  const sections = source.matchAll(/^#ifndef __CUDACC__$(.*?)^#endif/gms)
  return [...sections].flatMap(([, section]) => [...section.matchAll(/^KERNEL\((\w+),/gm)].map(([, name]) => name))
}

/** Registers that a block takes: each warp gets them in whole portions. */
export function registersOfBlock(registers, threads) {
  return Math.ceil((registers * 32) / REGISTERS_AT_ONCE) * REGISTERS_AT_ONCE * Math.ceil(threads / 32)
}

/**
 * Everything that is wrong with the kernels of one capability ('80'), one sentence each: launches that no GPU of it could
 * take, more threads than a kernel was compiled for, spilled registers, kernels that no test launches and launches of none.
 */
export function problemsOf(capability, report, bounds, launches) {
  const problems = []
  const complain = (name, text) => problems.push(`${name}, capability ${capability}: ${text}`)
  for (const [name, { registers, shared, spilled }] of Object.entries(report)) {
    if (spilled > 0) complain(name, `spills ${spilled} bytes of registers into memory`)
    const bound = bounds[name]
    if (bound === undefined || bound > THREADS_MAX) complain(name, 'does not say how many threads a block may have')
    const launch = launches[name]
    if (!launch) {
      complain(name, 'no test launches it')
      continue
    }
    if (launch.threads > (bound ?? THREADS_MAX))
      complain(name, `made for ${bound} threads, launched with ${launch.threads}`)
    const taken = registersOfBlock(registers, launch.threads)
    if (taken > REGISTERS) complain(name, `${launch.threads} threads take ${taken} registers of ${REGISTERS}`)
    for (const on of runsOn(capability)) {
      const most = SHARED[on] * 1024
      const needed = shared + launch.shared
      if (needed > most)
        complain(name, `needs ${needed} bytes of shared memory; a block on ${Number(on) / 10} has ${most}`)
    }
  }
  for (const name of Object.keys(launches)) if (!report[name]) complain(name, 'is launched but not compiled')
  return problems
}
