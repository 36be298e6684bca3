import type { Command } from 'commander'
import { NoProp } from '../model.js'
import { printableLines } from '../printable.js'
import { summarise } from '../summary.js'
import { type Field, fields } from './fields.js'
import { addExamples } from './help.js'
import type { Io } from './io.js'

export function define(command: Command, io: Io): void {
  command.argument('<file>', 'model file').action((file: string) => inspect(file, io))
  addExamples(command, 'noprop inspect digits.safetensors')
}

async function inspect(file: string, io: Io): Promise<void> {
  const model = await NoProp.load(file)
  const { config, training, parameters, tensors } = model
  const weightsSha256 = await model.weightsSha256()
  io.emit({ event: 'done', path: file, config, blocks: config.blocks, parameters, tensors, training, weightsSha256 })
  io.print(printableLines(summarise(config, tensors, parameters / config.blocks, io.width)))
  io.print('')
  io.print(facts('configuration', config, io.width))
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
