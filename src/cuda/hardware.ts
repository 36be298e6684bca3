import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What the machine shows of NVIDIA's hardware and driver, whether or not noprop can use it. */
export interface Hardware {
  /** The version of the kernel's driver, or null without one. */
  driver: string | null
  /** The GPUs that the kernel's driver has taken: models from /proc/driver/nvidia/gpus. */
  kernel: string[]
  /** The lines of `nvidia-smi -L`, or why there are none. */
  nvidiaSmi: { lines: string[]; problem?: string }
  /** The graphics devices of NVIDIA on the bus, from `lspci`; empty without that program. */
  bus: string[]
}

/** Looks for NVIDIA's hardware without loading anything of CUDA. Takes at most `timeoutMs`, and does not fail. */
export async function detectHardware({ root = '/proc/driver/nvidia', timeoutMs = 10_000 } = {}): Promise<Hardware> {
  const [smi, bus] = await Promise.all([
    run('nvidia-smi', ['-L'], timeoutMs),
    run('lspci', ['-d', '10de::03xx'], timeoutMs),
  ])
  return {
    driver: read(join(root, 'version'))?.match(/\s(\d+(?:\.\d+)+)\s/)?.[1] ?? null,
    kernel: models(join(root, 'gpus')),
    nvidiaSmi: 'lines' in smi ? smi : { lines: [], problem: smi.problem },
    bus: 'lines' in bus ? bus.lines : [],
  }
}

/** NVIDIA's number on the PCI bus, and the class of graphics devices. */
const [NVIDIA, GRAPHICS] = ['0x10de', '0x03']

/**
 * Whether there is a GPU of NVIDIA, with or without a driver: in /proc, on the PCI bus, or lent by Windows (WSL). Takes a
 * millisecond, and does not fail.
 */
export function showsGpu({
  proc = '/proc/driver/nvidia',
  bus = '/sys/bus/pci/devices',
  wsl = '/dev/dxg',
} = {}): boolean {
  const isNvidias = (name: string) =>
    read(join(bus, name, 'vendor'))?.trim() === NVIDIA && read(join(bus, name, 'class'))?.startsWith(GRAPHICS)
  return exists(wsl) || models(join(proc, 'gpus')).length > 0 || names(bus).some(isNvidias)
}

/** One sentence on what is there and not used: what to mend when a GPU is detected and not usable. */
export function adviceFor({ driver, kernel, nvidiaSmi, bus }: Hardware): string | undefined {
  if (driver !== null && nvidiaSmi.lines.length === 0 && kernel.length > 0) {
    return `the kernel's driver ${driver} has a GPU, but nvidia-smi does not list it (${nvidiaSmi.problem ?? 'it lists none'}): restart the machine after a driver update, or in a container use --gpus all`
  }
  if (driver === null && bus.length > 0) {
    return "there is an NVIDIA GPU on the bus, but its driver is not loaded: install NVIDIA's driver (580 or newer), and in a container use --gpus all"
  }
  return undefined
}

function models(directory: string): string[] {
  return names(directory).map(
    (name) => read(join(directory, name, 'information'))?.match(/^Model:\s*(.+)$/m)?.[1] ?? name,
  )
}

/** What a directory contains; nothing where it cannot be read. */
function names(directory: string): string[] {
  try {
    return readdirSync(directory).sort()
  } catch {
    return []
  }
}

/** Deno throws where a program may not look. */
function exists(path: string): boolean {
  try {
    return existsSync(path)
  } catch {
    return false
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** The lines that a program prints. A program that hangs in a broken driver is left behind. */
function run(command: string, args: string[], timeoutMs: number): Promise<{ lines: string[] } | { problem: string }> {
  return new Promise((resolve) => {
    const child = execFile(command, args, { encoding: 'utf8' }, (error, stdout) => {
      clearTimeout(timer)
      const lines = stdout.split('\n').filter((line) => line.trim())
      if (!error) resolve({ lines })
      else if (error.code === 'ENOENT') resolve({ problem: `there is no ${command}` })
      else resolve({ problem: lines[0] ?? `${command} failed with ${error.code ?? error.signal}` })
    })
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      child.unref()
      child.stdout?.destroy()
      child.stderr?.destroy()
      resolve({ problem: `${command} did not answer within ${timeoutMs / 1000} s` })
    }, timeoutMs)
  })
}
