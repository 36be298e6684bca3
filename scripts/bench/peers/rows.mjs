// What is compared. In each row the runs take turns, so that a machine that slows down slows all of them.

/** The methods beside dt: how many blocks, and what PyTorch's program takes for `--steps` if not these. */
const METHODS = [
  { name: 'classifier', blocks: 1 },
  { name: 'ct', blocks: 1 },
  { name: 'fm', blocks: 1 },
  { name: 'diffusion-blocks', blocks: 3 },
  { name: 'backprop', blocks: 10 },
  { name: 'forward-forward', blocks: 1, net: 'three layers of 1,000 units' },
  // noprop's default is as many steps.
  { name: 'adjoint', blocks: 1, steps: 10, net: "the paper's net, 10 steps of Euler's rule" },
]

/** The rows: noprop first, then its peers; those that are not there are left out. */
export function rows({ noprop, nopropMemory, wholeRun, methodRun, torch, candle, csv, jpeg }, threads) {
  const two = ['--threads', String(threads)]
  const speed = { unit: 'samples/s', better: 'more' }
  const memory = { unit: 'MiB', better: 'less' }
  const training = (shape) => {
    const flags = ['--shape', shape, ...two]
    return [
      noprop(flags),
      { ...noprop([...flags, '--precision', 'bf16']), name: 'noprop, bf16', extra: true },
      torch('eager', flags),
      torch('tuned', flags),
      torch('vmap', flags),
      { ...torch('eager', [...flags, '--amp', 'bf16'], { name: 'PyTorch eager, bf16' }), extra: true },
      candle(shape, threads),
    ]
  }
  const inference = (batch) => {
    const flags = ['--batch', String(batch), ...two]
    return [
      noprop([...flags, '--mode', 'inference']),
      torch('inference', flags, { name: 'PyTorch eager', iters: batch === 1 ? '50' : undefined }),
      torch('inference-tuned', flags, { name: 'PyTorch tuned', iters: batch === 1 ? '50' : undefined }),
    ]
  }
  const memoryOf = (blocks) => {
    const flags = ['--steps', String(blocks), ...two]
    return [
      nopropMemory(blocks),
      torch('backprop', flags, { name: 'PyTorch back-propagation', value: 'peak_mib', iters: '1' }),
    ]
  }
  const mlp = ['--net', 'mlp', ...two]
  const three = (net) => {
    const flags = ['--net', net, '--shape', 'cifar10', '--steps', '3', ...two]
    const blocks = flags.map((flag) => (flag === '--steps' ? '--blocks' : flag))
    return [noprop(blocks), ...['eager', 'channels-last', 'tuned'].map((mode) => torch(mode, flags))]
  }
  /** A whole run by the TypeScript API against the steps of PyTorch. */
  const method = ({ name, blocks, steps = blocks, net = "the paper's net" }) => ({
    id: `method-${name}`,
    title: `Training by ${name}, ${net}, ${blocks === 1 ? 'one net' : `${blocks} blocks`}, MNIST's shape`,
    ...speed,
    runs: [
      methodRun(name, blocks, threads),
      torch(name, ['--steps', String(steps), ...two], { name: 'PyTorch eager' }),
    ],
  })
  const one = { ...noprop(['--threads', '1']), name: 'noprop, 1 thread' }
  const all = [
    { id: 'train-mnist', title: "Training, the paper's block, MNIST's shape", ...speed, runs: training('mnist') },
    {
      id: 'train-cifar10',
      title: "Training, the paper's block, CIFAR-10's shape",
      ...speed,
      runs: training('cifar10'),
    },
    {
      id: 'train-mlp',
      title: "Training, the original sketch's block (mlp, 512, 512, 512), MNIST's shape",
      ...speed,
      runs: [noprop(mlp), ...['eager', 'tuned', 'vmap'].map((mode) => torch(mode, mlp))],
    },
    {
      id: 'train-resnet',
      title: "Training, a residual network (resnet, 32, 64, 128), 3 blocks, CIFAR-10's shape",
      ...speed,
      runs: three('resnet'),
    },
    {
      id: 'train-vit',
      title: "Training, a Vision Transformer (vit, width 128, 4 layers), 3 blocks, CIFAR-10's shape",
      ...speed,
      runs: three('vit'),
    },
    {
      id: 'threads',
      title: `Training, the paper's block, MNIST's shape, ${threads} threads and one`,
      ...speed,
      runs: [{ ...noprop(two), name: `noprop, ${threads} threads` }, one],
    },
    {
      id: 'one-block',
      title: `Training, one of the paper's blocks, MNIST's shape, ${threads} threads`,
      ...speed,
      runs: [
        noprop(['--blocks', '1', ...two]),
        ...['eager', 'channels-last', 'tuned'].map((mode) => torch(mode, ['--steps', '1', ...two])),
      ],
    },
    ...['cnn', 'resnet', 'vit', 'mlp'].map((net) => ({
      id: `team-${net}`,
      title: `Training, one block (${net}), MNIST's shape, ${threads} threads and one`,
      ...speed,
      runs: [threads, 1].map((count) => ({
        ...noprop(['--blocks', '1', '--net', net, '--threads', String(count)]),
        name: `noprop, ${count === 1 ? '1 thread' : `${count} threads`}`,
      })),
    })),
    {
      id: 'crowd',
      title: `Training, one block (cnn), MNIST's shape, ${4 * threads} threads and ${threads}`,
      ...speed,
      runs: [4 * threads, threads].map((count) => ({
        ...noprop(['--blocks', '1', '--threads', String(count)]),
        name: `noprop, ${count} threads`,
      })),
    },
    {
      id: 'in-flight',
      title: `Training, ten of the paper's blocks, ${threads} threads, one block in flight and ten`,
      ...speed,
      runs: [1, 10].map((count) => ({
        ...noprop(['--in-flight', String(count), ...two]),
        name: `noprop, ${count} in flight`,
      })),
    },
    {
      id: 'tail',
      title: `Whole runs, ${threads} threads: one block more than they share evenly, and none`,
      unit: 'samples/s, times blocks',
      better: 'more',
      runs: [2 * threads + 1, 2 * threads].map((blocks) => wholeRun(blocks, threads)),
    },
    ...METHODS.map(method),
    { id: 'inference-1', title: 'Inference, one image', ...speed, runs: inference(1) },
    { id: 'inference-1000', title: 'Inference, a batch of 1000', ...speed, runs: inference(1000) },
    { id: 'csv', title: 'Reading a CSV file of 30 columns', unit: 'rows/s', better: 'more', runs: csv() },
    {
      id: 'jpeg',
      title: 'Decoding JPEG files of 256 × 256 and resizing them to 64 × 64',
      unit: 'pictures/s',
      better: 'more',
      runs: jpeg(threads),
    },
    { id: 'memory-10', title: 'Peak memory of training 10 blocks', ...memory, runs: memoryOf(10) },
    { id: 'memory-100', title: 'Peak memory of training 100 blocks', ...memory, runs: memoryOf(100) },
  ]
  const found = all.map((row) => ({ ...row, runs: row.runs.filter((run) => run?.run) }))
  // Without Pillow there are no pictures.
  return found.filter(({ runs }) => runs.length > 0)
}

/** noprop's median over that of its best peer; bf16 works with fewer bits and is no peer of f32. */
export function ratio({ better, results }) {
  const [noprop, ...peers] = results.filter(({ median, extra }) => median !== undefined && !extra)
  if (!noprop || peers.length === 0) return undefined
  const best = peers.reduce((a, b) => ((better === 'more' ? a.median >= b.median : a.median <= b.median) ? a : b))
  return { value: noprop.median / best.median, peer: best.name }
}
