import { Command, CommanderError, Option } from 'commander'
import { NoPropError } from '../errors.js'
import { nearest } from '../nearest.js'
import { version } from '../version.js'
import { addFlags } from './flag.js'
import { addExamples, addNote, dress } from './help.js'
import { Interruption } from './interrupts.js'
import type { Io } from './io.js'
import { usage } from './usage.js'
import { inFileWords, inFlagWords } from './wording.js'

/** A command's module: `define` adds arguments, options and the action to the command of that name. */
interface CommandModule {
  define(command: Command, io: Io): void
}

/** Every command is imported only when it is called for. */
export const COMMANDS: Record<string, { summary: string; load: () => Promise<CommandModule> }> = {
  train: { summary: 'train a model and measure it', load: () => import('./train.js') },
  sweep: { summary: 'try combinations of options, and compare them', load: () => import('./sweep.js') },
  assemble: { summary: 'put the parts of a model together', load: () => import('./assemble.js') },
  blocks: { summary: 'retrain, append, drop, average or measure trained blocks', load: () => import('./blocks.js') },
  worker: { summary: 'train blocks that others have put into a queue', load: () => import('./worker.js') },
  runs: { summary: 'list, attach, cancel and remove runs on a cluster', load: () => import('./runs.js') },
  cluster: { summary: 'prepare a database for queues', load: () => import('./cluster.js') },
  eval: { summary: 'measure a model on test samples', load: () => import('./eval.js') },
  report: {
    summary: 'make a page that shows how a model was trained and how good it is',
    load: () => import('./report.js'),
  },
  predict: { summary: 'predict the labels of samples, pictures or rows', load: () => import('./predict.js') },
  inspect: { summary: 'show what a model file contains, or the layers of a net', load: () => import('./inspect.js') },
  export: {
    summary: 'write a model as ONNX, as a Hugging Face repository, or its card',
    load: () => import('./export.js'),
  },
  data: { summary: 'show what a data set holds, or download one', load: () => import('./data-command.js') },
  bench: { summary: 'measure the speed of training or inference on this machine', load: () => import('./bench.js') },
  reproduce: {
    summary: 'train what a published table needs, and write it beside our figures',
    load: () => import('./reproduce.js'),
  },
  doctor: { summary: 'show what noprop finds on this machine', load: () => import('./doctor.js') },
}

/** Flags of every command, which may also stand before its name. */
const GENERAL = ['--json', '--verbose']

/** Runs the command line `typed`; returns the exit code of what did not fail. Throws NoPropError. */
export async function runProgram(typed: readonly string[], io: Io): Promise<number> {
  const args = commandFirst(typed)
  const wanted = wantedCommand(args)
  const program = dress(new Command('noprop'), io)
    .description('Trains neural networks whose blocks never wait for each other.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
  addExamples(
    program,
    'noprop train --data mnist --out digits.safetensors',
    'noprop predict digits.safetensors picture.png',
    'noprop train --help',
  )
  addNote(program, 'Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted by Ctrl-C, 143 by SIGTERM.')
  for (const [name, { summary }] of Object.entries(COMMANDS)) {
    program
      .command(name)
      .summary(summary)
      .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`)
  }
  const command = program.commands.find((each) => each.name() === wanted)
  if (command && wanted) {
    const { define } = await (COMMANDS[wanted] as (typeof COMMANDS)[string]).load()
    define(command, io)
    addFlags(command, 'Output', [
      new Option('--json', 'print results as JSON, one object per line'),
      new Option('--verbose', 'print the stack trace of a failure'),
    ])
    command.addHelpOption(new Option('-h, --help', 'print this help').helpGroup('Output:'))
  }
  program.allowExcessArguments().action(() => {
    // Programs that read JSON have forgotten the command; people want to know what there is.
    if (io.json) throw usage('no command is given', 'noprop --help lists the commands')
    program.outputHelp()
  })
  try {
    await program.parseAsync(args, { from: 'user' })
    return io.exitCode
  } catch (error) {
    if (error instanceof NoPropError && !(error instanceof Interruption)) {
      const { netFile = {}, encoderNetFile = {} } = (command?.opts() ?? {}) as Record<string, { file?: string }>
      const file = netFile.file ?? encoderNetFile.file
      const inFile = file === undefined ? error : inFileWords(error, file)
      throw inFlagWords(inFile, command?.options ?? [])
    }
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return 0
    throw usageError(error, wanted)
  }
}

/** The command before the flags of every command; `help help` is the help of everything. */
function commandFirst(args: readonly string[]): string[] {
  const first = args.findIndex((arg) => !GENERAL.includes(arg))
  const named = args.slice(first, first + 2).join(' ') === 'help help' ? 1 : 0
  return first < 0 ? [] : [...args.slice(first + named), ...args.slice(0, first)]
}

/** The command that is run, or whose help is printed. Throws NOPROP_USAGE if there is none of that name. */
function wantedCommand([first, second]: readonly string[]): string | undefined {
  const named = first === 'help' ? second : first
  if (named === undefined || named.startsWith('-') || Object.hasOwn(COMMANDS, named)) return named
  const near = nearest(named, [...Object.keys(COMMANDS), 'help'])
  throw usage(`unknown command '${named}'`, near ? `did you mean ${near}?` : 'noprop --help lists the commands')
}

function usageError(error: CommanderError, command: string | undefined): NoPropError {
  // "error: unknown option '--epoch'\n(Did you mean --epochs?)"
  const [first = '', second] = error.message.replace(/^error: /, '').split('\n')
  const guess = second?.match(/Did you mean (?:one of )?(.*)\?\)?/)?.[1]
  const listed = command && Object.hasOwn(COMMANDS, command) ? `noprop ${command}` : 'noprop'
  return usage(first, guess ? `did you mean ${guess}?` : `${listed} --help lists the options`)
}
