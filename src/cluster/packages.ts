import { NoPropError } from '../errors.js'

/** The queue. Rejects with NOPROP_OPTION, and the line that installs it. */
export async function bullmqPackage(): Promise<typeof import('bullmq')> {
  try {
    return await import('bullmq')
  } catch (cause) {
    throw missing('a queue needs', 'bullmq', cause)
  }
}

/** The client of Redis and Valkey. */
export async function redisPackage(): Promise<Pick<typeof import('ioredis'), 'Redis'>> {
  try {
    return await import('ioredis')
  } catch (cause) {
    throw missing('a queue on Redis needs', 'ioredis', cause)
  }
}

/** The client of PostgreSQL. */
export async function postgresPackage(): Promise<typeof import('pg')> {
  try {
    return await import('pg')
  } catch (cause) {
    throw missing('a queue on PostgreSQL needs', 'pg', cause)
  }
}

/** The client of S3. */
export async function s3Package(): Promise<typeof import('@aws-sdk/client-s3')> {
  try {
    return await import('@aws-sdk/client-s3')
  } catch (cause) {
    throw missing('a store in S3 needs', '@aws-sdk/client-s3', cause)
  }
}

/** What tells OpenTelemetry of jobs. */
export async function telemetryPackage(): Promise<typeof import('bullmq-otel')> {
  try {
    return await import('bullmq-otel')
  } catch (cause) {
    throw missing('telemetry needs', 'bullmq-otel', cause)
  }
}

function missing(what: string, name: string, cause: unknown): NoPropError {
  return new NoPropError(
    {
      code: 'NOPROP_OPTION',
      what: `${what} the package ${name}`,
      expected: `${name} beside noprop`,
      received: (cause as Error).message.split('\n')[0],
      hint: `npm install ${name}`,
    },
    { cause },
  )
}
