import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { typedFlags } from '../src/cli/flags.js'
import { chart } from '../src/cli/reproduce/chart.js'
import { markdown, resultsOf } from '../src/cli/reproduce/document.js'
import type { State } from '../src/cli/reproduce/state.js'
import { TABLES } from '../src/cli/reproduce/tables.js'
import { measuredAt, raceTimes } from '../src/cli/reproduce/train-row.js'
import { NoProp } from '../src/index.js'
import { idx, squares, temporaryDirectory } from './support/data.js'
import { runCli } from './support/process.js'

/** A directory with a data set `mnist` of 14×14 pixels and two classes. */
function smallData(first = 1): string {
  const root = temporaryDirectory()
  mkdirSync(join(root, 'mnist'))
  for (const [name, count, seed] of [
    ['train', 160, first],
    ['t10k', 32, first + 1],
  ] as const) {
    const { images, labels } = squares(count, 14, [0, 1, 2, 3], seed)
    writeFileSync(join(root, 'mnist', `${name}-images-idx3-ubyte`), idx('images', [count, 14, 14], images))
    writeFileSync(join(root, 'mnist', `${name}-labels-idx1-ubyte`), idx('labels', [count], Uint8Array.from(labels)))
  }
  return root
}

async function reproduce(...flags: string[]) {
  const { code, stdout, stderr } = await runCli(['reproduce', '--json', ...flags])
  const lines = stdout.trim().split('\n').filter(Boolean)
  return { code, stderr, last: JSON.parse(lines.at(-1) ?? '{}'), lines: lines.map((line) => JSON.parse(line)) }
}

test('every row of every table is a model and a training that noprop has, and is typed as it is trained', () => {
  for (const [name, { rows }] of Object.entries(TABLES)) {
    expect([name, new Set(rows.map((row) => row.id)).size]).toEqual([name, rows.length])
    for (const { data, model, within, training, id } of rows) {
      const input = data === 'mnist' ? [28, 28, 1] : [32, 32, 3]
      const { config } = NoProp.create({ input, classes: data === 'cifar100' ? 100 : 10, ...model })
      const method = typeof config.method === 'string' ? config.method : config.method.type
      const flags = typedFlags({ ...model, ...training })
      expect([id, flags]).toEqual([id, expect.arrayContaining(['--method', method, '--batch', `${training.batch}`])])
      if (within) NoProp.create({ input, classes: 10, ...model, ...within.model })
    }
  }
})

test('a row is trained within its budget, and the figures that are written are those that were computed', async () => {
  const [data, out] = [smallData(), join(temporaryDirectory(), 'results')]
  const flags = ['--table', 'sketch', '--data', data, '--budget', '0.2', '--seeds', '2', '--runs', '2', '--out', out]
  const only = ['--only', 'mnist-dt,mnist-forward-forward,cifar10-dt']
  const { code, last, lines } = await reproduce(...flags, ...only)
  expect([code, last.event, last.table]).toEqual([0, 'done', 'seed'])
  const row = (id: string) => last.rows.find((one: { id: string }) => one.id === id)
  for (const id of ['mnist-dt', 'mnist-forward-forward']) {
    const accuracies = lines.filter((line) => line.row === id).flatMap((line) => line.accuracies as number[])
    expect([id, accuracies.length, row(id).figures]).toEqual([id, 4, 4])
    const mean = (100 * accuracies.reduce((sum, one) => sum + one, 0)) / 4
    expect(row(id).ours).toBeCloseTo(mean, 9)
  }
  expect(row('mnist-dt').notes.join()).toMatch(/^(\d+ of 100 epochs,)?no noise in sampling$/)
  expect(row('cifar10-dt')).toMatchObject({ ours: null, notes: [expect.stringContaining('no data')] })
  expect(row('mnist-backprop')).toMatchObject({ ours: null, notes: ['not measured yet'] })
  const document = readFileSync(join(out, 'seed.md'), 'utf8')
  expect(document).toContain(`${row('mnist-dt').ours.toFixed(2)} ± `)
  expect(document).toContain(`noprop train --data ${join(data, 'mnist')} --method dt --blocks 10 --seed 0`)
  expect(document).toMatch(/\| Back-propagation \| mnist \| accuracy \| 99.40 % \| – \|/)
  expect(readdirSync(out).sort()).toEqual([
    'checkpoints',
    'seed-mnist.svg',
    'seed-results.json',
    'seed.json',
    'seed.md',
  ])
  expect(readFileSync(join(out, 'seed-mnist.svg'), 'utf8')).toMatch(/^<svg[\s\S]*<polyline[\s\S]*<\/svg>\n$/)

  // Nothing is trained again, with whatever budget, but a full run is another.
  const again = await reproduce(...flags, ...only)
  expect(again.lines.filter((line) => line.event === 'trained')).toEqual([])
  expect(again.last.rows).toEqual(last.rows)
  const withBudget = (budget: string) => flags.map((flag) => (flag === '0.2' ? budget : flag))
  const more = await reproduce(...withBudget('0.3'), ...only)
  expect(more.lines.filter((line) => line.event === 'trained')).toEqual([])
  expect(more.last.rows).toEqual(last.rows)
  expect(readFileSync(join(out, 'seed.md'), 'utf8')).toContain('budget 0.2 and 0.3 minutes, a call each')
  await reproduce(...withBudget('0.4'), ...only)
  expect(readFileSync(join(out, 'seed.md'), 'utf8')).toContain('budget 0.2, 0.3 and 0.4 minutes, a call each')
  const other = await reproduce(...withBudget('full'), ...only)
  expect([other.code, other.last.code, other.last.what]).toEqual([
    2,
    'NOPROP_OPTION',
    expect.stringContaining('--budget'),
  ])
})

