import { onTestFinished } from 'vitest'
import type { Flavour } from '../../src/addon/candidates.js'
import { NoProp } from '../../src/index.js'
import { type Native, setNativeForTests } from '../../src/native.js'

/** What a test sees and steers of the substitute core. */
export interface FakeCore {
  /** Blocks in the order in which they were started. */
  started: number[]
  /** Calls of `stop`, `close` and `finish` in order. */
  calls: string[]
  /** Delivers events as the core would. */
  emit(...events: object[]): void
  /** Delivers any text. */
  emitText(text: string): void
  /** What `finish`, `close` and `evaluate` wait for, the last one no longer than until it is stopped; they may reject. */
  finishing: Promise<void>
  closing: Promise<void>
  evaluating: Promise<void>
}

/** Replaces the addon, for this test, by a core that trains nothing: the test decides which block is finished when. */
export function fakeCore({
  inFlight = 2,
  device = 'cpu',
  flavour = 'cpu' as Flavour,
  whyNoGpu = null as string | null,
} = {}): FakeCore {
  // What a test emits before the run has begun waits for its first block.
  let early: string[] | undefined = []
  let listener: (text: string) => void = () => {}
  const deliver = (text: string) => (early ? void early.push(text) : listener(text))
  const begin = () => {
    const texts = early ?? []
    early = undefined
    for (const text of texts) listener(text)
  }
  const core: FakeCore = {
    started: [],
    calls: [],
    emit: (...events) => deliver(JSON.stringify(events)),
    emitText: (text) => deliver(text),
    finishing: Promise.resolve(),
    closing: Promise.resolve(),
    evaluating: Promise.resolve(),
  }
  class NativeDataset {
    fingerprint = ''
    disposed = false
    dispose() {
      this.disposed = true
    }
    constructor(
      readonly samples: number,
      readonly shape: number[],
      readonly classes: number[],
    ) {}
    static fromArrays(images: ArrayLike<number>, shape: number[], labels: Int32Array | null) {
      return new NativeDataset(images.length / shape.reduce((a, b) => a * b, 1), shape, [...new Set(labels)].sort())
    }
  }
  class StopSignal {
    stop = () => {}
    stopped = new Promise<void>((resolve) => {
      this.stop = () => {
        core.calls.push('stop evaluation')
        resolve()
      }
    })
  }
  class NativeModel {
    parametersPerBlock = 7
    trained = false
    training = JSON.stringify({ device: 'cpu' })
    constructor(readonly config: string) {}
    get parameters() {
      return this.jobs * this.parametersPerBlock
    }
    get jobs() {
      return JSON.parse(this.config).blocks as number
    }
    static create(json: string) {
      return new NativeModel(json)
    }
    async weightsSha256() {
      return 'abc'
    }
    async evaluate(_data: unknown, _json: string, { stopped }: StopSignal) {
      await Promise.race([core.evaluating, stopped])
      return JSON.stringify({ accuracy: 0.75 })
    }
    async train(_data: unknown, json: string, onEvents: (text: string) => void) {
      listener = onEvents
      return {
        options: JSON.stringify({ epochs: 2, batch: 4, threads: 2, inFlight, device: 'cpu', ...JSON.parse(json) }),
        stepsPerBlock: 10,
        device,
        whyNoGpu,
        startBlock: (block: number) => {
          core.started.push(block)
          setImmediate(() => early && begin())
        },
        wrapUp: () => void core.calls.push('wrap up'),
        stop: () => void core.calls.push('stop'),
        finish: async () => {
          core.calls.push('finish')
          await core.finishing
        },
        close: async () => {
          core.calls.push('close')
          await core.closing
        },
      }
    }
  }
  setNativeForTests({ NativeDataset, NativeModel, StopSignal } as unknown as Native, flavour)
  onTestFinished(() => setNativeForTests(undefined))
  return core
}

/** Data and a model of `blocks` blocks for it. */
export function fakeModel(blocks: number) {
  const data = { images: new Float32Array(8), shape: [2], labels: [0, 1, 0, 1] }
  return { model: NoProp.create({ blocks, input: [2], classes: 2 }), data }
}

/** The event of a finished block. */
export function finished(block: number, resumed = false) {
  return { event: 'block', block, loss: 0.5, losses: [0.9, 0.5], seconds: 1, resumed, reason: 'epochs' }
}
