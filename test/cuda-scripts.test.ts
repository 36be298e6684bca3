import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from './support/data.js'
import { root } from './support/process.js'

const load = (name: string) => import(pathToFileURL(join(root, 'scripts/cuda', name)).href)

describe('the loops of products', async () => {
  const { MOST, notWhole, readLoops, tooLong } = await load('loops.mjs')
  // In the form of `nvdisasm -c`: a loop of 3 instructions beside one of 4 and one without tensor cores, and another kernel.
  const line = (text: string, index: number) =>
    `        /*${(16 * index).toString(16).padStart(4, '0')}*/                   ${text} ;`
  const text = [
    '.text.product:',
    ...['MOV R1, c[0x0][0x28]', '@!P0 BRA `(.L_x_2)'].map(line),
    '.L_x_0:',
    ...[
      'IADD3 R0, R0, 0x1, RZ',
      'HMMA.16816.F32.BF16 R4, R4, R8, R4',
      '@P1 IMAD R2, R2, R2, R2',
      '@P0 BRA `(.L_x_0)',
    ].map(line),
    '.L_x_1:',
    ...['HMMA.16816.F32.BF16 R4, R4, R8, R4', 'HMMA.16816.F32.BF16 R4, R4, R8, R4', '@P0 BRA `(.L_x_1)'].map(line),
    '.L_x_2:',
    ...['FADD R0, R0, R0', '@P0 BRA `(.L_x_2)', 'EXIT'].map(line),
    '.text.sum:',
    '.L_x_3:',
    ...['FADD R0, R0, R0', '@P0 BRA `(.L_x_3)', 'EXIT'].map(line),
  ].join('\n')

  test('are found in the code, of a kernel the shortest that multiplies', () => {
    expect(readLoops(text)).toEqual({ product: { instructions: 3, multiplications: 2 } })
  })

  test('that have grown are told, and those that are gone', () => {
    expect(tooLong(readLoops(text), { product: 1.5 })).toEqual([])
    expect(tooLong(readLoops(text), { product: 1.4, sum: 9 })).toEqual([
      'product: 1.5 instructions for one of the tensor cores, at most 1.4 are meant',
      'sum: there is no loop on tensor cores',
    ])
  })

  test('that the compiler has split are told', () => {
    expect(notWhole(readLoops(text), 2, { product: 1 })).toEqual([])
    expect(notWhole(readLoops(text), 4, { product: 1 })).toEqual([
      'product: a turn of its loop has 2 multiplications on tensor cores, not 4',
    ])
  })

  test('have bounds for kernels that the sources name', () => {
    const sources: Record<string, string> = {
      conv3x3: 'conv3x3',
      dense: 'linear/fused_forward',
      linear: 'linear/gradients',
    }
    for (const name of Object.keys(MOST)) {
      const [, op, direction] = name.match(/^([a-z0-9]+)_(\w+)_bf16$/)!
      const source = readFileSync(join(root, `crates/noprop-kernels/src/ops/${sources[op!]}/cuda.cu`), 'utf8')
      // A macro makes a kernel of each precision, and of each direction where the op has its own macro for these.
      const made = source.includes(`(${op}_${direction}_##suffix,`) || source.includes(`_KERNEL(${direction}, suffix,`)
      expect([name, made]).toEqual([name, true])
    }
  })
})

