import { Command, CommanderError } from 'commander'
import { NoPropError } from '../errors.js'
import { nearest } from '../nearest.js'
import { version } from '../version.js'
import type { Io } from './io.js'

/** A command's module: `define` adds arguments, options and the action to the command of that name. */
interface CommandModule {
  define(command: Command, io: Io): void
}

/** Every command is imported only when it is called for. */
const COMMANDS: Record<string, { summary: string; load: () => Promise<CommandModule> }> = {
  train: { summary: 'train a model and measure it', load: () => import('./train.js') },
  eval: { summary: 'measure a model on test samples', load: () => import('./eval.js') },
  predict: { summary: 'predict the labels of samples or PNG images', load: () => import('./predict.js') },
  inspect: { summary: 'show what a model file holds', load: () => import('./inspect.js') },
  bench: { summary: 'measure the speed of training or inference on this machine', load: () => import('./bench.js') },
  doctor: { summary: 'show what noprop finds on this machine', load: () => import('./doctor.js') },
}

/** Runs the command line `args`; returns the exit code of what did not fail. Throws NoPropError. */
export async function runProgram(args: readonly string[], io: Io): Promise<number> {
  const program = configure(new Command('noprop'))
    .description('Trains neural networks whose blocks never wait for each other.')
    .version(version)
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', '\nExit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted by Ctrl-C, 143 by SIGTERM.')
  const named = args.filter((arg) => !arg.startsWith('-')).slice(0, 2)
  const wanted = named[0] === 'help' ? named[1] : named[0]
  for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
    const command = configure(program.command(name))
      .summary(summary)
      .description(`${summary[0]?.toUpperCase()}${summary.slice(1)}.`)
    if (name !== wanted) continue
    const { define } = await load()
    define(command, io)
    command
      .option('--json', 'results as JSON, one object a line, the last {"event":"done",…}')
      .option('--verbose', 'show the stack of a failure')
  }
  program.allowExcessArguments().action(() => {
    throw wanted === undefined
      ? usage('no command is named', 'noprop --help lists the commands')
      : unknownCommand(wanted)
  })
  try {
    await program.parseAsync(args, { from: 'user' })
    return io.exitCode
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return 0
    throw usageError(error, args)
  }
}

/** Failures are thrown and printed once, by `main.ts`. */
function configure(command: Command): Command {
  return command
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .showSuggestionAfterError(true)
    .configureHelp({ helpWidth: 110 })
}

function usageError(error: CommanderError, args: readonly string[]): NoPropError {
  // "error: unknown option '--epoch'\n(Did you mean --epochs?)"
  const [first = '', second] = error.message.replace(/^error: /, '').split('\n')
  const guess = second?.match(/Did you mean (?:one of )?(.*)\?\)?/)?.[1]
  const command = args.find((arg) => arg in COMMANDS)
  return usage(
    first,
    guess ? `did you mean ${guess}?` : `noprop ${command ? `${command} ` : ''}--help lists what there is`,
  )
}

function unknownCommand(name: string): NoPropError {
  const near = nearest(name, Object.keys(COMMANDS))
  return usage(`unknown command '${name}'`, near ? `did you mean ${near}?` : 'noprop --help lists the commands')
}

/** The value of an option that a command cannot do without; unknown options are reported before a missing one. */
export function required(value: string | undefined, flag: string): string {
  if (value !== undefined && value !== '') return value
  throw usage(`the option ${flag} is missing`, `give ${flag}`)
}

/** What was typed is not a command line of this program. */
export function usage(what: string, hint: string): NoPropError {
  return new NoPropError({ code: 'NOPROP_USAGE', what, hint })
}
