// Speed and memory beside PyTorch's.
import { median } from '../../support/figures.mjs'
import { CheckFailed, isGpu, job, keeping } from '../child.mjs'
import { startPeer } from '../peers.mjs'

const INPUT = { mnist: [28, 28, 1], cifar10: [32, 32, 3] }

/**
 * PyTorch's modes: the common loop; compiled and fused; the same recorded as one CUDA graph, which only a GPU can; all blocks
 * stacked; and the baseline that trains end to end.
 */
const MODES = [
  { name: 'PyTorch eager, f32', mode: 'eager', amp: 'none' },
  { name: 'PyTorch eager, bf16', mode: 'eager', amp: 'bf16' },
  { name: 'PyTorch compiled, bf16', mode: 'tuned', amp: 'bf16' },
  { name: 'PyTorch compiled, a CUDA graph, bf16', mode: 'graphs', amp: 'bf16', gpu: true },
  { name: 'PyTorch vmap, bf16', mode: 'vmap', amp: 'bf16' },
  { name: 'PyTorch back-propagation, bf16', mode: 'backprop', amp: 'bf16' },
]

/** One measurement of the addon's training steps. */
function ours({ device, env, until, sizes }, precision, more = {}) {
  const { shape, blocks, batch, seconds, net } = sizes.bench
  const input = { device, input: INPUT[shape], blocks, batch, seconds, precision, ...(net && { net }), ...more }
  return job('bench', input, { env, until })
}

/** Every program once a round, in turns; a program that fails is told and left out. */
export async function bench(context) {
  const { sizes, precisions, torch, device, env, until } = context
  const own = precisions.map((precision) => ({
    name: `noprop, ${precision}`,
    own: true,
    run: () => ours(context, precision),
  }))
  const modes = torch ? MODES.filter(({ gpu }) => !gpu || isGpu(device)) : []
  const peers = modes.map(({ name, ...mode }) => {
    const peer = startPeer(
      torch,
      { ...sizes.bench, ...mode, device: isGpu(device) ? device : 'cpu' },
      { env, until: until - 3000 },
    )
    return { name, peer, run: () => peer.measure() }
  })
  const programs = [...own, ...peers].map((program) => ({ ...program, results: [] }))
  let rounds = 0
  try {
    // They warm up together and are measured alone. Who takes more than half of the time to it is left out.
    const half = Date.now() + (until - Date.now()) / 2
    await Promise.all(programs.map((program) => warmUp(program, half)))
    for (let longest = 0; rounds < sizes.rounds && Date.now() + longest < until - 3000; rounds++) {
      const began = Date.now()
      for (const program of programs) {
        if (program.failure) continue
        try {
          program.results.push(await program.run())
        } catch (error) {
          if (!(error instanceof CheckFailed)) throw error
          program.failure = error.message
        }
      }
      longest = Math.max(longest, Date.now() - began)
    }
  } finally {
    await Promise.all(peers.map(({ peer }) => peer.stop()))
  }
  const measured = { ...sizes.bench, rounds, programs: programs.map(figuresOf) }
  Object.assign(measured, ratiosOf(measured.programs))
  const broken = measured.programs.find(({ own, failure }) => own && failure)
  if (broken) throw new CheckFailed(`${broken.name}: ${broken.failure}`, measured)
  return measured
}

/** Waits until a peer is ready, at most until then. */
async function warmUp(program, until) {
  if (!program.peer) return
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new CheckFailed('it was not ready in its time')), Math.max(0, until - Date.now()))
  })
  try {
    await Promise.race([program.peer.ready, late])
  } catch (error) {
    if (!(error instanceof CheckFailed)) throw error
    program.failure = error.message
    await program.peer.stop()
  } finally {
    clearTimeout(timer)
  }
}

/** Medians and spread of one program, of as many rounds as it came through. */
function figuresOf({ name, own = false, failure, results }) {
  if (results.length === 0) return { name, own, failure: failure ?? 'there was no time left for it' }
  const values = results.map((result) => result.samplesPerSecond ?? result.samples_per_s)
  const shares = results.map(({ floorShare }) => floorShare).filter((share) => share !== undefined)
  const { floorGigabytes, peakGigabytes, deviceMemoryMiB, peak_mib } = results.at(-1)
  return {
    name,
    own,
    ...(failure && { failure }),
    samplesPerSecond: median(values),
    least: Math.min(...values),
    greatest: Math.max(...values),
    memoryMiB: deviceMemoryMiB ?? peak_mib ?? null,
    ...(shares.length > 0 && { floorShare: median(shares), floorGigabytes, peakGigabytes }),
  }
}

/**
 * noprop in bf16 (where that is not offered, in f32) over PyTorch eager in bf16, and over the best of PyTorch's ways to train
 * these blocks; `ours` and `best` name them.
 */
export function ratiosOf(programs) {
  const measured = programs.filter((program) => program.samplesPerSecond)
  const named = (name) => measured.find((program) => program.name === name)
  const ours = named('noprop, bf16') ?? named('noprop, f32')
  const eager = named('PyTorch eager, bf16')
  const ways = MODES.filter(({ mode }) => mode !== 'backprop').flatMap(({ name }) => named(name) ?? [])
  const best = ways.sort((a, b) => b.samplesPerSecond - a.samplesPerSecond)[0]
  const over = (peer) => (ours && peer ? ours.samplesPerSecond / peer.samplesPerSecond : null)
  return { overEager: over(eager), overBest: over(best), ours: ours?.name ?? null, best: best?.name ?? null }
}

/** Memory of all blocks in flight, one, and 10 of a thousand; and that a thousand train. */
export async function memory(context) {
  const { device, env, until, sizes, precisions } = context
  const precision = precisions.at(-1)
  const { blocks } = sizes.bench
  const short = { seconds: Math.min(0.3, sizes.bench.seconds) }
  const many = sizes.manyBlocks
  const measured = { precision, manyBlocks: many }
  const of = async (more) => {
    const work = () => ours(context, precision, { ...short, ...more })
    return (await keeping(measured, work)).deviceMemoryMiB ?? null
  }
  measured.allInFlightMiB = await of({ inFlight: blocks })
  measured.oneInFlightMiB = await of({ inFlight: 1 })
  measured.manyInFlightMiB = await of({ blocks: many, inFlight: blocks })
  const net = sizes.bench.net ?? sizes.net
  const input = { device, samples: 256, batch: 128, blocks: many, net, epochs: 1, inFlight: blocks, precision }
  const { loss, seconds } = await keeping(measured, () => job('train', input, { env, until }))
  measured.manySeconds = seconds
  if (loss.length !== many || !loss.flat().every(Number.isFinite)) {
    throw new CheckFailed(`of ${many} blocks ${loss.flat().filter(Number.isFinite).length} have a loss`, measured)
  }
  // What a run keeps on the device for each block that is not in flight would show here.
  if (measured.manyInFlightMiB > 1.1 * measured.allInFlightMiB + 16) {
    throw new CheckFailed(
      `${many} blocks take ${measured.manyInFlightMiB} MiB, ${blocks} take ${measured.allInFlightMiB}`,
      measured,
    )
  }
  return measured
}
