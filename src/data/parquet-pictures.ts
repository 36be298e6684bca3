import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { NoPropError } from '../errors.js'
import { isParquet, openParquet } from './parquet.js'

/** Pictures as files hold them, with a label each; what the addon takes. */
export interface EncodedPictures {
  /** The file that they are from. */
  place: string
  /** What each is called. */
  names: string[]
  pictures: Uint8Array[]
  /** A label each; with `classes`, its position in them. */
  labels: Int32Array
  classes?: string[]
}

/** Parquet files for training and test, and those of a validation that are left out. */
export interface ParquetFiles {
  train: string[]
  test: string[]
  left: string[]
}

/** A column of a Parquet file, as its schema has it. */
interface Column {
  element: { name: string }
  children: Column[]
}

/** Columns that are taken for the label where none is named. */
const LABELS = ['label', 'labels', 'class', 'target', 'fine_label']

/**
 * Whether a Parquet file has a column of pictures, as hubs keep them: the content of a file (`bytes`) and what it was called (`path`).
 * Throws as `rowsOfParquet` does.
 */
export async function hasPictures(path: string): Promise<boolean> {
  return pictureColumn((await openParquet(path)).columns) !== undefined
}

/** The Parquet files of a directory, or of its folder `data`, by the split that their names begin with: `train-00000-of-00002.parquet`. */
export function parquetSplits(directory: string): ParquetFiles | undefined {
  for (const folder of [directory, join(directory, 'data')]) {
    const names = existsSync(folder) ? readdirSync(folder).filter(isParquet).sort() : []
    const of = (...splits: string[]) =>
      names.filter((name) => splits.includes(name.split(/[-_.]/, 1)[0] as string)).map((name) => join(folder, name))
    const train = of('train')
    const [test, validation] = [of('test'), of('validation', 'valid', 'val')]
    if (train.length > 0)
      return test.length > 0 ? { train, test, left: validation } : { train, test: validation, left: [] }
  }
  return undefined
}

/**
 * The pictures of Parquet files, and their labels, which have names where the files say so. The pictures are not decoded yet. Throws
 * as `rowsOfParquet` does, and NOPROP_OPTION where there is no column of labels.
 */
export async function picturesOfParquet(paths: readonly string[], label?: string): Promise<EncodedPictures> {
  const place = paths.length === 1 ? (paths[0] as string) : `${paths[0]} and others`
  const [names, pictures, labels]: [string[], Uint8Array[], unknown[]] = [[], [], []]
  let classes: string[] | undefined
  for (const path of paths) {
    const file = await openParquet(path)
    const image = pictureColumn(file.columns)
    if (image === undefined) {
      throw new NoPropError({
        code: 'NOPROP_FILE_FORMAT',
        what: `${path} has no column of pictures`,
        expected: 'a column with the fields bytes and path',
        received: file.columns.map(({ element }) => element.name).join(', '),
        hint: 'tables without pictures are read as such (datasets.fromTable)',
      })
    }
    const features = featuresOf(file.metadata)
    const column = labelColumn(file.columns, image, features, label, path)
    classes ??= features[column]?.names
    for await (const rows of file.rows([image, column])) {
      for (const row of rows) {
        const picture = row[image] as { bytes?: unknown; path?: unknown } | null
        if (!(picture?.bytes instanceof Uint8Array)) throw noPicture(image, pictures.length, place)
        const called = typeof picture.path === 'string' ? picture.path : undefined
        names.push(`${path}, row ${pictures.length}${called ? ` (${called})` : ''}`)
        pictures.push(picture.bytes)
        labels.push(row[column])
      }
    }
  }
  return { place, names, pictures, ...labelled(labels, classes, place) }
}

function pictureColumn(columns: readonly Column[]): string | undefined {
  const isPicture = ({ children }: Column) => {
    const fields = children.map(({ element }) => element.name)
    return fields.includes('bytes') && fields.includes('path')
  }
  return columns.find(isPicture)?.element.name
}

function labelColumn(
  columns: readonly Column[],
  image: string,
  features: Features,
  wanted: string | undefined,
  path: string,
): string {
  const names = columns.map(({ element }) => element.name).filter((name) => name !== image)
  const known = [...LABELS, ...names.filter((name) => features[name]?.names), ...(names.length === 1 ? names : [])]
  const found = (wanted === undefined ? known : [wanted]).find((name) => names.includes(name))
  if (found !== undefined) return found
  throw new NoPropError({
    code: 'NOPROP_OPTION',
    what: wanted === undefined ? `no column of ${path} is known to have the labels` : `${path} has no column ${wanted}`,
    expected: names.length > 0 ? `one of ${names.join(', ')}` : 'a column beside that of the pictures',
    hint: 'name the column in option label',
  })
}

/** What a file says of its columns. */
type Features = Record<string, { names?: string[] } | undefined>

/** The features that the library `datasets` writes into a file: names of classes. */
function featuresOf(metadata: readonly { key: string; value?: string | undefined }[]): Features {
  const text = metadata.find(({ key }) => key === 'huggingface')?.value
  try {
    const features: unknown = JSON.parse(text ?? '{}')?.info?.features
    const entries = Object.entries((features ?? {}) as Record<string, { names?: unknown } | null>)
    return Object.fromEntries(
      entries.map(([name, feature]) => {
        const names = feature?.names
        const isList = Array.isArray(names) && names.length > 0 && names.every((each) => typeof each === 'string')
        return [name, isList ? { names: names as string[] } : undefined]
      }),
    )
  } catch {
    // The pictures can be read without.
    return {}
  }
}

function labelled(labels: readonly unknown[], classes: string[] | undefined, place: string) {
  if (labels.every((label) => typeof label === 'string')) {
    const names = [...new Set(labels as string[])]
    const positions = new Map(names.map((name, position) => [name, position]))
    return { labels: Int32Array.from(labels as string[], (label) => positions.get(label) as number), classes: names }
  }
  const numbers = labels.map((label, index) => {
    const number = typeof label === 'bigint' ? Number(label) : label
    if (typeof number === 'number' && Number.isInteger(number) && Math.abs(number) < 2 ** 31) return number
    throw new NoPropError({
      code: 'NOPROP_LABEL',
      what: `the label of row ${index} of ${place} is no class`,
      expected: 'whole numbers, or texts',
      received: label === null || label === undefined ? 'nothing' : String(label),
    })
  })
  return { labels: Int32Array.from(numbers), ...(classes ? { classes } : {}) }
}

function noPicture(column: string, row: number, place: string): NoPropError {
  return new NoPropError({
    code: 'NOPROP_VALUE',
    what: `row ${row} of ${place} has no picture in column ${column}`,
    expected: 'the content of a picture file',
    received: 'nothing, or only a path',
    hint: 'write the file with the pictures in it, or keep them as files in folders',
  })
}
