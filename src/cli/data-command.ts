import { Argument, type Command } from 'commander'
import { CATALOGUE, mebibytes } from '../data/catalogue.js'
import type { Label } from '../data/labels.js'
import { locate } from '../data/locate.js'
import { type ColumnFacts, classesOf, type Dataset, nativeDataset } from '../dataset.js'
import { nativeAsync } from '../errors.js'
import { nearest } from '../nearest.js'
import { printable } from '../printable.js'
import { withStopSignal } from '../stop-signal.js'
import { counted, percent, table, thousands } from '../summary.js'
import { openAny, PICTURES, TABLE, TEST } from './data.js'
import { downloadNotes } from './download-note.js'
import type { Field } from './fields.js'
import { addFlags, Flag, number } from './flag.js'
import { addExamples } from './help.js'
import type { Io } from './io.js'
import { usage } from './usage.js'

/** Pairs of equal samples, as the core counts them. */
interface Twins {
  count: number
  examples: [number, number][]
  /** Where the samples of the examples are from, where that is known. */
  places?: [Place, Place][]
}

/** Where a sample is from. */
interface Place {
  path?: string
  row?: number
}

/** Sizes of pictures in their files. */
type PictureSizes = Record<'smallest' | 'median' | 'largest', { width: number; height: number }>

/** What the core counts over the samples of a data set. */
interface Statistics {
  samples: number
  perClass: number[]
  minimum: number
  maximum: number
  mean: number
  std: number
  constant: number[]
  duplicates: Twins
  contradictions: Twins
}

/** Most classes whose samples are listed. */
const MOST_CLASSES = 20
/** Most groups of similar classes that are told with --json. */
const MOST_SIMILAR = 100
/** So many pairs of equal samples are shown, of files fewer: paths are long. */
const MOST_PAIRS = 5
const MOST_PATHS = 2
/** Most columns that are listed. */
const MOST_COLUMNS = 100
/** A class with fewer samples than this share of the mean is told. */
const FEW = 0.1

const FLAGS = [
  new Flag('--limit <number>', 'look at the first N training samples only', { read: number }),
  new Flag('--seed <number>', 'seed of --test-split (default: 0)', { read: number }),
]

export function define(command: Command, io: Io): void {
  command.argument(
    '<data>',
    'name, directory, folder of pictures or table; or fetch, to download one that is known by name',
  )
  command.addArgument(new Argument('[name]', 'fetch: the name of the data set'))
  addFlags(command, 'Data', [...FLAGS, ...TEST])
  addFlags(command, 'Tables', TABLE)
  addFlags(command, 'Folders of pictures', PICTURES)
  addExamples(command, 'noprop data photos/', 'noprop data wine.csv --label variety', 'noprop data fetch mnist')
  command.action((data: string, name: string | undefined, flags: { limit?: number; seed?: number }) =>
    data === 'fetch' ? fetchKnown(name, io) : describeData(data, name, flags, io),
  )
}

/** Makes sure that a data set that is known by name is on this machine. */
async function fetchKnown(name: string | undefined, io: Io): Promise<void> {
  const names = Object.keys(CATALOGUE)
  const known = name !== undefined && Object.hasOwn(CATALOGUE, name) ? CATALOGUE[name] : undefined
  if (name === undefined || known === undefined) {
    const near = name === undefined ? undefined : nearest(name, names)
    const what = name === undefined ? 'the name of the data set is missing' : `there is no known data set ${name}`
    throw usage(what, near ? `did you mean ${near}?` : `one of ${names.join(', ')}`)
  }
  const directory = await locate(name, { signal: io.signal, ...downloadNotes(io) })
  io.emit({ event: 'done', name, directory, licence: known.licence })
  io.printFields([
    ['data set', name],
    ['directory', directory],
    ['terms', known.licence],
    ['download', mebibytes(known.files.reduce((sum, { bytes }) => sum + bytes, 0))],
  ])
}

async function describeData(
  data: string,
  extra: string | undefined,
  flags: { limit?: number; seed?: number },
  io: Io,
): Promise<void> {
  if (extra !== undefined) throw usage(`unexpected argument '${extra}'`, 'name one data set')
  const { train, test, notes, columns } = await openAny({ data, limit: flags.limit, seed: flags.seed }, flags, io)
  const { statistics, shared } = JSON.parse(
    await nativeAsync(() => nativeDataset(train).statistics(test ? nativeDataset(test) : null)),
  ) as { statistics: Statistics; shared: Twins | null }
  const held = test
    ? (JSON.parse(await nativeAsync(() => nativeDataset(test).statistics(null))).statistics as Statistics)
    : null
  const sizes = await withStopSignal(io.signal, (stop) =>
    nativeDataset(train).pictureSizes(test ? nativeDataset(test) : null, stop),
  )
  const pictures = JSON.parse(sizes) as PictureSizes | null
  const similar = similarLabels(classesOf(train, ...(test ? [test] : [])))
  const warnings = warningsOf(train, test, statistics, shared, similar)
  if (columns && train.classes.length === 0 && train.targetCount === 0) {
    warnings.push('there are no labels; name their column (--label), or those of numbers to predict (--target)')
  }
  io.emit({
    event: 'done',
    shape: train.shape,
    classes: train.classes,
    train: statistics,
    test: held && { classes: test?.classes, ...held },
    shared,
    pictures,
    similarClasses: similar,
    preprocessing: train.preprocessing,
    ...(columns && columns.length > 0 ? { columns } : {}),
    notes,
    warnings,
  })
  io.printFields(rows(train, test, statistics, pictures))
  if (columns && columns.length > 0) io.print(`\n${columnTable(columns)}`)
  if (warnings.length > 0) io.print('')
  for (const warning of warnings) io.print(printable(`! ${warning}`))
}

