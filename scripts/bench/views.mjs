// `npm run bench:views`: what reports, live pages, exports and served models cost; figures into docs/benchmarks.md.
// `--rounds N` (default 3), `--seconds N` (default 5) of each measurement of a server.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bootstrap } from '../setup/bootstrap.mjs'
import { median, number, putFigures, table } from '../support/figures.mjs'
import { packageVersion, processor } from '../support/machine.mjs'
import { root, StepFailed, script, step } from '../support/steps.mjs'
import { findChromium, secondsToUse } from './views/browser.mjs'
import { liveSpeeds } from './views/live.mjs'
import { onnxruntimeLoad, serverLoad } from './views/server.mjs'

const CLI = join(root, 'dist', 'cli.js')

/** Seconds that a command of noprop takes, the start of its process included. */
function secondsOf(args) {
  const began = performance.now()
  execFileSync(process.execPath, [CLI, ...args], { cwd: root, stdio: 'ignore' })
  return (performance.now() - began) / 1000
}

/** Medians with their range. */
const shown = (values) => `${number(median(values))} (${number(Math.min(...values))}–${number(Math.max(...values))})`

/** `rounds` times each, in turns. */
async function inTurns(rounds, works) {
  const values = works.map(() => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, work] of works.entries()) values[index].push(await work())
  }
  return values
}

await script(async () => {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '3' }, seconds: { type: 'string', default: '5' } },
  })
  const [rounds, seconds] = ['rounds', 'seconds'].map((name) => {
    if (/^[1-9]\d{0,2}$/.test(values[name])) return Number(values[name])
    throw new StepFailed(`the value of --${name} must be a number from 1 to 999, not ${values[name]}.`)
  })
  await bootstrap()
  const directory = join(root, '.noprop', 'views')
  mkdirSync(directory, { recursive: true })
  const [model, report, onnx] = ['model.safetensors', 'report.html', 'model.onnx'].map((file) => join(directory, file))
  if (!existsSync(model)) {
    await step('a model of ten blocks, trained on MNIST for one epoch', () =>
      secondsOf(['train', '--data', 'mnist', '--blocks', '10', '--epochs', '1', '--out', model]),
    )
  }
  const browser = findChromium()
  if (!browser) console.log('There is no Chromium: pages are not opened (NOPROP_CHROMIUM names one).')

  const [reports, exports] = await step('report and export', () =>
    inTurns(rounds, [
      () => secondsOf(['report', model, '--data', 'mnist', '--out', report]),
      () => secondsOf(['export', model, '--onnx', onnx]),
    ]),
  )
  const opened =
    browser && (await step('the report in a browser', () => inTurns(rounds, [() => secondsToUse(browser, report)])))[0]
  const live = await step('training without a page, with one, and with one that a browser shows', () =>
    inTurns(rounds, liveSpeeds(browser)),
  )
  const served = await step('a served model', () => serverLoad(model, seconds))
  const runtime = await step('the exported model by onnxruntime', () => onnxruntimeLoad(onnx, seconds))

  const [alone, listened, displayed] = live
  const against = (speeds) => `${shown(speeds)}; ${((100 * median(speeds)) / median(alone)).toFixed(1)} %`
  const text = [
    `${processor()}, noprop ${packageVersion()}, Node ${process.versions.node}. Medians of ${rounds}, with the range. Ten of the paper's blocks, MNIST.`,
    `\`npm run bench:views -- --rounds ${rounds} --seconds ${seconds}\``,
    '',
    table(
      ['', 'measured'],
      [
        ['`noprop report`, with its evaluation of 10,000 samples', `${shown(reports)} s`],
        ['size of the report', `${number(statSync(report).size / 1e6)} MB`],
        ...(opened ? [['the report in Chromium, until its charts are drawn', `${shown(opened)} s`]] : []),
        ['`noprop export --onnx`', `${shown(exports)} s`],
        ['training without a page, two threads', `${shown(alone)} samples/s`],
        ['with a page that somebody listens to', `${against(listened)}`],
        ...(displayed ? [['with a page that Chromium shows on the same two cores', `${against(displayed)}`]] : []),
      ],
    ),
    '',
    table(
      ['served over HTTP', 'requests/s', 'p50', 'p99'],
      served.map(({ connections, rate, p50, p99 }) => [
        `${connections} connection${connections === 1 ? '' : 's'}, one sample a request`,
        ...[number(rate), `${p50} ms`, `${p99} ms`],
      ]),
    ),
    ...(runtime.length > 0
      ? [
          '',
          table(
            ['onnxruntime in Python, the exported model, no server', 'samples/s', 'p50 of a call', 'p99'],
            runtime.map(({ samples, rate, p50, p99 }) => [
              `${samples} sample${samples === 1 ? '' : 's'} a call`,
              ...[number(rate), `${p50} ms`, `${p99} ms`],
            ]),
          ),
        ]
      : []),
  ].join('\n')
  console.log(`\n${text}`)
  putFigures(join(root, 'docs', 'benchmarks.md'), 'bench:views', text)
})
