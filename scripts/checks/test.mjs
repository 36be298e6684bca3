// `npm test`: makes the clone ready, then runs every check there is, and ends at the first that fails.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { guardInstructions } from '../bench/instructions.mjs'
import { bootstrap, generatedTypes } from '../setup/bootstrap.mjs'
import { root, run, runTool, StepFailed, script, step } from '../support/steps.mjs'
import { missingCompiler, requireRust } from '../support/toolchain.mjs'
import { checkRust, checkTypeScript } from './static.mjs'

const counts = { passed: 0, failed: 0 }

function checkTypes() {
  const [committed, generated] = ['index.d.ts', generatedTypes].map((path) => readFileSync(join(root, path), 'utf8'))
  if (committed !== generated) {
    throw new StepFailed(`index.d.ts is not what the addon generates: run \`npm run build\` and commit it.`)
  }
}

/** With a C++ compiler the CUDA kernels are linted and tested too, on the processor. */
const withoutEmulation = missingCompiler()
const features = withoutEmulation ? [] : ['--features', 'noprop-core/emulation']

async function cargoTest() {
  const count = (output) => {
    for (const [, passed, failed] of output.matchAll(/^test result: .*? (\d+) passed; (\d+) failed;/gm)) {
      counts.passed += Number(passed)
      counts.failed += Number(failed)
    }
  }
  try {
    count(await run('cargo', ['test', '--workspace', ...features, '--quiet'], { capture: true }))
  } catch (error) {
    count(error.output ?? '')
    throw error
  }
}

async function vitest() {
  const report = join(root, '.noprop', 'vitest.json')
  mkdirSync(join(root, '.noprop'), { recursive: true })
  rmSync(report, { force: true })
  try {
    await runTool('vitest', ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`])
  } finally {
    if (existsSync(report)) {
      const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, 'utf8'))
      counts.passed += numPassedTests
      counts.failed += numFailedTests
    }
  }
}

async function main() {
  requireRust()
  await bootstrap()
  await step('index.d.ts is current', async () => checkTypes())
  await checkTypeScript()
  await checkRust(features)
  await step('Rust documentation (rustdoc)', () =>
    run('cargo', ['doc', '--package', 'noprop-kernels', '--package', 'noprop-core', '--no-deps', '--quiet'], {
      env: { RUSTDOCFLAGS: '-D warnings' },
    }),
  )
  await step('Rust tests (cargo)', cargoTest)
  await step('instruction counts (valgrind)', () => guardInstructions({ features }))
  await step('TypeScript tests (vitest)', vitest)
  await step('package (publint)', () => runTool('publint', ['--strict']))
  await step('package types (attw)', () =>
    runTool('@arethetypeswrong/cli', ['--pack', '.', '--profile', 'strict', '--no-definitely-typed'], { bin: 'attw' }),
  )
}

await script(async () => {
  try {
    await main()
    if (withoutEmulation) console.log(`the CUDA kernels were not tested, because ${withoutEmulation}.`)
  } catch (error) {
    counts.failed = Math.max(1, counts.failed)
    throw error
  }
})
console.log(`${counts.passed} passed, ${counts.failed} failed`)
