import { basename, extname } from 'node:path'
import type { Command } from 'commander'
import { native } from '../errors.js'
import { NoProp } from '../model.js'
import { getNative } from '../native.js'
import { commandOf } from '../report/command.js'
import { createReport } from '../report/create.js'
import { percent, thousands } from '../summary.js'
import { layoutFlags, openTest } from './data.js'
import { addFlags, Flag, number } from './flag.js'
import { addSamplerFlags, samplerOf } from './flags.js'
import { addExamples } from './help.js'
import type { Io } from './io.js'
import { numberFields } from './number-report.js'
import { required } from './usage.js'

/** The flags that this command itself reads; the others become options of the evaluation. */
interface ReportFlags {
  data?: string
  out?: string
  blockSamples?: number
}

const DATA = [
  new Flag(
    '--data <name|dir|file>',
    'labelled samples: those of the test of a name or a directory, a folder of pictures, or a table',
  ),
  new Flag('--out <file>', 'where to write the page (default: the name of the model, ending in .html)'),
  new Flag(
    '--block-samples <number>',
    'measure what each block adds on so many samples (default: 500; 0: not at all)',
    {
      read: number,
    },
  ),
  ...layoutFlags(),
]

export function define(command: Command, io: Io): void {
  command.argument('<file>', 'model file')
  addFlags(command, 'Data', DATA)
  addSamplerFlags(command)
  addExamples(
    command,
    'noprop report digits.safetensors --data mnist',
    'noprop report digits.safetensors --data mnist --out digits.html',
  )
  command.action((file: string, flags: ReportFlags) => report(file, flags, io))
}

async function report(file: string, flags: ReportFlags, io: Io): Promise<void> {
  const data = required(flags.data, '--data NAME|DIR|FILE')
  const out = flags.out ?? `${file.slice(0, file.length - extname(file).length)}.html`
  native(() => getNative().probeOutput(out))
  const model = await NoProp.load(file)
  const { preprocessing, input } = model.config
  const test = await openTest(data, preprocessing, true, flags, input, io)
  const made = await createReport(model, test, {
    ...samplerOf(flags),
    blockSamples: flags.blockSamples,
    title: basename(file, extname(file)),
    dataName: data,
    command: commandOf(process.argv.slice(2)),
    signal: io.signal,
  })
  await made.save(out)
  const { evaluation, numbers, missing } = made.document
  const { samples } = evaluation ?? numbers?.evaluation ?? {}
  const measured = numbers ? { r2: numbers.evaluation.r2 } : { accuracy: evaluation?.accuracy }
  io.emit({ event: 'done', out, ...measured, samples, missing })
  io.printFields([
    ['report', out],
    ...(evaluation
      ? [['accuracy', `${percent(evaluation.accuracy)} of ${thousands(evaluation.samples)} samples`] as const]
      : []),
    ...(numbers ? numberFields(numbers.evaluation) : []),
    ...Object.entries(missing).map(([part, why]) => [`no ${part}`, why] as const),
  ])
}
