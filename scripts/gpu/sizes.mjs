// How much each step of `npm run gpu:check` does, and how many seconds it may take.

/** A run for figures: with all steps in a little less than ten minutes. */
export const full = {
  minutes: 9.75,
  seconds: {
    parity: 70,
    training: 45,
    determinism: 60,
    bench: 170,
    memory: 50,
    sanitizer: 90,
    mnist: 60,
    cifar10: 180,
  },
  net: { type: 'cnn' },
  samples: 1280,
  sanitizerMost: 3000,
  determinismEpochs: 2,
  rounds: 3,
  bench: { shape: 'cifar10', blocks: 10, batch: 128, seconds: 2, iterations: 30, warmUp: 3 },
  manyBlocks: 1000,
  mnist: { epochs: [3, 6, 12], goal: 0.994, flags: ['--lr', '3e-3', '--lr-schedule', 'one-cycle'] },
  cifar10: { epochs: 150, goal: 0.7925, flags: [] },
}

/** `--quick`: shows that everything runs, in about two minutes; accuracy is measured and not judged. */
export const quick = {
  ...full,
  rounds: 1,
  sanitizerMost: 300,
  determinismEpochs: 1,
  bench: { ...full.bench, seconds: 0.5, iterations: 5, warmUp: 2 },
  manyBlocks: 100,
  mnist: { ...full.mnist, epochs: [1], goal: undefined },
  cifar10: { ...full.cifar10, epochs: 1, goal: undefined },
}

/** For the tests, on the processor: the smallest that goes through every step. */
export const tiny = {
  ...quick,
  net: { type: 'mlp', hidden: [8] },
  samples: 160,
  bench: { ...quick.bench, shape: 'mnist', seconds: 0.02, iterations: 1, warmUp: 1, net: { type: 'mlp', hidden: [8] } },
  manyBlocks: 20,
  parityMost: 400,
  mnist: { epochs: [1], flags: ['--net', 'mlp', '--hidden', '8', '--limit', '256', '--blocks', '2'] },
}
