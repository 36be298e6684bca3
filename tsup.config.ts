import { readFileSync } from 'node:fs'
import { defineConfig } from 'tsup'

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

/**
 * Three entries over shared chunks: the API, the command line, and the progress display that the examples share with
 * it. The command line imports each command when it is called for, so `noprop --help` reads only what it prints.
 */
export default defineConfig({
  entry: { index: 'src/index.ts', cli: 'src/cli/main.ts', progress: 'src/cli/progress.ts' },
  format: 'esm',
  target: 'node20',
  platform: 'node',
  splitting: true,
  sourcemap: true,
  clean: true,
  dts: { entry: { index: 'src/index.ts' } },
  define: { __NOPROP_VERSION__: JSON.stringify(version) },
})
