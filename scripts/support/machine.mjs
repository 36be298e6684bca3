// What measurements were made on and with.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { root } from './steps.mjs'

/** The processor as it names itself; on Linux also its family and model, since virtual machines often cut the name. */
export function processor() {
  const name = cpus()[0]?.model.trim() || process.arch
  try {
    const [, family] = readFileSync('/proc/cpuinfo', 'utf8').match(/^cpu family\s*: (\d+)$/m)
    const [, model] = readFileSync('/proc/cpuinfo', 'utf8').match(/^model\s*: (\d+)$/m)
    return `${name} (family ${family}, model ${model})`
  } catch {
    return name
  }
}

/** The version that `COMMAND --version` tells, or undefined when there is no such command. */
export function versionOf(command, flag = '--version') {
  const { status, stdout } = spawnSync(command, [flag], { cwd: root, encoding: 'utf8' })
  return status === 0 ? stdout.match(/\d+\.\d+(\.\d+)?/)?.[0] : undefined
}

/** The version of a crate in Cargo.lock. */
export function crateVersion(name) {
  const lock = readFileSync(join(root, 'Cargo.lock'), 'utf8')
  return lock.match(new RegExp(`name = "${name}"\\nversion = "([^"]+)"`))?.[1]
}

/** The version of this package. */
export function packageVersion() {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version
}

/** Whether version `found` (1.88.0) comes before `needed` (1.89); what is not stated is 0. */
export function isOlder(found, needed) {
  const [left, right] = [found, needed].map((version) => version.split('.').map(Number))
  for (let index = 0; index < 3; index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}
