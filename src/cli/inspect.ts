import type { Command } from 'commander'
import { NoProp } from '../model.js'
import type { Io } from './io.js'

export function define(command: Command, io: Io): void {
  command.argument('<file>', 'model file').action((file: string) => inspect(file, io))
}

async function inspect(file: string, io: Io): Promise<void> {
  const model = await NoProp.load(file)
  const { config, training, parameters, tensors } = model
  const weightsSha256 = await model.weightsSha256()
  io.emit({ event: 'done', path: file, config, blocks: config.blocks, parameters, tensors, training, weightsSha256 })
  io.print(model.summary())
  io.print('')
  io.print(facts('configuration', config))
  const { options, ...trained } = training ?? {}
  io.print(facts('trained by', { ...options, ...trained }))
  io.print(`weights         sha256 ${weightsSha256}`)
}

/** A heading and a line a key. */
function facts(heading: string, record: object): string {
  const lines = Object.entries(record).map(([key, value]) => {
    const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
    return `  ${key.padEnd(22)} ${text}`
  })
  return [heading, ...(lines.length > 0 ? lines : ['  nothing: it has no trained weights'])].join('\n')
}
