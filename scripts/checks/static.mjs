// The checks that read the code and run none of it, which `npm test` and `npm run check` share.
import { run, runTool, step } from '../support/steps.mjs'

/** Formats, lints and types of TypeScript and scripts. */
export async function checkTypeScript() {
  await step('lint and format (biome)', () =>
    runTool('@biomejs/biome', ['check', '--error-on-warnings', '.'], { bin: 'biome' }),
  )
  await step('types (tsc)', async () => {
    await runTool('typescript', ['--noEmit'], { bin: 'tsc' })
    await runTool('typescript', ['--project', 'scripts'], { bin: 'tsc' })
    await runTool('typescript', ['--project', 'src/report/page'], { bin: 'tsc' })
  })
}

/** Circles, formats and lints of the Rust crates, with these `features`. */
export async function checkRust(features = []) {
  await step('circles among Rust modules', () => run(process.execPath, ['scripts/checks/circles.mjs']))
  await step('format (rustfmt)', () => run('cargo', ['fmt', '--check']))
  await step('lint (clippy)', () =>
    run('cargo', ['clippy', '--workspace', '--all-targets', ...features, '--quiet', '--', '-D', 'warnings']),
  )
}
