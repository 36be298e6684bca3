import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig } from 'vitepress'

const pages = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '..', 'pages')

const sidebar = [
  {
    text: 'Start',
    items: [
      { text: 'In five minutes', link: '/start' },
      { text: 'A tour', link: '/tour' },
      { text: 'When not to use it', link: '/when-not' },
      { text: 'Coming from elsewhere', link: '/coming-from' },
    ],
  },
  {
    text: 'Guides',
    items: [
      { text: 'Your own data', link: '/data' },
      { text: 'Training', link: '/training' },
      { text: 'Nets', link: '/nets' },
      { text: 'Reports and live pages', link: '/report' },
      { text: 'Bundlers, Electron, workers', link: '/bundlers' },
      { text: 'GPUs', link: '/cuda' },
      { text: 'Checks on a GPU', link: '/gpu' },
    ],
  },
  {
    text: 'The method',
    items: [
      { text: 'NoProp', link: '/method' },
      { text: 'All methods', link: '/methods' },
      { text: 'Benchmarks', link: '/benchmarks' },
    ],
  },
  {
    text: 'Reference',
    items: [
      { text: 'Command line', link: '/cli' },
      { text: 'API', link: '/api/' },
      { text: 'Errors', link: '/errors' },
      { text: 'The model file', link: '/model-file' },
    ],
  },
  {
    text: 'Working on noprop',
    collapsed: true,
    items: [
      { text: 'Contributing', link: '/CONTRIBUTING' },
      { text: 'Architecture', link: '/ARCHITECTURE' },
      { text: 'Extending', link: '/extending' },
      { text: 'Testing', link: '/testing' },
      { text: 'Decisions', link: '/decisions/README' },
      { text: 'Releasing', link: '/releasing' },
    ],
  },
]

/** Pages that no group names, under their headings. */
function others() {
  const named = new Set(sidebar.flatMap(({ items }) => items.map(({ link }) => `${link.slice(1)}.md`)))
  const rest = readdirSync(pages).filter(
    (name) => name.endsWith('.md') && !named.has(name) && !['index.md', 'CHANGELOG.md'].includes(name),
  )
  const items = rest.map((name) => {
    const [, title] = readFileSync(join(pages, name), 'utf8').match(/^# (.*)$/m) ?? []
    return { text: title ?? name, link: `/${name.slice(0, -3)}` }
  })
  return items.length > 0 ? [{ text: 'More', items }] : []
}

/** The pages that `scripts/site/build.mjs` has put together; links that lead nowhere fail the build. */
export default defineConfig({
  title: 'noprop',
  description: 'Trains neural networks whose blocks never wait for each other.',
  srcDir: 'pages',
  base: process.env.SITE_BASE ?? '/',
  cleanUrls: true,
  // Formulas have braces, which would be taken for attributes.
  markdown: { attrs: { disable: true } },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      { text: 'Start', link: '/start' },
      { text: 'Method', link: '/method' },
      { text: 'API', link: '/api/' },
    ],
    sidebar: [...sidebar, ...others()],
  },
})
