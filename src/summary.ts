import type { ModelConfig } from './options.js'

/** A tensor of a block. */
export interface TensorSummary {
  name: string
  shape: number[]
  /** Trained numbers in it; 0 for running statistics. */
  parameters: number
}

/** A layer of a block. */
export interface LayerSummary {
  /** Its name, which its tensors have too. */
  name: string
  /** What it computes: 'conv', or 'conv + relu + dropout' with the activation and dropout behind it. */
  op: string
  /** Shape of one sample's output. */
  shape: number[]
  /** Trained numbers. */
  parameters: number
  /** Multiply-adds of one sample, forward. */
  multiplyAdds: number
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

/** Lines up rows of text: the first `left` columns to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[], left = 1): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    row.map((cell, column) =>
      column < left ? cell.padEnd(widths[column] as number) : cell.padStart(widths[column] as number),
    )
  return rows.map((row) => line(row).join('  ').trimEnd()).join('\n')
}

/** The name of a model's method. */
export function methodName({ method }: Pick<ModelConfig, 'method'>): string {
  return typeof method === 'string' ? method : method.type
}

/** `NoProp-DT`, as the paper calls its methods; others have their own names. */
export function methodTitle(config: Pick<ModelConfig, 'method'>): string {
  const name = methodName(config)
  return name.length > 2 ? name : `NoProp-${name.toUpperCase()}`
}

/** Whether a method has one net in place of blocks. */
export function isOneNet(config: Pick<ModelConfig, 'method'>): boolean {
  return ['ct', 'fm', 'classifier', 'forward-forward', 'adjoint'].includes(methodName(config))
}

/** `10 cnn blocks`, or `one cnn net` of a method that has one. */
export function blocksOf(config: ModelConfig): string {
  const on = config.encoder ? ` on one ${config.encoder.net.type} encoder` : ''
  return (isOneNet(config) ? `one ${config.net.type} net` : counted(config.blocks, `${config.net.type} block`)) + on
}

/** Jobs whose parameters are counted: blocks, or one of all of them. */
function jobsOf(config: ModelConfig): number {
  return methodName(config) === 'backprop' ? 1 : config.blocks
}

/** `10 classes`, or `2 targets` of a model of numbers. */
export function outputsOf({ classes, targets }: Pick<ModelConfig, 'classes' | 'targets'>): string {
  return targets ? counted(targets.count, 'target') : `${thousands(classes.length)} classes`
}

/** `1: 0.8123  2: 0.9012`, a block after the other. */
export function r2AfterBlocks(values: readonly number[]): string {
  return values.map((value, index) => `${index + 1}: ${value.toFixed(4)}`).join('  ')
}

/** A model in one line, as `console.log` shows it. */
export function modelLine(config: ModelConfig, parameters: number, trained: boolean): string {
  const { input } = config
  const parts = [
    `${input.join('×')} → ${outputsOf(config)}`,
    blocksOf(config),
    `${thousands(parameters)} parameters`,
    trained ? 'trained' : 'untrained',
  ]
  return `NoProp(${parts.join(', ')})`
}

/**
 * A model as a table for a terminal: what it is, one block's layers, and the sums over blocks. Where `width` columns are too few
 * for it, the table leaves out spaces in shapes, then the operations, then the multiply-adds, and cuts long names.
 */
export function summarise(
  config: ModelConfig,
  layers: readonly LayerSummary[],
  width = Number.POSITIVE_INFINITY,
  encoder: readonly LayerSummary[] | null = null,
): string {
  const { schedule, input } = config
  const jobs = jobsOf(config)
  const body = layerLines(layers, width)
  const rule = '─'.repeat(Math.max(...body.map((line) => line.length)))
  const sum = (of: (layer: LayerSummary) => number) => layers.reduce((total, layer) => total + of(layer), 0)
  const parameters = sum((layer) => layer.parameters)
  const sums = [
    ...(jobs > 1 || config.blocks === jobs
      ? [
          `${thousands(parameters)} parameters per block`,
          `× ${counted(jobs, 'block')} = ${thousands(jobs * parameters)}`,
        ]
      : [`${thousands(parameters)} parameters in all`]),
  ]
  const work = [
    `${thousands(sum((layer) => layer.multiplyAdds))} multiply-adds`,
    config.blocks === jobs ? 'per sample and block, forward' : 'per sample, forward',
  ]
  const fitted = (parts: readonly string[]) => parts.join(parts.join(' ').length <= width ? ' ' : '\n')
  return [
    fitted([
      `${methodTitle(config)}: ${blocksOf(config)}${schedule ? ',' : ''}`,
      ...(schedule ? [`${schedule.type} schedule`] : []),
    ]),
    `input ${input.join(' × ')}, ${outputsOf(config)}`,
    ...(encoder ? encoderLines(encoder, width) : []),
    rule,
    body[0],
    rule,
    ...body.slice(1),
    rule,
    fitted(sums),
    fitted(work),
  ].join('\n')
}

/** The layers of an encoder, and their sums. */
function encoderLines(layers: readonly LayerSummary[], width: number): string[] {
  const body = layerLines(layers, width)
  const rule = '─'.repeat(Math.max(...body.map((line) => line.length)))
  const sum = (of: (layer: LayerSummary) => number) => thousands(layers.reduce((total, layer) => total + of(layer), 0))
  return [
    ...['encoder, once for all blocks', rule, ...body, rule],
    `${sum((layer) => layer.parameters)} parameters`,
    `${sum((layer) => layer.multiplyAdds)} multiply-adds`,
    'a block, on its features',
  ]
}

/** The lines of the first form of the table that fits, or else of the narrowest with names cut. */
function layerLines(layers: readonly LayerSummary[], width: number): string[] {
  const lines = (times: string, columns: readonly number[], names = Number.POSITIVE_INFINITY) => {
    const rows = [
      ['layer', 'operation', 'output', 'parameters', 'multiply-adds'],
      ...layers.map(({ name, op, shape, parameters, multiplyAdds }) => {
        const shown = name.length <= names ? name : `${name.slice(0, names - 1)}…`
        return [shown, op, shape.join(times), thousands(parameters), thousands(multiplyAdds)]
      }),
    ]
    const picked = rows.map((row) => columns.map((column) => row[column] as string))
    return table(picked, columns.includes(1) ? 2 : 1).split('\n')
  }
  const widest = (body: readonly string[]) => Math.max(...body.map((line) => line.length))
  const forms = [
    () => lines(' × ', [0, 1, 2, 3, 4]),
    () => lines('×', [0, 1, 2, 3, 4]),
    () => lines('×', [0, 2, 3, 4]),
    () => lines('×', [0, 2, 3]),
  ]
  for (const form of forms) {
    const body = form()
    if (widest(body) <= width) return body
  }
  const longest = Math.max(...layers.map(({ name }) => name.length))
  const narrowest = lines('×', [0, 2, 3])
  return lines('×', [0, 2, 3], Math.max(8, longest - (widest(narrowest) - width)))
}

/** What validations of a model measure. */
export function measureOf({ targets }: Pick<ModelConfig, 'targets'>): 'accuracy' | 'r2' {
  return targets ? 'r2' : 'accuracy'
}
