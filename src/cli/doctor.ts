import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import { mostTelling, searchError } from '../addon/failure.js'
import { glibcVersion, libcOf } from '../addon/libc.js'
import type { Attempt } from '../addon/search.js'
import { cudaReport } from '../cuda/choice.js'
import { adviceFor, detectHardware, type Hardware } from '../cuda/hardware.js'
import { datasetPlaces } from '../data/locate.js'
import { native } from '../errors.js'
import { addonSearch } from '../native.js'
import { version } from '../version.js'
import type { Io } from './io.js'

/** What the core says about the machine. */
interface SystemInfo {
  version: string
  instructionSet: string
  cores: number
  features: string[]
  devices: { device: string; name: string; usable: boolean; reason?: string | null }[]
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
  const { attempts, loaded, cuda } = addonSearch()
  const loadMilliseconds = performance.now() - began
  const system = loaded && native(() => JSON.parse(loaded.native.systemInfo()) as SystemInfo)
  // What is kept of an earlier look does not count here.
  const gpus = cudaReport(cuda.addon, { fresh: true })
  const hardware = await detectHardware()
  const libc = libcOf()
  const isIntact = loaded && matchesPackage(loaded.path)
  return {
    ok: loaded !== undefined,
    version,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    libc: libc ? { name: libc, version: libc === 'glibc' ? (glibcVersion() ?? null) : null } : null,
    system: release(),
    processor: cpus()[0]?.model.trim() || process.arch,
    addon: loaded ? { path: loaded.path, version: system?.version, loadMilliseconds, intact: isIntact ?? null } : null,
    search: attempts.map(({ place, path, reason }) => ({
      place,
      path: path ?? null,
      result: reason ? reason.kind : 'loaded',
      reason: reason?.text ?? null,
      cure: reason?.cure ?? null,
    })),
    instructionSet: system?.instructionSet ?? null,
    cores: system?.cores ?? cpus().length,
    features: system?.features ?? [],
    devices: [...(system?.devices ?? []), ...gpus.gpus],
    cuda: { addon: cuda.addon, loaded: cuda.loaded, problem: gpus.problem ?? null, hardware },
    datasets: datasetPlaces(),
    advice: [
      ...(isIntact === false ? [`${loaded?.path}: it is not the file that was packed: install noprop anew`] : []),
      ...adviceOf(attempts, loaded !== undefined, hardware),
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

/** What to do: about the addon if none was loaded, about one that is there and was not taken, and about a GPU that is. */
function adviceOf(attempts: readonly Attempt[], isLoaded: boolean, hardware: Hardware): string[] {
  const isAbsent = ({ reason }: Attempt) => reason?.kind === 'no-file' || reason?.kind === 'not-installed'
  const hasGpu = gpusOf(hardware).length > 0
  const worth = attempts.filter((attempt) => attempt.reason && (!isAbsent(attempt) || (attempt.cuda && hasGpu)))
  const telling = mostTelling(attempts)
  if (!isLoaded && telling && !worth.includes(telling)) worth.push(telling)
  const advice = worth.map(({ place, reason }) => `${place}: ${reason?.text}: ${reason?.cure}`)
  return [...advice, adviceFor(hardware)].filter((text) => text !== undefined)
}

/** NVIDIA's GPUs as whoever knows most of them names them. */
function gpusOf({ kernel, nvidiaSmi, bus }: Hardware): string[] {
  return [nvidiaSmi.lines, kernel, bus].find((names) => names.length > 0) ?? []
}

function linesOf(report: Report): string[] {
  const { addon, libc } = report
  return [
    line('noprop', `${version}, Node ${report.node} on ${process.platform} ${process.arch}, ${systemOf(report)}`),
    line('processor', `${report.processor}, ${report.cores} cores, ${kernelsOf(report)}`),
    ...report.search.map(({ place, reason }) => line('searched', `${place}: ${reason ?? 'loaded'}`)),
    line(
      'addon',
      addon
        ? `${addon.path}, version ${addon.version}, loaded in ${addon.loadMilliseconds.toFixed(1)} ms`
        : `none for ${report.platform}${libc ? ` with ${libc.name}` : ''}`,
    ),
    ...report.devices.map(({ device, name, usable, reason }) =>
      line('device', `${device}: ${name}, ${usable ? 'usable' : `not usable: ${reason || 'no reason given'}`}`),
    ),
    ...gpuLines(report),
    ...Object.entries(report.datasets).map(([name, place]) =>
      line('data', `${name}: ${place ?? 'not here; downloaded at first use'}`),
    ),
    ...(report.advice.length > 0 ? report.advice : ['nothing, all is well']).map((text) => line('to do', text)),
  ]
}

/** What is there of NVIDIA's, and if noprop cannot use it, why. */
function gpuLines({ cuda: { hardware, problem } }: Report): string[] {
  const { driver, nvidiaSmi } = hardware
  const found = gpusOf(hardware)
  return [
    ...(found.length > 0 ? found : ['no GPU of NVIDIA']).map((text) => line('detected', text)),
    line('driver', driver ?? (nvidiaSmi.problem ? `none (${nvidiaSmi.problem})` : 'not in /proc/driver/nvidia')),
    ...(problem ? [line('no GPU because', [problem.what, problem.received].filter(Boolean).join(': '))] : []),
  ]
}

function kernelsOf({ instructionSet, features }: Report): string {
  if (!instructionSet) return 'kernels unknown without the addon'
  return `kernels for ${instructionSet} (of ${features.join(', ')})`
}

function systemOf({ libc, system }: Report): string {
  return `${libc ? `${libc.name} ${libc.version ?? ''}`.trim() : 'system'}${libc ? ', system' : ''} ${system}`
}

function line(name: string, text: string): string {
  return `${name.padEnd(15)} ${text}`
}
