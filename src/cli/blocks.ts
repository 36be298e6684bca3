import { Argument, type Command } from 'commander'
import { native } from '../errors.js'
import { NoProp } from '../model.js'
import { getNative } from '../native.js'
import { blocksOf, thousands } from '../summary.js'
import { type DataFlags, layoutFlags, openSplits, PICTURES, TABLE, TEST } from './data.js'
import { evaluate } from './eval.js'
import { addFlags, Flag, number } from './flag.js'
import { addBlocksFlags, keptOptionsOf } from './flags.js'
import { addExamples } from './help.js'
import type { Io } from './io.js'
import { type TrainFlags, trainModel } from './train.js'
import { required, usage } from './usage.js'

interface BlocksFlags extends TrainFlags {
  block?: number[]
  count?: number
  levels?: number[]
}

const DATA = [
  new Flag('--data <name|dir|file>', 'retrain, append: training samples, as of noprop train; eval: test samples'),
  new Flag('--limit <number>', 'retrain, append: use only the first N training samples', { read: number }),
  new Flag('--out <file>', 'save the model to this file, which may be the one that it is from'),
]

const ACTIONS = ['retrain', 'append', 'drop', 'average', 'eval'] as const
type Action = (typeof ACTIONS)[number]

/** Flags that some actions alone take, by the names that commander gives them; others go with every training. */
const ONLY: Partial<Record<string, readonly Action[]>> = {
  block: ['retrain'],
  continue: ['retrain'],
  seed: ['retrain'],
  levels: ['append'],
  count: ['append', 'drop'],
  out: ['retrain', 'append', 'drop', 'average'],
}

/** What a measurement takes beside the data. */
const MEASURED = [...layoutFlags().map((flag) => flag.attributeName()), 'data', 'threads', 'device']

export function define(command: Command, io: Io): void {
  command.addArgument(new Argument('<action>', 'what to do').choices(ACTIONS))
  command.argument('<files...>', 'model file; average: two or more')
  addFlags(command, 'Data and model', [...DATA, ...TEST])
  addBlocksFlags(command)
  addFlags(command, 'Tables', TABLE)
  addFlags(command, 'Folders of pictures', PICTURES)
  addExamples(
    command,
    'noprop blocks retrain digits.safetensors --block 3 --seed 1 --data mnist --epochs 5 --out better.safetensors',
    'noprop blocks retrain digits.safetensors --block 2-4 --continue --data mnist --out better.safetensors',
    'noprop blocks append digits.safetensors --count 2 --data mnist --epochs 5 --out longer.safetensors',
    'noprop blocks drop digits.safetensors --out shorter.safetensors',
    'noprop blocks average one.safetensors other.safetensors --out mean.safetensors',
    'noprop blocks eval digits.safetensors --data mnist',
  )
  command.action((action: Action, files: string[], flags: BlocksFlags) => {
    check(action, command)
    return run(action, files, flags, io)
  })
}

/** Throws NOPROP_USAGE for a flag that the action does not take. */
function check(action: Action, command: Command): void {
  const trains = action === 'retrain' || action === 'append'
  for (const flag of command.options) {
    const name = flag.attributeName()
    if (command.getOptionValue(name) === undefined || name === 'json' || name === 'verbose') continue
    const takes = ONLY[name]?.includes(action) ?? (trains || (action === 'eval' && MEASURED.includes(name)))
    if (!takes) throw usage(`${flag.long} does not apply to blocks ${action}`, `leave ${flag.long} out`)
  }
}

async function run(action: Action, files: readonly string[], flags: BlocksFlags, io: Io): Promise<void> {
  const [file, extra] = files as [string, string | undefined]
  if (extra !== undefined && action !== 'average') throw usage(`unexpected argument '${extra}'`, 'name one model file')
  if (action === 'eval') return evaluate(file, { ...flags, blocks: true }, io)
  const out = required(flags.out, '--out FILE')
  native(() => getNative().probeOutput(out))
  if (action === 'drop') {
    const model = await NoProp.load(file)
    return save(await model.dropBlocks(flags.count ?? 1), out, io)
  }
  if (action === 'average') {
    if (extra === undefined) throw usage('one model is named', 'noprop blocks average FILE FILE… --out FILE')
    return save(await NoProp.average(await Promise.all(files.map((each) => NoProp.load(each)))), out, io)
  }
  return retrain(action, file, flags, io)
}

/** Trains some blocks; the others stay. */
async function retrain(action: 'retrain' | 'append', file: string, flags: BlocksFlags, io: Io): Promise<void> {
  const data = required(flags.data, '--data NAME|DIR|FILE')
  if (action === 'retrain') required(flags.block?.join(), '--block LIST')
  if (flags.count !== undefined && flags.levels) throw usage('both --count and --levels are given', 'give one of them')
  const model = await NoProp.load(file)
  // The samples of the test are those of the model's own training.
  const where: DataFlags = { data, limit: flags.limit, seed: model.config.seed }
  const { train, test } = await openSplits(where, flags, io, model.config)
  io.signal.throwIfAborted()
  const { count = 1, levels = count } = flags
  const options = { ...keptOptionsOf(flags), ...(action === 'append' ? { append: levels } : {}) }
  return trainModel(model, [train, test], flags, options, io)
}

async function save(model: NoProp, out: string, io: Io): Promise<void> {
  await model.save(out)
  io.saved = out
  const weightsSha256 = await model.weightsSha256()
  const { config, parameters } = model
  io.emit({ event: 'done', out, blocks: config.blocks, parameters, weightsSha256 })
  io.printFields([
    ['model', out],
    ['blocks', blocksOf(config)],
    ['parameters', thousands(parameters)],
    ['weights', `sha256 ${weightsSha256}`],
  ])
}
