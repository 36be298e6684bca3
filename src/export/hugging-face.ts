import { access, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { NoPropError } from '../errors.js'
import { makeDirectory } from '../make-directory.js'
import { type CardFacts, type CardOptions, cardOf } from './card.js'

/** The weights in the layout of a Hugging Face repository. */
const MODEL = 'model.safetensors'

/** The model file that `path` means: itself, or the one in a directory of that layout. */
export async function modelFileIn(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  return found?.isDirectory() ? join(path, MODEL) : path
}

/** What `model.exportHuggingFace` has written: paths, and those that were there and have been left. */
export interface HuggingFaceFiles {
  written: string[]
  kept: string[]
}

/** Writes `model.safetensors` by `save`, `config.json` and a `README.md`, unless there is one, into a directory. */
export async function writeRepository(
  directory: string,
  facts: CardFacts,
  options: CardOptions,
  save: (file: string) => Promise<void>,
): Promise<HuggingFaceFiles> {
  await output(directory, async () => makeDirectory(directory))
  const [model, config, card] = [MODEL, 'config.json', 'README.md'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ]
  await save(model)
  const { config: noprop, training, parameters, weightsSha256, version } = facts
  const about = {
    ...{ model_type: 'noprop', library_name: 'noprop', noprop_version: version },
    ...{ num_parameters: parameters, weights_sha256: weightsSha256, noprop, training },
  }
  await replace(config, `${JSON.stringify(about, null, 2)}\n`)
  // A card that is there may have been written by a person.
  const isThere = await access(card).then(
    () => true,
    () => false,
  )
  if (isThere) return { written: [model, config], kept: [card] }
  await replace(card, cardOf(facts, options))
  return { written: [model, config, card], kept: [] }
}

/** Writes a file so that it appears whole or not at all. */
export async function replace(file: string, text: string): Promise<void> {
  const partial = `${file}.${process.pid}.partial`
  await output(file, async () => {
    try {
      await writeFile(partial, text)
      await rename(partial, file)
    } finally {
      await rm(partial, { force: true })
    }
  })
}

async function output(path: string, write: () => Promise<unknown>): Promise<void> {
  try {
    await write()
  } catch (error) {
    throw new NoPropError(
      {
        code: 'NOPROP_OUTPUT',
        what: `${path} cannot be written`,
        received: (error as Error).message,
        hint: 'choose another path, or give the permission to write there',
      },
      { cause: error },
    )
  }
}
