import { spawnSync } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { Io } from '../src/cli/io.js'
import { printableLines } from '../src/printable.js'
import { smallIdx, temporaryDirectory } from './support/data.js'
import { SMALL_FLAGS } from './support/models.js'
import { done, runCli, startNode } from './support/process.js'
import { readSafetensors, writeSafetensors } from './support/safetensors.js'

/** A small data set, and a model trained on it. */
async function trained() {
  const data = smallIdx()
  const out = join(temporaryDirectory(), 'model.safetensors')
  await done(['train', '--data', data, ...SMALL_FLAGS, '--epochs', '1', '--out', out])
  return { data, out }
}

const FULL = /^error NOPROP_OUTPUT: the results cannot be written to stdout; received: ENOSPC[^\n]+; hint: [^\n]+\n$/

describe.runIf(existsSync('/dev/full'))('stdout on a full disk', () => {
  /** Runs the command line with its stdout on a disk without room. */
  async function onFullDisk(args: string[]) {
    const full = openSync('/dev/full', 'w')
    try {
      return await runCli(args, { stdio: ['ignore', full, 'pipe'] })
    } finally {
      closeSync(full)
    }
  }

  test('every command says so in one line, with exit code 1', async () => {
    const { data, out } = await trained()
    const commands = [
      ...[
        ['--help'],
        ['--version'],
        ['train', '--help'],
        [],
        ['doctor'],
        ['bench', '--seconds', '0.05', '--net', 'mlp'],
      ],
      ...[
        ['inspect', out],
        ['eval', out, '--data', data],
        ['predict', out, '--data', data],
      ],
      ...[['inspect', out], ['predict', out, '--data', data], ['doctor']].map((args) => [...args, '--json']),
    ]
    for (const args of commands) {
      const { code, stderr } = await onFullDisk(args)
      expect([args, code, stderr]).toEqual([args, 1, expect.stringMatching(FULL)])
    }
  })

  test.each([[[]], [['--json']]])('train %j saves its model and says where', async (flags) => {
    const out = join(temporaryDirectory(), 'model.safetensors')
    const { code, stderr } = await onFullDisk(['train', '--data', smallIdx(), ...SMALL_FLAGS, '--out', out, ...flags])
    expect(code).toBe(1)
    const last = stderr.slice(stderr.indexOf('error '))
    expect(last).toMatch(FULL)
    expect(last).toContain(`; the model was saved to ${out}`)
    await done(['inspect', out])
  })

  test('train --json that has nowhere to save its model stops early', async () => {
    const { code, stderr } = await onFullDisk([
      'train',
      '--data',
      smallIdx(),
      ...SMALL_FLAGS,
      '--epochs',
      '1000000',
      '--json',
    ])
    expect([code, stderr]).toEqual([1, expect.stringMatching(FULL)])
  })
})

test.skipIf(process.platform === 'win32')(
  'a result that the disk has room for in part is not taken for written',
  async () => {
    const { data, out } = await trained()
    const file = join(temporaryDirectory(), 'predictions')
    // The limit of a file's size cuts a write short just as a full disk does.
    const script = 'ulimit -f 1; exec "$0" "$@" > "$FILE"'
    const { status, stderr } = spawnSync(
      'bash',
      ['-c', script, process.execPath, join('dist', 'cli.js'), 'predict', out, '--data', data, '--json'],
      { env: { ...process.env, FILE: file }, encoding: 'utf8' },
    )
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^error NOPROP_OUTPUT: [^\n]+EFBIG[^\n]+\n$/)])
    expect(readFileSync(file).length).toBe(1024)
  },
)

test.each(['eval', 'predict', 'inspect', 'doctor', 'train --help'])(
  'a reader that goes away ends %s quietly',
  async (name) => {
    const { data, out } = await trained()
    const [command, ...flags] = name.split(' ') as [string, ...string[]]
    const operands = name === 'doctor' || flags.length > 0 ? flags : [out]
    const args = [command, ...operands, ...(['eval', 'predict'].includes(name) ? ['--data', data] : [])]
    const { child, ended } = startNode([join('dist', 'cli.js'), ...args])
    child.stdout!.destroy()
    const { code, stderr } = await ended
    expect([code, stderr]).toEqual([0, ''])
  },
)

test('waiting for a slow reader leaves no listener behind, and ends when stdout fails or the work is stopped', async () => {
  const stdout = Object.assign(new EventEmitter(), { writableNeedDrain: true })
  vi.spyOn(process, 'stdout', 'get').mockReturnValue(stdout as unknown as typeof process.stdout)
  try {
    const controller = new AbortController()
    const io = new Io(false, false, controller.signal)
    const before = stdout.listenerCount('error')
    for (const event of ['drain', 'drain', 'error']) {
      const drained = io.drain()
      stdout.emit(event, Object.assign(new Error('gone'), { code: 'EPIPE' }))
      await drained
      expect([event, stdout.listenerCount('drain'), stdout.listenerCount('error')]).toEqual([event, 0, before])
    }
    expect([io.closed, io.failure]).toEqual([true, undefined])
    const other = new Io(false, false, controller.signal)
    const drained = other.drain()
    controller.abort()
    await drained
    expect(stdout.listenerCount('drain')).toBe(0)
  } finally {
    vi.restoreAllMocks()
  }
})

test('what a file says of itself moves no cursor, and forges no line', async () => {
  const { out } = await trained()
  const { metadata, ...rest } = readSafetensors(out)
  const forged = '\x1b[2J\r\nweights         sha256 deadbeef'
  const training = JSON.parse(metadata.training as string)
  const evil = join(temporaryDirectory(), 'evil\x1b[31m\u202e.safetensors')
  const texts = { ...metadata, training: JSON.stringify({ ...training, [`device${forged}`]: forged, device: forged }) }
  writeSafetensors(evil, { ...rest, metadata: texts })
  const { code, stdout, stderr } = await runCli(['inspect', evil])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toBe(printableLines(stdout))
  expect(stdout).toContain('\\x1b[2J\\r\\nweights')
  expect(stdout.match(/^weights .*$/gm)).toHaveLength(1)
  const missing = await runCli(['inspect', `/nowhere/\x1b]0;x\x07\nerror NOPROP_IO: forged`])
  expect(missing.stderr).toMatch(/^error NOPROP_FILE_NOT_FOUND: [^\n]*\\x1b\]0;x\\x07[^\n]*\n$/)
  const json = await runCli(['inspect', evil, '--json'])
  expect(json.stdout).toBe(printableLines(json.stdout))
  expect(JSON.parse(json.stdout)).toMatchObject({ path: evil, training: { device: forged } })
})
