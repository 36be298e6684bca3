import type { Command } from 'commander'
import { NoProp } from '../model.js'
import type { ModelConfig, ModelOptions } from '../options.js'
import { preprocessingFacts } from '../preprocessing.js'
import { printableLines } from '../printable.js'
import { summarise } from '../summary.js'
import { type Field, fields } from './fields.js'
import type { Values } from './flag.js'
import { addInspectFlags, inspectedOptionsOf } from './flags.js'
import { addExamples } from './help.js'
import type { Io } from './io.js'
import { usage } from './usage.js'

export function define(command: Command, io: Io): void {
  command.argument('[file]', 'model file')
  addInspectFlags(command)
  command.action((file: string | undefined, flags: Values) => inspect(file, flags, io))
  addExamples(
    command,
    'noprop inspect digits.safetensors',
    'noprop inspect --net resnet --input 32x32x3',
    'noprop inspect --net-file net.json --input 28x28x1 --classes 10',
  )
}

async function inspect(file: string | undefined, flags: Values, io: Io): Promise<void> {
  const options = inspectedOptionsOf(flags)
  if (file !== undefined && options) throw usage('both a model file and a net are given', 'name one of them')
  if (options) return inspectNet(options, io)
  if (file === undefined) throw usage("missing required argument 'file'", 'name a model file, or --net or --net-file')
  await inspectFile(file, io)
}

/** The layers of a model that nothing has trained. */
function inspectNet(options: ModelOptions, io: Io): void {
  const { config, parameters, tensors, layers, encoderLayers } = NoProp.create(options)
  io.emit({ event: 'done', config, blocks: config.blocks, parameters, layers, tensors })
  io.print(summarise(config, layers, io.width, encoderLayers))
}

async function inspectFile(file: string, io: Io): Promise<void> {
  const model = await NoProp.load(file)
  const { config, training, parameters, layers, tensors, encoderLayers } = model
  const weightsSha256 = await model.weightsSha256()
  io.emit({
    event: 'done',
    ...{ path: file, config, blocks: config.blocks, parameters, layers, tensors, training, weightsSha256 },
    ...(encoderLayers ? { encoderLayers } : {}),
  })
  io.print(printableLines(summarise(config, layers, io.width, encoderLayers)))
  io.print('')
  const { preprocessing, ...others } = { ...config, embedding: shortened(config.embedding) }
  io.print(facts('configuration', others, io.width))
  if (preprocessing) io.print(facts('preprocessing', preprocessingFacts(preprocessing), io.width))
  const { options, ...trained } = training ?? {}
  io.print(facts('trained by', { ...options, ...trained }, io.width))
  io.printFields([['weights', `sha256 ${weightsSha256}`]])
}

/** A heading and a line per key. What a file says of itself is not trusted, and cannot begin a line. */
function facts(heading: string, record: object, width: number | undefined): string {
  const rows = Object.entries(record).map(([key, value]): Field => {
    return [`  ${key}`, typeof value === 'object' ? spaced(value) : String(value)]
  })
  return [heading, rows.length > 0 ? fields(rows, width, 25) : '  nothing: it has no trained weights'].join('\n')
}

/** JSON in one line with spaces, at which a narrow terminal breaks it. */
function spaced(value: object): string {
  // Texts hold no line breaks, so those that are there are the indentation's.
  const lines = JSON.stringify(value, null, 1)
  return lines.replace(/([[{])\n\s*|\n\s*(?=[\]}])/g, '$1').replace(/\n\s*/g, ' ')
}

/** Without the values of prototypes, which are thousands; `--json` has them. */
function shortened(embedding: ModelConfig['embedding']): ModelConfig['embedding'] {
  if (embedding.type !== 'prototype') return embedding
  const { vectors: _, ...rest } = embedding
  return rest
}
