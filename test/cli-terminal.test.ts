import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, test } from 'vitest'
import { smallIdx, temporaryDirectory } from './support/data.js'
import { SMALL_FLAGS } from './support/models.js'
import { runCli } from './support/process.js'
import { onTerminal, screenOf } from './support/terminal.js'

const hasTerminal = spawnSync('python3', ['-c', 'import pty, termios']).status === 0
const LONG = [...SMALL_FLAGS, '--epochs', '100000']
const COMMANDS = ['train', 'sweep', 'eval', 'predict', 'inspect', 'export', 'data', 'bench', 'doctor']

/** What a terminal of `columns` columns shows after a command. */
async function shown(args: string[], columns: number, env?: NodeJS.ProcessEnv) {
  const { code, text } = await onTerminal(args, columns, env).ended
  return { code, text, ...screenOf(text, columns, 1000) }
}

/** The widest line that was sent, before the terminal broke any. */
function widest(text: string): number {
  const lines = stripVTControlCharacters(text).split(/\r?\n/)
  return Math.max(...lines.map((line) => line.length))
}

describe.runIf(hasTerminal)('on a terminal', () => {
  test.each([40, 80, 120])('the help fits %i columns, grouped and with examples', async (columns) => {
    for (const args of [['--help'], [], ...COMMANDS.map((name) => [name, '--help'])]) {
      const { code, text } = await shown(args, columns)
      expect([args, code]).toEqual([args, 0])
      expect([args, text]).toEqual([args, expect.stringContaining('Examples:')])
      expect(widest(text)).toBeLessThanOrEqual(columns)
      expect(text).toContain('\x1b[1mUsage:')
    }
    const { text } = await shown(['train', '--help'], columns, { NO_COLOR: '1' })
    expect(text).not.toContain('\x1b')
    const groups = text.match(/^\w[^\n:]*(?=:\r?$)/gm)
    const names = [
      'Data',
      'Tables',
      'Folders of pictures',
      'Model',
      'Shared features',
      'Noise schedule',
      'Training',
      'Validation',
      'Parts of a model',
      'Cluster',
      'Checkpoints',
      'Device and threads',
      'Output',
      'Examples',
    ]
    expect(groups).toEqual(names)
  })

  test.each([
    [40, 3],
    [40, 10],
    [80, 10],
    [120, 3],
  ])('of %i columns Ctrl-C leaves the drawing of %i blocks whole, and the cursor below', async (columns, blocks) => {
    const args = ['train', '--data', smallIdx(), ...LONG, '--blocks', String(blocks), '--in-flight', String(blocks)]
    const terminal = onTerminal(args, columns)
    // All blocks have been drawn, in whatever order they came.
    await terminal.wrote(
      new RegExp(Array.from({ length: blocks }, (_, index) => `(?=[^]*block +${index + 1} )`).join('')),
    )
    terminal.type('\x03')
    const { code, text } = await terminal.ended
    expect(code).toBe(130)
    // The terminal stops no line from going on in the next one any more.
    expect(text.lastIndexOf('\x1b[?7h')).toBeGreaterThan(text.lastIndexOf('\x1b[?7l'))
    const { lines, cursor } = screenOf(text, columns, 1000)
    const drawn = lines.filter((line) => /^(block|all) /.test(line))
    expect(drawn).toHaveLength(blocks + 1)
    for (const line of drawn) expect(line).toMatch(/( %|[█░]|left|loss \d\.\d{4}|blocks|samples\/s|through all)$/)
    expect(lines.join('\n')).not.toContain('^C')
    const failure = lines.findIndex((line) => line.startsWith('error NOPROP_CANCELLED: interrupted'))
    expect(lines[failure - 1]).toMatch(/^all /)
    expect(cursor).toEqual({ row: lines.length, column: 0 })
  })

  test('a second Ctrl-C ends the process at once, on a new line', async () => {
    // The work is one that nothing stops: a driver's program that does not answer.
    const directory = temporaryDirectory()
    const program = '#!/bin/sh\ntrap "" INT\necho asked > /dev/tty\nexec sleep 60\n'
    writeFileSync(join(directory, 'nvidia-smi'), program, { mode: 0o755 })
    const terminal = onTerminal(['doctor'], 80, { PATH: `${directory}:${process.env.PATH}` })
    await terminal.wrote(/asked/)
    // Signals that come close together may be one.
    const typing = setInterval(() => terminal.type('\x03'), 100)
    const { code, text } = await terminal.ended
    clearInterval(typing)
    expect(code).toBe(130)
    expect(text).not.toContain('error')
    expect(screenOf(text, 80, 1000).cursor.column).toBe(0)
  })

  test('a failure is red where colour is wanted', async () => {
    const red = '\x1b[31merror'
    expect((await shown(['nothing'], 80)).text).toContain(red)
    for (const env of [{ NO_COLOR: '1' }, { FORCE_COLOR: '0' }, { TERM: 'dumb' }]) {
      expect((await shown(['nothing'], 80, env)).text).not.toContain('\x1b')
    }
  })

  test.each([40, 80, 120])('doctor marks what is well, and fits %i columns but for paths', async (columns) => {
    const { code, lines, text } = await shown(['doctor'], columns)
    expect(code).toBe(0)
    expect(text).toContain('\x1b[32m✓ \x1b[39mcpu: ')
    // A path is not broken, so that it can be copied.
    for (const line of stripVTControlCharacters(text).split(/\r?\n/)) {
      if (line.length > columns) expect(line.slice(18)).toMatch(/^\S+$/)
    }
    expect(lines.join('\n')).toMatch(/to do +✓ nothing, all is well/)
    const ascii = await shown(['doctor'], 80, { LC_ALL: 'C', LANG: 'C', NO_COLOR: '1' })
    expect(ascii.lines.join('\n')).toMatch(/to do +\+ nothing, all is well/)
  })

  test('results go on under their beginning', async () => {
    const { lines } = await shown(['train', '--data', smallIdx(), ...SMALL_FLAGS, '--blocks', '6', '--epochs', '1'], 40)
    const at = lines.findIndex((line) => line.startsWith('after block'))
    expect(lines[at]).toMatch(/^after block {5}1: [\d.]+ % {2}2: [\d.]+ %$/)
    expect(lines[at + 1]).toMatch(/^ {16}3: [\d.]+ % {2}4: [\d.]+ %$/)
  })

  test('blocks that add nothing are named in as many lines as it takes, also where their table does not fit', async () => {
    const [data, out] = [smallIdx(), join(temporaryDirectory(), 'model.safetensors')]
    const net = ['--net', 'mlp', '--hidden', '4', '--blocks', '24', '--epochs', '1', '--lr', '1e-9']
    expect(await runCli(['train', '--data', data, ...net, '--out', out])).toMatchObject({ code: 0 })
    for (const columns of [40, 80]) {
      const { code, text } = await shown(['eval', out, '--data', data, '--blocks'], columns)
      const plain = stripVTControlCharacters(text).replaceAll('\r', '')
      expect([columns, code]).toEqual([columns, 0])
      if (columns === 80) expect(plain).toMatch(/\nblock +before +after +all without it +with other images\n1 /)
      else expect(plain.replace(/\s+/g, ' ')).toMatch(/table of blocks needs \d+ columns; this terminal has 40/)
      expect(plain.replace(/\s+/g, ' ')).toMatch(/: \d+ blocks?(, each alone)? \([\d, -]+\)/)
      expect(widest(text)).toBeLessThanOrEqual(columns)
    }
  })
})

test('elsewhere doctor has its marks without colour, unless it is forced', async () => {
  const plain = await runCli(['doctor'])
  expect(plain.stdout).not.toContain('\x1b')
  expect(plain.stdout).toMatch(/^device +[✓+] cpu: /m)
  const forced = await runCli(['doctor'], { env: { ...process.env, FORCE_COLOR: '1' } })
  expect(forced.stdout).toContain('\x1b[32m')
  const broken = await runCli(['doctor'], { env: { ...process.env, NOPROP_ADDON: '/nowhere/noprop.node' } })
  expect(broken.stdout).toMatch(/^addon +[✗x] none for /m)
  expect(broken.stdout).toMatch(/^to do +[✗x] /m)
})

test('the help is 80 columns wide where there is no terminal', async () => {
  for (const name of COMMANDS) {
    const { stdout } = await runCli([name, '--help'], { env: { ...process.env, COLUMNS: '200' } })
    expect([name, widest(stdout) <= 80]).toEqual([name, true])
  }
})
