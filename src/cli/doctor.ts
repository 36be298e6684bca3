import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import { mostTelling, searchError } from '../addon/failure.js'
import { glibcVersion, libcOf } from '../addon/libc.js'
import type { Attempt } from '../addon/search.js'
import { adviceFor, detectHardware, type Hardware } from '../cuda/hardware.js'
import { oneLine } from '../cuda/report.js'
import { datasetPlaces } from '../data/locate.js'
import { lookForGpus } from '../device.js'
import { type ErrorDetails, native } from '../errors.js'
import { addonSearch } from '../native.js'
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

/** Everything that `--json` prints; the text says the same. */
type Report = Awaited<ReturnType<typeof examine>>

export function define(command: Command, io: Io): void {
  command.action(async () => {
    const report = await examine()
    io.emit({ event: 'done', ...report })
    io.print(linesOf(report).join('\n'))
    if (report.ok) return
    io.complain(searchError(addonSearch(), process.env.NOPROP_ADDON))
    io.exitCode = 1
  })
}

/** Looks at everything, also where no addon loads; nothing in here throws. */
async function examine() {
  const began = performance.now()
  const { attempts, loaded } = addonSearch()
  const loadMilliseconds = performance.now() - began
  const system = loaded && native(() => JSON.parse(loaded.native.systemInfo()) as SystemInfo)
  const libc = libcOf()
  const isIntact = loaded && matchesPackage(loaded.path)
  // What is kept of an earlier look does not count here.
  const cuda = lookForGpus(addonSearch(), { fresh: true })
  const hardware = await detectHardware()
  const places = Object.entries(datasetPlaces())
  return {
    ok: loaded !== undefined,
    version,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    libc: libc ? { name: libc, version: libc === 'glibc' ? (glibcVersion() ?? null) : null } : null,
    system: release(),
    processor: cpus()[0]?.model.trim() || process.arch,
    addon: loaded
      ? {
          path: loaded.path,
          flavour: loaded.flavour,
          version: system?.version,
          loadMilliseconds,
          intact: isIntact ?? null,
        }
      : null,
    search: attempts.map(({ place, path, flavour, reason }) => ({
      place,
      path: path ?? null,
      flavour,
      result: reason ? reason.kind : 'loaded',
      reason: reason?.text ?? null,
      cure: reason?.cure ?? null,
    })),
    instructionSet: system?.instructionSet ?? null,
    cores: system?.cores ?? cpus().length,
    features: system?.features ?? [],
    devices: [...(system?.devices ?? []), ...cuda.gpus] as SystemInfo['devices'],
    cuda: { ...hardware, problem: cuda.problem ?? null },
    datasets: Object.fromEntries(places.map(([name, { directory }]) => [name, directory])),
    advice: [
      ...new Set(places.flatMap(([, { problem }]) => (problem ? [`data: ${problem.message}`] : []))),
      ...(isIntact === false ? [`${loaded?.path}: it is not the file that was packed: install noprop anew`] : []),
      ...adviceOf(attempts, loaded !== undefined),
      ...gpuAdvice(hardware, cuda.problem),
    ],
  }
}

/** Whether a file has the checksum that its package states; undefined where none does, as in a clone. */
function matchesPackage(path: string): boolean | undefined {
  try {
    const { noprop } = JSON.parse(readFileSync(join(dirname(path), 'package.json'), 'utf8'))
    if (typeof noprop?.sha256 !== 'string') return undefined
    return createHash('sha256').update(readFileSync(path)).digest('hex') === noprop.sha256
  } catch {
    return undefined
  }
}

/** What to do: about the addon if none was loaded, and about a CUDA addon that is there and was not taken. */
function adviceOf(attempts: readonly Attempt[], isLoaded: boolean): string[] {
  const isThere = ({ reason }: Attempt) => reason && reason.kind !== 'no-file' && reason.kind !== 'not-installed'
  const worth = attempts.filter((attempt) => isThere(attempt))
  const telling = mostTelling(attempts)
  if (!isLoaded && telling && !worth.includes(telling)) worth.push(telling)
  return worth.map(({ place, reason }) => `${place}: ${reason?.text}: ${reason?.cure}`)
}

function linesOf(report: Report): string[] {
  const { addon, libc } = report
  return [
    line('noprop', `${version}, Node ${report.node} on ${process.platform} ${process.arch}, ${systemOf(report)}`),
    line(
      'processor',
      `${report.processor}, ${report.cores} cores, ${
        report.instructionSet
          ? `kernels for ${report.instructionSet} (of ${report.features.join(', ')})`
          : 'kernels unknown without the addon'
      }`,
    ),
    ...report.search.map(({ place, reason }) => line('searched', `${place}: ${reason ?? 'loaded'}`)),
    line(
      'addon',
      addon
        ? `${addon.path}, version ${addon.version}, loaded in ${addon.loadMilliseconds.toFixed(1)} ms`
        : `none for ${report.platform}${libc ? ` with ${libc.name}` : ''}`,
    ),
    ...report.devices.map(({ device, name, usable, reason, precisions }) => {
      const how = precisions ? `usable in ${precisions.join(', ')}` : 'usable'
      return line('device', `${device}: ${name}, ${usable ? how : `not usable: ${reason || 'no reason given'}`}`)
    }),
    ...gpuLines(report.cuda),
    ...Object.entries(report.datasets).map(([name, place]) =>
      line('data', `${name}: ${place ?? 'not here; downloaded at first use'}`),
    ),
    ...(report.advice.length > 0 ? report.advice : ['nothing, all is well']).map((text) => line('to do', text)),
  ]
}

/** What the machine shows of NVIDIA's, and why noprop uses none of it. */
function gpuLines({ driver, kernel, nvidiaSmi, bus, problem }: Report['cuda']): string[] {
  const found = [nvidiaSmi.lines, kernel, bus].find((lines) => lines.length > 0) ?? []
  return [
    ...(found.length > 0 ? found : ['no GPU of NVIDIA']).map((text) => line('detected', text)),
    ...(driver !== null || found.length > 0
      ? [line('driver', driver ? `NVIDIA ${driver}` : `none loaded (${nvidiaSmi.problem ?? 'nothing in /proc'})`)]
      : []),
    ...(problem ? [line('no GPU used', oneLine(problem))] : []),
  ]
}

/** What to do where there is a GPU that noprop cannot use. Without a GPU there is nothing to mend. */
function gpuAdvice(hardware: Hardware, problem: ErrorDetails | undefined): string[] {
  if (!problem || hardware.kernel.length + hardware.nvidiaSmi.lines.length + hardware.bus.length === 0) return []
  return [adviceFor(hardware), problem.hint && `${oneLine(problem)}: ${problem.hint}`].filter(
    (text) => text !== undefined,
  )
}

function systemOf({ libc, system }: Report): string {
  return `${libc ? `${libc.name} ${libc.version ?? ''}`.trim() : 'system'}${libc ? ', system' : ''} ${system}`
}

function line(name: string, text: string): string {
  return `${name.padEnd(16)}${text}`
}
