import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { FitEvent, ProgressEvent, StartEvent } from '../src/index.js'
import { ProgressDisplay } from '../src/progress/display.js'
import { duration } from '../src/progress/lines.js'
import { finished } from './support/fake-native.js'
import { screenOf } from './support/terminal.js'

const start = (blocks = 12): StartEvent => ({
  event: 'start',
  blocks,
  epochs: 2,
  batch: 128,
  samples: 1000,
  stepsPerBlock: 100,
  parameters: 1,
  threads: 2,
  inFlight: 2,
  resume: false,
  measure: 'accuracy',
  device: 'cpu',
})
const progress = (block: number, step: number): ProgressEvent => ({
  event: 'progress',
  block,
  epoch: 1,
  epochs: 2,
  step,
  steps: 100,
  loss: 0.25,
  samplesPerSecond: 12_345.5,
  secondsLeft: 75,
  jobs: 1,
  threads: 2,
})

/** Each event comes a quarter of a second after the one before. */
beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())
function showAll(display: ProgressDisplay, events: readonly FitEvent[]): void {
  for (const event of events) {
    display.show(event)
    vi.advanceTimersByTime(250)
  }
}

/** What the display writes for these events. */
function written(isTTY: boolean, events: readonly FitEvent[], size = { columns: 100, rows: 24 }): string {
  let text = ''
  const display = new ProgressDisplay({ write: (part) => (text += part), isTTY, ...size })
  showAll(display, events)
  display.end()
  return text
}

/** What a terminal of this size then shows, and where its cursor is. */
function shown(events: readonly FitEvent[], columns: number, rows = 24) {
  return screenOf(written(true, events, { columns, rows }), columns, rows)
}

const many = (blocks: number, training: number) => [
  start(blocks),
  ...Array.from({ length: training }, (_, index) => progress(index + 1, 10 * (index % 10) + 5)),
]

describe('on a terminal', () => {
  test('every block has a line that is redrawn in place, and the cursor ends below', () => {
    const { lines, cursor } = shown([start(), progress(1, 50), progress(12, 25), finished(12) as FitEvent], 100)
    expect(lines).toEqual([
      'block  1  ██████████░░░░░░░░░░  epoch 1/2, 12,346 samples/s, loss 0.2500, 1:15 left',
      'block 12  ████████████████████  finished in 1.0 s, loss 0.5000',
      'all       ███░░░░░░░░░░░░░░░░░  1/12 blocks, 250 samples/s through all, 0:07 left',
    ])
    expect(cursor).toEqual({ row: 3, column: 0 })
  })

  // Whole parts are left out, the least important first: speed, epoch, loss, time.
  test.each([
    [40, 'block  1    5 %  loss 0.2500, 1:15 left'],
    [80, 'block  1  █░░░░░░░░░  epoch 1/2, 12,346 samples/s, loss 0.2500, 1:15 left'],
    [120, 'block  1  █░░░░░░░░░░░░░░░░░░░  epoch 1/2, 12,346 samples/s, loss 0.2500, 1:15 left'],
    [30, 'block  1    5 %  1:15 left'],
    [20, 'block  1    5 %'],
  ])('of %i columns its lines say as much as there is room for', (columns, line) => {
    expect(shown(many(30, 10), columns).lines[0]).toBe(line)
  })

  test.each([40, 80, 120].flatMap((columns) => [3, 10, 30].map((blocks) => [columns, blocks] as const)))(
    'of %i columns no number of %i blocks is cut, and no line breaks',
    (columns, blocks) => {
      const events = [...many(blocks, Math.min(16, blocks)), finished(1) as FitEvent]
      const { lines, cursor } = shown(events, columns)
      expect(lines).toHaveLength(Math.min(16, blocks) + 1)
      expect(cursor).toEqual({ row: lines.length, column: 0 })
      const part = String.raw`(epoch 1/2|12,346 samples/s|loss 0\.[25]500|loss 0\.5000|1:15 left|finished in 1\.0 s)`
      const block = new RegExp(String.raw`^block [ \d]\d? +([█░]+|[ \d]+ %)(  ${part}(, ${part})*)?$`)
      for (const line of lines.slice(0, -1)) expect(line).toMatch(block)
      const whole = String.raw`(\d+/${blocks} blocks|[\d,]+ samples/s through all|[\d:]+ left)`
      expect(lines.at(-1)).toMatch(new RegExp(String.raw`^all +([█░]+|[ \d]+ %)(  ${whole}(, ${whole})*)?$`))
    },
  )

  test('there are no more lines than the terminal has', () => {
    expect(shown(many(12, 12), 40, 8).lines.length).toBeLessThanOrEqual(7)
  })

  test('what Ctrl-C shows is drawn over, and nothing of it stays', () => {
    let text = ''
    const display = new ProgressDisplay({ write: (part) => (text += part), isTTY: true, columns: 80, rows: 24 })
    showAll(display, [start(3), progress(1, 50), progress(2, 25)])
    display.end()
    const before = text
    text += '^C'
    showAll(display, [progress(1, 60), progress(2, 30)])
    display.end()
    // It begins anew below, since the first end() has left its drawing standing.
    const { lines } = screenOf(text, 80, 24)
    expect(lines.join('\n')).not.toContain('^C')
    const drawing = screenOf(before, 80, 24).lines
    expect(lines.slice(0, drawing.length)).toEqual(drawing)
    expect(lines.slice(drawing.length).map((line) => line.slice(0, 8).trim())).toEqual(['block 1', 'block 2', 'all'])
  })

  test('a terminal that became narrower, and has broken the lines, is drawn over whole', () => {
    let text = 'before\n'
    const size = { columns: 120, rows: 24 }
    const screen = { write: (part: string) => (text += part), isTTY: true, ...size }
    const display = new ProgressDisplay(screen)
    showAll(display, [start(3), progress(1, 50)])
    const broken = screenOf(text, 120, 24).lines.flatMap((line) => line.match(/.{1,40}/g) ?? [''])
    screen.columns = 40
    const length = text.length
    display.end()
    const { lines } = screenOf(`${broken.join('\n')}\n${text.slice(length)}`, 40, 24)
    expect(lines[0]).toBe('before')
    expect(lines.slice(1).every((line) => /^(block 1|all) /.test(line))).toBe(true)
  })

  test('a loss that is not known yet is left out', () => {
    const { lines } = shown([start(), { ...progress(1, 50), loss: null }], 100)
    expect(lines[0]).toContain('12,346 samples/s, 1:15 left')
  })
})

test('elsewhere finished blocks are told in plain lines, without control characters', () => {
  const text = written(false, [start(), progress(1, 50), finished(1) as FitEvent, finished(2, true) as FitEvent])
  expect(text).toBe(
    'block  1  100 %  finished in 1.0 s, loss 0.5000\nblock  2  100 %  from the checkpoint, loss 0.5000\n',
  )
})

test('durations', () => {
  expect([0, 7.4, 75, 3600, 11_100, Number.NaN].map(duration)).toEqual([
    '0:00',
    '0:07',
    '1:15',
    '1:00:00',
    '3:05:00',
    '?',
  ])
})
