import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { seeded, smallIdx, squares, temporaryDirectory, writeIdx } from './support/data.js'
import { done, events, startCli } from './support/process.js'

/**
 * The property of this project: the weights depend on block, configuration, data and seed alone. It is tested on real
 * processes, because that is what is killed in real life.
 */
const NETS = {
  cnn: [
    '--net',
    'cnn',
    '--widths',
    '8,8,16',
    '--hidden',
    '24',
    '--dropout',
    '0.1',
    '--weighting',
    'snr',
    '--augment',
    'shift=2,flip',
  ],
  mlp: ['--net', 'mlp', '--hidden', '48,32', '--dropout', '0.1', '--schedule', 'linear'],
}
const BLOCKS = 4
// 250 samples and batches of 32: the last batch of an epoch is short.
const samples = { train: 250, test: 40, labels: [2, 3, 5, 7] }

describe.each(['cnn', 'mlp'] as const)('%s', (net) => {
  const base = (data: string) => [
    ...['train', '--data', data, ...NETS[net], '--blocks', String(BLOCKS), '--epochs', '3', '--batch', '32'],
    ...['--lr-schedule', 'one-cycle', '--seed', '11'],
  ]

  test('the weights are the same for every number of blocks in flight and of threads', async () => {
    const args = base(smallIdx(samples))
    const shas = new Map<string, string>()
    for (const inFlight of [1, 2, BLOCKS]) {
      for (const threads of [1, 2]) {
        const flags = ['--in-flight', String(inFlight), '--threads', String(threads)]
        shas.set(flags.join(' '), (await done([...args, ...flags])).weightsSha256)
      }
    }
    shas.set('defaults', (await done(args)).weightsSha256)
    shas.set('checkpoint', (await done([...args, '--checkpoint', join(temporaryDirectory(), 'c')])).weightsSha256)
    expect(new Set(shas.values()).size, JSON.stringify([...shas], null, 1)).toBe(1)
  })

  test('the weights are others for another seed, batch, epoch count, learning rate and data', async () => {
    const data = smallIdx(samples)
    const args = base(data)
    const runs = [
      args,
      [...args, '--seed', '12'],
      [...args, '--batch', '33'],
      [...args, '--epochs', '4'],
      [...args, '--lr', '0.002'],
      [...args, '--limit', '249'],
      base(smallIdx({ ...samples, seed: 2 })),
    ]
    const shas = []
    for (const run of runs) shas.push((await done(run)).weightsSha256)
    expect(new Set(shas).size).toBe(runs.length)
  })
})

test('blocks end early with the same bits for all threads and blocks in flight, and however often they are killed', async () => {
  const flags = ['--net', 'mlp', '--hidden', '48,32', '--blocks', String(BLOCKS), '--epochs', '200', '--batch', '32']
  const stopping = ['--validation-split', '0.2', '--patience', '2', '--lr', '0.01', '--seed', '11']
  const args = ['train', '--data', smallIdx(samples), ...flags, ...stopping]
  const outcome = await startCli([...args, '--json']).ended
  const ends = events(outcome).filter(({ event }) => event === 'block')
  expect(ends.map(({ reason }) => reason)).toContain('early-stopping')
  const expected = events(outcome).at(-1)!.weightsSha256
  for (const [inFlight, threads] of [
    [1, 1],
    [3, 2],
  ]) {
    const { weightsSha256 } = await done([...args, '--in-flight', String(inFlight), '--threads', String(threads)])
    expect(weightsSha256).toBe(expected)
  }
  const kept = [...args, '--checkpoint', join(temporaryDirectory(), 'c'), '--checkpoint-seconds', '0', '--resume']
  for (let kills = 0; kills < 3; kills++) {
    const { child, ended, wrote } = startCli([...kept, '--json', '--in-flight', '2'])
    await wrote(/"event":"(epoch|block|done)"/)
    child.kill('SIGKILL')
    await ended
  }
  expect((await done(kept)).weightsSha256).toBe(expected)
})

