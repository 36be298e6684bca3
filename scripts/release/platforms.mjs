// The platforms that have a prebuilt addon, each in an npm package of its own, and how each is built.

/**
 * The oldest glibc that addons run on, older than that of any system on which Node 20 does (2.28).
 * `src/addon/reason.ts` says the same.
 */
export const OLDEST_GLIBC = '2.17'

/**
 * `name` is the package without its scope. `linux` is the target for zig on a Linux machine, `native` that of a machine of the
 * platform's own kind. `file` is the library that cargo makes.
 */
export const PLATFORMS = [
  {
    name: 'linux-x64-gnu',
    fields: { os: ['linux'], cpu: ['x64'], libc: ['glibc'] },
    linux: 'x86_64-unknown-linux-gnu',
    glibc: OLDEST_GLIBC,
    file: 'libnoprop_addon.so',
  },
  {
    name: 'linux-x64-musl',
    fields: { os: ['linux'], cpu: ['x64'], libc: ['musl'] },
    linux: 'x86_64-unknown-linux-musl',
    // A library that is loaded into Node must use Node's C library and not bring its own.
    rustFlags: '-C target-feature=-crt-static',
    file: 'libnoprop_addon.so',
  },
  {
    name: 'linux-arm64-gnu',
    fields: { os: ['linux'], cpu: ['arm64'], libc: ['glibc'] },
    linux: 'aarch64-unknown-linux-gnu',
    glibc: OLDEST_GLIBC,
    file: 'libnoprop_addon.so',
  },
  {
    name: 'win32-x64',
    fields: { os: ['win32'], cpu: ['x64'] },
    linux: 'x86_64-pc-windows-gnu',
    native: 'x86_64-pc-windows-msvc',
    file: 'noprop_addon.dll',
  },
  {
    name: 'darwin-arm64',
    fields: { os: ['darwin'], cpu: ['arm64'] },
    native: 'aarch64-apple-darwin',
    file: 'libnoprop_addon.dylib',
  },
  {
    name: 'darwin-x64',
    fields: { os: ['darwin'], cpu: ['x64'] },
    native: 'x86_64-apple-darwin',
    file: 'libnoprop_addon.dylib',
  },
]

/** The npm package of a platform. */
export function packageName({ name }) {
  return `@noprop/${name}`
}

/** The platform whose addon this process would load; undefined where there is none. */
export function thisPlatform() {
  /** @type {any} */
  const report = process.report.getReport()
  const isMusl = process.platform === 'linux' && !report.header.glibcVersionRuntime
  return PLATFORMS.find(
    ({ fields: { os, cpu, libc } }) =>
      os[0] === process.platform && cpu[0] === process.arch && (!libc || libc[0] === (isMusl ? 'musl' : 'glibc')),
  )
}
