import { expect, test } from 'vitest'
import { ProgressDisplay } from '../src/cli/progress.js'
import { duration } from '../src/cli/progress-lines.js'
import type { FitEvent, ProgressEvent, StartEvent } from '../src/index.js'
import { finished } from './support/fake-native.js'

const start: StartEvent = {
  event: 'start',
  blocks: 12,
  epochs: 2,
  samples: 1000,
  stepsPerBlock: 100,
  parameters: 1,
  threads: 2,
  inFlight: 2,
  resume: false,
  device: 'cpu',
}
const progress = (block: number, step: number): ProgressEvent => ({
  event: 'progress',
  block,
  epoch: 1,
  epochs: 2,
  step,
  steps: 100,
  loss: 0.25,
  samplesPerSecond: 1234.5,
  secondsLeft: 75,
})

function shown(isTTY: boolean, events: readonly FitEvent[], size = { columns: 100, rows: 24 }): string {
  let text = ''
  const display = new ProgressDisplay({ write: (part) => (text += part), isTTY, ...size })
  for (const event of events) display.show(event)
  display.end()
  return text
}

test('on a terminal every block has a line that is redrawn in place', () => {
  const text = shown(true, [start, progress(1, 50), progress(12, 25), finished(12) as FitEvent])
  // The first drawing has the line of the whole alone; the last goes back over it.
  expect(text.startsWith('\x1b[2Kall')).toBe(true)
  expect(text).toContain('\x1b[1A')
  const last = text.slice(text.lastIndexOf('A') + 1)
  expect(last).toContain('block  1  ██████████░░░░░░░░░░  epoch 1/2, 1,235 samples/s, loss 0.2500, 1:15 left')
  expect(last).toContain('block 12  ████████████████████  finished in 1.0 s, loss 0.5000')
  expect(last).toContain('1/12 blocks')
})

test('no line is wider than the terminal, and there are no more lines than it has', () => {
  const events = [start, ...Array.from({ length: 12 }, (_, index) => progress(index + 1, 10))]
  const text = shown(true, events, { columns: 40, rows: 8 })
  const frame = text
    .slice(text.lastIndexOf('A') + 1)
    .split('\n')
    .filter(Boolean)
  expect(frame.length).toBeLessThanOrEqual(7)
  for (const line of frame) expect(line.replace('\x1b[2K', '').length).toBeLessThan(40)
})

test('elsewhere finished blocks are told in plain lines, without control characters', () => {
  const text = shown(false, [start, progress(1, 50), finished(1) as FitEvent, finished(2, true) as FitEvent])
  expect(text).toBe(
    'block  1  100 %  finished in 1.0 s, loss 0.5000\nblock  2  100 %  kept from the checkpoint, loss 0.5000\n',
  )
})

test('a loss that is not known yet is left out', () => {
  expect(shown(true, [start, { ...progress(1, 50), loss: null }])).toContain('1,235 samples/s, 1:15 left')
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