test('what was interrupted goes on where it was, and ends with the same figures', async () => {
  const [data, out] = [smallData(), temporaryDirectory()]
  const flags = [
    '--table',
    'paper-accuracy',
    '--data',
    data,
    '--budget',
    '0.1',
    '--seeds',
    '1',
    '--runs',
    '1',
    '--out',
    out,
  ]
  const only = ['--only', 'mnist-fm']
  const whole = await reproduce(...flags, ...only)
  // As if it had been killed after the second point: what came later is gone, and the checkpoint too.
  const file = join(out, 'paper-accuracy.json')
  const state = JSON.parse(readFileSync(file, 'utf8')) as State
  const [trained] = state.rows['mnist-fm']!.trained
  expect(trained!.points.length).toBeGreaterThan(1)
  delete trained!.accuracies
  trained!.points.splice(1)
  writeFileSync(file, JSON.stringify(state))
  const rest = await reproduce(...flags, ...only)
  const figures = ({ last }: typeof whole) => last.rows.find((one: { id: string }) => one.id === 'mnist-fm')
  expect(figures(rest).ours).toBe(figures(whole).ours)
  expect(figures(rest).epochs).toBe(figures(whole).epochs)
  writeFileSync(file, '{"table":')
  const damaged = await reproduce(...flags, ...only)
  expect([damaged.code, damaged.last.code]).toEqual([1, 'NOPROP_FILE_FORMAT'])
})

test('a row of other data begins anew, and one that was sampled otherwise is refused', async () => {
  const [one, other, out] = [smallData(), smallData(7), temporaryDirectory()]
  const flags = (data: string, runs: string, seeds = '1') => [
    ...['--table', 'seed', '--data', data, '--budget', '0.02', '--seeds', seeds, '--runs', runs, '--out', out],
    ...['--only', 'mnist-dt'],
  ]
  const trained = ({ lines }: Awaited<ReturnType<typeof reproduce>>) => lines.filter((line) => line.event === 'trained')
  const first = await reproduce(...flags(one, '2'))
  expect(trained(first)).toHaveLength(1)
  const document = () => readFileSync(join(out, 'seed.md'), 'utf8')
  expect(document()).toContain('`noprop reproduce --table seed --seeds 1 --runs 2 --only mnist-dt`')
  expect(document()).toContain('over 2 sampling runs of one seed: how trainings differ is not in them')
  expect(document()).toContain(`noprop train --data ${join(one, 'mnist')} --method dt`)

  const more = await reproduce(...flags(one, '6'))
  expect([more.code, more.last.code, more.last.expected]).toEqual([2, 'NOPROP_OPTION', '--runs 2'])

  // The same samples elsewhere are the same data; others are not averaged with them.
  const moved = smallData()
  expect(trained(await reproduce(...flags(moved, '2')))).toEqual([])
  const anew = await reproduce(...flags(other, '3', '2'))
  expect([anew.code, trained(anew).map(({ seed }) => seed)]).toEqual([0, [0, 1]])
  expect(anew.last.rows[0]).toMatchObject({ id: 'mnist-dt', figures: 6, seeds: 2 })
  expect(document()).toContain(`noprop train --data ${join(other, 'mnist')} --method dt`)
  expect(document()).not.toContain(one)

  // Figures stay with the data that they are of.
  const none = await reproduce(...flags(join(out, 'nowhere'), '3'))
  expect([none.code, none.last.code, none.last.what]).toEqual([
    1,
    'NOPROP_FILE_NOT_FOUND',
    expect.stringContaining('no row can be measured'),
  ])
  expect(document()).toContain(`noprop train --data ${join(other, 'mnist')} --method dt`)
})

