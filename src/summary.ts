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

/** A model as a table for a terminal: what it is, one block's tensors, and the sums over blocks. */
export function summarise(config: ModelConfig, tensors: readonly TensorSummary[], parametersPerBlock: number): string {
  const { blocks, net, schedule, input, classes } = config
  const rows = [
    ['tensor of a block', 'shape', 'parameters'],
    ...tensors.map(({ name, shape, parameters }) => [name, shape.join(' × '), thousands(parameters)]),
  ]
  const body = table(rows).split('\n')
  const rule = '─'.repeat(Math.max(...body.map((line) => line.length)))
  return [
    `NoProp-${config.method.toUpperCase()}: ${blocks} blocks of ${net.type}, ${schedule.type} schedule`,
    `input ${input.join(' × ')}, ${classes.length} classes`,
    rule,
    body[0],
    rule,
    ...body.slice(1),
    rule,
    `${thousands(parametersPerBlock)} parameters a block × ${blocks} blocks = ${thousands(blocks * parametersPerBlock)}`,
  ].join('\n')
}
