import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { NoProp, type SweepOptions, type SweepTrial, sweep } from '../src/index.js'
import { combinations } from '../src/sweep/space.js'
import { smallIdx, temporaryDirectory, vectors } from './support/data.js'
import { done, events, runCli, startCli } from './support/process.js'

const data = vectors(120, 8, 3)
const SHARED = { blocks: 2, net: { type: 'mlp', hidden: [16] }, epochs: 2, batch: 16 } as const

test('a grid tries every combination, and each trial is the training that fit would do', async () => {
  const grid = { learningRate: [1e-4, 0.01], 'net.hidden': [[8], [16]] }
  const seen: number[] = []
  const { trials, best, model, samples } = await sweep(data, {
    options: SHARED,
    grid,
    validationSplit: 0.25,
    onTrial: ({ trial }) => seen.push(trial),
  })
  expect(trials.map(({ values }) => values)).toEqual([
    { learningRate: 1e-4, 'net.hidden': [8] },
    { learningRate: 1e-4, 'net.hidden': [16] },
    { learningRate: 0.01, 'net.hidden': [8] },
    { learningRate: 0.01, 'net.hidden': [16] },
  ])
  expect([seen, samples]).toEqual([[1, 2, 3, 4], 30])
  expect(best.accuracy).toBe(Math.max(...trials.map(({ accuracy }) => accuracy as number)))
  expect(await model.weightsSha256()).toBe(best.weightsSha256)
  expect(model.config.net).toMatchObject({ hidden: best.values['net.hidden'] })
  // The same samples are held out as by fit.
  const single = NoProp.create({ input: [8], classes: 3, blocks: 2, net: { type: 'mlp', hidden: [8] } })
  const history = await single.fit(data, { epochs: 2, batch: 16, learningRate: 0.01, validationSplit: 0.25 })
  expect(trials[2]).toMatchObject({ weightsSha256: history.weightsSha256, accuracy: history.validation?.accuracy })
})

test('a random search is a function of its seed, and more of it begins with the same trials', () => {
  const space = {
    grid: { batch: [8, 16, 32] },
    ranges: {
      learningRate: { from: 1e-4, to: 1e-1, scale: 'log' },
      blocks: { from: 2, to: 5, whole: true },
      weightDecay: { from: 0, to: 0.5 },
    },
  } as const
  const twenty = combinations({ ...space, random: 20 }, 7)
  expect(combinations({ ...space, random: 30 }, 7).slice(0, 20)).toEqual(twenty)
  expect(combinations({ ...space, random: 20 }, 8)).not.toEqual(twenty)
  const many = combinations({ ...space, random: 2000 }, 0) as Record<string, number>[]
  const share = (is: (values: Record<string, number>) => boolean) => many.filter(is).length / many.length
  // Three orders of magnitude, four whole numbers and three values are each as likely as the others: √(p(1 − p)/n) is below 0.011.
  for (const from of [1e-4, 1e-3, 1e-2]) {
    expect(Math.abs(share(({ learningRate: rate }) => rate! >= from && rate! < 10 * from) - 1 / 3)).toBeLessThan(0.05)
  }
  for (const count of [2, 3, 4, 5]) expect(Math.abs(share(({ blocks }) => blocks === count) - 0.25)).toBeLessThan(0.05)
  for (const size of [8, 16, 32]) expect(Math.abs(share(({ batch }) => batch === size) - 1 / 3)).toBeLessThan(0.05)
  expect(share(({ weightDecay: rate }) => rate! >= 0 && rate! <= 0.5)).toBe(1)
  expect(combinations({ grid: { batch: [8, 8, 16] } }, 0)).toEqual([{ batch: 8 }, { batch: 16 }])
})

