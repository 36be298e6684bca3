import { join } from 'node:path'
import type { Libc } from './libc.js'

/** A place where the addon for the processor may be. */
export interface Place {
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
function platformNames({ platform, arch, libc }: Machine): { name: string; libc?: Libc }[] {
  if (platform !== 'linux') return [{ name: `${platform}-${arch}` }]
  const names = [
    { name: `linux-${arch}-gnu`, libc: 'glibc' as const },
    { name: `linux-${arch}-musl`, libc: 'musl' as const },
  ]
  return libc === 'musl' ? names.reverse() : names
}

/** Every place in the order of preference: what a clone of the repository has built before what a package brings. */
export function placesFor(machine: Machine, packageRoot: string): Place[] {
  const platforms = platformNames(machine)
  return [
    ...platforms.map(({ name, libc }): Place => ({ kind: 'file', name: builtFile(name, packageRoot), libc })),
    ...platforms.map(({ name, libc }): Place => ({ kind: 'package', name: `@noprop/${name}`, libc })),
  ]
}

/** Where a build in a clone puts it. napi's own name for Windows tells the toolchain, of which Node does not care. */
function builtFile(name: string, packageRoot: string): string {
  return join(packageRoot, `noprop.${name.startsWith('win32-') ? `${name}-msvc` : name}.node`)
}
