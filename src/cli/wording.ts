import type { Option } from 'commander'
import { NoPropError } from '../errors.js'
import { Flag } from './flag.js'

/**
 * An error about the net of a file, in the words of that file: `option net.nodes[3].units` is `net.json: nodes[3].units`.
 */
export function inFileWords(error: NoPropError, file: string): NoPropError {
  const { code, what, expected, received, hint } = error
  const reword = (text: string | undefined) =>
    text
      ?.replace(/\bno option net\.(?=\w)/g, 'no option ')
      .replace(/(?<![\w./'"-])(?:the )?(?:option )?net\.(?=\w)/gi, '')
      .replace(/\b(?:the )?option net\b(?!\.)/gi, file)
  const named = (reword(what) as string).replace(/\bof the net\b/, `of ${file}`)
  const inner = named === what || named.includes(file) ? named : `${file}: ${named}`
  const reworded = { code, what: inner, expected: reword(expected), received: reword(received), hint: reword(hint) }
  const isSame = JSON.stringify(reworded) === JSON.stringify(error.toJSON())
  return isSame ? error : new NoPropError(reworded, { cause: error })
}

/**
 * An error in the words of the command line: where it names an option of the API, as `option inFlight` or by a name that is no
 * plain word (`net.type`, `learningRate`), it names the flag of `options` that sets it.
 */
export function inFlagWords(error: NoPropError, options: readonly Option[]): NoPropError {
  const flags = new Map(options.flatMap((flag) => (flag instanceof Flag ? [[flag.path, flag.long as string]] : [])))
  const exact = (path: string) => flags.get(path) ?? flags.get(`${path}.type`)
  const flagOf = (path: string): string | undefined => {
    // A checkpoint keeps the options in two objects.
    const option = path.replace(/^(model|training)\./, '')
    const [owner = '', ...rest] = option.split('.')
    // `--augment shift` is a part of what one flag says.
    const part = rest.length > 0 && flags.has(owner) ? `${flags.get(owner)} ${rest.join('.')}` : undefined
    // An option of several flags goes by the first of them.
    const below = [...flags].find(([path]) => path.startsWith(`${option}.`))?.[1]
    return exact(path) ?? exact(option) ?? part ?? below
  }
  const reword = (text: string | undefined) =>
    text
      ?.replace(/\b(?:the )?option ([a-z][\w.]*\w)/gi, (whole, path: string) => flagOf(path) ?? whole)
      .replace(/(?<![\w./'"-])[a-z]+(?:[A-Z.][a-zA-Z]+)+\d*(?![\w/'"])/g, (path) => flagOf(path) ?? path)
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