describe("the compiler's report", async () => {
  const { emulationOnly, problemsOf, readBounds, readGeneric, readLaunches, readReport, registersOfBlock } =
    await load('ptxas.mjs')
  // From `nvcc -Xptxas=-v -cubin` 13.0.88 on two kernels.
  const text = [
    'ptxas info    : 0 bytes gmem',
    "ptxas info    : Compiling entry function 'add' for 'sm_80'",
    'ptxas info    : Function properties for add',
    '    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads',
    'ptxas info    : Used 12 registers, used 0 barriers, 392 bytes cmem[0]',
    "ptxas info    : Compiling entry function 'big' for 'sm_80'",
    'ptxas info    : Function properties for big',
    '    40 bytes stack frame, 40 bytes spill stores, 36 bytes spill loads',
    'ptxas info    : Used 255 registers, used 1 barriers, 2048 bytes smem, 392 bytes cmem[0]',
  ].join('\n')
  const ptx =
    '.visible .entry add(\n .param .align 8 .b8 add_param_0[40]\n)\n.maxntid 256, 1, 1\n{\n}\n.visible .entry big(\n)\n{'
  const good = { add: { registers: 32, shared: 1024, spilled: 0 } }

  test('is read: registers, shared memory, spills, bounds and launches', () => {
    expect(readReport(text)).toEqual({
      add: { registers: 12, shared: 0, spilled: 0 },
      big: { registers: 255, shared: 2048, spilled: 40 },
    })
    expect(readBounds(ptx)).toEqual({ add: 256, big: undefined })
    expect(readLaunches('add 128 0\nadd 256 16\nbig 32 8\n')).toEqual({
      add: { threads: 256, shared: 16 },
      big: { threads: 32, shared: 8 },
    })
    // 33 registers are handed out as 40 to each of 32 threads; 33 threads are two warps.
    expect(registersOfBlock(33, 33)).toBe(40 * 32 * 2)
  })

  test('names kernels that read or write a memory that they do not know', () => {
    const entry = (name: string, code: string) => `.visible .entry ${name}()\n{\n\t${code}\n}\n`
    const known = 'ld.global.v4.f32 {%f1}, [%rd1];\n\tst.shared.u32 [%r1], %r2;\n\tld.param.u64 %rd1, [p];'
    const text =
      entry('known', known) + entry('reads', 'ld.v4.f32 {%f1}, [%rd1];') + entry('writes', 'st.u16 [%rd1], %rs1;')
    expect(readGeneric(text)).toEqual(['reads', 'writes'])
  })

  test('is not asked about kernels that only the emulation compiles', () => {
    const source = 'KERNEL(one, 32, A) {}\n#ifndef __CUDACC__\nKERNEL(two, 32, A) {}\n#endif\nKERNEL(three, 32, A) {}\n'
    expect(emulationOnly(source)).toEqual(['two'])
  })

  test('of kernels that fit gives nothing to complain about', () => {
    const launches = { add: { threads: 256, shared: 98 * 1024 } }
    for (const capability of ['80', '89', '90', '120'])
      expect(problemsOf(capability, good, { add: 256 }, launches)).toEqual([])
  })

  test.each([
    [
      'shared memory, on every card that runs the code',
      '80',
      { threads: 256, shared: 99 * 1024 },
      /shared memory; a block on 8\.6/,
    ],
    ['shared memory', '90', { threads: 256, shared: 227 * 1024 }, /shared memory; a block on 9/],
    ['threads', '90', { threads: 512, shared: 0 }, /made for 256 threads, launched with 512/],
  ])('complains of too much %s', (_, capability, launch, message) => {
    const problems = problemsOf(capability, good, { add: 256 }, { add: launch })
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(message)
  })

  test('complains of registers, spills, bounds, and kernels that are only on one side', () => {
    const bounds = { add: 1024 }
    const launches = { add: { threads: 1024, shared: 0 } }
    expect(problemsOf('80', { add: { registers: 65, shared: 0, spilled: 0 } }, bounds, launches)).toEqual([
      'add, capability 80: 1024 threads take 73728 registers of 65536',
    ])
    expect(problemsOf('80', { add: { registers: 64, shared: 0, spilled: 8 } }, bounds, launches)).toEqual([
      'add, capability 80: spills 8 bytes of registers into memory',
    ])
    expect(problemsOf('80', good, {}, launches)).toEqual([
      'add, capability 80: does not say how many threads a block may have',
    ])
    expect(problemsOf('80', good, bounds, {})).toEqual(['add, capability 80: no test launches it'])
    expect(problemsOf('80', {}, {}, launches)).toEqual(['add, capability 80: is launched but not compiled'])
  })
})

test('the functions that link-time libraries need are read off cudarc, each once', async () => {
  const { declaredFunctions } = await load('stubs.mjs')
  const source = `
    pub unsafe fn cuInit(Flags: u32) -> CUresult {
        extern "C" {
            fn cuInit(Flags: u32) -> CUresult;
        }
    }
    extern "C" { fn cuGet(); }
    extern "C" {
            fn cuInit(Flags: u32, more: u32) -> CUresult;
    }`
  expect(declaredFunctions(source)).toEqual(['cuInit', 'cuGet'])
})

test('the compiler is kept in the cache, and in the clone where there is no home folder', async () => {
  const { toolkitDirectory, RELEASE } = await load('toolkit.mjs')
  expect(toolkitDirectory({ XDG_CACHE_HOME: '/c', HOME: '/h' })).toMatch(/^\/c\/noprop\/cuda-13\./)
  expect(toolkitDirectory({ HOME: '/h' })).toMatch(/^\/h\/\.cache\/noprop\/cuda-13\./)
  const requirements = readFileSync(join(root, 'scripts/cuda/requirements.txt'), 'utf8').split('\n')
  const pinned = requirements.filter((line) => line && !line.startsWith('#'))
  expect(pinned).toHaveLength(5)
  for (const line of pinned)
    expect(line).toMatch(new RegExp(`^nvidia-[\\w-]+==${RELEASE}\\.\\d+ --hash=sha256:[0-9a-f]{64}$`))
})

