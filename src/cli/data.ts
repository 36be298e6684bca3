import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { CATALOGUE } from '../data/catalogue.js'
import { locate } from '../data/locate.js'
import { isParquet } from '../data/parquet.js'
import { hasPictures } from '../data/parquet-pictures.js'
import { type ColumnFacts, type Dataset, datasetFromDirectory, type Splits } from '../dataset.js'
import { fromSystem, NoPropError, native } from '../errors.js'
import { type FolderOptions, parquetFiles, splitsFromFolder } from '../folder.js'
import { getNative } from '../native.js'
import { nearest } from '../nearest.js'
import type { ModelConfig } from '../options.js'
import type { Preprocessing } from '../preprocessing.js'
import { readTable, splitsFromTable, type TableOptions } from '../table.js'
import { downloadNotes } from './download-note.js'
import { badValue, Flag, number, optionsOf, type Values } from './flag.js'
import type { Io } from './io.js'
import { usage } from './usage.js'

/** Reads names separated by commas. */
function names(): (text: string) => string[] {
  return (text) => text.split(',').map((name) => name.trim())
}

const LABEL = new Flag('--label <column>', 'the column that has the labels')

/** Flags of what the columns of a table are, the first also of pictures in Parquet files. */
const COLUMNS = [
  LABEL,
  new Flag('--target <list>', 'the columns of numbers to predict, instead of --label', { read: names }),
  new Flag('--columns <list>', 'columns to learn from (default: all but the label and the targets)', { read: names }),
  new Flag('--ignore <list>', 'columns to leave out, such as an ID', { read: names }),
  new Flag('--categories <list>', 'columns of numbers that are categories, such as a postcode', { read: names }),
]

/** Flags of tables. */
export const TABLE = [...COLUMNS, ...layoutFlags()]

/** Flags of folders of pictures alone. */
export const PICTURES = [
  new Flag('--size <WxH>', 'width and height of a sample in pixels (default: proposed from the pictures)', {
    read: (flag) => (text) => sizeOf(flag, text),
  }),
  new Flag(
    '--fit <cover|contain|stretch>',
    'pictures of another ratio: cut, between stripes, or stretched (default: cover)',
  ),
  new Flag('--channels <1|3>', 'grey or colours (default: 1 if every picture is grey)', { read: number }),
  new Flag('--memory-limit <MiB>', 'keep samples that take more on disk (default: half of the memory)', {
    read: number,
  }),
  new Flag('--strict', 'fail at the first picture that cannot be read (default: leave it out)'),
]

/** Flags of the test samples. */
export const TEST = [
  new Flag('--test <dir|file>', 'test samples from another directory or table'),
  new Flag('--test-split <share>', 'hold out this share of the samples for the test, of each class alike', {
    read: number,
  }),
]

/** Flag of an evaluation on what the training held out. */
export const HELD_OUT = new Flag(
  '--test-split <share>',
  'measure on the share that noprop train --test-split held out of the same data (default: on all of them)',
  { read: number },
)

/** Flags of how a text file is laid out. */
export function layoutFlags(): Flag[] {
  return [
    new Flag(
      '--header <yes|no>',
      'whether the first row names the columns (default: if none of its cells is a number)',
      {
        read: (flag) => (text) => yesOrNo(flag, text),
      },
    ),
    new Flag('--delimiter <character>', 'what separates cells, or tab (default: comma, semicolon, tab or bar)'),
  ]
}

/** What the flags say of the data. */
export interface DataFlags {
  data: string
  limit?: number | undefined
  seed?: number | undefined
}

/** What a model that is trained on says of the data. */
export type OfModel = Pick<ModelConfig, 'input' | 'preprocessing'>

/**
 * Data sets for training and test, from whatever `--data` names; with a `model` as it sees them. Notes what is worth knowing.
 */
export async function openSplits(flags: DataFlags, values: Values, io: Io, model?: OfModel): Promise<Splits> {
  const splits = await openAny(flags, values, io, model)
  const { train, columns } = splits
  if (columns === undefined || train.classes.length > 0 || train.targetCount > 0) return splits
  const found = columns.slice(0, 20).map(({ name }) => name)
  throw usage(
    'the option --label is missing',
    `add --label COLUMN, or --target COLUMN for numbers; ${flags.data} has ${found.join(', ') || 'no labels'}`,
  )
}

/** As `openSplits`, also without labels; with what the columns of a table hold. */
export async function openAny(
  { data, limit, seed }: DataFlags,
  values: Values,
  io: Io,
  model?: OfModel,
): Promise<Splits & { columns?: ColumnFacts[] }> {
  const { test, testSplit } = optionsOf<{ test?: string; testSplit?: number }>(values, TEST)
  const common = { ...withoutUndefined({ limit, seed, test, testSplit }), signal: io.signal }
  const splits = await read(data, common, values, io, model)
  for (const note of splits.notes) io.note(note)
  return splits
}

