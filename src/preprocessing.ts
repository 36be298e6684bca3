/** What is done to raw data before a net sees them: `dataset.preprocessing`, and `model.config.preprocessing` of its model. */
export type Preprocessing = TablePreprocessing | ImagePreprocessing

/** How a picture of any size becomes a sample. */
export interface ImagePreprocessing {
  type: 'images'
  /** What happens to pictures of another ratio than a sample's. */
  fit: Fit
}

/**
 * `cover`: the picture fills the sample, and what stands out is cut off; `contain`: all of it is in the sample, between black
 * stripes; `stretch`: it becomes wider or narrower.
 */
export type Fit = 'cover' | 'contain' | 'stretch'

/** How a row of a table becomes a sample: the values of its columns, one after the other. */
export interface TablePreprocessing {
  type: 'table'
  /** The column that has the labels. */
  label?: string
  /** The columns that have the numbers to predict; left out where there are none. */
  target?: string[]
  /** Those of `target` whose texts have a decimal comma; left out where there are none. */
  decimalComma?: string[]
  /** Those of `target` whose texts have commas between thousands; left out where there are none. */
  thousandsComma?: string[]
  /** The columns that the net sees, in this order. */
  columns: (NumberColumn | CategoryColumn)[]
}

/** One value, (x − mean) / std. What is missing counts as the mean, so its value is 0. */
export interface NumberColumn {
  type: 'number'
  name: string
  /** Mean of the training rows. */
  mean: number
  /** Standard deviation of the training rows (divided by n); 1 where all are equal. */
  std: number
  /** Whether texts have a decimal comma; left out where they have not. */
  decimalComma?: boolean
  /** Whether texts have commas between thousands, and a decimal point; left out where they have not. */
  thousandsComma?: boolean
}

/** A value for each text: 1 for that of the row, else 0. What is missing, and what training did not see, is 0 in all. */
export interface CategoryColumn {
  type: 'category'
  name: string
  /** The texts that the training rows have, in the order of code points. */
  values: string[]
}

/** What a preprocessing does, a line a column, for a person. */
export function preprocessingFacts(preprocessing: Preprocessing): Record<string, string> {
  if (preprocessing.type === 'images') return { pictures: `resized, fit ${preprocessing.fit}` }
  const facts = preprocessing.columns.map((column): [string, string] => [column.name, columnFact(column)])
  return Object.fromEntries([
    ...facts,
    ...(preprocessing.label === undefined ? [] : [[preprocessing.label, 'the label']]),
    ...(preprocessing.target ?? []).map((name) => [name, 'a target']),
  ])
}

function columnFact(column: NumberColumn | CategoryColumn): string {
  if (column.type === 'category') return `one-hot: ${column.values.join(', ')}`
  const [mean, std] = [column.mean, column.std].map((value) => Number(value.toPrecision(6)))
  const signs = column.decimalComma ? ', decimal comma' : column.thousandsComma ? ', commas between thousands' : ''
  return `standardised: mean ${mean}, standard deviation ${std}${signs}`
}
