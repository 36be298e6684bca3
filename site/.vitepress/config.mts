import { defineConfig } from 'vitepress'

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
    sidebar: [
      {
        text: 'Start',
        items: [
          { text: 'In five minutes', link: '/start' },
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
    ],
  },
})
