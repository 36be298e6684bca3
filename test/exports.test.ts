import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import { build } from 'esbuild'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { Dataset, datasets, FitRun, NetValue, NoProp } from '../src/index.js'
import { temporaryDirectory, vectors } from './support/data.js'
import { SMALL_MLP } from './support/models.js'
import { root, runNode } from './support/process.js'

const dist = join(root, 'dist')

test('what the types call a value is one at run time, and the reverse', async () => {
  const types = join(dist, 'index.d.cts')
  const program = ts.createProgram([types], { module: ts.ModuleKind.NodeNext, types: [] })
  const checker = program.getTypeChecker()
  const module = checker.getSymbolAtLocation(program.getSourceFile(types)!)!
  const isValue = (symbol: ts.Symbol) => {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
    return (target.flags & ts.SymbolFlags.Value) !== 0 && !isTypeOnly(symbol)
  }
  const isTypeOnly = (symbol: ts.Symbol) =>
    symbol.declarations?.some((node) => ts.isExportSpecifier(node) && node.isTypeOnly) ?? false
  const values = checker.getExportsOfModule(module).filter(isValue)
  const exported = Object.keys(createRequire(import.meta.url)(join(dist, 'index.cjs')))
  expect(exported.length).toBeGreaterThan(4)
  expect(Object.keys(await import(pathToFileURL(join(dist, 'index.js')).href)).sort()).toEqual(exported.sort())
  expect(values.map(({ name }) => name).sort()).toEqual(exported.sort())
})

test.each([
  ['NoProp', NoProp, 'NoProp.create'],
  ['Dataset', Dataset, 'datasets.fromArrays'],
  ['FitRun', FitRun, 'model.fit'],
  ['NetValue', NetValue, 'buildNet'],
])('new %s() says what makes one', (_, Class, cure) => {
  const error = expect.objectContaining({ code: 'NOPROP_OPTION', expected: expect.stringContaining(cure) })
  const Made = Class as unknown as new (...args: unknown[]) => unknown
  expect(() => new Made()).toThrow(error)
  expect(() => new Made({ input: [4], classes: 2 })).toThrow(error)
})

test('models, data sets, runs and histories show themselves in one line', async () => {
  const model = NoProp.create({ blocks: 1, net: SMALL_MLP, input: [8], classes: 4 })
  const line = /^NoProp\(8 → 4 classes, 1 mlp block, [\d,]+ parameters, untrained\)$/
  for (const text of [String(model), inspect(model), `${model}`]) expect(text).toMatch(line)
  const data = datasets.fromArrays(vectors(64, 8, 4))
  expect([String(data), inspect(data)]).toEqual(Array(2).fill('Dataset(64 samples of 8, 4 classes)'))
  const { images, shape } = vectors(1, 8, 4)
  expect(String(datasets.fromArrays({ images, shape }))).toBe('Dataset(1 sample of 8, no labels)')

  const run = model.fit(data, { batch: 32, epochs: 2, validation: data })
  expect([String(run), inspect(run)]).toEqual(['FitRun(running)', 'FitRun(running)'])
  const history = await run
  expect(String(run)).toBe('FitRun(finished)')
  expect(String(model)).toMatch(/, trained\)$/)
  expect(String(history)).toMatch(/^History\(1 block, 2 epochs in .* s, .* samples\/s, .*validation accuracy .* %\)$/)
  expect(inspect(history)).toMatch(/^History \{\n? *loss: \[/)
  // For everything else it is plain data.
  expect(Object.keys(history)).not.toContain('toString')
  expect(structuredClone(history)).toEqual(JSON.parse(JSON.stringify(history)))
  const failing = model.fit(data, { batch: 999 })
  await failing.catch(() => {})
  expect(String(failing)).toBe('FitRun(failed: NOPROP_OPTION)')
})

test('classes keep their names in a bundle that is made small', async () => {
  const { outputFiles } = await build({
    stdin: {
      contents: `
        import { NoProp, Dataset, FitRun, NoPropError } from ${JSON.stringify(join(dist, 'index.js'))}
        console.log([NoProp, Dataset, FitRun, NoPropError].map((one) => one.name).join())`,
      resolveDir: root,
    },
    bundle: true,
    minify: true,
    platform: 'node',
    write: false,
  })
  const bundle = join(temporaryDirectory(), 'bundle.cjs')
  writeFileSync(bundle, outputFiles[0]!.text)
  const { stdout, stderr } = await runNode([bundle])
  expect([stdout, stderr]).toEqual(['NoProp,Dataset,FitRun,NoPropError\n', ''])
})
