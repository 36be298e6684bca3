// How much each step of `npm run gpu:check` does, and how many seconds it may take.

/**
 * A run for figures: the look at the machine and all steps together. Machines that are lent often end a command after ten
 * minutes, and starting and unpacking count, so there is room to that.
 */
export const full = {
  minutes: 8.5,
  /** Of a step its least: what earlier ones leave over is added. */
  seconds: {
    preconditions: 25,
    parity: 55,
    training: 30,
    determinism: 45,
    bench: 130,
    memory: 35,
    sanitizer: 45,
    mnist: 45,
    cifar10: 100,
  },
  net: { type: 'cnn' },
  samples: 1280,
  sanitizerMost: 3000,
  determinismEpochs: 2,
  rounds: 3,
  bench: { shape: 'cifar10', blocks: 10, batch: 128, seconds: 2, iterations: 50, warmUp: 5 },
  manyBlocks: 1000,
  mnist: { epochs: [3, 6, 12], goal: 0.994, flags: ['--lr', '3e-3', '--lr-schedule', 'one-cycle'] },
  cifar10: { epochs: 150, goal: 0.7925, flags: [] },
}

/**
 * When step `name` must end at the latest (a time of `Date.now()`), if all must by `end`: what the later ones of `names` need
 * is kept for them, and the rest is this step's. So a step has at least its own seconds, whatever the earlier ones did.
 */
export function deadline(name, names, seconds, end) {
  const later = names.slice(names.indexOf(name) + 1)
  return end - 1000 * later.reduce((sum, other) => sum + seconds[other], 0)
}

/** The same in so many minutes: with fewer of them every step has a smaller share. The look at the machine takes its time. */
export function inMinutes(sizes, minutes) {
  const share = Math.min(1, minutes / sizes.minutes)
  const seconds = Object.entries(sizes.seconds).map(([name, each]) => [
    name,
    (name === 'preconditions' ? 1 : share) * each,
  ])
  return { ...sizes, minutes, seconds: Object.fromEntries(seconds) }
}

/** `--quick`: shows that everything runs, in about two minutes; accuracy is measured and not judged. */
export const quick = {
  ...full,
  rounds: 1,
  sanitizerMost: 300,
  determinismEpochs: 1,
  bench: { ...full.bench, seconds: 0.5, iterations: 5, warmUp: 3 },
  manyBlocks: 100,
  mnist: { ...full.mnist, epochs: [1], goal: undefined },
  cifar10: { ...full.cifar10, epochs: 1, goal: undefined },
}

const little = ['--net', 'mlp', '--hidden', '8', '--limit', '256', '--blocks', '2']

/** For the tests, on the processor: the smallest that goes through every step. */
export const tiny = {
  ...quick,
  net: { type: 'mlp', hidden: [8] },
  samples: 160,
  bench: { ...quick.bench, shape: 'mnist', seconds: 0.02, iterations: 1, warmUp: 1, net: { type: 'mlp', hidden: [8] } },
  manyBlocks: 20,
  parityMost: 400,
  mnist: { epochs: [1], flags: little },
  cifar10: { epochs: 3, flags: little },
}
