// The goals on one H100, and what a run of `npm run gpu:check` says of each.
import { number, percent, plural } from '../support/figures.mjs'

/** What CIFAR-10's training set has, and how often the paper goes through it. */
const [CIFAR10_SAMPLES, PAPER_EPOCHS] = [50_000, 150]

const times = (value) => `${number(value)} ×`
const seconds = (value) => `${number(value)} s`
const atLeast = (bound) => (value) => value >= bound
const below = (bound) => (value) => value < bound

/**
 * `of(steps)` gives `value`, undefined where it was not measured, and `note`: how it came about, where that is not plain. In
 * place of both, `missed` says what was reached where no value can tell it, `unjudged` what a run with --quick measured.
 */
/** @type {any[]} */
const GOALS = [
  {
    name: 'training, against PyTorch eager bf16',
    ...{ goal: '≥ 5 ×', holds: atLeast(5), moonshot: '10 ×', soars: atLeast(10), told: times },
    of: ({ bench }) => ({ value: bench?.overEager, note: bench?.ours }),
  },
  {
    name: "training, against the best of PyTorch's modes",
    ...{ goal: '≥ 2 ×', holds: atLeast(2), moonshot: '4 ×', soars: atLeast(4), told: times },
    of: ({ bench }) => ({ value: bench?.overBest, note: bench?.ours && `${bench.ours}; ${bench.best}` }),
  },
  {
    name: 'share of the memory floor',
    ...{ goal: '≥ 40 %', holds: atLeast(0.4), moonshot: '70 %', soars: atLeast(0.7), told: percent },
    of: ({ bench }) => {
      const shares = own(bench).filter(({ floorShare }) => floorShare !== undefined)
      const best = shares.sort((a, b) => b.floorShare - a.floorShare)[0]
      return { value: best?.floorShare, note: best?.name }
    },
  },
  {
    name: '150 epochs of CIFAR-10, all 10 blocks',
    ...{ goal: '< 2 min', holds: below(120), moonshot: '45 s', soars: (value) => value <= 45, told: seconds },
    of: longRun,
  },
  {
    name: 'accuracy on CIFAR-10 after 150 epochs',
    ...{ goal: '≥ 79.25 %', holds: atLeast(0.7925), told: percent },
    of: ({ cifar10 }) => {
      const run = cifar10?.runs?.at(-1)
      if (run && cifar10.goal === undefined) return { unjudged: accuracyOf(run) }
      return {
        value: run?.testAccuracy,
        note: run && run.epochs !== PAPER_EPOCHS && `after ${plural(run.epochs, 'epoch')}`,
      }
    },
  },
  {
    name: 'MNIST to 99.4 %',
    ...{ goal: '< 15 s', holds: below(15), moonshot: '5 s', soars: (value) => value <= 5, told: seconds },
    of: ({ mnist }) => {
      const last = mnist?.runs?.at(-1)
      if (last && mnist.goal === undefined) return { unjudged: accuracyOf(last) }
      const run = mnist?.runs?.find(({ testAccuracy }) => testAccuracy >= 0.994)
      const best = Math.max(...(mnist?.runs ?? []).map(({ testAccuracy }) => testAccuracy))
      if (run) return { value: run.trainSeconds, note: accuracyOf(run) }
      return { missed: Number.isFinite(best) && `not reached: ${percent(best)}` }
    },
  },
  {
    name: 'memory of the GPU, one block in flight ÷ back-propagation',
    ...{ goal: '≤ 0.3', holds: (value) => value <= 0.3, told: (value) => value.toFixed(2) },
    of: ({ memory, bench }) => {
      const peer = bench?.programs?.find(({ name }) => name.startsWith('PyTorch back-propagation'))?.memoryMiB
      const { allInFlightMiB: all, oneInFlightMiB: one } = memory ?? {}
      const mib = (value) => (value ? `${number(value)} MiB` : 'not measured')
      return {
        value: one && peer ? one / peer : undefined,
        note: (one || peer) && `all in flight ${mib(all)}, one ${mib(one)}, PyTorch ${mib(peer)}`,
      }
    },
  },
  {
    name: '1,000 blocks, 10 in flight',
    ...{
      goal: 'trains, memory as 10 blocks',
      holds: (value) => value <= 1.1,
      told: (value) => `${value.toFixed(2)} × the memory`,
    },
    of: ({ memory }) => {
      const { manyBlocks: blocks, manyInFlightMiB: many, allInFlightMiB: all, manySeconds } = memory ?? {}
      if (blocks && blocks !== 1000) return { note: `${blocks} blocks were trained` }
      return {
        value: many && all && manySeconds ? many / all : undefined,
        note: manySeconds && `an epoch of two steps in ${seconds(manySeconds)}`,
      }
    },
  },
]

const accuracyOf = ({ testAccuracy, epochs }) => `${percent(testAccuracy)} after ${plural(epochs, 'epoch')}`

const own = (bench) => (bench?.programs ?? []).filter((program) => program.own && program.samplesPerSecond)

/** Measured where 150 epochs were trained, else what shorter training or the speed on random data comes to. */
function longRun({ cifar10, bench }) {
  const run = cifar10?.runs?.at(-1)
  if (run?.epochs === PAPER_EPOCHS) return { value: run.trainSeconds, note: 'measured' }
  if (run?.epochs > 1) {
    return { value: (run.trainSeconds / run.epochs) * PAPER_EPOCHS, note: `extrapolated from ${run.epochs} epochs` }
  }
  const speed = bench?.shape === 'cifar10' ? Math.max(0, ...own(bench).map((one) => one.samplesPerSecond)) : 0
  if (!speed) return {}
  const note = `extrapolated from ${number(speed)} samples/s on random data of that shape, without evaluation`
  return { value: (PAPER_EPOCHS * CIFAR10_SAMPLES) / speed, note }
}

/** A row for each goal: name, goal, moonshot, measured, reached or not. `steps` as in the report. */
export function goalRows(steps) {
  const measured = Object.fromEntries(Object.entries(steps).map(([name, { measured }]) => [name, measured]))
  return GOALS.map(({ name, goal, holds, moonshot = '–', soars, told, of }) => {
    const { value, note, missed, unjudged } = of(measured)
    if (unjudged) return [name, goal, moonshot, `${unjudged}, not judged`, '–']
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      return [name, goal, moonshot, missed || [note, 'not measured'].filter(Boolean).join('; '), missed ? 'no' : '–']
    }
    const reached = soars?.(value) ? 'moonshot' : holds(value) ? 'yes' : 'no'
    return [name, goal, moonshot, [told(value), note].filter(Boolean).join('; '), reached]
  })
}
