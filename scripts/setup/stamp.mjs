// Knows whether something built is still current: a hash over everything it was built from is kept in `.noprop/`.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../support/steps.mjs'

const directory = join(root, '.noprop')

/** SHA-256 over the names and contents of files and directories (those called `target` left out), relative to the root. */
function hashOf(paths) {
  const hash = createHash('sha256')
  const visit = (path) => {
    const full = join(root, path)
    if (!existsSync(full)) return
    if (statSync(full).isDirectory()) {
      for (const name of readdirSync(full).sort()) if (name !== 'target') visit(`${path}/${name}`)
      return
    }
    const content = readFileSync(full)
    hash.update(`${path}\0${content.length}\0`).update(content)
  }
  for (const path of paths) visit(path)
  return hash.digest('hex')
}

/** Calls `build` unless the stamp `name` says that `outputs` were built from just these `inputs`. */
export async function unlessCurrent(name, inputs, outputs, build) {
  const path = join(directory, `${name}.stamp`)
  const hash = hashOf(inputs)
  const isCurrent = existsSync(path) && readFileSync(path, 'utf8') === hash
  if (isCurrent && outputs().length > 0 && outputs().every((file) => existsSync(join(root, file)))) return false
  await build()
  mkdirSync(directory, { recursive: true })
  writeFileSync(path, hash)
  return true
}
