import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * The path of this file, from which packages are looked for. The package is built as CommonJS for programs and as ES
 * modules for the command line, and bundlers make either of either, so it is asked for in both ways; a bundle in which
 * neither works is looked for from the program that was started.
 */
export const here: string =
  typeof __filename === 'string'
    ? __filename
    : import.meta.url
      ? fileURLToPath(import.meta.url)
      : (process.argv[1] ?? join(process.cwd(), 'noprop.js'))
