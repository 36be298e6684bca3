// `npm run bench:uncertainty`: what the spread of the stochastic chain is worth, beside a plain network's softmax and ensembles of as many nets; figures
// into docs/accuracy.md. `--data NAME` (default mnist) is learned and `--foreign NAME` (default fashion-mnist) is not, both names or
// directories as `datasets.load` takes them; `--blocks N` (default 10), `--epochs N` (default 6), `--runs N` of the chain (default 20),
// `--net NAME` (default cnn), `--limit N` samples of each (default: all).
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bootstrap } from '../setup/bootstrap.mjs'
import { percent, putFigures, table } from '../support/figures.mjs'
import { packageVersion } from '../support/machine.mjs'
import { root, StepFailed, script, step } from '../support/steps.mjs'
import { accuracy, brier, calibrationError, detection, lack, meanOf, spread } from './uncertainty/measures.mjs'

const DEFAULTS = {
  data: 'mnist',
  foreign: 'fashion-mnist',
  blocks: '10',
  epochs: '6',
  runs: '20',
  net: 'cnn',
  limit: '',
}

await script(async () => {
  const options = Object.fromEntries(
    Object.entries(DEFAULTS).map(([name, value]) => [name, /** @type {const} */ ({ type: 'string', default: value })]),
  )
  const { values } = parseArgs({ options })
  const count = (name) => {
    if (/^[1-9]\d{0,6}$/.test(values[name])) return Number(values[name])
    throw new StepFailed(`the value of --${name} must be a whole number from 1 on, not ${values[name]}.`)
  }
  const [blocks, epochs, runs] = ['blocks', 'epochs', 'runs'].map(count)
  if (blocks < 2 || runs < 2) throw new StepFailed('--blocks and --runs must be at least 2: one answer has no spread.')
  await bootstrap()
  const { datasets, NoProp } = await import('../../dist/index.js')
  const limit = values.limit === '' ? undefined : count('limit')
  const train = await datasets.loadSplit(values.data, 'train', { limit })
  const test = await datasets.loadSplit(values.data, 'test', { limit })
  const far = await datasets.loadSplit(values.foreign, 'test', { limit })
  if (String(test.shape) !== String(far.shape)) throw new StepFailed('both data sets must have samples of one shape.')
  const labels = Array.from(/** @type {ArrayLike<string | number>} */ (test.labels()), (label) =>
    train.classes.indexOf(label),
  )

  /** @param {number} count @param {number} seed @param {'dt' | 'classifier'} [method] */
  const trained = async (count, seed, method = 'dt') => {
    const net = /** @type {'cnn'} */ (values.net)
    const model = NoProp.create({ input: train.shape, classes: train.classes, blocks: count, net, seed, method })
    await model.fit(train, { epochs, learningRate: 3e-3, learningRateSchedule: 'one-cycle' })
    return model
  }
  const asked = async (model, options) => ({
    near: (await model.predict(test, options)).probabilities,
    far: (await model.predict(far, options)).probabilities,
  })
  const chain = await step(`a model of ${blocks} blocks`, () => trained(blocks, 0))
  const once = await asked(chain, {})
  const often = await step(`${runs} runs of its stochastic chain`, async () => {
    const answers = []
    for (let seed = 0; seed < runs; seed++) answers.push(await asked(chain, { stochastic: true, seed }))
    return answers
  })
  /** @param {'dt' | 'classifier'} method */
  const ensembleOf = async (method) => {
    const answers = []
    for (let seed = 1; seed <= blocks; seed++) answers.push(await asked(await trained(1, seed, method), {}))
    return answers
  }
  const ensemble = await step(`an ensemble of ${blocks} models of one block`, () => ensembleOf('dt'))
  const networks = await step(`${blocks} plain networks`, () => ensembleOf('classifier'))
  const [network = once] = networks

  const row = (name, near, [doubt, farDoubt]) => [
    name,
    percent(accuracy(near, labels)),
    brier(near, labels).toFixed(4),
    percent(calibrationError(near, labels)),
    percent(detection(doubt, farDoubt)),
  ]
  const bySure = (name, near, away) => row(name, near, [lack(near), lack(away)])
  const several = (name, answers) => {
    const [near, away] = [answers.map(({ near }) => near), answers.map(({ far }) => far)]
    return [
      bySure(`${name}, mean of the probabilities`, meanOf(near), meanOf(away)),
      row(`${name}, their spread`, meanOf(near), [spread(near), spread(away)]),
    ]
  }
  const text = [
    `noprop ${packageVersion()}, seed 0 (ensembles: 1 to ${blocks}; the plain network: 1). ${values.data}: ${train.samples.toLocaleString('en')} training and ${test.samples.toLocaleString('en')} test samples; foreign: ${far.samples.toLocaleString('en')} of ${values.foreign}.`,
    `\`npm run bench:uncertainty -- ${Object.entries(values)
      .filter(([name, value]) => value !== DEFAULTS[name] || ['blocks', 'epochs', 'runs', 'net'].includes(name))
      .map(([name, value]) => `--${name} ${value}`)
      .join(' ')}\``,
    '',
    table(
      ['', 'accuracy', 'Brier score', 'calibration error', 'foreign samples told'],
      [
        bySure('one plain network, its softmax', network.near, network.far),
        ...several(`an ensemble of ${blocks} plain networks`, networks),
        bySure('the chain once', once.near, once.far),
        ...several(`${runs} runs of the stochastic chain`, often),
        ...several(`an ensemble of ${blocks} one-block models`, ensemble),
      ],
    ),
  ].join('\n')
  console.log(`\n${text}`)
  putFigures(join(root, 'docs', 'accuracy.md'), 'bench:uncertainty', text)
})
