import { styleText } from 'node:util'

/** As much of a stream as colours and widths need; `process.stdout` fits. */
export interface Terminal {
  isTTY?: boolean
  columns?: number
}

type Format = Parameters<typeof styleText>[0]

/** Gives text a format, or returns it as it is where no colour is wanted. */
type Paint = (format: Format, text: string) => string

/** FORCE_COLOR decides if it is set (0 and false mean none), then NO_COLOR; else a terminal has colours unless it is dumb. */
export function wantsColour({ isTTY }: Terminal, env: NodeJS.ProcessEnv = process.env): boolean {
  const { FORCE_COLOR, NO_COLOR, TERM } = env
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false'
  return !NO_COLOR && Boolean(isTTY) && TERM !== 'dumb'
}

/** The formats for a stream. */
export function painter(terminal: Terminal, env?: NodeJS.ProcessEnv): Paint {
  if (!wantsColour(terminal, env)) return (_, text) => text
  // Newer versions of Node would ask stdout, whatever the text is for.
  return (format, text) => styleText(format, text, { validateStream: false })
}

/** Least and greatest width that help is set to, and that of whoever has no terminal. */
const [NARROW, WIDE, USUAL] = [40, 100, 80]

/** The columns for running text: those of the terminal within reason, 80 where there is none. */
export function textWidth({ isTTY, columns }: Terminal): number {
  return Math.min(WIDE, Math.max(NARROW, (isTTY && columns) || USUAL))
}
