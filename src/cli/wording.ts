import type { Option } from 'commander'
import { NoPropError } from '../errors.js'
import { Flag } from './flag.js'

/**
 * An error in the words of the command line: where it names an option of the API, as `option inFlight` or by a name that is no
 * plain word (`net.type`, `learningRate`), it names the flag of `options` that sets it.
 */
export function inFlagWords(error: NoPropError, options: readonly Option[]): NoPropError {
  const flags = new Map(options.flatMap((flag) => (flag instanceof Flag ? [[flag.path, flag.long as string]] : [])))
  const flagOf = (path: string) =>
    flags.get(path) ?? flags.get(`${path}.type`) ?? flags.get(path.replace(/^(model|training)\./, ''))
  const reword = (text: string | undefined) =>
    text
      ?.replace(/\b(?:the )?option ([a-z][\w.]*\w)/gi, (whole, path: string) => flagOf(path) ?? whole)
      .replace(/(?<![\w./'"-])[a-z]+(?:[A-Z.][a-zA-Z]+)+(?![\w/'"])/g, (path) => flagOf(path) ?? path)
  const { code, what, expected, received, hint } = error
  const reworded = {
    code,
    what: reword(what) as string,
    expected: reword(expected),
    received: reword(received),
    hint: reword(hint),
  }
  const isSame = JSON.stringify(reworded) === JSON.stringify(error.toJSON())
  return isSame ? error : new NoPropError(reworded, { cause: error })
}
