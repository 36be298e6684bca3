import { readFileSync } from 'node:fs'
import { defineConfig } from 'vitest/config'

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

export default defineConfig({
  define: { __NOPROP_VERSION__: JSON.stringify(version) },
  test: {
    // `npm run test:cluster` runs what takes minutes.
    include: process.env.NOPROP_LONG === 'cluster' ? ['test/cluster/*.ts'] : ['test/**/*.test.ts'],
    // Most tests wait for processes that train on two threads each: more workers than this would only queue them.
    maxWorkers: 2,
    // These only guard against a hang: no test is about time, and a machine may be busy.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    env: { NOPROP_DATA: process.env.NOPROP_DATA ?? '' },
  },
})