function rows(train: Dataset, test: Dataset | null, found: Statistics, pictures: PictureSizes | null): Field[] {
  const { perClass, minimum, maximum, mean, std } = found
  const { classes, shape } = train
  const number = (value: number) => String(Number(value.toPrecision(4)))
  const shares = perClass.slice(0, MOST_CLASSES).map((count, index) => {
    return `${classes[index]}: ${thousands(count)} (${percent(count / found.samples, 1)})`
  })
  if (perClass.length > MOST_CLASSES) shares.push('…')
  return [
    ['samples', `${thousands(found.samples)} to train on, ${test ? thousands(test.samples) : 'none'} for the test`],
    ['shape', shape.join('×')],
    ...(pictures ? [['pictures', sizesOf(pictures)] as Field] : []),
    ...(classes.length === 0
      ? []
      : [['classes', thousands(classes.length)] as Field, ['per class', shares.join('  ')] as Field]),
    [
      'values',
      `from ${number(minimum)} to ${number(maximum)}, mean ${number(mean)}, standard deviation ${number(std)}`,
    ],
  ]
}

function sizesOf({ smallest, median, largest }: PictureSizes): string {
  const size = ({ width, height }: { width: number; height: number }) => `${width}×${height}`
  if (size(smallest) === size(largest)) return `${size(median)} in the files (width × height)`
  return `from ${size(smallest)} to ${size(largest)} in the files, median ${size(median)} (width × height)`
}

/** Classes whose names differ by nothing but case and blanks around them, or how their letters are put together. */
function similarLabels(classes: readonly Label[]): string[][] {
  const groups = new Map<string, string[]>()
  for (const label of classes) {
    if (typeof label !== 'string') continue
    const key = label.normalize('NFC').trim().replace(/\s+/g, ' ').toLowerCase()
    groups.set(key, [...(groups.get(key) ?? []), label])
  }
  return [...groups.values()].filter((labels) => labels.length > 1).slice(0, MOST_SIMILAR)
}

/** The first pairs, by the places that people know them by. */
function pairs({ count, examples, places }: Twins): string {
  const arePaths = places?.[0]?.some(({ path }) => path !== undefined)
  const most = arePaths ? MOST_PATHS : MOST_PAIRS
  const named = examples.slice(0, most).map((pair, index) => {
    const [one, other] = pair.map((sample, side) => {
      const place = places?.[index]?.[side]
      return place?.path ?? place?.row ?? sample
    })
    return `${one} and ${other}`
  })
  return `${named.join(', ')}${count > most ? ', …' : ''}`
}

/** A line a column. */
function columnTable(columns: readonly ColumnFacts[]): string {
  const kindOf = ({ kind, categories }: ColumnFacts) => (categories ? `${kind} (${thousands(categories)})` : kind)
  const shown = columns
    .slice(0, MOST_COLUMNS)
    .map((column) => [printable(column.name), kindOf(column), thousands(column.missing)])
  if (columns.length > shown.length) shown.push(['…', `${thousands(columns.length)} columns`, ''])
  return table([['column', 'kind', 'missing'], ...shown], 2)
}

/** What may spoil a training, in sentences. */
function warningsOf(
  train: Dataset,
  test: Dataset | null,
  found: Statistics,
  shared: Twins | null,
  similar: readonly string[][],
): string[] {
  const { perClass, constant, duplicates, contradictions } = found
  const warnings: string[] = []
  const { classes } = train
  if (classes.length === 1) warnings.push(`there is one class only: ${classes[0]}`)
  const usual = found.samples / Math.max(1, classes.length)
  const rare = classes.filter((_, index) => (perClass[index] as number) < Math.max(2, FEW * usual))
  if (rare.length > 0) warnings.push(`classes with few samples: ${shortened(rare)}`)
  const missing = test ? test.classes.filter((label) => !classes.includes(label)) : []
  if (missing.length > 0) warnings.push(`classes of the test without training samples: ${shortened(missing)}`)
  if (similar.length > 0) {
    const named = similar
      .slice(0, MOST_PAIRS)
      .map((labels) => labels.map((label) => JSON.stringify(label)).join(' and '))
    const more = similar.length > MOST_PAIRS ? ', …' : ''
    warnings.push(`classes that differ by case or blanks only: ${named.join(', ')}${more}`)
  }
  if (contradictions.count > 0) {
    warnings.push(`${counted(contradictions.count, 'sample')} equal to one of another label: ${pairs(contradictions)}`)
  }
  if (duplicates.count > 0)
    warnings.push(`${counted(duplicates.count, 'sample')} equal to an earlier one: ${pairs(duplicates)}`)
  if (shared && shared.count > 0) {
    warnings.push(`${counted(shared.count, 'test sample')} also to train on (train and test): ${pairs(shared)}`)
  }
  if (constant.length > 0) {
    const total = train.shape.reduce((product, side) => product * side, 1)
    warnings.push(`${thousands(constant.length)} of ${counted(total, 'value')} of a sample never change`)
  }
  return warnings
}

function shortened(labels: readonly (string | number)[]): string {
  return `${labels.slice(0, 10).join(', ')}${labels.length > 10 ? `, … (${labels.length})` : ''}`
}
