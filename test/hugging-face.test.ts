import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { NoProp, version } from '../src/index.js'
import { smallIdx, temporaryDirectory, vectors } from './support/data.js'
import { done, runCli } from './support/process.js'

async function trained() {
  const model = NoProp.create({ input: [6], classes: 3, blocks: 2, net: { type: 'mlp', hidden: [8] } })
  await model.fit(vectors(64, 6, 3), { epochs: 2, batch: 32 })
  return model
}

test('a directory in the layout of a repository is a model', async () => {
  const model = await trained()
  const directory = join(temporaryDirectory(), 'a', 'repository')
  const { written, kept } = await model.exportHuggingFace(directory, { name: 'Three *kinds*' })
  expect(written.map((path) => path.slice(directory.length + 1))).toEqual([
    'model.safetensors',
    'config.json',
    'README.md',
  ])
  expect(kept).toEqual([])
  expect(readdirSync(directory).sort()).toEqual(['README.md', 'config.json', 'model.safetensors'])
  const again = await NoProp.load(directory)
  expect(await again.weightsSha256()).toBe(await model.weightsSha256())
  expect(JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8'))).toEqual({
    ...{ model_type: 'noprop', library_name: 'noprop', noprop_version: version, num_parameters: model.parameters },
    ...{ weights_sha256: await model.weightsSha256(), noprop: model.config, training: model.training },
  })
  const card = readFileSync(join(directory, 'README.md'), 'utf8')
  expect(card).toMatch(/^---\nlibrary_name: noprop\npipeline_tag: tabular-classification\n/)
  expect(card).toContain('# Three \\*kinds\\*')
  // What a person wrote stays.
  writeFileSync(join(directory, 'README.md'), 'mine')
  expect((await model.exportHuggingFace(directory)).kept).toEqual([join(directory, 'README.md')])
  expect(readFileSync(join(directory, 'README.md'), 'utf8')).toBe('mine')
  await expect(NoProp.load(temporaryDirectory())).rejects.toMatchObject({ code: 'NOPROP_FILE_NOT_FOUND' })
  const untrained = NoProp.create({ input: [6], classes: 3 })
  await expect(untrained.exportHuggingFace(directory)).rejects.toMatchObject({ code: 'NOPROP_NOT_TRAINED' })
  const file = join(directory, 'config.json')
  await expect(model.exportHuggingFace(join(file, 'below'))).rejects.toMatchObject({ code: 'NOPROP_OUTPUT' })
})

test('a card tells what is known, and nothing that could break its tables', async () => {
  const model = await trained()
  const data = vectors(60, 6, 3, 2)
  const evaluation = await model.evaluate(data)
  const card = await model.card({ evaluation, evaluatedOn: 'samples | of\nours' })
  expect(card).toContain(`| accuracy | ${(100 * evaluation.accuracy).toFixed(2)} % |`)
  expect(card).toContain('Measured on 60 samples of samples \\| of ours.')
  expect(card).toContain(`| weights (SHA-256) | ${await model.weightsSha256()} |`)
  expect(card).toContain('| epochs | 2 |')
  expect(card.match(/^\| [012] \|/gm)).toHaveLength(3)
  for (const line of card.split('\n').filter((line) => line.startsWith('|'))) {
    expect(line.replaceAll('\\|', '').match(/\|/g)!.length).toBeOneOf([3, 6])
  }
  expect(await model.card()).not.toContain('## Evaluation')
})

test('the command line writes repositories and cards', async () => {
  const [directory, data] = [temporaryDirectory(), smallIdx()]
  const [file, folder, card] = ['m.safetensors', 'repository', 'card.md'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ]
  const flags = ['--blocks', '2', '--net', 'mlp', '--hidden', '8', '--epochs', '1', '--threads', '1']
  const { weightsSha256 } = await done(['train', '--data', data, '--out', file, ...flags])
  const told = await done([
    'export',
    file,
    '--hugging-face',
    folder,
    '--card',
    card,
    '--data',
    data,
    '--name',
    'Squares',
  ])
  expect(told).toMatchObject({ huggingFace: { path: folder, kept: [] }, card: { path: card } })
  expect(readFileSync(card, 'utf8')).toBe(readFileSync(join(folder, 'README.md'), 'utf8'))
  expect(readFileSync(card, 'utf8')).toMatch(/# Squares\n[\s\S]*## Evaluation\n\nMeasured on 64 samples/)
  expect((await done(['inspect', folder])).weightsSha256).toBe(weightsSha256)
  expect((await runCli(['export', file, '--hugging-face', folder])).stdout).toContain('README.md: kept as it was')
  expect(existsSync(`${card}.partial`)).toBe(false)
})
