import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { NoProp } from '../src/index.js'
import { smallIdx, temporaryDirectory, vectors } from './support/data.js'
import { SMALL_FLAGS, SMALL_MLP } from './support/models.js'
import { cli, events, root, runCli, runNode } from './support/process.js'

const DATA = vectors(300, 6, 3)

async function trained(seed: number): Promise<NoProp> {
  const model = NoProp.create({ input: [6], classes: 3, blocks: 3, net: SMALL_MLP, seed })
  await model.fit(DATA, { epochs: 1, batch: 32 })
  return model
}

/** Two models of one shape in files, and what the first of them says. */
async function twoModels() {
  const directory = temporaryDirectory()
  const at = (name: string) => join(directory, name)
  const models = { a: await trained(1), b: await trained(2) }
  for (const [name, model] of Object.entries(models)) await model.save(at(name))
  copyFileSync(at('a'), at('live'))
  const asA = await answers(models.a)
  expect(await answers(models.b)).not.toEqual(asA)
  return { at, asA }
}

/** With few samples weights are kept in memory, with many they may be read block by block. */
async function answers(model: NoProp) {
  const few = await model.predict(DATA.images.subarray(0, 60))
  const many = await model.predict(new Float32Array(600 * 6).fill(0.5))
  return [few.probabilities, many.probabilities, await model.weightsSha256(), model.config.seed]
}

test.each(['cold', 'warm'])('a loaded model stays what was loaded when its file changes (%s)', async (state) => {
  const { at, asA } = await twoModels()
  const changes: Record<string, () => void> = {
    'overwritten in place': () => writeFileSync(at('live'), readFileSync(at('b')), { flag: 'r+' }),
    'cut short': () => truncateSync(at('live'), 3000),
    'replaced by another': () => {
      copyFileSync(at('b'), at('new'))
      renameSync(at('new'), at('live'))
    },
  }
  for (const [name, change] of Object.entries(changes)) {
    copyFileSync(at('a'), at('live'))
    const model = await NoProp.load(at('live'))
    if (state === 'warm') expect(await answers(model)).toEqual(asA)
    change()
    expect([name, await answers(model)]).toEqual([name, asA])
    await model.save(at('saved'))
    expect(readFileSync(at('saved')).equals(readFileSync(at('a')))).toBe(true)
  }
})

test('a file with a weight that is no finite number is refused by the name of the tensor', async () => {
  const { at } = await twoModels()
  const bytes = readFileSync(at('a'))
  bytes.writeFloatLE(Number.NaN, bytes.length - 4)
  writeFileSync(at('live'), bytes)
  await expect(NoProp.load(at('live'))).rejects.toMatchObject({
    code: 'NOPROP_MODEL_FORMAT',
    what: expect.stringContaining('value 95 of tensor blocks.0003.params.fc03.weight is not a finite number'),
    received: 'NaN',
  })
})

test.skipIf(process.platform !== 'linux')('loaded models hold no file open', async () => {
  const { at, asA } = await twoModels()
  const open = () => readdirSync('/proc/self/fd').length
  await NoProp.load(at('live'))
  const before = open()
  const models = await Promise.all(Array.from({ length: 50 }, () => NoProp.load(at('live'))))
  expect(open()).toBe(before)
  expect(await answers(models[49]!)).toEqual(asA)
})

test('V8 knows the bytes of models, so that those that are dropped do not pile up', async () => {
  const directory = temporaryDirectory()
  const path = join(directory, 'model')
  const wide = NoProp.create({ input: [6], classes: 3, blocks: 4, net: { type: 'mlp', hidden: [500, 500] } })
  await wide.fit(DATA, { epochs: 1, batch: 100 })
  await wide.save(path)
  const megabytes = statSync(path).size / 2 ** 20
  expect(megabytes).toBeGreaterThan(3.5)
  const program = `
    import { NoProp } from ${JSON.stringify(pathToFileURL(join(root, 'dist/index.js')).href)}
    for (let count = 0; count < 600; count++) {
      const model = await NoProp.load(${JSON.stringify(path)})
      await model.predict(new Float32Array(6))
    }
    console.log(process.resourceUsage().maxRSS / 1024)`
  const { code, stdout } = await runNode(['--input-type=module', '--eval', program])
  expect(code).toBe(0)
  expect(Number(stdout)).toBeGreaterThan(20)
  // Without being told it takes over 500, since it then waits until small objects fill its own heap.
  expect(Number(stdout)).toBeLessThan(350)
})

