import { linkAbort } from './abort.js'
import type { Dataset } from './dataset.js'
import { NoPropError, nativeAsync } from './errors.js'
import type { FitEvent, History } from './events.js'
import { describeHistory, type Records } from './history.js'
import { keptOf } from './kept-history.js'
import type { Native } from './native.js'
import type { ClusterOptions, TrainingRecord, TrainOptions } from './options.js'
import type { WorkerEvent } from './scheduler.js'

/** Trains `model` on the workers of a queue; events and history are those of a training here. */
export async function trainElsewhere(
  model: InstanceType<Native['NativeModel']>,
  [dataset, held]: [Dataset, Dataset | undefined],
  options: TrainOptions,
  cluster: ClusterOptions,
  { records, push, onEvent }: { records: Records; push(event: FitEvent): void; onEvent(event: WorkerEvent): void },
  [stop, wrapUp]: [AbortSignal, AbortSignal],
): Promise<History> {
  const began = performance.now()
  // Read only where it is asked for.
  const { trainOnCluster } = await import('./cluster/client.js')
  const { samples } = dataset
  let device = ''
  const ending = new AbortController()
  const unlink = linkAbort(stop, ending)
  const onWrapUp = () => ending.abort(cannotWrapUp())
  wrapUp.addEventListener('abort', onWrapUp, { once: true })
  try {
    await trainOnCluster(
      model,
      [dataset, held],
      options,
      cluster,
      {
        onStart: (id, { kind, epochs, batch, stepsPerBlock }) => {
          device = kind
          const { jobs: blocks, parameters } = model
          const measure = model.config.includes('"targets":') ? 'r2' : 'accuracy'
          push({
            ...{ event: 'start', run: id, blocks, epochs, batch, samples, stepsPerBlock, parameters, measure },
            ...{ threads: 1, inFlight: blocks, resume: true, device },
          } as FitEvent)
        },
        onEvent,
        history: () => JSON.stringify(keptOf(records.summary())),
      },
      ending.signal,
    )
  } finally {
    unlink()
    wrapUp.removeEventListener('abort', onWrapUp)
  }
  const seconds = (performance.now() - began) / 1000
  return describeHistory({
    ...records.summary(),
    seconds,
    samplesPerSecond: (samples * records.trainedEpochs) / seconds,
    weightsSha256: await nativeAsync(() => model.weightsSha256()),
    options: (JSON.parse(model.training ?? 'null') as TrainingRecord).options,
    device,
  })
}

function cannotWrapUp(): NoPropError {
  return new NoPropError({
    code: 'NOPROP_CANCELLED',
    what: 'the run was stopped before all its blocks were finished, so there is no whole model',
    hint: 'a run on a cluster has no stop with what there is; submit it again, and it goes on where it was',
  })
}