describe.runIf(process.platform === 'linux' && process.arch === 'x64')(
  'what is missing is told in one plain sentence',
  () => {
    /** Looks for the toolkit with only `tools` (name → shell script) in the path. */
    function find(tools: Record<string, string>, call = 'cudaEnvironment()') {
      const directory = join(temporaryDirectory(), 'bin')
      mkdirSync(directory)
      for (const [name, body] of Object.entries(tools)) {
        writeFileSync(join(directory, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 })
      }
      const program = `
      import { script } from './scripts/support/steps.mjs'
      import { cudaEnvironment } from './scripts/cuda/environment.mjs'
      import { findToolkit } from './scripts/cuda/toolkit.mjs'
      await script(async () => console.log(JSON.stringify(await ${call})))`
      const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
        cwd: root,
        encoding: 'utf8',
        env: { PATH: directory, HOME: temporaryDirectory() },
      })
      return { status, stdout, stderr }
    }
    const works = 'exit 0'
    const compilers = { gcc: works, 'g++': works }

    test.each([
      ['a C++ compiler', { gcc: works }, /^nvcc needs g\+\+: install a C\+\+ compiler [^\n]+\.\n$/],
      [
        'Python',
        compilers,
        /^there is neither nvcc nor Python to fetch it with: [^\n]+python3-pip[^\n]+CUDA_HOME\.\n$/,
      ],
      [
        'pip',
        { ...compilers, python3: '[ "$1" = --version ]' },
        /^there is no nvcc, and python3 has no pip [^\n]+\.\n$/,
      ],
    ])('%s', (_, tools, message) => {
      const { status, stderr } = find(tools)
      expect(status).toBe(1)
      expect(stderr).toMatch(message)
    })

    test('a fetch that fails leaves nothing that looks whole', () => {
      const { status, stderr } = find({ ...compilers, python3: '[ "$3" != install ]' })
      expect(status).toBe(1)
      expect(stderr).toMatch(/^`python3 -m pip install [^\n]+` failed \(exit code 1\)\.\n$/)
    })

    test('an nvcc of the machine is taken if it is new enough', () => {
      const nvcc = (release: string) => `echo "Cuda compilation tools, release 13.1, V${release}"`
      const found = find({ nvcc: nvcc('13.1.80') }, 'findToolkit()')
      expect(JSON.parse(found.stdout)).toMatchObject({ version: '13.1.80', fetched: false })
      const old = find({ nvcc: nvcc('12.4.131') }, 'findToolkit()')
      expect(old.stdout).toMatch(/is 12\.4\.131; at least 13\.0 is needed/)
      expect(old.status).toBe(1)
    })
  },
)

test('libraries that users need not have are seen in what the addon links', async () => {
  const { foreignOf, neededOf } = await load('addon.mjs')
  // From `readelf -d`.
  const line = (name: string) => ` 0x0000000000000001 (NEEDED)             Shared library: [${name}]`
  const usual = [
    'libcuda.so.1',
    'libcublas.so.13',
    'libcublasLt.so.13',
    'libcurand.so.10',
    'libgcc_s.so.1',
    'libc.so.6',
  ]
  const text = [...usual, 'libnvrtc.so.13', 'libcudart.so.13'].map(line).join('\n')
  expect(neededOf(`${text}\n 0x000000000000000e (SONAME)             Library soname: [libx.so]`)).toHaveLength(8)
  expect(foreignOf(neededOf(text))).toEqual(['libnvrtc.so.13', 'libcudart.so.13'])
  expect(foreignOf(usual)).toEqual([])
})

test('an addon of a newer compiler is not for releases', async () => {
  const { isForRelease, writePackage } = await load('package.mjs')
  expect(['13.0.88', '13.1.80', '12.9.1'].map(isForRelease)).toEqual([true, false, false])
  const addon = join(temporaryDirectory(), 'built.node')
  writeFileSync(addon, 'an addon')
  const manifest = (compiler: string) => {
    const directory = writePackage(addon, { out: temporaryDirectory(), compiler })
    return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
  }
  expect([manifest('13.0.88').private, manifest('13.1.80').private]).toEqual([undefined, true])
})

test('the package goes with this version, and keeps other machines out', async () => {
  const { writePackage } = await load('package.mjs')
  const out = temporaryDirectory()
  const addon = join(out, 'built.node')
  writeFileSync(addon, 'an addon')
  const directory = writePackage(addon, { out, compiler: '13.0.88' })
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  expect(JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))).toMatchObject({
    name: '@noprop/cuda-linux-x64',
    version,
    os: ['linux'],
    cpu: ['x64'],
    libc: ['glibc'],
    main: 'noprop.cuda-linux-x64.node',
  })
  expect(readFileSync(join(directory, 'noprop.cuda-linux-x64.node'), 'utf8')).toBe('an addon')
  expect(readFileSync(join(directory, 'README.md'), 'utf8')).toContain('driver 580 or newer')
})
