// Real data to the accuracy that is asked for.
import { percent } from '../../support/figures.mjs'
import { CheckFailed, keeping, NotRun, noprop } from '../child.mjs'

async function train({ device, env, until, data, precision }, name, epochs, flags) {
  const args = ['train', '--data', data[name], '--device', device, '--precision', precision, '--epochs', String(epochs)]
  const { testAccuracy, trainSeconds, samplesPerSecond, weightsSha256 } = await noprop([...args, ...flags], {
    env,
    until,
  })
  return { epochs, precision, testAccuracy, trainSeconds, samplesPerSecond, weightsSha256 }
}

/** The shortest of some lengths of training that reaches the goal. */
export async function mnist(context) {
  const { epochs, goal, flags } = context.sizes.mnist
  if (!context.data.mnist) throw new NotRun('there are no data of mnist')
  const runs = []
  for (const length of epochs) {
    runs.push(await keeping({ goal, runs }, () => train(context, 'mnist', length, flags)))
    if (goal === undefined || runs.at(-1).testAccuracy >= goal) return { goal, runs }
  }
  const best = Math.max(...runs.map(({ testAccuracy }) => testAccuracy))
  throw new CheckFailed(`the best accuracy is ${percent(best)}, less than ${percent(goal)}`, { goal, runs })
}

/** As many epochs as the time allows at the speed that an epoch before shows, at most those of the paper. */
export async function cifar10(context) {
  const { epochs: most, goal, flags } = context.sizes.cifar10
  if (!context.data.cifar10) throw new NotRun('there are no data of cifar10')
  const first = await train(context, 'cifar10', 1, flags)
  if (most === 1) return { goal, runs: [first] }
  const left = (context.until - Date.now()) / 1000
  const measured = { goal, paperEpochs: most, runs: [first] }
  const epochs = affordable(left, secondsPerEpoch(first, context.measured.bench), most)
  const run = await keeping(measured, () => train(context, 'cifar10', epochs, flags))
  measured.runs.push(run)
  if (goal === undefined || run.testAccuracy >= goal) return measured
  throw new CheckFailed(`${percent(run.testAccuracy)} after ${run.epochs} epochs, less than ${percent(goal)}`, measured)
}

/** The first epoch has the kernels to load; the speed of `bench`, if it is known, does not. A quarter is for what it leaves out. */
export function secondsPerEpoch({ trainSeconds }, bench) {
  const speed =
    bench?.shape === 'cifar10' ? Math.max(0, ...bench.programs.map((one) => (one.own && one.samplesPerSecond) || 0)) : 0
  return speed > 0 ? Math.min(trainSeconds, (1.25 * 50_000) / speed) : trainSeconds
}

/** Epochs that fit into so many seconds, a tenth of which is kept for the evaluation. */
export function affordable(seconds, secondsPerEpoch, most) {
  return Math.max(1, Math.min(most, Math.floor((0.9 * seconds - 5) / secondsPerEpoch)))
}
