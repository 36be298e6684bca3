import { fileURLToPath } from 'node:url'
import { NoPropError } from '../../errors.js'
import { FolderStore } from './folder.js'
import { S3Store } from './s3.js'
import type { Store } from './store.js'

/** Opens the store that a URL names. Rejects with NOPROP_OPTION. */
export async function openStore(url: unknown): Promise<Store> {
  const text = typeof url === 'string' ? url : ''
  if (/^file:\/\/\/./.test(text)) return new FolderStore(fileURLToPath(text))
  const s3 = text.match(/^s3:\/\/([a-z0-9][a-z0-9.-]+)(?:\/(.*?))?\/?$/)
  if (s3) return S3Store.open(s3[1] as string, s3[2] ? `${s3[2]}/` : '')
  throw new NoPropError({
    code: 'NOPROP_OPTION',
    what: 'option store cannot be used',
    expected: 's3://BUCKET/PREFIX, or file:///FOLDER for a folder that all machines see',
    received: text === '' ? typeof url : text.replace(/\/\/[^/]*@/, '//…@'),
    hint: 'credentials of S3 are taken from the environment (AWS_ACCESS_KEY_ID and the like)',
  })
}
