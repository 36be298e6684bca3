import { join } from 'node:path'
import { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { addBenchFlags, addTrainFlags, fitOptionsOf, modelOptionsOf } from '../src/cli/flags.js'
import { inFlagWords } from '../src/cli/wording.js'
import { type ErrorDetails, NoProp, NoPropError } from '../src/index.js'
import { smallIdx, temporaryDirectory } from './support/data.js'
import { smallModel } from './support/models.js'
import { runCli } from './support/process.js'

/** Names of the API that nobody who types flags knows. */
const API =
  /learningRate|weightDecay|inFlight|alphaBar|checkpointSeconds|\bnet\.|\bschedule\.|\baugment\.|\btraining\.|\boption \w/

describe('the command line names flags', () => {
  const cases: [string, string[], RegExp][] = [
    ['an unknown net', ['--net', 'rnn'], /: unknown net 'rnn'; expected: cnn, mlp, .*; hint: correct --net$/],
    ['an unknown schedule', ['--schedule', 'quad'], /: unknown schedule 'quad'; expected: cosine, linear or custom;/],
    [
      'an unknown course',
      ['--lr-schedule', 'step'],
      /: unknown --lr-schedule 'step'; expected: constant, one-cycle, cool-down or cosine;/,
    ],
    [
      'an unknown device',
      ['--device', 'tpu'],
      /: unknown device 'tpu'; expected: auto, cpu, cuda, .*; hint: correct --device$/,
    ],
    [
      'a rate that is too high',
      ['--lr', '1e9'],
      /: --lr is out of range; expected: more than 0 and at most 1000; received: 1000000000$/,
    ],
    ['an η of 0', ['--weighting', 'snr', '--eta', '0'], /: --eta is out of range; expected: more than 0 and /],
    ['a weight decay below 0', ['--weight-decay', '-1'], /: --weight-decay is out of range; expected: 0 to 1000;/],
    [
      'half a block',
      ['--blocks', '1.5'],
      /: --blocks has a bad value; expected: a whole number of at least 0; received: 1.5$/,
    ],
    [
      'half a unit',
      ['--net', 'mlp', '--hidden', '1.5'],
      /: --hidden has a bad value; expected: a whole number of at least 0;/,
    ],
    [
      'two widths',
      ['--widths', '8,8'],
      /: --widths has a bad value; expected: a list of length 3; received: a list of length 2$/,
    ],
    [
      'widths of an mlp',
      ['--net', 'mlp', '--widths', '8,8,8'],
      /: --widths does not apply to net 'mlp'; expected: --hidden or --dropout;/,
    ],
    ['dropout of everything', ['--dropout', '1'], /: --dropout is out of range;/],
    [
      'a limit of a schedule',
      ['--schedule-min', '2'],
      /expected: 0 <= --schedule-min < --schedule-max <= 1; received: --schedule-min 2, --schedule-max 0.999;/,
    ],
    ['factors of a schedule', ['--schedule-start', '2'], /expected: 0 < --schedule-end <= --schedule-start <= 1;/],
    ['too few shares', ['--alpha-bar', '0,1'], /expected: 4 values of --alpha-bar for 3 blocks; received: 2 values;/],
    ['a share above 1', ['--alpha-bar', '0,0.5,0.7,2'], /: --alpha-bar\[3\] is out of range;/],
    [
      'falling shares',
      ['--alpha-bar', '0,0.5,0.4,1'],
      /: --alpha-bar\[2\] does not increase; expected: more than --alpha-bar\[1\] = 0.5;/,
    ],
    ['a large shift', ['--augment', 'shift=14'], /: --augment shift is out of range;/],
    ['nothing in flight', ['--in-flight', '0'], /: --in-flight is out of range;/],
    [
      'a negative interval',
      ['--checkpoint', 'x', '--checkpoint-seconds', '-1'],
      /: --checkpoint-seconds is out of range;/,
    ],
    ['nowhere to resume from', ['--resume'], /: --resume needs --checkpoint;/],
    [
      'a momentum of adam',
      ['--optimizer', 'adam', '--sgd-momentum', '0.5'],
      /: --sgd-momentum does not apply to optimizer 'adam'; .*; hint: --sgd-momentum is one of optimizer sgd$/,
    ],
    [
      'an η without its weighting',
      ['--eta', '5'],
      /: --eta does not apply to weighting 'uniform'; expected: no eta, or --weighting 'snr', which has it; received: 5$/,
    ],
    [
      'prototypes that are not named',
      ['--embedding-learned'],
      /: --embedding-learned needs --embedding prototype; hint: --embedding learned --embedding-dim N .*--embedding prototype/,
    ],
    [
      'an option of another method',
      ['--partition', 'edm'],
      /: --partition does not apply to method 'dt'; expected: --loss; .*; hint: --partition is one of method diffusion-blocks$/,
    ],
    [
      'steps of another method',
      ['--method', 'fm', '--ode-steps', '5', '--blocks', '1'],
      /: --ode-steps does not apply to method 'fm'; .*; hint: --ode-steps is one of method adjoint$/,
    ],
    [
      'learned embeddings by cross-entropy',
      ['--loss', 'ce', '--embedding', 'learned', '--embedding-dim', '4'],
      /: method dt with loss ce does not learn embeddings; expected: --loss 'mse', or/,
    ],
    [
      'a limit that was not typed',
      ['--method', 'ct', '--blocks', '1', '--gamma0', '5'],
      /: --gamma1 is not above --gamma0; .*; received: --gamma0 5 and --gamma1 4$/,
    ],
    [
      'blocks of an equation',
      ['--method', 'adjoint'],
      /: method adjoint has one net instead of blocks; .*; hint: --ode-steps says how many/,
    ],
    [
      'a weighting that linear cannot have',
      ['--schedule', 'linear', '--weighting', 'snr'],
      /; hint: set --weighting to 'uniform', or take a schedule that ends below 1, as cosine does/,
    ],
    ['no number', ['--lr', 'fast'], /: --lr has a bad value; expected: a number; received: fast$/],
  ]
  test.each(cases)('%s', async (_, flags, message) => {
    const directory = temporaryDirectory()
    const args = ['train', '--data', smallIdx(), '--blocks', '3', '--batch', '32', ...flags]
    const { code, stderr } = await runCli(args, { cwd: directory })
    expect(code).toBe(2)
    const line = stderr.trim().split('\n').at(-1) as string
    expect(line).toMatch(message)
    expect(line).not.toMatch(API)
  })

  test('a checkpoint of another run: which value is whose', async () => {
    const checkpoint = join(temporaryDirectory(), 'run')
    const args = [
      'train',
      '--data',
      smallIdx(),
      '--net',
      'mlp',
      '--hidden',
      '8',
      '--checkpoint',
      checkpoint,
      '--batch',
      '32',
    ]
    expect((await runCli([...args, '--lr', '0.001'])).code).toBe(0)
    const { code, stderr } = await runCli([...args, '--lr', '0.002', '--resume'])
    expect(code).toBe(1)
    const line = stderr.trim().split('\n').at(-1)
    expect(line).toContain('the checkpoint belongs to another run: --lr differs')
    expect(line).toContain("expected: this run's --lr 0.002; received: the checkpoint's --lr 0.001;")
    expect(line).not.toMatch(API)
  })
})

test('the API keeps its own words', () => {
  const message = (options: object) => {
    try {
      NoProp.create({ ...smallModel(), ...options })
    } catch (error) {
      return (error as NoPropError).message
    }
  }
  expect(message({ net: 'rnn' })).toBe(
    "unknown net 'rnn'; expected: cnn, mlp, resnet, vit or graph; hint: correct option net",
  )
  expect(message({ net: { type: 'mlp', widths: [1] } })).toMatch(
    /^option net.widths does not apply to net 'mlp'; expected: net.hidden or net.dropout;/,
  )
  expect(message({ block: 3 })).toMatch(/^there is no option block; expected: method, blocks, /)
})

describe('flags and options', () => {
  const command = new Command()
  addTrainFlags(command)
  const reworded = (details: Partial<ErrorDetails>) =>
    inFlagWords(new NoPropError({ code: 'NOPROP_OPTION', what: '', ...details }), command.options)

  test('each flag sets the option that its errors are about', () => {
    const values = {
      ...{
        lr: 0.1,
        lrSchedule: 'one-cycle',
        weightDecay: 0,
        inFlight: 2,
        checkpointSeconds: 1,
        augment: { flip: true },
      },
      ...{ blocks: 3, net: 'mlp', hidden: [8], dropout: 0, scheduleStart: 1, seed: 7 },
    }
    expect(fitOptionsOf(values)).toEqual({
      ...{ learningRate: 0.1, learningRateSchedule: 'one-cycle', weightDecay: 0, inFlight: 2, checkpointSeconds: 1 },
      augment: { flip: true },
    })
    expect(modelOptionsOf(values, 'cnn')).toEqual({
      ...{ blocks: 3, seed: 7, net: { type: 'mlp', hidden: [8], dropout: 0 }, schedule: { type: 'linear', start: 1 } },
    })
    expect(modelOptionsOf({ hidden: [8] }, 'cnn')).toEqual({ net: { type: 'cnn', hidden: 8 } })
    expect(modelOptionsOf({ hidden: [8] }, 'mlp')).toEqual({ net: { type: 'mlp', hidden: [8] } })
    expect(modelOptionsOf({ alphaBar: [0, 1] }, 'cnn')).toEqual({ schedule: { type: 'custom', alphaBar: [0, 1] } })
    expect([modelOptionsOf({}, 'mlp'), fitOptionsOf({})]).toEqual([{}, {}])
  })

  test('errors are put into the words of flags, wherever they name an option', () => {
    const error = reworded({
      what: 'the option learningRate is bad, and so is net.type',
      expected: 'fewer blocks in flight (inFlight)',
      received: 'training.batch 3, data.samples 4, Option epochs',
      hint: 'correct option net',
    })
    expect(error.toJSON()).toEqual({
      code: 'NOPROP_OPTION',
      what: '--lr is bad, and so is --net',
      expected: 'fewer blocks in flight (--in-flight)',
      received: '--batch 3, data.samples 4, --epochs',
      hint: 'correct --net',
    })
  })

  test('names that are no options, paths and what was typed stay', () => {
    const details = {
      what: "the file a/net.type is not net.widthsX, nor 'inFlight'",
      received: 'model.safetensors, option zeal',
    }
    const error = new NoPropError({ code: 'NOPROP_IO', ...details })
    expect(inFlagWords(error, command.options)).toBe(error)
    const bench = new Command()
    addBenchFlags(bench)
    const shape = new NoPropError({ code: 'NOPROP_OPTION', what: 'option input is bad' })
    expect(inFlagWords(shape, bench.options).what).toBe('--shape is bad')
    expect(inFlagWords(shape, command.options).what).toBe('option input is bad')
  })
})
