// Makes dist/page.html, the page of reports: one file that has its script, its style and, as their licences ask, the notices of the
// libraries in it, under a policy that lets in nothing else. `tsup.config.ts` calls it.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'

const SOURCE = 'src/report/page'

/** Writes `dist/page.html`. */
export async function buildPage() {
  const bundle = await build({
    entryPoints: [`${SOURCE}/main.ts`],
    bundle: true,
    minify: true,
    format: 'iife',
    platform: 'browser',
    target: ['chrome111', 'firefox121', 'safari16.4'],
    legalComments: 'none',
    metafile: true,
    write: false,
    logLevel: 'error',
  })
  const script = bundle.outputFiles[0].text.trim()
  const style = (
    await build({ entryPoints: [`${SOURCE}/style.css`], minify: true, write: false, logLevel: 'error' })
  ).outputFiles[0].text.trim()
  // What would end the element early, or begin a comment in it.
  if (/<\/script|<!--/i.test(script)) throw new Error('the script of the page cannot stand in an element of HTML')
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(script)}`,
    `style-src ${hashOf(style)}`,
    'img-src data:',
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')
  const page = readFileSync(`${SOURCE}/page.html`, 'utf8')
    // By functions: `$` would be a pattern of `replace`.
    .replace('CSP', () => policy)
    // Before the script, which sees the page up to itself and can save it.
    .replace('<!--notices-->', () => `<!--\n${notices(Object.keys(bundle.metafile.inputs))}\n-->`)
    .replace('<style></style>', () => `<style>${style}</style>`)
    .replace('<script></script>', () => `<script>${script}</script>`)
  writeFileSync('dist/page.html', page)
}

function hashOf(text) {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

/** The licences of the packages that these files are of. */
function notices(files) {
  const names = new Set(files.flatMap((file) => file.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1] ?? []))
  const groups = new Map()
  for (const name of [...names].sort()) {
    const text = licenceOf(join('node_modules', name))
    groups.set(text, [...(groups.get(text) ?? []), name])
  }
  return [...groups].map(([text, of]) => `${of.join(', ')}:\n${text}`).join('\n\n')
}

function licenceOf(directory) {
  const name = existsSync(directory) && readdirSync(directory).find((file) => /^licen[cs]e/i.test(file))
  if (!name) throw new Error(`${directory} has no licence to pass on`)
  return readFileSync(join(directory, name), 'utf8').trim().replaceAll('--', '- -')
}
