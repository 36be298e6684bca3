import type { Command } from 'commander'
import { classesOf } from '../dataset.js'
import { nearest } from '../nearest.js'
import { printable } from '../printable.js'
import { ProgressDisplay } from '../progress/display.js'
import { counted, percent, table, thousands } from '../summary.js'
import { bestOf, type Planned, runTrials, type SweepTrial } from '../sweep/run.js'
import { combinations, type SweepRange, type SweepValues } from '../sweep/space.js'
import { openSplits, PICTURES, TABLE, TEST } from './data.js'
import { addFlags, badValue, Flag, number, parseNumber } from './flag.js'
import { addSweepFlags, fitOptionsOf, modelOptionsOf, netFor, sweptFlags } from './flags.js'
import { addExamples, addNote } from './help.js'
import { Interruption } from './interrupts.js'
import type { Io } from './io.js'
import { required, usage } from './usage.js'

/** An option to vary, and the texts that were typed. */
interface Varied {
  /** Its name as it was typed. */
  name: string
  flag: Flag
  texts: string[]
}

/** An option to draw numbers for. */
interface Drawn {
  name: string
  flag: Flag
  range: SweepRange
}

/** The flags that this command itself reads; the others become options of models and trainings. */
interface SweepFlags {
  data?: string
  limit?: number
  seed?: number
  out?: string
  threads?: number
  grid?: Varied[]
  range?: Drawn[]
  random?: number
}

const DATA = [
  new Flag('--data <name|dir|file>', 'what to train on, as for train'),
  new Flag('--limit <number>', 'use only the first N training samples', { read: number }),
  new Flag(
    '--out <dir>',
    'keep results, and the best model, in this directory; trials that are there are not trained again',
  ),
]

const SEARCH = [
  new Flag(
    '--grid <option=values>',
    'values of an option to try, lr=1e-3,3e-3; may be repeated, for all combinations',
    {
      read: (flag) => (text, before) => [...((before as Varied[]) ?? []), variedOf(flag, text)],
    },
  ),
  new Flag('--random <number>', 'try so many random combinations instead of all', { read: number }),
  new Flag('--range <option=from..to>', 'with --random: draw numbers, lr=1e-4..1e-2; may be repeated', {
    read: (flag) => (text, before) => [...((before as Drawn[]) ?? []), drawnOf(flag, text)],
  }),
]

export function define(command: Command, io: Io): void {
  addFlags(command, 'Search', SEARCH)
  addFlags(command, 'Data', [...DATA, ...TEST])
  addFlags(command, 'Tables', TABLE)
  addFlags(command, 'Folders of pictures', PICTURES)
  addSweepFlags(command)
  addExamples(
    command,
    'noprop sweep --data mnist --limit 5000 --grid lr=1e-3,3e-3 --grid hidden=64,128 --out search',
    'noprop sweep --data mnist --net mlp --grid hidden=128:64,512:512 --epochs 3',
    'noprop sweep --data wine.csv --label variety --random 20 --range lr=1e-4..1e-1 --range blocks=2..10',
  )
  addNote(
    command,
    'Lists within a value are written with colons: --grid hidden=128:64,512:512. Switches are yes or no.',
  )
  command.action((flags: SweepFlags) => search(flags, io))
}