describe('a killed run that is resumed', () => {
  let whole: { sha: string; milliseconds: number }
  const training = [
    '--net',
    'cnn',
    '--widths',
    '8,16,16',
    '--hidden',
    '32',
    '--blocks',
    '4',
    '--epochs',
    '8',
    '--batch',
    '32',
  ]
  const writeData = (directory: string) =>
    writeIdx(directory, { train: squares(1500, 20, [0, 1, 2, 3], 1), test: squares(40, 20, [0, 1, 2, 3], 2) })
  const data = () => writeData(temporaryDirectory())

  beforeAll(async () => {
    // Not `data()`: that belongs to a test.
    const directory = mkdtempSync(join(tmpdir(), 'noprop-test-'))
    writeData(directory)
    const began = performance.now()
    const { weightsSha256 } = await done(['train', '--data', directory, ...training])
    whole = { sha: weightsSha256, milliseconds: performance.now() - began }
    rmSync(directory, { recursive: true })
  })

  /** Starts the run, kills it after so many milliseconds, and says whether it had ended before. */
  async function killed(args: readonly string[], after: number): Promise<boolean> {
    const { child, ended } = startCli([...args, '--json'])
    const timer = setTimeout(() => child.kill('SIGKILL'), after)
    const { code } = await ended
    clearTimeout(timer)
    return code === 0
  }

  test('right after it was started, before its first checkpoint', async () => {
    const directory = data()
    for (const after of [1, 30, 80, 150]) {
      const args = ['train', '--data', directory, ...training, '--checkpoint', join(temporaryDirectory(), 'c')]
      await killed(args, after)
      expect((await done([...args, '--resume'])).weightsSha256).toBe(whole.sha)
    }
  })

  test.each([1, 2, 3])('at random moments, again and again (seed %i)', async (seed) => {
    const random = seeded(seed)
    const checkpoint = join(temporaryDirectory(), 'c')
    const args = [
      'train',
      '--data',
      data(),
      ...training,
      '--checkpoint',
      checkpoint,
      '--checkpoint-seconds',
      '0.05',
      '--resume',
    ]
    let longest = whole.milliseconds
    let kills = 0
    while (kills < 4) {
      const isFinished = await killed([...args, '--threads', String(1 + (kills % 2))], 100 + random() * longest)
      if (!isFinished) kills += 1
      else if (kills > 0) break
      else {
        // The machine is faster than when the whole run was timed.
        rmSync(checkpoint, { recursive: true })
        longest /= 2
      }
    }
    expect(existsSync(checkpoint)).toBe(true)
    const { weightsSha256 } = await done([...args, '--in-flight', '2'])
    expect(weightsSha256).toBe(whole.sha)
  })

  test('does not begin anew', async () => {
    const checkpoint = join(temporaryDirectory(), 'c')
    const args = [
      'train',
      '--data',
      data(),
      ...training,
      '--checkpoint',
      checkpoint,
      '--checkpoint-seconds',
      '0.02',
      '--json',
    ]
    const first = startCli([...args, '--in-flight', '1'])
    await first.wrote(/"event":"block"/)
    await first.wrote(/"event":"checkpoint","block":2/)
    first.child.kill('SIGKILL')
    await first.ended
    const { ended } = startCli([...args, '--resume'])
    const outcome = await ended
    expect(outcome.code).toBe(0)
    const seen = events(outcome)
    expect(seen.find(({ event, block }) => event === 'block' && block === 1)).toMatchObject({ resumed: true })
    const firstOf = seen.find(({ event, block }) => event === 'progress' && block === 2)
    expect(firstOf === undefined || (firstOf.step as number) > 1).toBe(true)
    expect(seen.at(-1)).toMatchObject({ event: 'done', weightsSha256: whole.sha })
  })

  test('resume with nothing there begins anew; a directory in use, or with another run, is refused', async () => {
    const directory = data()
    const checkpoint = join(temporaryDirectory(), 'c')
    const args = ['train', '--data', directory, ...training, '--checkpoint', checkpoint, '--json']
    const first = startCli([...args, '--resume'])
    await first.wrote(/"event":"progress"/)
    const codeOf = async (flags: readonly string[]) => {
      const outcome = await startCli([...args, ...flags]).ended
      expect(outcome.code).toBe(1)
      return events(outcome).at(-1)?.code
    }
    expect(await codeOf(['--resume'])).toBe('NOPROP_CHECKPOINT_LOCKED')
    first.child.kill('SIGKILL')
    await first.ended
    expect(await codeOf([])).toBe('NOPROP_CHECKPOINT_EXISTS')
    expect(await codeOf(['--resume', '--seed', '5'])).toBe('NOPROP_CHECKPOINT_MISMATCH')
    expect(await codeOf(['--resume', '--limit', '700'])).toBe('NOPROP_CHECKPOINT_MISMATCH')
    expect((await done([...args.slice(0, -1), '--resume'])).weightsSha256).toBe(whole.sha)
  })
})
