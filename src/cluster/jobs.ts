import { NoPropError } from '../errors.js'
import { version } from '../version.js'
import { isSha256 } from './keys.js'

/** What a job carries: which block of which run; and, once a worker has begun it, from which step, for the so many-th time. */
export interface JobData {
  run: string
  block: number
  step?: number
  tries?: number
}

/** The queue of this version for a kind of device: a worker that would give other bits never sees the job. */
export function queueName(kind: string): string {
  return `noprop-${version}-${kind}`
}

export function jobId({ run, block }: JobData): string {
  return `${run}-${block}`
}

/** How jobs are added. The store knows what became of one: a job of the same name can be added again. */
export const JOB_OPTIONS = {
  attempts: 10,
  backoff: { type: 'exponential', delay: 1000 },
  removeOnComplete: true,
  removeOnFail: true,
} as const

const NAMES = ['run', 'block', 'step', 'tries']

/** Reads the data of a job. Throws NOPROP_QUEUE. */
export function readJob(data: unknown): JobData {
  const isObject = typeof data === 'object' && data !== null
  const job = (isObject ? data : {}) as JobData
  const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0
  const isJob =
    isSha256(job.run) &&
    isCount(job.block) &&
    job.block >= 1 &&
    [job.step, job.tries].every((value) => value === undefined || isCount(value)) &&
    Object.keys(job).every((name) => NAMES.includes(name))
  if (isJob) return job
  throw new NoPropError({
    code: 'NOPROP_QUEUE',
    what: 'a job in the queue is not one of noprop',
    expected: 'a run and a block',
    hint: 'give noprop a database of its own on the server of the queue',
  })
}

/** Kinds of processors that there may be workers of; those of GPUs are called after their model. */
export const PROCESSORS = ['cpu-avx512', 'cpu-avx2', 'cpu-neon', 'cpu-portable']