async function search(flags: SweepFlags, io: Io): Promise<void> {
  const data = required(flags.data, '--data NAME|DIR|FILE')
  const { grid = [], range = [], random, seed = 0, out } = flags
  const all = assignments(grid, range, random, seed)
  const { train, test } = await openSplits({ data, limit: flags.limit, seed: flags.seed }, flags, io)
  io.signal.throwIfAborted()
  const names = [...grid, ...range].map(({ name }) => name)
  // The classes are those of both splits, as for train.
  const classes = classesOf(train, ...(test ? [test] : []))
  const net = netFor(train.shape)
  const planned: Planned[] = all.map(({ flags: own, values }) => {
    const given = { ...flags, ...own }
    const { validationSplit, ...fit } = fitOptionsOf(given)
    return { values, model: { classes, ...modelOptionsOf(given, net, train.shape) }, fit }
  })
  const { validationSplit } = fitOptionsOf(flags)
  io.note(`${data}: ${thousands(train.samples)} samples, ${train.shape.join('×')}; ${counted(all.length, 'trial')}`)

  const display = io.json ? undefined : new Shown(io)
  const finished: SweepTrial[] = []
  const rows = () => trialTable(names, all, finished)
  const onTrial = (trial: SweepTrial) => {
    display?.end()
    finished.push(trial)
    const { texts } = all[trial.trial - 1] as Assignment
    io.emit({ event: 'trial', trials: all.length, ...trial })
    const what = names.map((name) => `${name} ${texts[name]}`).join(', ')
    io.note(`trial ${trial.trial} of ${all.length}, ${what}: ${resultOf(trial)}${trial.resumed ? ', kept' : ''}`)
    if (out === undefined && io.failure) throw io.failure
  }
  const run = {
    validationSplit,
    seed,
    directory: out,
    signal: io.signal,
    onTrial,
    onEvent: (event: Parameters<ProgressDisplay['show']>[0]) => display?.show(event),
  }
  try {
    const { best, model, samples } = await runTrials(train, planned, run)
    const tested = test && (await model.evaluate(test, { threads: flags.threads, signal: io.signal }))
    io.emit({
      event: 'done',
      best,
      samples,
      trials: finished,
      ...(tested ? { testAccuracy: tested.accuracy, testLoss: tested.loss } : {}),
      ...(out === undefined ? {} : { out }),
    })
    io.print(rows())
    const { texts } = all[best.trial - 1] as Assignment
    io.print('')
    io.printFields([
      ['best', names.map((name) => `${name} ${texts[name]}`).join('  ')],
      [
        'validation',
        `${percent(best.accuracy as number)} of ${thousands(samples)} samples, loss ${best.loss?.toFixed(4)}`,
      ],
      ...(tested
        ? ([['test accuracy', `${percent(tested.accuracy)} of ${thousands(tested.samples)} samples`]] as const)
        : []),
      ['model', out === undefined ? 'not saved (--out DIR saves it)' : `${out}/best.safetensors`],
    ])
  } catch (error) {
    if (!(error instanceof Interruption)) throw error
    if (finished.length > 0) io.print(rows())
    const kept = `what is finished is kept in ${out}; the same command goes on from there`
    throw error.withHint(out === undefined ? 'nothing is kept; with --out DIR a sweep can be gone on with' : kept)
  } finally {
    display?.end()
  }
}

/** A display of the trial that is trained. */
class Shown {
  #display: ProgressDisplay | undefined

  constructor(readonly io: Io) {}

  show(event: Parameters<ProgressDisplay['show']>[0]): void {
    this.#display ??= new ProgressDisplay(this.io.screen)
    this.#display.show(event)
  }

  end(): void {
    this.#display?.end()
    this.#display = undefined
  }
}

/** A trial in the words of the command line. */
interface Assignment {
  /** Values by the paths of their options. */
  values: SweepValues
  /** Values by the names that commander gives flags. */
  flags: Record<string, unknown>
  /** What is shown of each, by the name that was typed. */
  texts: Record<string, string>
}

function assignments(grid: Varied[], range: Drawn[], random: number | undefined, seed: number): Assignment[] {
  if (grid.length + range.length === 0) {
    throw usage('there is nothing to try', 'name options and values: --grid lr=1e-3,3e-3')
  }
  if (range.length > 0 && random === undefined) throw usage('--range needs --random', 'add --random NUMBER')
  const typed = [...grid, ...range].map(({ flag }) => flag.path)
  const twice = [...grid, ...range].find(({ flag }, index) => typed.indexOf(flag.path) < index)
  if (twice) throw usage(`${twice.name} is named twice`, 'list all of its values once')
  const space = {
    grid: Object.fromEntries(grid.map(({ flag, texts }) => [flag.path, texts])),
    ranges: Object.fromEntries(range.map(({ flag, range }) => [flag.path, range])),
    ...(random === undefined ? {} : { random }),
  }
  return combinations(space, seed).map((combination) => {
    const made: Assignment = { values: {}, flags: {}, texts: {} }
    const values: Record<string, unknown> = {}
    for (const { name, flag } of [...grid, ...range]) {
      const text = String(combination[flag.path])
      const value = readAs(flag, text)
      values[flag.path] = value ?? false
      made.flags[flag.attributeName()] = value
      made.texts[name] = text
    }
    return { ...made, values }
  })
}

