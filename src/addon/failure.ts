import { NoPropError } from '../errors.js'
import { version } from '../version.js'
import type { Machine } from './candidates.js'
import { type Attempt, type Search, thisMachine } from './search.js'

/** The failure of a search that found nothing: the most telling reason with its cure, and everything that was tried. */
export function searchError({ attempts }: Search, explicit: string | undefined): NoPropError {
  const telling = mostTelling(attempts)
  const hint = explicit ? `correct or unset NOPROP_ADDON; else ${telling?.reason?.cure}` : telling?.reason?.cure
  return new NoPropError(
    {
      code: 'NOPROP_ADDON',
      what: `the native addon cannot be loaded: ${telling ? `${telling.place}: ${telling.reason?.text}` : 'there is none'}`,
      expected: `an addon of version ${version} for ${describe(thisMachine())}`,
      received: `searched ${attempts.map(({ place, reason }) => `${place} (${reason?.text})`).join(', ')}`,
      hint,
    },
    { cause: telling?.error },
  )
}

/** What was found and did not serve says more than what is absent, and an absent package more than an absent file. */
export function mostTelling(attempts: readonly Attempt[]): Attempt | undefined {
  const rank = ({ flavour, reason }: Attempt) => {
    const absent = reason?.kind === 'no-file' ? 2 : reason?.kind === 'not-installed' ? 1 : 0
    // That there is no CUDA is never why nothing was loaded.
    return absent + (flavour === 'cuda' ? 3 : 0)
  }
  return [...attempts].sort((a, b) => rank(a) - rank(b))[0]
}

/** `linux x64 (glibc)`. */
export function describe({ platform, arch, libc }: Machine): string {
  return `${platform} ${arch}${libc ? ` (${libc})` : ''}`
}
