import type { Command } from 'commander'
import { cudaReport } from '../cuda/choice.js'
import { adviceFor, detectHardware, type Hardware } from '../cuda/hardware.js'
import type { CudaReport } from '../cuda/report.js'
import { datasetPlaces } from '../data/locate.js'
import { native } from '../errors.js'
import { getAddon } from '../native.js'
import { version } from '../version.js'
import type { Io } from './io.js'

/** What the core says about the machine. */
interface SystemInfo {
  version: string
  instructionSet: string
  cores: number
  features: string[]
  devices: { device: string; name: string; usable: boolean; reason?: string | null; precisions?: string[] }[]
}

export function define(command: Command, io: Io): void {
  command.action(() => doctor(io))
}

async function doctor(io: Io): Promise<void> {
  io.print(`noprop          ${version}, Node ${process.version} on ${process.platform} ${process.arch}`)
  const began = performance.now()
  const addon = getAddon()
  const loadMilliseconds = performance.now() - began
  const system = native(() => JSON.parse(addon.native.systemInfo()) as SystemInfo)
  const datasets = datasetPlaces()
  // What is kept of an earlier look does not count here.
  const report = cudaReport(addon.cuda.addon, { fresh: true })
  const hardware = await detectHardware()
  const devices = [...system.devices, ...report.gpus]
  io.emit({
    event: 'done',
    version,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    addon: { path: addon.path, version: system.version, loadMilliseconds },
    instructionSet: system.instructionSet,
    cores: system.cores,
    features: system.features,
    devices,
    cuda: { addon: addon.cuda.addon, loaded: addon.cuda.loaded, problem: report.problem ?? null, hardware },
    datasets,
  })
  io.print(
    [
      `addon           ${addon.path}, loaded in ${loadMilliseconds.toFixed(1)} ms`,
      ...(system.version === version
        ? []
        : [`                its version ${system.version} is not the package's: build or install anew`]),
      `processor       ${system.cores} cores, kernels for ${system.instructionSet} (of ${system.features.join(', ') || 'no features'})`,
      ...devices.map(({ device, name, usable, reason, precisions }) => {
        const how = precisions ? `usable in ${precisions.join(', ')}` : 'usable'
        return `device          ${device}: ${name}, ${usable ? how : `not usable: ${reason ?? 'no reason given'}`}`
      }),
      ...gpuLines(report, hardware),
      ...Object.entries(datasets).map(
        ([name, place]) => `data            ${name}: ${place ?? 'not here; downloaded at first use'}`,
      ),
    ].join('\n'),
  )
}

/** What is there of NVIDIA's, and if noprop cannot use it, why and what to do. */
function gpuLines({ problem }: CudaReport, hardware: Hardware): string[] {
  const { driver, kernel, nvidiaSmi, bus } = hardware
  const found = nvidiaSmi.lines.length > 0 ? nvidiaSmi.lines : kernel.length > 0 ? kernel : bus
  const detected = found.length > 0 ? found : ['no GPU of NVIDIA']
  const advice = adviceFor(hardware)
  return [
    ...detected.map((line) => `detected        ${line}`),
    `driver          ${driver ?? (nvidiaSmi.problem ? `none (${nvidiaSmi.problem})` : 'not in /proc/driver/nvidia')}`,
    ...(problem ? [`no GPU because  ${[problem.what, problem.received].filter(Boolean).join(': ')}`] : []),
    ...(problem?.hint && found.length > 0 ? [`                ${problem.hint}`] : []),
    ...(advice ? [`                ${advice}`] : []),
  ]
}