test('a state without the fingerprints of its data begins anew', async () => {
  const [data, out] = [smallData(), temporaryDirectory()]
  const flags = ['--data', data, '--budget', '0.02', '--seeds', '1', '--runs', '1', '--out', out, '--only', 'mnist-dt']
  await reproduce('--table', 'seed', ...flags)
  const file = join(out, 'seed.json')
  const state = JSON.parse(readFileSync(file, 'utf8')) as State
  delete state.rows['mnist-dt']!.data
  writeFileSync(file, JSON.stringify(state))
  // Nor is it gone on with what an earlier training has left.
  mkdirSync(join(out, 'checkpoints', 'seed', 'mnist-dt-0'), { recursive: true })
  writeFileSync(join(out, 'checkpoints', 'seed', 'mnist-dt-0', 'run.json'), 'no checkpoint')
  const { code, lines } = await reproduce('--table', 'seed', ...flags)
  expect([code, lines.filter((line) => line.event === 'trained').length]).toEqual([0, 1])
})

test('an --out that is a file, or that no directory can be made at, is refused', async () => {
  const file = join(temporaryDirectory(), 'results')
  writeFileSync(file, '')
  const flags = ['--table', 'seed', '--data', smallData(), '--out']
  const { code, last } = await reproduce(...flags, file)
  expect([code, last.code, last.what]).toEqual([2, 'NOPROP_OPTION', '--out is a file'])
  expect((await reproduce(...flags, join(file, 'below'))).last).toMatchObject({ code: 'NOPROP_IO' })
})

test.runIf(process.platform === 'linux')('a place where the system makes nothing is no endless loop', async () => {
  const { code, last } = await reproduce('--table', 'seed', '--data', smallData(), '--out', '/proc/noprop/results')
  expect([code, last.code]).toEqual([1, 'NOPROP_IO'])
  expect(last.what).toContain('/proc/noprop/results')
  expect(last.hint).toContain('--out')
})

test('what is not as in the document is said of what the document says', () => {
  const trained = { asked: '', epochs: 1, trained: [{ seed: 0, pending: 0, accuracies: [0.9, 0.8], points: [] }] }
  const rows = Object.fromEntries(TABLES.seed!.rows.map((row) => [row.id, trained]))
  const results = resultsOf(TABLES.seed!, { table: 'seed', budget: 1, rows }, {})
  const notes = (id: string) => results.find((result) => result.id === id)
  expect(notes('mnist-dt')).toMatchObject({ notes: ['1 of 100 epochs', 'no noise in sampling'], documentEpochs: 100 })
  expect(notes('mnist-dt-time-1')!.notes.join()).not.toContain('epochs')
  expect(notes('mnist-dt-time-1')!.documentEpochs).toBeNull()
  const table = TABLES['diffusion-blocks']!
  const ranges = { 'cifar10-vit-edm': trained }
  const [edm] = resultsOf(table, { table: 'diffusion-blocks', budget: 1, rows: ranges }, {})
  expect(edm!.notes.join()).toContain('no RandAugment')
})

