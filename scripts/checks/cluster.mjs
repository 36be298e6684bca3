// `npm run test:cluster`: what a run over a queue must stand (test/cluster/), with real servers, for minutes. What is missing on this machine is
// left out, and said so. Words behind `--` are passed on to vitest: `npm run test:cluster -- -t Redis`.
import { bootstrap } from '../setup/bootstrap.mjs'
import { runTool, script, step } from '../support/steps.mjs'

await script(async () => {
  await bootstrap()
  const args = ['run', ...process.argv.slice(2)]
  // What `vitest.config.ts` looks for.
  process.env.NOPROP_LONG = 'cluster'
  await step('a cluster that things go wrong with', () => runTool('vitest', args))
})
