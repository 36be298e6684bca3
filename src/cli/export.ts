import { type Command, Option } from 'commander'
import type { CardOptions } from '../export/card.js'
import { replace } from '../export/hugging-face.js'
import type { OnnxOptions, OnnxPort } from '../export/onnx.js'
import { NoProp } from '../model.js'
import { printable } from '../printable.js'
import { counted, thousands } from '../summary.js'
import { layoutFlags, openTest } from './data.js'
import { addFlags, Flag, number, optionsOf, type Values } from './flag.js'
import { addExamples } from './help.js'
import type { Io } from './io.js'
import { usage } from './usage.js'

interface ExportFlags {
  onnx?: string
  huggingFace?: string
  card?: string
  data?: string
  name?: string
}

const ONNX = [
  new Flag(
    '--sampler <name>',
    'rule from state to state: posterior, resample, ddim, euler, heun (default: that of the method)',
  ),
  new Flag('--steps <number>', 'steps from noise to label, for methods of one net (default: 20)', { read: number }),
  new Flag('--steps-per-block <number>', 'diffusion-blocks: steps within each block (default: 1)', { read: number }),
  new Flag('--stop-after <block>', 'take only the blocks up to this one (default: all)', { read: number }),
  new Flag('--seed <number>', 'seed of the initial noise that callers get who give none (default: 0)', {
    read: number,
  }),
  new Flag('--input <uint8|float32>', 'what samples are: bytes, or numbers as they are (default: uint8 for images)'),
]

export function define(command: Command, io: Io): void {
  command.argument('<file>', 'model file')
  addFlags(command, 'What to write', [
    new Option('--onnx <file>', 'the model as an ONNX file'),
    new Option('--hugging-face <dir>', 'a directory in the layout of a Hugging Face repository'),
    new Option('--card <file>', 'a model card in Markdown'),
  ])
  addFlags(command, 'ONNX', ONNX)
  addFlags(command, 'Model card', [
    new Option('--name <text>', "title of the card (default: the file's name)"),
    new Option('--data <name|dir|file>', 'measure the model on these test samples for the card'),
    ...layoutFlags(),
  ])
  addExamples(
    command,
    'noprop export digits.safetensors --onnx digits.onnx',
    'noprop export digits.safetensors --hugging-face digits/ --data mnist',
  )
  command.action((file: string, flags: ExportFlags) => run(file, flags, io))
}

async function run(file: string, flags: ExportFlags, io: Io): Promise<void> {
  const onnxOptions = optionsOf<OnnxOptions>(flags as Values, ONNX)
  const { onnx, huggingFace, card, data } = flags
  const hasCard = huggingFace !== undefined || card !== undefined
  if (onnx === undefined && !hasCard) throw usage('nothing to write is named', 'name --onnx, --hugging-face or --card')
  if (onnx === undefined && Object.keys(onnxOptions).length > 0) {
    throw usage('options of ONNX are given without --onnx', 'name the file: --onnx model.onnx')
  }
  if (!hasCard && (data !== undefined || flags.name !== undefined)) {
    throw usage('--data and --name are for a model card', 'name --card or --hugging-face as well')
  }
  const model = await NoProp.load(file)
  const done: Record<string, unknown> = { event: 'done' }
  if (onnx !== undefined) {
    const written = await model.exportOnnx(onnx, { ...onnxOptions, signal: io.signal })
    done.onnx = { path: onnx, ...written }
    io.print(
      `${printable(onnx)}: ONNX, opset ${written.opset}, ${counted(written.nodes, 'node')}, ${thousands(written.bytes)} bytes`,
    )
    for (const [kind, ports] of [
      ['input', written.inputs],
      ['output', written.outputs],
    ] as const) {
      io.printFields(ports.map((port) => [kind, portLine(port)]))
    }
  }
  if (hasCard) {
    const options = await cardOptions(model, file, flags, io)
    if (huggingFace !== undefined) {
      const { written, kept } = await model.exportHuggingFace(huggingFace, options)
      done.huggingFace = { path: huggingFace, written, kept }
      for (const path of written) io.print(`${printable(path)}: written`)
      for (const path of kept) io.print(`${printable(path)}: kept as it was`)
    }
    if (card !== undefined) {
      await replace(card, await model.card(options))
      done.card = { path: card }
      io.print(`${printable(card)}: written`)
    }
  }
  io.emit(done)
}

function portLine({ name, type, shape, about }: OnnxPort): string {
  return `${printable(name)}: ${type} [${shape.join(', ')}], ${about}`
}

async function cardOptions(model: NoProp, file: string, flags: ExportFlags, io: Io): Promise<CardOptions> {
  const name = flags.name ?? file.replace(/^.*[\\/]/, '').replace(/\.safetensors$/, '')
  if (flags.data === undefined) return { name }
  const { preprocessing, input } = model.config
  const samples = await openTest(flags.data, preprocessing, true, flags, input, io)
  return { name, evaluation: await model.evaluate(samples, { signal: io.signal }), evaluatedOn: flags.data }
}