test('after dispose every use fails with NOPROP_DISPOSED, and dispose may be called again', async () => {
  const model = await trained(1)
  const begun = model.predict(DATA)
  model[Symbol.dispose]()
  model.dispose()
  expect((await begun).labels).toHaveLength(300)
  const disposed = expect.objectContaining({ name: 'NoPropError', code: 'NOPROP_DISPOSED' })
  for (const read of ['config', 'parameters', 'trained', 'training', 'tensors'] as const) {
    expect(() => model[read]).toThrow(disposed)
  }
  expect(() => model.summary()).toThrow(disposed)
  const path = join(temporaryDirectory(), 'model')
  const calls: Record<string, () => PromiseLike<unknown>> = {
    fit: () => model.fit(DATA),
    evaluate: () => model.evaluate(DATA),
    predict: () => model.predict(DATA),
    save: () => model.save(path),
    probeSave: () => model.probeSave(path),
    weightsSha256: () => model.weightsSha256(),
  }
  for (const [name, call] of Object.entries(calls)) {
    expect([name, await Promise.resolve(call()).catch((error) => error)]).toEqual([name, disposed])
  }
  expect(existsSync(path)).toBe(false)
})

test('a model that is disposed of while it is trained takes no weights, and its run says so', async () => {
  const model = NoProp.create({ input: [6], classes: 3, blocks: 2, net: SMALL_MLP })
  const run = model.fit(DATA, { epochs: 2, batch: 32 })
  for await (const event of run) if (event.event === 'start') break
  await expect(run).rejects.toMatchObject({ code: 'NOPROP_CANCELLED' })
  const second = model.fit(DATA, { epochs: 2, batch: 32 })
  const events = second[Symbol.asyncIterator]()
  await events.next()
  model.dispose()
  await expect(second).rejects.toMatchObject({ code: 'NOPROP_DISPOSED' })
})

test('a sample has the same answer alone, elsewhere in a batch, and as floats', async () => {
  const model = NoProp.create({ input: [6], classes: 3, blocks: 3, net: SMALL_MLP })
  await model.fit(DATA, { epochs: 1, batch: 32 })
  const bytes = Uint8Array.from({ length: 600 * 6 }, (_, index) => (index * 37) % 251)
  for (const options of [{}, { stochastic: true }, { sampler: 'ddim' as const, seed: 7 }]) {
    const all = await model.predict(bytes, options)
    for (const sample of [0, 130, 599]) {
      const one = bytes.subarray(6 * sample, 6 * sample + 6)
      const floats = Float32Array.from(one, (value) => value / 255)
      const moved = Uint8Array.from([...bytes.subarray(0, 60), ...one])
      expect((await model.predict(one, options)).probabilities[0]).toEqual(all.probabilities[sample])
      expect((await model.predict(floats, options)).probabilities[0]).toEqual(all.probabilities[sample])
      expect((await model.predict(moved, options)).probabilities[10]).toEqual(all.probabilities[sample])
    }
  }
})

test('for more than 1,000 classes the confusions are the pairs that occurred', async () => {
  const model = NoProp.create({ input: [6], classes: 1001, blocks: 1, net: { type: 'mlp', hidden: [4] } })
  await model.fit(DATA, { epochs: 1, batch: 100 })
  const { confusion, confusionPairs, accuracy } = await model.evaluate(DATA)
  expect(confusion).toBeUndefined()
  expect(confusionPairs!.reduce((sum, [, , samples]) => sum + samples, 0)).toBe(300)
  const right = confusionPairs!.filter(([label, predicted]) => label === predicted)
  expect(right.reduce((sum, [, , samples]) => sum + samples, 0) / 300).toBeCloseTo(accuracy)
})

