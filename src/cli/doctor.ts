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
import { hasUnicode } from '../progress/unicode.js'
import { counted } from '../summary.js'
import { version } from '../version.js'
import { addExamples } from './help.js'
import type { Io } from './io.js'
import { painter, type Terminal } from './style.js'

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

/** Label, mark and text. */
type Line = [label: string, mark: string, text: string]

export function define(command: Command, io: Io): void {
  addExamples(command, 'noprop doctor', 'noprop doctor --json')
  command.action(async () => {
    const report = await examine()
    io.emit({ event: 'done', ...report })
    io.printFields(linesOf(report, marksFor(process.stdout)))
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
      ...(isIntact === false ? [`${loaded?.path}: it is not the file that was packed: reinstall noprop`] : []),
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

/** What stands before a line: all is well, something is wrong, or neither. */
interface Marks {
  good: string
  bad: string
  none: string
}

/** Marks that are told apart without colour too. */
function marksFor(terminal: Terminal): Marks {
  const paint = painter(terminal)
  const [good, bad] = hasUnicode() ? ['✓', '✗'] : ['+', 'x']
  return { good: paint('green', `${good} `), bad: paint('red', `${bad} `), none: '  ' }
}

/** The lines of the report. */
function linesOf(report: Report, { good, bad, none }: Marks): Line[] {
  const { addon, libc } = report
  return [
    ['noprop', none, `${version}, Node ${report.node} on ${process.platform} ${process.arch}, ${systemOf(report)}`],
    [
      'processor',
      none,
      `${report.processor}, ${counted(report.cores, 'core')}, ${
        report.instructionSet
          ? `kernels for ${report.instructionSet} (of ${report.features.join(', ')})`
          : 'kernels unknown without the addon'
      }`,
    ],
    ...report.search.map(({ place, result, reason }): Line => {
      const isAbsent = result === 'no-file' || result === 'not-installed'
      return ['searched', result === 'loaded' ? good : isAbsent ? none : bad, `${place}: ${reason ?? 'loaded'}`]
    }),
    addon
      ? [
          'addon',
          addon.intact === false ? bad : good,
          `${addon.path}, version ${addon.version}, loaded in ${addon.loadMilliseconds.toFixed(1)} ms`,
        ]
      : ['addon', bad, `none for ${report.platform}${libc ? ` with ${libc.name}` : ''}`],
    ...report.devices.map(({ device, name, usable, reason, precisions }): Line => {
      const how = precisions ? `usable in ${precisions.join(', ')}` : 'usable'
      const text = `${device}: ${name}, ${usable ? how : `not usable: ${reason || 'no reason given'}`}`
      return ['device', usable ? good : bad, text]
    }),
    ...gpuLines(report.cuda, { good, bad, none }),
    ...Object.entries(report.datasets).map(([name, place]): Line => {
      return ['data', place ? good : none, `${name}: ${place ?? 'not here; downloaded at first use'}`]
    }),
    ...report.advice.map((text): Line => ['to do', bad, text]),
    ...(report.advice.length > 0 ? [] : [['to do', good, 'nothing, all is well'] as Line]),
  ]
}

/** What the machine shows of NVIDIA's, and, where there is a GPU, why noprop uses none of it. */
function gpuLines({ driver, kernel, nvidiaSmi, bus, problem }: Report['cuda'], { good, bad, none }: Marks): Line[] {
  const found = [nvidiaSmi.lines, kernel, bus].find((lines) => lines.length > 0) ?? []
  if (found.length === 0 && driver === null) return [['detected', none, 'no NVIDIA GPU']]
  return [
    ...(found.length > 0 ? found : ['no NVIDIA GPU']).map((text): Line => ['detected', none, text]),
    driver
      ? ['driver', good, `NVIDIA ${driver}`]
      : ['driver', bad, `none loaded (${nvidiaSmi.problem ?? 'nothing in /proc'})`],
    ...(problem && found.length > 0 ? [['no GPU used', bad, oneLine(problem)] as Line] : []),
  ]
}

/** What to do where there is a GPU that noprop cannot use. Without a GPU there is nothing to fix. */
function gpuAdvice(hardware: Hardware, problem: ErrorDetails | undefined): string[] {
  if (!problem || hardware.kernel.length + hardware.nvidiaSmi.lines.length + hardware.bus.length === 0) return []
  return [adviceFor(hardware), problem.hint && `${oneLine(problem)}: ${problem.hint}`].filter(
    (text) => text !== undefined,
  )
}

function systemOf({ libc, system }: Report): string {
  return `${libc ? `${libc.name} ${libc.version ?? ''}`.trim() : 'system'}${libc ? ', system' : ''} ${system}`
}
