import type { ModelConfig } from './options.js'

/** A tensor of a block. */
export interface TensorSummary {
  name: string
  shape: number[]
  /** Trained numbers in it; 0 for running statistics. */
  parameters: number
}

/** `1234567` as `1,234,567`. */
export function thousands(value: number): string {
  return value.toLocaleString('en-US')
}

/** `97.64 %` of a share. */
export function percent(share: number, digits = 2): string {
  return `${(100 * share).toFixed(digits)} %`
}

/** `1 block`, `3 blocks`. */
export function counted(count: number, thing: string): string {
  return `${thousands(count)} ${thing}${count === 1 ? '' : 's'}`
}

/** `1: 92.5 %  2: 93.0 %`, a block after the other. */
export function accuracyAfterBlocks(accuracies: readonly number[], digits = 2): string {
  return accuracies.map((accuracy, index) => `${index + 1}: ${percent(accuracy, digits)}`).join('  ')
}

/** Lines up rows of text: the first column to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[0] as number) : cell.padStart(widths[column] as number),
    )
  return rows.map((row) => line(row).join('  ').trimEnd()).join('\n')
}

/** A model in one line, as `console.log` shows it. */
export function modelLine({ input, classes, blocks, net }: ModelConfig, parameters: number, trained: boolean): string {
  const parts = [
    `${input.join('×')} → ${thousands(classes.length)} classes`,
    `${thousands(blocks)} ${net.type} ${blocks === 1 ? 'block' : 'blocks'}`,
    `${thousands(parameters)} parameters`,
    trained ? 'trained' : 'untrained',
  ]
  return `NoProp(${parts.join(', ')})`
}

/**
 * A model as a table for a terminal: what it is, one block's tensors, and the sums over blocks. Where `width` columns are too few
 * for it, the table leaves out spaces, then the column of parameters, whose number the shape tells.
 */
export function summarise(
  config: ModelConfig,
  tensors: readonly TensorSummary[],
  parametersPerBlock: number,
  width = Number.POSITIVE_INFINITY,
): string {
  const { blocks, net, schedule, input, classes } = config
  const lines = (times: string, columns: number) => {
    const rows = [
      ['tensor of a block', 'shape', 'parameters'],
      ...tensors.map(({ name, shape, parameters }) => [name, shape.join(times), thousands(parameters)]),
    ]
    return table(rows.map((row) => row.slice(0, columns))).split('\n')
  }
  const widest = (body: readonly string[]) => Math.max(...body.map((line) => line.length))
  const narrowest = lines('×', 2)
  const body = [lines(' × ', 3), lines('×', 3)].find((one) => widest(one) <= width) ?? narrowest
  const rule = '─'.repeat(widest(body))
  const sums = [
    `${thousands(parametersPerBlock)} parameters per block`,
    `× ${counted(blocks, 'block')} = ${thousands(blocks * parametersPerBlock)}`,
  ]
  return [
    `NoProp-${config.method.toUpperCase()}: ${counted(blocks, `${net.type} block`)}, ${schedule.type} schedule`,
    `input ${input.join(' × ')}, ${classes.length} classes`,
    rule,
    body[0],
    rule,
    ...body.slice(1),
    rule,
    sums.join(sums.join(' ').length <= width ? ' ' : '\n'),
  ].join('\n')
}
