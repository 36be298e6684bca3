// The Node that runs this, gzipped, for machines that have none.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { root } from '../support/steps.mjs'

/** Its file under `.noprop`, made once for a version, since that takes some seconds; or why it is no use elsewhere. */
export function packedNode({ platform, arch, version, execPath, config } = process) {
  if (platform !== 'linux' || arch !== 'x64') return { reason: `this is one for ${platform} on ${arch}` }
  /** @type {any} */
  const { node_shared: isShared } = config.variables
  if (isShared) return { reason: 'the one that runs this is spread over several files' }
  const path = join(root, '.noprop', `node-${version}-linux-x64.gz`)
  if (existsSync(path)) return { path }
  mkdirSync(dirname(path), { recursive: true })
  const partial = `${path}.${process.pid}.partial`
  try {
    writeFileSync(partial, gzipSync(readFileSync(execPath), { level: 9 }))
    renameSync(partial, path)
  } finally {
    rmSync(partial, { force: true })
  }
  return { path }
}