async function read(
  data: string,
  common: FolderOptions & TableOptions,
  values: Values,
  io: Io,
  model?: OfModel,
): Promise<Splits & { columns?: ColumnFacts[] }> {
  const kind = await kindOf(data, io)
  refuseFlags(kind, data, values)
  if (kind.type === 'table') return readTable(data, { ...tableOptions(values, model), ...common })
  if (kind.type === 'pictures') {
    return splitsFromPictures(kind.directory, { ...folderOptions(values), ...seenAs(values, model), ...common }, io)
  }
  return splitsFromFiles(kind, common, io)
}

/** IDX or CIFAR files. */
async function splitsFromFiles(kind: Kind, { limit, seed, test, testSplit }: TableOptions, io: Io): Promise<Splits> {
  const { directory, parts } = kind
  const samples = await datasetFromDirectory(directory, 'train', limit)
  const hasTest = parts.includes('test')
  if ((hasTest || test !== undefined) && testSplit !== undefined) {
    throw new NoPropError({
      code: 'NOPROP_OPTION',
      what: 'the test samples are named twice',
      expected: 'test samples of the data set, option test, or option testSplit',
      hint: 'leave out option testSplit',
    })
  }
  if (typeof test === 'string') {
    const found = await kindOf(test, io)
    if (found.type !== 'files')
      throw usage(`--test ${test} is of another kind than --data`, 'name a directory of IDX or CIFAR files')
    const part = found.parts.includes('test') ? 'test' : 'train'
    return { train: samples, test: await datasetFromDirectory(found.directory, part), notes: [] }
  }
  if (testSplit !== undefined) {
    const { train, test } = await samples.split(testSplit, seed === undefined ? {} : { seed })
    samples.dispose()
    return { train, test, notes: [] }
  }
  return { train: samples, test: hasTest ? await datasetFromDirectory(directory, 'test') : null, notes: [] }
}

async function splitsFromPictures(folder: string, options: FolderOptions, io: Io): Promise<Splits> {
  let failed = 0
  const onError = (error: NoPropError) => {
    failed++
    if (failed <= MOST_SHOWN) io.complain(error)
  }
  return splitsFromFolder(folder, { ...options, onError })
}

/** So many damaged pictures are told with all that is known of them; a note counts them. */
const MOST_SHOWN = 20

/** Samples to measure a model on (labelled), or to predict, from whatever `--data` names. */
export async function openTest(
  data: string,
  preprocessing: Preprocessing | undefined,
  labels: boolean,
  values: Values,
  input: readonly number[],
  io: Io,
): Promise<Dataset> {
  const kind = await kindOf(data, io)
  if (kind.type === 'table') {
    const layout = optionsOf<TableOptions>(values, layoutFlags())
    const options = { ...layout, ...(preprocessing ? { preprocessing } : {}), signal: io.signal }
    return testOf(await splitsFromTable(data, options))
  }
  if (kind.type === 'files') {
    return datasetFromDirectory(
      kind.directory,
      kind.parts.includes('test') || labels ? 'test' : 'train',
      undefined,
      labels,
    )
  }
  const seen = seenAs({}, { input: [...input], ...(preprocessing ? { preprocessing } : {}) })
  const splits = await splitsFromPictures(kind.directory, { ...seen, signal: io.signal }, io)
  for (const note of splits.notes) io.note(note)
  return testOf(splits)
}

/** The samples of the test, or all where there are none of it. */
function testOf({ train, test }: Splits): Dataset {
  if (!test) return train
  train.dispose()
  return test
}

/** What `--data` names. */
interface Kind {
  type: 'table' | 'pictures' | 'files'
  /** The directory; of a table the file. */
  directory: string
  /** What IDX or CIFAR files there are. */
  parts: string[]
  /** Whether pictures are in Parquet files. */
  inParquet?: boolean
}

async function kindOf(data: string, io: Io): Promise<Kind> {
  if (!Object.hasOwn(CATALOGUE, data)) {
    const inParquet = isParquet(data)
      ? isFile(data) && (await hasPictures(data))
      : parquetFiles(data, null) !== undefined
    if (inParquet) return { type: 'pictures', directory: data, parts: [], inParquet }
    if (isFile(data)) return { type: 'table', directory: data, parts: [] }
    if (!existsSync(data)) throw nothingThere(data)
  }
  const directory = await locate(data, { signal: io.signal, ...downloadNotes(io) })
  const parts = native(() => getNative().NativeDataset.parts(directory))
  // A directory of nothing that is known is taken for one of IDX files that are missing, unless it has folders.
  const isPictures = parts.length === 0 && !Object.hasOwn(CATALOGUE, data) && hasFolders(directory)
  return { type: isPictures ? 'pictures' : 'files', directory, parts }
}

