import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'
import { describe, expect, onTestFinished, test } from 'vitest'
import { COMMANDS } from '../src/cli/program.js'
import { root, runCli, runNode } from './support/process.js'

/** A fenced block of a document. */
interface Block {
  file: string
  line: number
  language: string
  text: string
}

function blocksOf(file: string): Block[] {
  const blocks: Block[] = []
  let open: Block | undefined
  for (const [index, line] of readFileSync(join(root, file), 'utf8').split('\n').entries()) {
    const fence = line.match(/^```(.*)$/)
    if (fence && open) {
      blocks.push(open)
      open = undefined
    } else if (fence) open = { file, line: index + 1, language: fence[1]!.trim(), text: '' }
    else if (open) open.text += `${line}\n`
  }
  return blocks
}

const documents = [
  ...['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'].filter((name) => existsSync(join(root, name))),
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name.replaceAll('\\', '/')}`),
]
const blocks = documents.flatMap(blocksOf)
const programs = blocks.filter(({ language }) => language === 'ts' || language === 'js')

/**
 * Each block in ```ts is a whole program (```ts fragment is none and is not run). It runs in a directory of its own within
 * the repository, so that `import 'noprop'` is this package, on little data (support/small-data.mjs).
 */
describe.runIf(programs.length > 0)('examples in the documents', () => {
  test.each(programs.map((block) => [`${block.file}:${block.line}`, block] as const))('%s', async (_, { text }) => {
    mkdirSync(join(root, '.noprop'), { recursive: true })
    const directory = mkdtempSync(join(root, '.noprop', 'example-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    writeFileSync(join(directory, 'example.ts'), text)
    writeFileSync(
      join(directory, 'tsconfig.json'),
      JSON.stringify({
        extends: '../../tsconfig.json',
        compilerOptions: { noUnusedLocals: false },
        include: ['example.ts'],
      }),
    )
    const checked = await runNode([join(root, 'node_modules/typescript/bin/tsc'), '-p', directory], { cwd: root })
    expect([checked.code, checked.stdout]).toEqual([0, ''])
    const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext }
    writeFileSync(join(directory, 'example.mjs'), ts.transpileModule(text, { compilerOptions }).outputText)
    const small = pathToFileURL(join(root, 'test/support/small-data.mjs')).href
    const { code, stderr } = await runNode(['--import', small, 'example.mjs'], { cwd: directory })
    expect([code, stderr]).toEqual([0, ''])
  })
})

const COMMAND_LINE = new RegExp(
  String.raw`^\s*\$?\s*(?:npx noprop|noprop|node dist/cli\.js) (${Object.keys(COMMANDS).join('|')})\b([^#|\n\`]*)`,
  'gm',
)

/** Command lines of `noprop` in documents and in what `npm start` prints. */
const commands = [
  ...blocks.filter(({ language }) => ['sh', 'bash', 'console', ''].includes(language)).map(({ text }) => text),
  readFileSync(join(root, 'examples/mnist.mjs'), 'utf8'),
].flatMap((text) =>
  [...text.matchAll(COMMAND_LINE)].map(
    ([, command, rest]) => [command!, [...rest!.matchAll(/--[a-z][\w-]*/g)].map(([flag]) => flag)] as const,
  ),
)

test('every flag of a command line in the documents exists', async () => {
  expect(commands.length).toBeGreaterThan(3)
  for (const [command, flags] of commands) {
    const { stdout } = await runCli([command, '--help'])
    for (const flag of flags)
      expect([command, stdout]).toEqual([command, expect.stringMatching(new RegExp(`${flag}\\b`))])
  }
})

test('the documents name npm scripts and files that exist', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const file of documents) {
    const text = readFileSync(join(root, file), 'utf8')
    for (const [, name] of text.matchAll(/npm run ([\w:-]+)/g))
      expect([file, Object.keys(scripts)]).toEqual([file, expect.arrayContaining([name])])
    for (const [, target] of text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)) {
      const path = join(root, file, '..', target!)
      expect([file, target, existsSync(path)]).toEqual([file, target, true])
    }
  }
})
