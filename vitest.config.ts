import { readFileSync } from 'node:fs'
import { defineConfig } from 'vitest/config'

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

const isLong = process.env.NOPROP_LONG === 'cluster'
// These only guard against a hang: no test is about time, and a machine may be busy.
const longest = isLong ? 3_600_000 : 600_000

export default defineConfig({
  define: { __NOPROP_VERSION__: JSON.stringify(version) },
  test: {
    // `npm run test:cluster` runs what takes minutes.
    include: isLong ? ['test/cluster/*.ts'] : ['test/**/*.test.ts'],
    // Most tests wait for processes that train on two threads each: more workers than this would only queue them.
    maxWorkers: 2,
    testTimeout: longest,
    hookTimeout: longest,
    env: { NOPROP_DATA: process.env.NOPROP_DATA ?? '' },
  },
})
