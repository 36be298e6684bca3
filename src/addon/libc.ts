import { readElf } from './elf.js'

/** The two C libraries of Linux; an addon built for one does not load into a process of the other. */
export type Libc = 'glibc' | 'musl'

/**
 * The C library of this process, told by the dynamic loader that Node's own file names. Undefined where there is no such
 * choice (not Linux) or it cannot be told. It takes a tenth of a millisecond; asking a program (`ldd`) would take twenty.
 */
export function libcOf(program: string = process.execPath, platform: string = process.platform): Libc | undefined {
  if (platform !== 'linux') return undefined
  try {
    const interpreter = readElf(program)?.interpreter ?? ''
    if (interpreter.includes('ld-musl')) return 'musl'
    return interpreter.includes('ld-linux') ? 'glibc' : undefined
  } catch {
    return undefined
  }
}

/** The version of this process's glibc; undefined with another C library. Takes milliseconds: for messages only. */
export function glibcVersion(): string | undefined {
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean }
  const before = report.excludeNetwork
  // Else it asks for the names of all peers of open connections, which can take seconds.
  report.excludeNetwork = true
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
  report.excludeNetwork = before
  return header?.glibcVersionRuntime
}
