import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { buildNet, type GraphNet, type GraphNode, type Net, NoProp, NoPropError } from '../src/index.js'
import { summarise } from '../src/summary.js'
import { smallIdx, squares, temporaryDirectory } from './support/data.js'
import { runCli } from './support/process.js'

const SHAPE = { input: [14, 14, 1], classes: 4, blocks: 2 }

/** A small net with a residual path, both inputs and dropout. */
const OWN = buildNet((x, z) => {
  const stem = x.conv(4, { padding: 'same' }).relu()
  const image = stem.conv(4, { padding: 'same', bias: false }).batchNorm().relu().add(stem).maxPool().globalPool()
  return image
    .linear(8, [z.linear(4).relu()])
    .relu()
    .dropout(0.1)
    .linear('classes')
    .softmax()
})

const SMALL: Record<string, Net> = {
  resnet: { type: 'resnet', widths: [4, 8], hidden: 8 },
  vit: { type: 'vit', patch: 7, width: 8, depth: 1, heads: 2, mlpRatio: 2 },
  graph: OWN,
}

/** A net file in a directory of its own. */
function netFile(net: unknown, name = 'net.json'): string {
  const path = join(temporaryDirectory(), name)
  writeFileSync(path, typeof net === 'string' ? net : JSON.stringify(net))
  return path
}

/** The error of a net that is refused. */
function refused(net: unknown): NoPropError {
  try {
    NoProp.create({ ...SHAPE, net: net as Net })
  } catch (error) {
    return error as NoPropError
  }
  throw new Error('it was not refused')
}

const nodes = (...nodes: object[]): GraphNet => ({ type: 'graph', nodes: nodes as GraphNode[] })
const END = { op: 'linear', units: 'classes' }

describe('nets of every kind', () => {
  test('buildNet writes nodes, and only writes', () => {
    const net = buildNet((x, z) => x.linear(3, [z]).apply({ op: 'relu' }, [], 'last').linear('classes'))
    expect(net).toEqual({
      type: 'graph',
      nodes: [
        { op: 'linear', units: 3, name: 'linear2', from: ['x', 'z'] },
        { op: 'relu', name: 'last', from: ['linear2'] },
        { op: 'linear', units: 'classes', name: 'linear4', from: ['last'] },
      ],
    })
    expect(JSON.parse(JSON.stringify(net))).toEqual(net)
    expect(() => buildNet((x) => x.linear(-1))).not.toThrow()
  })

  test.each(Object.entries(SMALL))('%s trains, is saved and is read back', async (_, net) => {
    const { images, shape, labels } = squares(64, 14, [0, 1, 2, 3])
    const model = NoProp.create({ ...SHAPE, net })
    const history = await model.fit({ images, shape, labels }, { batch: 16, epochs: 8, learningRate: 1e-2, threads: 1 })
    const loss = history.loss[1] as number[]
    expect(loss.at(-1)).toBeLessThan(loss[0] as number)
    const path = join(temporaryDirectory(), 'own.safetensors')
    await model.save(path)
    const same = await NoProp.load(path)
    expect(same.config).toEqual(model.config)
    expect(await same.weightsSha256()).toBe(history.weightsSha256)
    expect(await same.predict(images)).toEqual(await model.predict(images))
  })

  test('a bare name is the net with its defaults', () => {
    const config = (net: Net) => NoProp.create({ input: [28, 28], classes: 10, net }).config.net
    expect(config('resnet')).toEqual({
      ...{
        type: 'resnet',
        widths: [32, 64, 128],
        depth: 1,
        hidden: 256,
        activation: 'relu',
        whitening: 0,
        identity: false,
      },
    })
    expect(config('vit')).toEqual({
      ...{ type: 'vit', patch: 4, width: 128, depth: 4, heads: 4, mlpRatio: 4, dropout: 0 },
    })
  })
})