/** `lr=1e-3,3e-3`. */
function variedOf(flag: string, text: string): Varied {
  const [name, list] = named(flag, 'NAME=VALUE,VALUE', text)
  const varied = { name, flag: flagOf(flag, name), texts: list.split(',').map((part) => part.trim()) }
  for (const each of varied.texts) readAs(varied.flag, each)
  return varied
}

/** `lr=1e-4..1e-2`. */
function drawnOf(flag: string, text: string): Drawn {
  const [name, ends] = named(flag, 'NAME=FROM..TO', text)
  const [low = '', high, ...more] = ends.split('..')
  if (high === undefined || more.length > 0) throw badValue(flag, 'NAME=FROM..TO', text)
  const [from, to] = [parseNumber(flag, low), parseNumber(flag, high)]
  const whole = [low, high].every((end) => /^\d+$/.test(end.trim()))
  // What spans orders of magnitude is drawn by them.
  const scale = from > 0 && to >= 10 * from ? 'log' : 'linear'
  const found = flagOf(flag, name)
  readAs(found, String(from))
  return { name, flag: found, range: { from, to, scale, whole } }
}

function named(flag: string, expected: string, text: string): [name: string, rest: string] {
  const at = text.indexOf('=')
  if (at < 1 || at === text.length - 1) throw badValue(flag, expected, text)
  return [text.slice(0, at).trim(), text.slice(at + 1)]
}

/** The flag of an option: by its name here (`lr`) or in the API (`learning-rate`, `learningRate`, `net.hidden`). */
function flagOf(flag: string, name: string): Flag {
  const bare = name.replace(/^--/, '')
  const spelled = (path: string) => [path, path.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)]
  const names = (each: Flag) => [(each.long as string).slice(2), ...spelled(each.path)]
  const found = sweptFlags().find((each) => names(each).includes(bare))
  if (found) return found
  const known = sweptFlags().map((each) => (each.long as string).slice(2))
  const near = nearest(bare, known)
  throw usage(
    `${flag} ${printable(name)}: there is no such option to vary`,
    near ? `did you mean ${near}?` : `one of ${known.join(', ')}`,
  )
}

/** What a flag makes of a text; undefined for a switch that is off. */
function readAs(flag: Flag, text: string): unknown {
  if (flag.isBoolean()) {
    if (text === 'yes' || text === 'no') return text === 'yes' ? true : undefined
    throw badValue(`--grid ${flag.long}`, 'yes or no', text)
  }
  const typed = text.replaceAll(':', ',')
  return flag.parseArg ? flag.parseArg(typed, undefined as never) : typed
}

/** The trials, best first. */
function trialTable(names: readonly string[], all: readonly Assignment[], trials: readonly SweepTrial[]): string {
  const left = [...trials]
  const rows: string[][] = []
  while (left.length > 0) {
    const next = bestOf(left) ?? (left[0] as SweepTrial)
    left.splice(left.indexOf(next), 1)
    const { texts } = all[next.trial - 1] as Assignment
    const figures = next.accuracy === null ? ['diverged', ''] : [percent(next.accuracy), next.loss?.toFixed(4) ?? '']
    rows.push([
      String(next.trial),
      ...names.map((name) => texts[name] as string),
      ...figures,
      `${next.seconds.toFixed(1)} s`,
    ])
  }
  return table([['trial', ...names.map(printable), 'accuracy', 'loss', 'time'], ...rows])
}

function resultOf({ accuracy, loss }: SweepTrial): string {
  return accuracy === null ? 'diverged' : `validation accuracy ${percent(accuracy)}, loss ${loss?.toFixed(4)}`
}
