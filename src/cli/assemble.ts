import type { Command } from 'commander'
import { native } from '../errors.js'
import { NoProp } from '../model.js'
import { getNative } from '../native.js'
import { blocksOf, thousands } from '../summary.js'
import { addFlags, Flag } from './flag.js'
import { addExamples } from './help.js'
import type { Io } from './io.js'
import { required, usage } from './usage.js'

export function define(command: Command, io: Io): void {
  command.argument('[parts...]', 'files that noprop train --only-blocks wrote')
  addFlags(command, 'Model', [new Flag('--out <file>', 'save the model to this file (.safetensors)')])
  addExamples(command, 'noprop assemble part-1.safetensors part-2.safetensors --out digits.safetensors')
  command.action((parts: string[], flags: { out?: string }) => assemble(parts, flags, io))
}

async function assemble(parts: string[], flags: { out?: string }, io: Io): Promise<void> {
  const out = required(flags.out, '--out FILE')
  if (parts.length === 0) throw usage('no part is named', 'noprop assemble PART… --out FILE')
  native(() => getNative().probeOutput(out))
  const model = await NoProp.assemble(parts)
  await model.save(out)
  io.saved = out
  const weightsSha256 = await model.weightsSha256()
  const { config, parameters } = model
  io.emit({ event: 'assembled', out, parts: parts.length, blocks: config.blocks, parameters, weightsSha256 })
  io.printFields([
    ['model', out],
    ['blocks', `${blocksOf(config)} of ${parts.length === 1 ? '1 part' : `${parts.length} parts`}`],
    ['parameters', thousands(parameters)],
    ['weights', `sha256 ${weightsSha256}`],
  ])
}
