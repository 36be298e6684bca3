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

/** The middle value, or the mean of the two in the middle. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** A Markdown table. */
export function table(header, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n')
}
