import { join } from 'node:path'
import type { Libc } from './libc.js'

/** An addon for the processor alone, or one that also has CUDA kernels; both export the same. */
export type Flavour = 'cpu' | 'cuda'

/** A file or package where the addon may be. */
export interface Candidate {
  flavour: Flavour
  /** The absolute path of a file, or the name of a package. */
  name: string
  kind: 'file' | 'package'
  /** The C library that it is built for, where there is a choice. */
  libc?: Libc
}

/** The machine to search for. */
export interface Machine {
  platform: string
  arch: string
  libc: Libc | undefined
}

/** The names of platform packages (`@noprop/NAME`) for a machine, the fitting C library first. */
export function platformNames({ platform, arch, libc }: Machine): { name: string; libc?: Libc }[] {
  if (platform !== 'linux') return [{ name: `${platform}-${arch}` }]
  const names = [
    { name: `linux-${arch}-gnu`, libc: 'glibc' as const },
    { name: `linux-${arch}-musl`, libc: 'musl' as const },
  ]
  return libc === 'musl' ? names.reverse() : names
}

/**
 * Every candidate in the order of preference: the CUDA addon before the one for the processor, and for each what a clone of
 * the repository has built before what a package brings. One addon serves a process; the first that loads is taken.
 */
export function candidatesFor(machine: Machine, packageRoot: string): Candidate[] {
  const platforms = platformNames(machine)
  const hasCuda = machine.platform === 'linux' && machine.arch === 'x64' && machine.libc !== 'musl'
  const cuda = hasCuda ? ['cuda-linux-x64'] : []
  return [
    ...cuda.flatMap((name) => both('cuda', name, packageRoot)),
    ...platforms.map((platform) => file('cpu', platform.name, packageRoot, platform.libc)),
    ...platforms.map(
      ({ name, libc }): Candidate => ({ flavour: 'cpu', kind: 'package', name: `@noprop/${name}`, libc }),
    ),
  ]
}

function both(flavour: Flavour, name: string, packageRoot: string): Candidate[] {
  return [file(flavour, name, packageRoot), { flavour, kind: 'package', name: `@noprop/${name}` }]
}

/** Where a build in a clone puts it. napi's own name for Windows tells the toolchain, of which Node does not care. */
function file(flavour: Flavour, name: string, packageRoot: string, libc?: Libc): Candidate {
  const built = name.startsWith('win32-') ? `${name}-msvc` : name
  return { flavour, kind: 'file', name: join(packageRoot, `noprop.${built}.node`), libc }
}