test('what cannot be the option of an evaluation or a prediction is NOPROP_OPTION', async () => {
  const model = await trained(1)
  const most = Number.MAX_SAFE_INTEGER
  expect(await model.evaluate(DATA, { seed: most - 1, runs: 2 })).toMatchObject({ samples: 300 })
  const bad: object[] = [
    { seed: most, runs: 2 },
    { seed: most + 1 },
    { signal: {} },
    { signal: 'stop' },
    { signal: new AbortController() },
  ]
  const refused = { name: 'NoPropError', code: 'NOPROP_OPTION' }
  for (const options of [...bad, null]) {
    await expect(model.evaluate(DATA, options as object)).rejects.toMatchObject(refused)
    if (options && 'runs' in options) continue
    await expect(model.predict(DATA, options as object)).rejects.toMatchObject(refused)
  }
})

const onUnix = test.skipIf(process.platform === 'win32')

onUnix('--out writes through links and refuses what is no file before training begins', async () => {
  const directory = temporaryDirectory()
  const at = (name: string) => join(directory, name)
  const data = smallIdx({ train: 64, test: 32, side: 14 })
  const train = (out: string) => runCli(['train', '--data', data, ...SMALL_FLAGS, '--out', out, '--json'])
  expect(spawnSync('mkfifo', [at('pipe')]).status).toBe(0)
  symlinkSync('/dev/null', at('null'))
  writeFileSync(at('read-only'), 'old')
  chmodSync(at('read-only'), 0o444)
  for (const out of ['/dev/null', at('null'), at('pipe'), '/dev/stdout', at('read-only'), directory]) {
    const outcome = await train(out)
    expect([out, outcome.code, events(outcome).map(({ event, code }) => [event, code])]).toEqual([
      out,
      1,
      [['error', 'NOPROP_OUTPUT']],
    ])
  }
  expect(statSync('/dev/null').isCharacterDevice()).toBe(true)
  expect(lstatSync(at('pipe')).isFIFO()).toBe(true)
  expect(readFileSync(at('read-only'), 'utf8')).toBe('old')

  writeFileSync(at('target'), 'old')
  chmodSync(at('target'), 0o600)
  symlinkSync('target', at('link'))
  symlinkSync('new', at('dangling'))
  for (const [link, target] of [
    ['link', 'target'],
    ['dangling', 'new'],
  ] as const) {
    expect(await train(at(link))).toMatchObject({ code: 0 })
    expect(lstatSync(at(link)).isSymbolicLink()).toBe(true)
    expect((await NoProp.load(at(target))).trained).toBe(true)
  }
  expect(statSync(at('target')).mode & 0o777).toBe(0o600)
})

onUnix('a model that will not fit is refused before training begins, and leaves nothing', async () => {
  const directory = temporaryDirectory()
  const data = smallIdx({ train: 64, test: 32, side: 14 })
  // The model has some 30 KiB; a file may have 16.
  const limited = ['-c', 'ulimit -f 16; exec "$@"', 'sh', process.execPath, cli]
  const args = ['train', '--data', data, ...SMALL_FLAGS, '--out', join(directory, 'model'), '--json']
  const { status, stdout } = spawnSync('bash', [...limited, ...args], { encoding: 'utf8' })
  expect([
    status,
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ]).toEqual([
    1,
    [
      expect.objectContaining({
        event: 'error',
        code: 'NOPROP_OUTPUT',
        expected: expect.stringMatching(/^room for \d+ bytes/),
      }),
    ],
  ])
  expect(readdirSync(directory)).toEqual([])
})

onUnix('loading a pipe is refused without waiting for a writer', async () => {
  const pipe = join(temporaryDirectory(), 'pipe')
  expect(spawnSync('mkfifo', [pipe]).status).toBe(0)
  await expect(NoProp.load(pipe)).rejects.toMatchObject({ code: 'NOPROP_MODEL_FORMAT' })
})

onUnix('pipes in a checkpoint directory are refused without waiting for a writer', async () => {
  const checkpoint = temporaryDirectory()
  const model = () => NoProp.create({ input: [6], classes: 3, blocks: 2, net: SMALL_MLP })
  const options = { epochs: 1, batch: 32, checkpoint }
  await model().fit(DATA, options)
  for (const name of ['block-0001.safetensors', 'run.json', 'lock']) {
    rmSync(join(checkpoint, name))
    expect(spawnSync('mkfifo', [join(checkpoint, name)]).status).toBe(0)
    await expect(model().fit(DATA, { ...options, resume: true })).rejects.toMatchObject({
      code: 'NOPROP_CHECKPOINT_CORRUPT',
      what: `${join(checkpoint, name)} is a pipe`,
    })
  }
})
