/** Classes up to which a report has the whole table of confusions; of more it has the pairs that are taken for each other most often. */
export const MOST_CLASSES = 40

/** Those pairs. */
export const MOST_PAIRS = 100
