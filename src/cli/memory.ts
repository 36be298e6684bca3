import { readFileSync } from 'node:fs'

/**
 * The most memory that this process has held at once, in mebibytes. Linux tells it per program; what `resourceUsage` has there
 * would include the process that started this one.
 */
export function peakMemoryMiB(): number {
  try {
    const kibibytes = readFileSync('/proc/self/status', 'utf8').match(/^VmHWM:\s+(\d+) kB$/m)
    if (kibibytes) return Number(kibibytes[1]) / 1024
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS / 1024
}