test('memory is that of a training in a process of its own', async () => {
  const [data, out] = [smallData(), temporaryDirectory()]
  const only = ['--only', 'mnist-dt-memory,mnist-backprop-memory']
  const { code, last } = await reproduce('--table', 'paper-memory', '--data', data, '--out', out, ...only)
  expect(code).toBe(0)
  const ours = (id: string) => last.rows.find((one: { id: string }) => one.id === id).ours
  // Ten blocks at once have ten times the weights and moments of one in flight.
  expect(ours('mnist-dt-memory')).toBeGreaterThan(0)
  expect(ours('mnist-backprop-memory')).toBeGreaterThan(2 * ours('mnist-dt-memory'))
})

test.each([
  [['--table', 'all'], 'NOPROP_OPTION', 'paper-accuracy'],
  [[], 'NOPROP_USAGE', '--table'],
  [['--table', 'seed', '--budget', '0'], 'NOPROP_OPTION', 'minutes above 0'],
  [['--table', 'seed', '--seeds', '0'], 'NOPROP_OPTION', 'whole number'],
  [['--table', 'seed', '--only', 'mnist'], 'NOPROP_OPTION', 'mnist-dt'],
])('%j is refused in words', async (flags, code, words) => {
  const { last, stderr } = await reproduce(...flags)
  expect(last.code).toBe(code)
  expect(stderr).toContain(words)
  expect(existsSync('reproduction')).toBe(false)
})

test('the time to an accuracy is the first moment at which it was measured', () => {
  const table = TABLES['paper-speed']!
  const trained = (points: [number, number][]) => ({
    asked: '',
    epochs: points.length,
    trained: [
      {
        seed: 0,
        pending: 0,
        accuracies: [points.at(-1)![1]],
        points: points.map(([seconds, accuracy], index) => ({ epoch: index + 1, seconds, accuracy, loss: 1 })),
      },
    ],
  })
  const fast: [number, number][] = [
    [1, 0.5],
    [2, 0.9],
  ]
  const slow: [number, number][] = [
    [10, 0.6],
    [20, 0.8],
    [30, 0.7],
  ]
  const rows = { 'mnist-dt-time': trained(fast), 'mnist-fm-time': trained(slow) }
  const expected = { accuracy: 0.8, seconds: { 'mnist-dt-time': [2], 'mnist-fm-time': [20] } }
  expect(raceTimes(table, rows, 'mnist')).toEqual(expected)
  expect(raceTimes(table, { 'mnist-dt-time': trained(fast) }, 'mnist')).toBeUndefined()
  const state: State = { table: 'paper-speed', budget: 5, rows }
  const results = resultsOf(table, state, {})
  expect(markdown(table, state, results, [])).toContain('| NoProp-FM | mnist | time to 80.00 % | – | 20.0 s |')
})

test('a ratio is that of two times', () => {
  const table = TABLES.seed!
  const trained = (seconds: number) => ({
    asked: '',
    epochs: 1,
    trained: [{ seed: 0, pending: 0, accuracies: [0.9], points: [{ epoch: 1, seconds, accuracy: 0.9, loss: 1 }] }],
  })
  const rows = { 'mnist-dt-time-2': trained(4), 'mnist-backprop-time-2': trained(6) }
  const results = resultsOf(table, { table: 'seed', budget: null, rows }, {})
  const ratio = (workers: number) => results.find((result) => result.id === `mnist-ratio-${workers}`)
  expect(ratio(2)).toMatchObject({ theirs: 3, ours: 1.5, measure: 'ratio' })
  expect(ratio(1)).toMatchObject({ ours: null, notes: ['not measured yet'] })
})

test('a rate that is laid out over all epochs is measured at the end alone', () => {
  const [row] = TABLES.seed!.rows
  expect(measuredAt(row!, 25).at(-1)).toBe(25)
  expect(measuredAt(row!, 3)).toEqual([1, 2, 3])
  expect(measuredAt({ ...row!, training: { learningRateSchedule: 'cool-down' } }, 25)).toEqual([25])
})

test('names in pictures are text', () => {
  expect(chart('a<b', ['x', 'y'], [{ name: '"&"', points: [[0, 1]] }])).toContain('&#34;&#38;&#34;')
})