describe('a net that cannot be is refused in words', () => {
  const many = (count: number) => nodes(...Array.from({ length: count }, () => ({ op: 'relu' })))
  const cases: [string, unknown, RegExp][] = [
    ['an unknown operation', nodes({ op: 'lstm' }), /^net\.nodes\[0\]: unknown op 'lstm'; expected: linear, conv, /],
    ['no operation', nodes({ units: 3 }), /^option net\.nodes\[0\]\.op is missing; expected: linear, /],
    ['no units', nodes({ op: 'linear' }), /^option net\.nodes\[0\]\.units is missing/],
    [
      'units that are text',
      nodes({ op: 'linear', units: 'many' }),
      /^option net\.nodes\[0\]\.units has a bad value; expected: a whole number of at least 1 or "classes"; received: the text "many"$/,
    ],
    [
      'half a unit',
      nodes({ op: 'linear', units: 1.5 }),
      /^option net\.nodes\[0\]\.units has a bad value; .*received: 1\.5$/,
    ],
    [
      'no units at all',
      nodes({ op: 'linear', units: 0 }),
      /^option net\.nodes\[0\]\.units does not fit; .*received: 0/,
    ],
    [
      'huge widths',
      nodes({ op: 'linear', units: 1e9 }),
      /net\.nodes\[0\]\.units does not fit; expected: 1 to 65536; received: 1000000000$/,
    ],
    [
      'many huge layers',
      nodes({ op: 'linear', units: 65536 }, { op: 'linear', units: 65536 }, END),
      /^the block is too large; expected: at most 1073741824 values;/,
    ],
    [
      'a shape that overflows',
      nodes({ op: 'conv', channels: 65536, padding: 'same' }, { op: 'concatenate', from: Array(999).fill('conv2') }),
      /^net\.nodes\[1\] does not fit where it stands; expected: an output of 1 to 67108864 values; /,
    ],
    [
      'a name that is not there',
      nodes({ op: 'relu', from: 'stem' }),
      /^option net\.nodes\[0\]\.from names no node before it; expected: one of z, x; received: "stem";/,
    ],
    [
      'a cycle',
      nodes({ op: 'relu', name: 'a', from: 'b' }, { op: 'relu', name: 'b', from: 'a' }),
      /^option net\.nodes\[0\]\.from names no node before it;/,
    ],
    ['itself', nodes({ op: 'relu', name: 'a', from: 'a' }), /^option net\.nodes\[0\]\.from names no node before it;/],
    ['a name twice', nodes({ op: 'relu', name: 'x' }), /^option net\.nodes\[0\]\.name does not fit;/],
    ['an option of another operation', nodes({ op: 'relu', units: 3 }), /there is no option net\.nodes\[0\]\.units/],
    [
      'shapes that differ',
      nodes({ op: 'conv', channels: 3 }, { op: 'add', from: ['conv2', 'x'] }, END),
      /net\.nodes\[1\]\.from does not fit; expected: .* an image \[12, 12, 3\]; received: an image \[14, 14, 1\]/,
    ],
    ['no nodes', nodes(), /^option net\.nodes is out of range; expected: 1 to 1000 nodes; received: 0 nodes$/],
    ['10,001 nodes', many(10_001), /^option net\.nodes is out of range; .*; received: 10001 nodes$/],
    [
      'a node that is none',
      nodes([] as object),
      /^option net\.nodes\[0\] has a bad value; expected: an object such as/,
    ],
    [
      'a last node that is no estimate',
      nodes({ op: 'linear', units: 5 }),
      /^the last node of the net is not an estimate of the label; expected: a vector \[4\], .* 'linear2'/,
    ],
    [
      'a node that leads nowhere',
      nodes({ op: 'relu', name: 'lost' }, { ...END, from: 'x' }),
      /^no node of the net reads node 'lost';/,
    ],
    ['a patch that does not divide', { type: 'vit', patch: 4 }, /^option net\.patch does not fit; .*14 and 14;/],
    ['heads that do not divide', { type: 'vit', patch: 7, heads: 5 }, /^option net\.heads does not fit; .*128;/],
    ['another activation', { type: 'resnet', activation: 'tanh' }, /expected: relu or gelu/],
  ]
  test.each(cases)('%s', (_, net, message) => {
    const error = refused(net)
    expect(error).toBeInstanceOf(NoPropError)
    expect(['NOPROP_OPTION', 'NOPROP_SHAPE']).toContain(error.code)
    expect(error.message).toMatch(message)
    expect(error.message.length).toBeLessThan(1000)
  })

  test('vectors are no images', () => {
    for (const net of ['resnet', 'vit'] as const) {
      expect(() => NoProp.create({ input: [30], classes: 2, net })).toThrow(`net ${net} cannot take feature vectors`)
    }
  })
})

