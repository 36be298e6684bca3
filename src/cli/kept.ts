import { readdirSync } from 'node:fs'

/** What a checkpoint directory holds of blocks, in a few words. */
export function keptIn(directory: string): string {
  const blocks = blockFiles(directory)
  if (blocks === 0) return `no block is in ${directory} yet`
  return `the state of ${blocks} ${blocks === 1 ? 'block' : 'blocks'} is in ${directory}`
}

function blockFiles(directory: string): number {
  try {
    return readdirSync(directory).filter((name) => /^block-\d+\.safetensors$/.test(name)).length
  } catch {
    return 0
  }
}