test('a directory keeps what is finished, for other sweeps over the same data too', async () => {
  const directory = join(temporaryDirectory(), 'kept')
  const run = (rates: number[], options: Partial<SweepOptions> = {}) =>
    sweep(data, { options: SHARED, grid: { learningRate: rates }, directory, ...options })
  const first = await run([1e-4, 0.01])
  expect(first.trials.map(({ resumed }) => resumed)).toEqual([false, false])
  const more = await run([1e-4, 0.01, 1e-5], { options: { ...SHARED, threads: 1 } })
  expect(more.trials.map(({ resumed }) => resumed)).toEqual([true, true, false])
  expect(more.best).toEqual({ ...first.best, resumed: true })
  expect(await more.model.weightsSha256()).toBe(first.best.weightsSha256)
  // The best of these is not the one that is kept: it is trained again.
  const worse = await run([1e-4])
  expect(worse.trials[0]?.resumed).toBe(true)
  expect(await worse.model.weightsSha256()).toBe(first.trials[0]?.weightsSha256)
  const other = await run([1e-4], { seed: 1 })
  expect(other.trials[0]?.resumed).toBe(false)
  // States are kept only of what runs; damaged results count as none.
  expect(readdirSync(directory).filter((name) => !name.endsWith('.json'))).toEqual(['best.safetensors'])
  for (const name of readdirSync(directory))
    if (name.endsWith('.json')) writeFileSync(join(directory, name), '{"accuracy":2')
  rmSync(join(directory, 'best.safetensors'))
  expect(await run([0.01])).toMatchObject({ best: { resumed: false, weightsSha256: first.trials[1]?.weightsSha256 } })
})

test('a sweep stops at once, and goes on from the states of the trial that ran', async () => {
  const directory = join(temporaryDirectory(), 'kept')
  const options = { options: { ...SHARED, epochs: 20 }, grid: { learningRate: [0.01, 0.02, 0.03] } }
  const whole = await sweep(data, options)
  const stop = new AbortController()
  const reason = new Error('enough')
  const finished: SweepTrial[] = []
  const stopped = sweep(data, {
    ...options,
    directory,
    signal: stop.signal,
    onTrial: (trial) => finished.push(trial),
    onEvent: (event, trial) => void (trial === 2 && event.event === 'epoch' && event.epoch === 3 && stop.abort(reason)),
  })
  await expect(stopped).rejects.toBe(reason)
  expect(finished.map(({ trial }) => trial)).toEqual([1])
  expect(readdirSync(directory).some((name) => existsSync(join(directory, name, 'run.json')))).toBe(true)
  const again = await sweep(data, { ...options, directory })
  expect(again.trials.map(({ resumed }) => resumed)).toEqual([true, false, false])
  const sums = (trials: readonly SweepTrial[]) => trials.map(({ weightsSha256 }) => weightsSha256)
  expect(sums(again.trials)).toEqual(sums(whole.trials))
})

test('a trial that diverges counts as the worst, and if all do the sweep fails', async () => {
  const diverging = { options: { ...SHARED, epochs: 3 }, grid: { learningRate: [1000, 0.01] } }
  const { trials, best } = await sweep(data, diverging)
  expect(best.trial).toBe(2)
  if (trials[0]?.accuracy === null) expect(trials[0]).toMatchObject({ error: { code: 'NOPROP_DIVERGED' } })
})

test.each<[string, unknown, RegExp]>([
  ['nothing to try', {}, /nothing to try/],
  ['an empty list', { grid: { batch: [] } }, /the values of batch to try cannot be used/],
  ['no list', { grid: { batch: 8 } }, /the values of batch to try cannot be used/],
  ['ranges alone', { ranges: { batch: { from: 1, to: 2 } } }, /ranges can only be drawn from/],
  ['a range upside down', { random: 2, ranges: { batch: { from: 3, to: 2 } } }, /the range of batch cannot be used/],
  ['a logarithm of 0', { random: 2, ranges: { batch: { from: 0, to: 2, scale: 'log' } } }, /above 0/],
  [
    'an option twice',
    { random: 2, grid: { batch: [1] }, ranges: { batch: { from: 1, to: 2 } } },
    /in grid and in ranges/,
  ],
  ['too many', { grid: { batch: Array(200).fill(1), epochs: Array(200).fill(1) } }, /too many combinations/],
  ['an unknown option', { grid: { bacth: [1] } }, /bacth/],
  [
    'an option of the sweep',
    { options: { validation: 1 }, grid: { batch: [8] } },
    /validation is none of a single trial/,
  ],
  ['NaN', { grid: { learningRate: [Number.NaN] } }, /learningRate\[0\]/],
  ['a prototype', { grid: { '__proto__.x': [1] } }, /there is no option/],
  ['two validations', { grid: { batch: [8] }, validation: data, validationSplit: 0.1 }, /both validation and/],
])('%s: refused', async (_, options, message) => {
  await expect(sweep(data, options as SweepOptions)).rejects.toThrow(message)
})

