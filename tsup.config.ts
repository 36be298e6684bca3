import { cpSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { defineConfig, type Options } from 'tsup'
import { buildPage } from './scripts/setup/page.mjs'

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

const shared: Options = {
  target: 'node20',
  platform: 'node',
  // Maps would be half of the JavaScript that is installed; names and lines of the output can be read without.
  sourcemap: false,
  // Classes are called what their messages and `console.log` say, in bundles of others too.
  keepNames: true,
  define: { __NOPROP_VERSION__: JSON.stringify(version) },
}

/** `noprop/report` uses the classes of `noprop` rather than having its own, so that `instanceof` holds. */
const onIndex: NonNullable<Options['esbuildPlugins']>[number] = {
  name: 'on-index',
  setup(build) {
    build.onResolve({ filter: /^\.\.\/index\.js$/ }, () => ({ path: './index.cjs', external: true }))
    // Read when a run is for other machines, and when blocks share an encoder.
    build.onResolve({ filter: /^\.\/cluster\/client\.js$/ }, () => ({ path: './cluster-client.cjs', external: true }))
    build.onResolve({ filter: /^\.\/encoder\.js$/ }, () => ({ path: './encoder.cjs', external: true }))
  },
}

/** `noprop/cluster` takes what there must be one of from `noprop`: `src/internals.ts`. */
const onInternals: NonNullable<Options['esbuildPlugins']>[number] = {
  name: 'on-internals',
  setup(build) {
    build.onResolve({ filter: /^\.\.?\/(\.\.\/)*(errors|native|dataset|model)\.js$/ }, ({ path, resolveDir }) =>
      dirname(join(resolveDir, path)) === join(import.meta.dirname, 'src')
        ? { path: 'internals', namespace: 'noprop' }
        : undefined,
    )
    build.onResolve({ filter: /^\.\/index\.cjs$/, namespace: 'noprop' }, ({ path }) => ({ path, external: true }))
    build.onLoad({ filter: /^internals$/, namespace: 'noprop' }, () => ({
      contents: "module.exports = require('./index.cjs').NoProp[Symbol.for('noprop.internals')]",
    }))
  },
}

/** A quarter less to read at every start. Node prints the line that an uncaught error comes from: lines stay short. */
const compact: NonNullable<Options['esbuildOptions']> = (options) => {
  // `src/here.ts` asks for it only where there is no `__filename`.
  options.logOverride = { 'empty-import-meta': 'silent' }
  options.minifyWhitespace = true
  options.minifySyntax = true
  options.lineLimit = 160
}

/**
 * The API is built once, as CommonJS, and `src/entry/` lets ES modules import that: `import` and `require` in one process
 * then share one set of classes, and `instanceof` holds across them. The command line, a process of its own, is ES modules
 * in chunks: it imports each command when it is called for, so `noprop --help` reads only what it prints. `progress` is
 * the display that the examples share with it.
 */
export default defineConfig([
  {
    ...shared,
    entry: { index: 'src/index.ts', report: 'src/report/index.ts' },
    format: 'cjs',
    esbuildPlugins: [onIndex],
    esbuildOptions: compact,
    dts: {
      entry: { index: 'src/index.ts', report: 'src/report/index.ts', cluster: 'src/cluster/index.ts' },
      // `Symbol.dispose`, which programs need not have among their own libraries.
      banner: '/// <reference lib="esnext.disposable" />',
    },
    onSuccess: async () => {
      cpSync('src/entry', 'dist', { recursive: true })
      await buildPage()
    },
  },
  {
    ...shared,
    entry: { cluster: 'src/cluster/index.ts', 'cluster-client': 'src/cluster/client.ts', encoder: 'src/encoder.ts' },
    format: 'cjs',
    esbuildPlugins: [onInternals],
    esbuildOptions: compact,
  },
  {
    ...shared,
    entry: { cli: 'src/cli/main.ts', progress: 'src/progress/display.ts' },
    format: 'esm',
    splitting: true,
    esbuildOptions: compact,
  },
])
