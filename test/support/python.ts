import { spawnSync } from 'node:child_process'

/** A Python that has these modules: NOPROP_PYTHON, or `python3`; undefined where there is none. */
export function pythonWith(...modules: string[]): string | undefined {
  const python = process.env.NOPROP_PYTHON ?? 'python3'
  return spawnSync(python, ['-c', `import ${modules.join(', ')}`]).status === 0 ? python : undefined
}

/** Runs a program of Python; returns what it printed. */
export function runPython(python: string, args: readonly string[], cwd?: string): string {
  const { status, stdout, stderr } = spawnSync(python, args, { encoding: 'utf8', cwd, maxBuffer: 2 ** 28 })
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`)
  return stdout
}

/** The name of a test that needs some of Python, which says so where it is left out. */
export function needing(name: string, python: string | undefined, ...modules: string[]): string {
  return python ? name : `${name} (left out: no Python with ${modules.join(', ')}; name one in NOPROP_PYTHON)`
}
