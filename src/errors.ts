/** Every code that a {@link NoPropError} can carry; `docs/errors.md` lists each and how to fix it. Codes never change meaning. */
export const ERROR_CODES = [
  'NOPROP_OPTION',
  'NOPROP_SHAPE',
  'NOPROP_LABEL',
  'NOPROP_VALUE',
  'NOPROP_COUNT',
  'NOPROP_FILE_NOT_FOUND',
  'NOPROP_FILE_FORMAT',
  'NOPROP_FILE_TRUNCATED',
  'NOPROP_IO',
  'NOPROP_OUTPUT',
  'NOPROP_MODEL_FORMAT',
  'NOPROP_MODEL_VERSION',
  'NOPROP_MODEL_TRUNCATED',
  'NOPROP_MODEL_CHANGED',
  'NOPROP_PARTS',
  'NOPROP_QUEUE',
  'NOPROP_STORE',
  'NOPROP_NOT_TRAINED',
  'NOPROP_BUSY',
  'NOPROP_DISPOSED',
  'NOPROP_MEMORY',
  'NOPROP_CHECKPOINT_MISMATCH',
  'NOPROP_CHECKPOINT_EXISTS',
  'NOPROP_CHECKPOINT_CORRUPT',
  'NOPROP_CHECKPOINT_LOCKED',
  'NOPROP_DEVICE',
  'NOPROP_DEVICE_MEMORY',
  'NOPROP_CUDA_ADDON',
  'NOPROP_CUDA_DRIVER',
  'NOPROP_CUDA_DRIVER_OLD',
  'NOPROP_CUDA_LIBRARY',
  'NOPROP_THREADS',
  'NOPROP_DIVERGED',
  'NOPROP_CANCELLED',
  'NOPROP_INTERNAL',
  'NOPROP_ADDON',
  'NOPROP_USAGE',
  'NOPROP_DATA',
  'NOPROP_CHECKSUM',
] as const

/** A stable error code, for example `NOPROP_OPTION`. */
export type ErrorCode = (typeof ERROR_CODES)[number]

/** The parts of an error, as `toJSON` gives them and as the native core sends them. */
export interface ErrorDetails {
  /** The stable code. */
  code: ErrorCode
  /** What went wrong, one sentence without a full stop. */
  what: string
  /** What was expected. */
  expected?: string
  /** What came instead. */
  received?: string
  /** How to fix it. */
  hint?: string
}

/**
 * The one error class of this package: every failure of its own says what went wrong, what was expected, what came
 * instead and how to fix it. (A promise that was aborted rejects with the reason of its `AbortSignal` instead.)
 */
export class NoPropError extends Error {
  override readonly name = 'NoPropError'
  /** The stable code, for example `NOPROP_OPTION`; `docs/errors.md` lists each and how to fix it. */
  readonly code: ErrorCode
  /** What went wrong, without the rest of the message. */
  readonly what: string
  /** What was expected. */
  readonly expected: string | undefined
  /** What came instead. */
  readonly received: string | undefined
  /** How to fix it. */
  readonly hint: string | undefined

  constructor(details: ErrorDetails, options?: { cause?: unknown }) {
    super(describe(details), options)
    this.code = details.code
    this.what = details.what
    this.expected = details.expected || undefined
    this.received = details.received || undefined
    this.hint = details.hint || undefined
  }

  /** The parts as a plain object; `JSON.stringify(error)` uses it. */
  toJSON(): ErrorDetails {
    const { code, what, expected, received, hint } = this
    return { code, what, expected, received, hint }
  }
}

/** `what; expected: …; received: …; hint: …`, leaving out what is empty. The core's errors read the same. */
function describe(details: ErrorDetails): string {
  const parts = [details.what]
  for (const name of ['expected', 'received', 'hint'] as const) {
    if (details[name]) parts.push(`${name}: ${details[name]}`)
  }
  return parts.join('; ')
}

function isDetails(value: unknown): value is ErrorDetails {
  if (typeof value !== 'object' || value === null) return false
  const { code, what } = value as Partial<ErrorDetails>
  return typeof what === 'string' && (ERROR_CODES as readonly unknown[]).includes(code)
}

/** The {@link NoPropError} of details that came from the core, or NOPROP_INTERNAL when they are none. */
export function fromDetails(details: unknown, cause?: unknown): NoPropError {
  if (isDetails(details)) return new NoPropError(details, cause === undefined ? undefined : { cause })
  return new NoPropError(
    {
      code: 'NOPROP_INTERNAL',
      what: 'the native core failed in an unforeseen way',
      received: cause instanceof Error ? cause.message : String(cause ?? JSON.stringify(details)),
      hint: 'this is a defect of noprop; please report it with what led here',
    },
    { cause },
  )
}

/** How Deno is told to let noprop work. */
export const DENO_HINT =
  'start the program with `deno run --allow-ffi --allow-read --allow-env`, the command line with `deno run -A`'

/** Whether it is Deno's refusal of what a program was not allowed to do. */
export function isDenoRefusal(error: unknown): error is Error {
  return error instanceof Error && /^Requires \w+ access\b.*--allow-\w+/.test(error.message)
}

/** Turns what the native core threw into a {@link NoPropError}: its message is the JSON of {@link ErrorDetails}. */
export function fromNative(error: unknown): NoPropError {
  if (error instanceof NoPropError) return error
  if (isDenoRefusal(error)) {
    const what = 'Deno does not give noprop the permissions that it needs'
    return new NoPropError({ code: 'NOPROP_ADDON', what, received: error.message, hint: DENO_HINT }, { cause: error })
  }
  let details: unknown
  try {
    details = JSON.parse((error as Error).message)
  } catch {
    // Not one of the core's own errors: `fromDetails` wraps it as it is.
  }
  return fromDetails(details, error)
}

/** The NOPROP_IO of a call of the system that failed, with the system's reason. */
export function fromSystem(
  what: string,
  cause: unknown,
  hint = 'check the path, and that you may use it',
): NoPropError {
  const received = cause instanceof Error ? cause.message : String(cause)
  return new NoPropError({ code: 'NOPROP_IO', what, received, hint }, { cause })
}

/** Runs native code that may throw. */
export function native<Result>(call: () => Result): Result {
  try {
    return call()
  } catch (error) {
    throw fromNative(error)
  }
}

/** Waits for native code that may reject; `call` itself may throw as well. */
export async function nativeAsync<Result>(call: () => Promise<Result>): Promise<Result> {
  try {
    return await call()
  } catch (error) {
    throw fromNative(error)
  }
}
