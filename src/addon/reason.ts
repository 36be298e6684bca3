import { constants } from 'node:os'
import { DENO_HINT, isDenoRefusal } from '../errors.js'
import { version } from '../version.js'
import { readElf } from './elf.js'
import { glibcVersion, type Libc } from './libc.js'

/** Why a candidate did not give the addon, and what to do about it. */
export interface Reason {
  kind:
    | 'no-file'
    | 'not-installed'
    | 'wrong-libc'
    | 'old-glibc'
    | 'missing-library'
    | 'missing-cuda-library'
    | 'corrupt'
    | 'wrong-machine'
    | 'forbidden'
    | 'version'
    | 'refused'
    | 'other'
  /** One clause: `not installed`, `its file is cut off (…)`. */
  text: string
  /** What mends it. */
  cure: string
}

/** The oldest glibc that the published addons for the processor run on; the build is told the same. */
export const OLDEST_GLIBC = '2.17'
/** That of the CUDA addon, which links with the libraries of the system that builds it. */
const OLDEST_GLIBC_CUDA = '2.34'

const again = `remove node_modules and install noprop@${version} again`
const CUDA_LIBRARY = /^lib(cuda|cudart|cublas\w*|curand|nvrtc\S*|cudnn\w*|nvidia\S*)\.so/

/** An addon of version `found` beside JavaScript of another. */
export function versionReason(found: string | undefined): Reason {
  return {
    kind: 'version',
    text: `it is version ${found ?? 'unknown'}, and the JavaScript is version ${version}`,
    cure: `install both in the same version: ${again}; in a clone of the repository run \`npm run build\``,
  }
}

/** A platform package for the C library that this process does not have. */
export function libcReason(ours: Libc): Reason {
  const theirs = ours === 'glibc' ? 'musl' : 'glibc'
  return {
    kind: 'wrong-libc',
    text: `it is for ${theirs}, and this Node uses ${ours}`,
    cure: `node_modules comes from another system: ${again} on this one (in a container, inside it)`,
  }
}

/** A package that is not there. */
export function notInstalledReason(name: string): Reason {
  return {
    kind: 'not-installed',
    text: 'not installed',
    cure:
      'install optional dependencies too (without --omit=optional, --no-optional or a lock file of another platform), ' +
      `or the package itself: npm install ${name}@${version}`,
  }
}

/** What is wrong with the file itself, before the system's loader sees it: it would crash on a file that is cut off. */
export function fileReason(path: string): Reason | undefined {
  if (process.platform !== 'linux' || !path.endsWith('.node')) return undefined
  try {
    const elf = readElf(path)
    if (!elf) return corrupt('its file is not a Linux library')
    if (elf.bytes < elf.needs) return corrupt(`its file is cut off (${elf.bytes} of at least ${elf.needs} bytes)`)
    if (elf.arch === process.arch) return undefined
    return {
      kind: 'wrong-machine',
      text: `it is for ${elf.arch}, and this Node is for ${process.arch}`,
      cure: `node_modules comes from another machine: ${again} on this one`,
    }
  } catch (error) {
    return loadReason(error)
  }
}

function corrupt(text: string): Reason {
  return { kind: 'corrupt', text, cure: `${again}, with an emptied cache (npm cache clean --force)` }
}

/** What made a load fail, by what the system's loader says; its own words stay part of the text. */
export function loadReason(error: unknown): Reason {
  let inner = error
  // Loaders wrap the failure that matters (a missing library, say) in others.
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause
  const { code, errno, message = String(inner) } = inner as NodeJS.ErrnoException
  const text = message.split(/\r?\n/)[0] as string
  if (isDenoRefusal(inner)) return { kind: 'forbidden', text, cure: DENO_HINT }
  if (code === 'EACCES' || code === 'EPERM' || errno === -constants.errno.EACCES) {
    return { kind: 'forbidden', text, cure: 'give the user of this process the right to read the file' }
  }
  if (/failed to map segment|Operation not permitted|cannot enable executable stack/.test(text)) {
    return {
      kind: 'forbidden',
      text,
      cure: 'let libraries be run from there: the file system is mounted noexec, or a policy forbids it',
    }
  }
  const glibc = text.match(/version [`']GLIBC_([\d.]+)' not found/)?.[1]
  if (glibc) {
    return {
      kind: 'old-glibc',
      text: `${text} (this system has glibc ${glibcVersion() ?? 'of an unknown version'})`,
      cure: `use a system with glibc ${glibc} or newer; the published addons need ${OLDEST_GLIBC}, with CUDA ${OLDEST_GLIBC_CUDA}, so ${again}, or build from source on this system`,
    }
  }
  const missing = text.match(
    /(?:^|: )(lib[\w.+-]+?\.so[\d.]*): cannot open shared object file|Error loading shared library (\S+):/,
  )
  const library = missing?.[1] ?? missing?.[2]
  if (library) return missingLibrary(library, text)
  if (/^(The specified module could not be found|Module not found)/.test(text)) {
    const cure = 'the addon needs Windows 10 or newer; Windows does not say which of its libraries it lacks'
    return { kind: 'missing-library', text: `${text} (a library that it needs)`, cure }
  }
  // musl's loader finds everything but the symbols that only glibc has.
  if (/Error relocating .*: \w+: symbol not found/.test(text)) {
    return { kind: 'wrong-libc', text, cure: `the addon was built for glibc: ${again} on this system` }
  }
  if (
    /invalid ELF header|file too short|wrong ELF class|Exec format error|ELF load command|not a valid Win32|not a mach-o|slice is not valid|truncated/i.test(
      text,
    )
  ) {
    return corrupt(text)
  }
  return { kind: 'other', text, cure: `${again}; if it stays so, please report it with what \`noprop doctor\` prints` }
}

function missingLibrary(library: string, text: string): Reason {
  if (CUDA_LIBRARY.test(library)) {
    return {
      kind: 'missing-cuda-library',
      text,
      cure: /^libcuda\./.test(library)
        ? 'install the NVIDIA driver (in a container, start it with GPU access), or remove the CUDA package to use the processor'
        : `install the CUDA runtime that has ${library} where the loader finds it (LD_LIBRARY_PATH), or remove the CUDA package to use the processor`,
    }
  }
  if (/^(libc\.musl|libc\.so$|ld-musl)/.test(library)) return { ...libcReason('glibc'), text }
  if (/^(ld-linux|libc\.so\.6|libm\.so\.6|libdl\.so\.2|libpthread\.so\.0)/.test(library))
    return { ...libcReason('musl'), text }
  return { kind: 'missing-library', text, cure: `install the system's package that has ${library}` }
}