describe('--net-file', () => {
  const inspect = (path: string, ...flags: string[]) =>
    runCli(['inspect', '--net-file', path, '--input', '14x14x1', '--classes', '4', ...flags])

  test.each([
    ['a list of nodes', OWN.nodes],
    ['an object', OWN],
    ['another net', SMALL.vit],
  ])('%s is shown without training', async (_, net) => {
    const { code, stdout, stderr } = await inspect(netFile(net), '--json')
    expect([code, stderr]).toEqual([0, ''])
    const shown = JSON.parse(stdout)
    const model = NoProp.create({ ...SHAPE, net: (Array.isArray(net) ? nodes(...net) : net) as Net })
    expect(shown.layers).toEqual(model.layers)
    expect(shown.tensors).toEqual(model.tensors)
    expect(shown.parameters).toBe(5 * model.parameters)
  })

  const bad: [string, unknown, RegExp][] = [
    [
      'no JSON',
      '[{"op": "relu"},\n  oops]',
      /NOPROP_FILE_FORMAT: \S+net\.json is not JSON; expected: a list of nodes, /,
    ],
    ['an empty file', '', /NOPROP_FILE_FORMAT: \S+net\.json is not JSON;/],
    ['a number', '3', /NOPROP_FILE_FORMAT: \S+net\.json holds no net; .*received: 3/],
    ['no type', { nodes: [] }, /holds no net; .*received: an object without a type/],
    [
      'a large file',
      ' '.repeat(2 ** 20 + 1),
      /NOPROP_FILE_FORMAT: \S+net\.json is too large; expected: at most 1048576/,
    ],
    ['an unknown type', { type: 'rnn' }, /NOPROP_OPTION: unknown net 'rnn'; .*hint: correct \S+net\.json$/],
    ['deep lists', '['.repeat(5000) + ']'.repeat(5000), /NOPROP_OPTION: .*at most 32 levels/],
    [
      'wrong units',
      [{ op: 'relu' }, { op: 'linear', units: 1e6 }],
      /NOPROP_OPTION: \S+net\.json: nodes\[1\]\.units does not fit; expected: 1 to 65536; received: 1000000$/,
    ],
    [
      'an option of another operation',
      [{ op: 'relu', units: 3 }],
      /NOPROP_OPTION: \S+net\.json: there is no option nodes\[0\]\.units;/,
    ],
    ['an unknown operation', [{ op: 'rnn' }], /NOPROP_OPTION: \S+net\.json: nodes\[0\]: unknown op 'rnn';/],
    [
      'an option that is none',
      { type: 'vit', widths: [1] },
      /NOPROP_OPTION: \S+net\.json: widths does not apply to net 'vit'; expected: patch, width, depth, heads, mlpRatio or /,
    ],
  ]
  test.each(bad)('%s is one line', async (_, content, message) => {
    const { code, stdout, stderr } = await inspect(netFile(content))
    expect([code === 1 || code === 2, stdout]).toEqual([true, ''])
    expect(stderr).toMatch(/^error [^\n]+\n$/)
    expect(stderr.trim()).toMatch(message)
    expect(stderr).not.toMatch(/--net\b|option net/)
  })

  test('a missing file and a directory', async () => {
    const directory = temporaryDirectory()
    expect((await inspect(join(directory, 'no.json'))).stderr).toMatch(
      /^error NOPROP_FILE_NOT_FOUND: there is no file /,
    )
    expect((await inspect(directory)).stderr).toMatch(/^error NOPROP_FILE_FORMAT: .* cannot be read; expected: a file;/)
  })

  test('it stands for --net and its sizes', async () => {
    for (const flags of [
      ['--net', 'mlp'],
      ['--hidden', '8'],
    ]) {
      const { code, stderr } = await inspect(netFile(OWN), ...flags)
      expect(code).toBe(2)
      expect(stderr).toMatch(/^error NOPROP_USAGE: option '--net-file <file>' cannot be used with option '--/)
    }
    const both = await runCli(['inspect', 'model.safetensors', '--net', 'mlp'])
    expect([both.code, both.stderr]).toEqual([2, expect.stringContaining('both a model file and a net are given')])
  })
})

test('flags of the presets, and errors in their words', async () => {
  const inspect = (...flags: string[]) => runCli(['inspect', '--input', '14x14x1', ...flags])
  const vit = ['--net', 'vit', '--patch', '7', '--width', '8', '--depth', '2', '--heads', '2', '--mlp-ratio', '3']
  const { config } = JSON.parse((await inspect(...vit, '--json')).stdout)
  expect(config.net).toEqual({ type: 'vit', patch: 7, width: 8, depth: 2, heads: 2, mlpRatio: 3, dropout: 0 })
  const resnet = ['--net', 'resnet', '--widths', '4,8', '--hidden', '9', '--activation', 'gelu', '--json']
  expect(JSON.parse((await inspect(...resnet)).stdout).config.net).toEqual({
    ...{ type: 'resnet', widths: [4, 8], depth: 1, hidden: 9, activation: 'gelu', whitening: 0, identity: false },
  })
  for (const [flags, message] of [
    [['--net', 'vit'], /--patch does not fit; expected: a number that divides 14 and 14; received: 4$/],
    [
      ['--net', 'vit', '--patch', '7', '--mlp-ratio', '0'],
      /--mlp-ratio is out of range; expected: 1 to 64; received: 0$/,
    ],
    [['--net', 'resnet', '--depth', '65'], /--depth is out of range; expected: 0 to 64;/],
    [['--net', 'resnet', '--patch', '2'], /--patch does not apply to net 'resnet'; expected: --widths, --depth, /],
  ] as [string[], RegExp][]) {
    const { code, stderr } = await inspect(...flags)
    expect([code, stderr.trim()]).toEqual([2, expect.stringMatching(message)])
  }
})

describe('the table of layers', () => {
  test('adds up, and has a row for each layer with what follows it', () => {
    const model = NoProp.create({ ...SHAPE, net: OWN })
    const { layers, tensors, config } = model
    expect(layers.map(({ op }) => op)).toEqual([
      ...['conv + relu', 'conv', 'batch-norm + relu', 'add', 'max-pool', 'global-pool', 'linear + relu'],
      ...['linear + relu + dropout', 'linear + softmax'],
    ])
    expect(layers[0]).toEqual({
      ...{ name: 'conv2', op: 'conv + relu', shape: [14, 14, 4], parameters: 40, multiplyAdds: 14 * 14 * 9 * 4 },
    })
    const sum = layers.reduce((total, { parameters }) => total + parameters, 0)
    expect(sum).toBe(tensors.reduce((total, { parameters }) => total + parameters, 0))
    expect(sum * config.blocks).toBe(model.parameters)
  })

  test.each(['cnn', 'mlp', 'resnet', 'vit'] as const)('of %s fits 40, 80 and 120 columns', (net) => {
    const model = NoProp.create({ input: [32, 32, 3], classes: 100, net })
    for (const width of [40, 80, 120]) {
      const lines = summarise(model.config, model.layers, width).split('\n')
      expect([width, lines.filter((line) => line.length > width)]).toEqual([width, []])
      for (const { name, parameters } of model.layers) {
        const line = lines.find((line) => line.startsWith(`${name} `))
        expect(line).toContain(` ${parameters.toLocaleString('en-US')}`)
      }
    }
  })

  test('a long name is cut', () => {
    const net = buildNet((x) => x.flatten().apply({ op: 'linear', units: 'classes' }, [], 'a'.repeat(64)))
    const model = NoProp.create({ ...SHAPE, net: { ...net, nodes: [...net.nodes] } })
    const lines = summarise(model.config, model.layers, 40).split('\n')
    expect(lines.filter((line) => line.length > 40)).toEqual([])
    expect(lines.join('\n')).toContain('aaaa…')
  })
})

describe('what a training will take', () => {
  test('the API says it, and trains nothing', async () => {
    const { images, shape, labels } = squares(64, 14, [0, 1, 2, 3])
    const model = NoProp.create({ ...SHAPE, net: OWN })
    const found = await model.estimate({ images, shape, labels }, { epochs: 3, batch: 16, threads: 1, device: 'cpu' })
    expect(found).toMatchObject({
      ...{ blocks: 2, epochs: 3, batch: 16, samples: 64, stepsPerBlock: 12, threads: 1, inFlight: 2, device: 'cpu' },
      parametersPerBlock: model.parameters / 2,
    })
    expect(found.trainingFlops).toBeGreaterThan(2 * found.forwardFlops)
    expect(found.forwardFlops).toBe(2 * model.layers.reduce((sum, { multiplyAdds }) => sum + multiplyAdds, 0))
    const { blocks, buffers, data, total } = found.memory
    expect(blocks + buffers + data).toBe(total)
    expect(found.time?.seconds).toBeGreaterThan(0)
    expect(model.trained).toBe(false)
    await expect(model.estimate({ images, shape, labels }, { batch: 65 })).rejects.toThrow('larger than the data')
    await expect(model.estimate({ images, shape, labels }, { signal: AbortSignal.abort() })).rejects.toThrow('abort')
  })

  test('--dry-run says it, and writes nothing', async () => {
    const directory = temporaryDirectory()
    const args = ['train', '--data', smallIdx(), '--net', 'resnet', '--widths', '4,8', '--blocks', '3', '--dry-run']
    const files = ['--out', 'model.safetensors', '--checkpoint', 'run']
    const { code, stdout } = await runCli([...args, ...files], { cwd: directory })
    expect(code).toBe(0)
    expect(stdout).toMatch(/^parameters +[\d,]+ per block, [\d,]+ in all\n/)
    expect(stdout).toMatch(/^time +about .*: [\d,]+ samples\/s through all blocks, measured in \d+ steps?$/m)
    expect(stdout).toContain('nothing was trained')
    expect([readdirSync(directory), existsSync(join(directory, 'run'))]).toEqual([[], false])
    const events = (await runCli([...args, '--json'])).stdout.trim().split('\n')
    expect(events).toHaveLength(1)
    expect(JSON.parse(events[0] as string)).toMatchObject({ event: 'done', dryRun: true, blocks: 3, batch: 128 })
    expect((await runCli([...args, '--batch', '0'])).code).toBe(2)
  })
})
