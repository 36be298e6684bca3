import type { Command } from 'commander'
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
  devices: { device: string; name: string; usable: boolean; reason?: string | null; precisions: string[] }[]
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
  io.emit({
    event: 'done',
    version,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    addon: { path: addon.path, version: system.version, loadMilliseconds },
    instructionSet: system.instructionSet,
    cores: system.cores,
    features: system.features,
    devices: system.devices,
    datasets,
  })
  io.print(
    [
      `addon           ${addon.path}, loaded in ${loadMilliseconds.toFixed(1)} ms`,
      ...(system.version === version
        ? []
        : [`                its version ${system.version} is not the package's: build or install anew`]),
      `processor       ${system.cores} cores, kernels for ${system.instructionSet} (of ${system.features.join(', ') || 'no features'})`,
      ...system.devices.map(({ device, name, usable, reason, precisions }) => {
        return `device          ${device}: ${name}, ${usable ? `usable in ${precisions.join(', ')}` : `not usable: ${reason ?? 'no reason given'}`}`
      }),
      ...Object.entries(datasets).map(
        ([name, place]) => `data            ${name}: ${place ?? 'not here; downloaded at first use'}`,
      ),
    ].join('\n'),
  )
}
