import { type Command, Help } from 'commander'
import type { Io } from './io.js'
import { painter, textWidth, wantsColour } from './style.js'

/** Columns that a description needs beside its term; with fewer it goes below. */
const BESIDE = 34
const BELOW = '      '
/** Stands for a space at which no line is broken. */
const GLUE = '\x01'

/** Prepares a program and its commands: output through `io`, failures thrown, help as wide as the terminal. */
export function dress(program: Command, io: Io): Command {
  const paint = painter(process.stdout)
  return program
    .exitOverride()
    .showSuggestionAfterError(true)
    .configureOutput({
      writeOut: (text) => io.write(text),
      // Failures are printed once, by `main.ts`.
      writeErr: () => {},
      outputError: () => {},
      getOutHelpWidth: () => textWidth(process.stdout),
      getOutHasColors: () => wantsColour(process.stdout),
    })
    .configureHelp({
      minWidthToWrap: 20,
      formatItem,
      commandUsage(command) {
        return this.boxWrap?.(Help.prototype.commandUsage.call(this, command), textWidth(process.stdout) - 7) as string
      },
      styleTitle: (text) => paint('bold', text),
      styleOptionText: (text) => paint('cyan', text),
      styleSubcommandText: (text) => paint('cyan', text),
      styleArgumentText: (text) => paint('cyan', text),
    })
}

/** A term and its description, side by side where there is room. */
function formatItem(this: Partial<Help>, term: string, termWidth: number, description: string, helper: Help): string {
  const width = helper.helpWidth as number
  // A short default stays on one line.
  const text = description.replace(/\(default: [^)]{1,23}\)/g, (given) => given.replaceAll(' ', GLUE))
  const item =
    !text || width - termWidth - 4 >= BESIDE
      ? Help.prototype.formatItem.call(helper, term, termWidth, text, helper)
      : `  ${term}\n${helper.boxWrap(text, width - BELOW.length).replace(/^/gm, BELOW)}`
  return item.replaceAll(GLUE, ' ')
}

/** Adds command lines to the end of a command's help. */
export function addExamples(command: Command, ...examples: string[]): void {
  command.addHelpText('after', () => {
    const lines = examples.map((example) => `  ${continued(example, textWidth(process.stdout) - 2)}`)
    return ['', painter(process.stdout)('bold', 'Examples:'), ...lines].join('\n')
  })
}

/** Adds running text to the end of the help. */
export function addNote(command: Command, note: string): void {
  command.addHelpText('after', () => `\n${new Help().boxWrap(note, textWidth(process.stdout))}`)
}

/** A command line on as many lines as it needs, as a shell reads it: a flag stays with its value. */
function continued(line: string, width: number): string {
  const lines: string[] = []
  for (const part of line.split(/(?<!--\S+) /)) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + part.length + 3 <= width) lines[lines.length - 1] = `${last} ${part}`
    else lines.push(lines.length === 0 ? part : `  ${part}`)
  }
  return lines.join(' \\\n  ')
}
