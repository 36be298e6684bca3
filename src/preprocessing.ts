/** What is done to raw data before a net sees them: `dataset.preprocessing`, and `model.config.preprocessing` of its model. */
export type Preprocessing = TablePreprocessing

/** How a row of a table becomes a sample: the values of its columns, one after the other. */
export interface TablePreprocessing {
  type: 'table'
  /** The column that has the labels. */
  label?: string
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
}

/** A value for each text: 1 for that of the row, else 0. What is missing, and what training did not see, is 0 in all. */
export interface CategoryColumn {
  type: 'category'
  name: string
  /** The texts that the training rows have, in the order of code points. */
  values: string[]
}

/** A preprocessing in a line for a person. */
export function preprocessingLine({ columns, label }: TablePreprocessing): string {
  const names = (type: string) => columns.filter((column) => column.type === type).map(({ name }) => name)
  const [numbers, categories] = [names('number'), names('category')]
  const parts = [
    numbers.length > 0 ? `standardised ${numbers.join(', ')}` : '',
    categories.length > 0 ? `one-hot ${categories.join(', ')}` : '',
    label === undefined ? '' : `label ${label}`,
  ]
  return parts.filter(Boolean).join('  ')
}