test('noprop sweep prints a table, best first, and with --json each trial', async () => {
  const [set, out] = [smallIdx({ side: 8 }), join(temporaryDirectory(), 'search')]
  const flags = [
    '--data',
    set,
    '--blocks',
    '2',
    '--epochs',
    '2',
    '--grid',
    'learning-rate=1e-4,1e-2',
    '--grid',
    'hidden=8:8,16',
  ]
  const outcome = await runCli(['sweep', ...flags, '--out', out])
  expect([outcome.code, outcome.stderr]).toEqual([
    0,
    expect.stringContaining('trial 4 of 4, learning-rate 1e-2, hidden 16'),
  ])
  expect(outcome.stdout).toMatch(/^trial +learning-rate +hidden +accuracy +loss +time\n\d/)
  const shown = [...outcome.stdout.matchAll(/^\d .* (\d+\.\d\d) % /gm)].map(([, accuracy]) => Number(accuracy))
  expect(shown).toHaveLength(4)
  expect(shown).toEqual([...shown].sort((one, other) => other - one))
  expect(outcome.stdout).toMatch(/^test accuracy +\d/m)
  const again = events(await runCli(['sweep', ...flags, '--out', out, '--json']))
  expect(again.map(({ event }) => event)).toEqual(['trial', 'trial', 'trial', 'trial', 'done'])
  expect(again[1]).toMatchObject({
    trial: 2,
    trials: 4,
    values: { learningRate: 1e-4, 'net.hidden': [16] },
    resumed: true,
  })
  expect(again[4]).toMatchObject({ best: { resumed: true }, out, samples: 52 })
  // The best model is a model like others.
  const { accuracy } = await done(['eval', join(out, 'best.safetensors'), '--data', set])
  expect(accuracy).toBe(again[4]?.testAccuracy)
})

test('Ctrl-C ends a sweep with the table of what is finished', async () => {
  const out = join(temporaryDirectory(), 'search')
  const flags = [
    '--data',
    smallIdx({ side: 8 }),
    '--blocks',
    '2',
    '--epochs',
    '400',
    '--grid',
    'lr=1e-4,2e-4,3e-4,4e-4',
  ]
  const run = startCli(['sweep', ...flags, '--out', out])
  await run.wrote(/trial 1 of 4/)
  run.child.kill('SIGINT')
  const { code, stdout, stderr } = await run.ended
  expect([code, stdout]).toEqual([130, expect.stringMatching(/^trial +lr +accuracy/)])
  expect(stderr).toContain(`what is finished is kept in ${out}`)
})

test.each<[string[], RegExp]>([
  [[], /nothing to try.*--grid lr=1e-3,3e-3/],
  [['--grid', 'lr'], /--grid has a bad value; expected: NAME=VALUE,VALUE/],
  [['--grid', 'lrr=1'], /there is no such option to vary; hint: did you mean lr\?/],
  [['--grid', 'lr=fast'], /--lr has a bad value; expected: a number/],
  [['--grid', 'identity=maybe'], /yes or no/],
  [['--range', 'lr=1e-4..1'], /--range needs --random/],
  [['--random', '2', '--range', 'lr=1e-4'], /NAME=FROM\.\.TO/],
  [['--grid', 'lr=1', '--grid', 'learning-rate=2'], /named twice/],
])('%j is refused', async (args, message) => {
  const { code, stderr } = await runCli(['sweep', '--data', smallIdx({ train: 8, test: 4 }), ...args])
  expect([code, stderr]).toEqual([2, expect.stringMatching(message)])
})
