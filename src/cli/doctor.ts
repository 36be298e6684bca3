import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import type { Command } from 'commander'
import { mostTelling, searchError } from '../addon/failure.js'
import { glibcVersion, libcOf } from '../addon/libc.js'
import type { Attempt } from '../addon/search.js'
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
type Report = ReturnType<typeof examine>

export function define(command: Command, io: Io): void {
  command.action(() => {
    const report = examine()
    io.emit({ event: 'done', ...report })
    io.print(linesOf(report).join('\n'))
    if (report.ok) return
    io.complain(searchError(addonSearch(), process.env.NOPROP_ADDON))
    io.exitCode = 1
  })
}

/** Looks at everything, also where no addon loads; nothing in here throws. */
function examine() {
  const began = performance.now()
  const { attempts, loaded } = addonSearch()
  const loadMilliseconds = performance.now() - began
  const system = loaded && native(() => JSON.parse(loaded.native.systemInfo()) as SystemInfo)
  const libc = libcOf()
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
          sha256: sha256(loaded.path),
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
    devices: system?.devices ?? [],
    datasets: datasetPlaces(),
    advice: adviceOf(attempts, loaded !== undefined),
  }
}

function sha256(path: string): string | null {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex')
  } catch {
    return null
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
    ...report.devices.map(({ device, name, usable, reason }) =>
      line('device', `${device}: ${name}, ${usable ? 'usable' : `not usable: ${reason || 'no reason given'}`}`),
    ),
    ...Object.entries(report.datasets).map(([name, place]) =>
      line('data', `${name}: ${place ?? 'not here; downloaded at first use'}`),
    ),
    ...(report.advice.length > 0 ? report.advice : ['nothing, all is well']).map((text) => line('to do', text)),
  ]
}

function systemOf({ libc, system }: Report): string {
  return `${libc ? `${libc.name} ${libc.version ?? ''}`.trim() : 'system'}${libc ? ', system' : ''} ${system}`
}

function line(name: string, text: string): string {
  return `${name.padEnd(16)}${text}`
}
