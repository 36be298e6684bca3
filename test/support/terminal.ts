import { spawn } from 'node:child_process'
import { cli } from './process.js'

const ESCAPE = '\x1b'

/** A control sequence, or a character. */
const PIECES = new RegExp(`${ESCAPE}\\[([?\\d;]*)([A-Za-z])|[^]`, 'gu')

/** The lines that a terminal shows after it was sent `text`, without the empty ones at the end, and where its cursor is. */
export function screenOf(text: string, columns: number, rows: number) {
  const lines: string[][] = [[]]
  let [row, column, wraps] = [0, 0, true]
  const line = () => {
    while (lines.length <= row) lines.push([])
    return lines[row] as string[]
  }
  for (const [piece, parameter, final] of text.matchAll(PIECES)) {
    if (final === 'A') row = Math.max(0, row - Number(parameter || 1))
    else if (final === 'K') lines[row] = parameter === '2' ? [] : line().slice(0, column)
    else if (final === 'J') {
      lines[row] = line().slice(0, column)
      lines.length = row + 1
    } else if ((final === 'h' || final === 'l') && parameter === '?7') wraps = final === 'h'
    else if (final === 'm') continue
    else if (final) throw new Error(`a terminal of the tests does not know ${JSON.stringify(piece)}`)
    else if (piece === '\r') column = 0
    else if (piece === '\n') [row, column] = [row + 1, 0]
    else {
      if (column === columns && wraps) [row, column] = [row + 1, 0]
      column = Math.min(column, columns - 1)
      const at = line()
      while (at.length < column) at.push(' ')
      at[column] = piece
      column++
    }
  }
  const shown = Array.from(lines, (characters) => (characters ?? []).join(''))
  while (shown.at(-1) === '') shown.pop()
  // A terminal that scrolls shows the last rows.
  return { lines: shown.slice(Math.max(0, row + 1 - rows)), cursor: { row, column } }
}

/** A command on a pseudo-terminal. */
export interface OnTerminal {
  /** Resolves once `pattern` occurs in what the terminal was sent; rejects when the command ends before. */
  wrote(pattern: RegExp): Promise<void>
  /** Types; `\x03` is Ctrl-C. */
  type(text: string): void
  /** The exit code, and all that the terminal was sent. */
  ended: Promise<{ code: number | null; text: string }>
}

/** Opens a pseudo-terminal of a size, runs a program on it, and passes on what goes in and out. */
const PTY = `
import fcntl, os, pty, select, struct, sys, termios
columns, rows = int(sys.argv[1]), int(sys.argv[2])
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
    os.execvp(sys.argv[3], sys.argv[3:])
while True:
    ready, _, _ = select.select([terminal, 0], [], [])
    if 0 in ready:
        os.write(terminal, os.read(0, 1024))
    if terminal in ready:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        os.write(1, data)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) % 256)
`

/** Starts the command line on a pseudo-terminal, by Python, which Node has none without. */
export function onTerminal(args: readonly string[], columns: number, env: NodeJS.ProcessEnv = {}): OnTerminal {
  const child = spawn('python3', ['-c', PTY, String(columns), '40', process.execPath, cli, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, TERM: 'xterm', LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', ...env },
  })
  let text = ''
  const listeners = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part
    for (const listener of listeners) listener()
  })
  const ended = new Promise<{ code: number | null; text: string }>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, text }))
  })
  const wrote = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!pattern.test(text)) return
        listeners.delete(look)
        resolve()
      }
      listeners.add(look)
      look()
      ended.then(() => reject(new Error(`ended before it wrote ${pattern}:\n${text}`)), reject)
    })
  return { wrote, type: (keys) => void child.stdin.write(keys), ended }
}
