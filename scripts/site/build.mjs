// `npm run site`: the documentation as a site in site/.vitepress/dist. It copies docs/ and the documents of the root to site/pages, has TypeDoc
// write the API's pages, and VitePress build everything; a link that leads nowhere fails. `--dev` serves it instead and `--no-install` takes what is
// installed in site/.
import { spawn } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { root, runNpm, StepFailed, script, step } from '../support/steps.mjs'

const site = join(root, 'site')
const pages = join(site, 'pages')
/** Documents of the root that are pages too. */
const OF_ROOT = ['ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md']

/** Puts the pages together. */
function collect() {
  rmSync(pages, { recursive: true, force: true })
  cpSync(join(root, 'docs'), pages, { recursive: true })
  const inDocs = readdirSync(pages, { recursive: true, encoding: 'utf8' }).map((name) => name.replaceAll('\\', '/'))
  const sources = [...inDocs.filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`), ...OF_ROOT]
  for (const source of sources) {
    writeFileSync(join(pages, pageOf(source)), tidy(readFileSync(join(root, source), 'utf8'), source, sources))
  }
  cpSync(join(site, 'home.md'), join(pages, 'index.md'))
}

/** Where the document at `source` is among the pages. */
function pageOf(source) {
  return source.replace(/^docs\//, '')
}

/** Markdown as VitePress reads it: what looks like HTML or Vue is text, and links to files that are no pages become names. */
function tidy(text, source, sources) {
  const parts = text.split(/(^```[\s\S]*?^```$|`[^`\n]*`)/m)
  const prose = parts.map((part, index) => {
    if (index % 2 === 1) return part.startsWith('```') || !part.includes('{{') ? part : `<span v-pre>${part}</span>`
    return part.replace(/<(?=[A-Za-z/])(?!https?:)/g, '&lt;').replaceAll('{{', '&#123;&#123;')
  })
  return prose
    .join('')
    .replace(/(?<!!)\[([^\]]*)\]\(([^)\s]+)\)/g, (whole, label, target) =>
      linked(whole, label, target, source, sources),
    )
}

function linked(whole, label, target, source, sources) {
  if (/^(https?:|mailto:|#)/.test(target)) return whole
  const [path, hash] = target.split('#')
  const file = posix.join(posix.dirname(source), path)
  if (!existsSync(join(root, file))) throw new StepFailed(`${source} links to ${target}, which there is not.`)
  return sources.includes(file) ? `[${label}](/${pageOf(file)}${hash ? `#${hash}` : ''})` : label
}

/** Runs a program of site/node_modules to its end. */
function runInSite(name, args) {
  return new Promise((resolve, reject) => {
    const bin = join(site, 'node_modules', '.bin', process.platform === 'win32' ? `${name}.cmd` : name)
    const child = spawn(bin, args, { cwd: site, stdio: 'inherit', shell: process.platform === 'win32' })
    child.on('error', reject)
    child.on('close', (code) =>
      code === 0 ? resolve(undefined) : reject(new StepFailed(`${name} ended with ${code}.`)),
    )
  })
}

await script(async () => {
  const options = process.argv.slice(2)
  if (!options.includes('--no-install')) {
    await step('the packages of the site', () =>
      runNpm(['ci', '--prefix', site, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel', 'error']),
    )
  }
  await step('the pages', async () => collect())
  await step('the pages of the API (TypeDoc)', () => runInSite('typedoc', ['--options', 'typedoc.json']))
  if (options.includes('--dev')) await runInSite('vitepress', ['dev', '.'])
  else await step('the site (VitePress)', () => runInSite('vitepress', ['build', '.']))
})
