const numbered = (block: number) => String(block).padStart(4, '0')

/** The run ids and block numbers that keys may have. */
const RUN = /^[0-9a-f]{64}$/
const BLOCK = /^\d{4,5}$/

/** Where things are in the store. */
export const keys = {
  /** Of all data sets. */
  data: 'data/',
  /** A data set, by its fingerprint. */
  dataset: (fingerprint: string) => `data/${fingerprint}`,
  /** Of all runs. */
  runs: 'runs/',
  /** Of one run. */
  of: (run: string) => `runs/${run}/`,
  /** What a run is. */
  run: (run: string) => `runs/${run}/run.json`,
  /** That it was cancelled. */
  cancelled: (run: string) => `runs/${run}/cancelled`,
  /** The encoder whose features its blocks see. */
  encoder: (run: string) => `runs/${run}/encoder`,
  /** Of its finished blocks. */
  blocks: (run: string) => `runs/${run}/blocks/`,
  /** A finished block: a part of the model. */
  block: (run: string, block: number) => `runs/${run}/blocks/${numbered(block)}`,
  /** The state of a block in training. */
  state: (run: string, block: number) => `runs/${run}/states/${numbered(block)}`,
  /** Of blocks that failed. */
  failures: (run: string) => `runs/${run}/failures/`,
  /** Why a block failed. */
  failure: (run: string, block: number) => `runs/${run}/failures/${numbered(block)}`,
}

export function isSha256(text: unknown): boolean {
  return typeof text === 'string' && RUN.test(text)
}

/** The block of a name behind `blocks/` or `failures/`; undefined for what is none. */
export function blockOf(name: string): number | undefined {
  return BLOCK.test(name) ? Number(name) : undefined
}