function nothingThere(data: string): NoPropError {
  const names = Object.keys(CATALOGUE)
  const near = nearest(data, names)
  return new NoPropError({
    code: 'NOPROP_FILE_NOT_FOUND',
    what: `there is no file or directory ${data}`,
    expected: `a table, a folder of pictures, a directory of IDX or CIFAR files, or one of ${names.join(', ')}`,
    hint: near ? `did you mean ${near}?` : 'check the path',
  })
}

/** Whether there are visible folders, which may be those of classes. */
function hasFolders(directory: string): boolean {
  try {
    const entries = readdirSync(directory, { withFileTypes: true })
    return entries.some(({ name }) => !name.startsWith('.') && name !== '__MACOSX' && isFolder(join(directory, name)))
  } catch (error) {
    throw fromSystem(`cannot read the directory ${directory}`, error)
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    // A link that leads nowhere.
    return false
  }
}

/** Whether it is something that is no directory, which reading it tells more of. */
export function isFile(path: string): boolean {
  try {
    return !statSync(path).isDirectory()
  } catch {
    return false
  }
}

/** Refuses flags that do not concern data of that kind. */
function refuseFlags({ type, inParquet }: Kind, data: string, values: Values): void {
  const ofTables = inParquet ? TABLE.filter((flag) => flag !== LABEL) : TABLE
  const foreign = [...(type === 'table' ? [] : ofTables), ...(type === 'pictures' ? [] : PICTURES)]
  const given = foreign.find((flag) => (values as Record<string, unknown>)[flag.attributeName()] !== undefined)
  if (!given) return
  const kind = { table: 'a table', pictures: 'a folder of pictures', files: 'a data set of IDX or CIFAR files' }[type]
  const whose = TABLE.includes(given) ? 'tables (CSV, TSV, NDJSON, .npy, .npz)' : 'folders of pictures'
  throw usage(`${given.long} does not apply: ${data} is ${kind}`, `${given.long} is for ${whose}`)
}

/** The options of a table: those of flags, or what the model has learned of its own table. */
function tableOptions(values: Values, model: OfModel | undefined): TableOptions {
  const preprocessing = model?.preprocessing
  if (preprocessing?.type !== 'table') return optionsOf<TableOptions>(values, TABLE)
  const { label, target, ...others } = optionsOf<TableOptions>(values, COLUMNS)
  const same = (one: unknown, other: unknown) => one === undefined || JSON.stringify(one) === JSON.stringify(other)
  const isOther = [
    ...(same(label, preprocessing.label) ? [] : ['--label']),
    ...(same(target, preprocessing.target) ? [] : ['--target']),
    ...Object.keys(others).map((name) => `--${name}`),
  ]
  if (isOther[0] === undefined) return { ...optionsOf<TableOptions>(values, layoutFlags()), preprocessing }
  throw usage(
    `${isOther[0]} says something else of the table than the model`,
    `leave out ${isOther[0]}: the model knows the columns that it was trained on (noprop inspect shows them)`,
  )
}

/** How a model sees pictures; flags that say otherwise are refused. */
function seenAs(values: Values, model: OfModel | undefined): FolderOptions {
  const [height, width, channels] = (model?.input ?? []) as [number?, number?, (1 | 3)?]
  if (height === undefined || width === undefined || channels === undefined) return {}
  const fit = model?.preprocessing?.type === 'images' ? model.preprocessing.fit : 'cover'
  const seen = { size: [height, width] as [number, number], channels, fit }
  const given = optionsOf<Record<string, unknown>>(values, PICTURES)
  const other = (Object.keys(seen) as (keyof typeof seen)[]).find(
    (name) => given[name] !== undefined && JSON.stringify(given[name]) !== JSON.stringify(seen[name]),
  )
  if (other === undefined) return seen
  throw usage(
    `--${other} says something else of the pictures than the model`,
    `leave out --${other}: the model sees pictures of ${width}x${height}x${channels}, fit ${fit}`,
  )
}

function folderOptions(values: Values): FolderOptions {
  return optionsOf(values, [...PICTURES, LABEL])
}

function sizeOf(flag: string, text: string): [number, number] {
  const match = text.match(/^(\d{1,5})(?:x(\d{1,5}))?$/)
  if (!match) throw badValue(flag, 'width and height, such as 64x48, or one number for both', text)
  const [width, height] = [Number(match[1]), Number(match[2] ?? match[1])]
  return [height, width]
}

function yesOrNo(flag: string, text: string): boolean {
  if (text === 'yes' || text === 'no') return text === 'yes'
  throw badValue(flag, 'yes or no', text)
}

function withoutUndefined<Options extends object>(options: Options): Options {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options
}
