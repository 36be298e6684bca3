import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { S3Client } from '@aws-sdk/client-s3'
import { NoPropError } from '../../errors.js'
import { s3Package } from '../packages.js'
import { type Content, type Listed, type Store, storeError, tooLarge } from './store.js'

/** Times that a request is made again which the server was too busy for, or that another writer disturbed. */
const TRIES = 6
/** Milliseconds before the second try; each later one waits twice as long. */
const FIRST_WAIT = 200
/** Milliseconds without a byte after which a server is taken to be gone. */
const SILENCE = 60_000
/** Most bytes that a single request may put. */
const MOST_BYTES = 5 * 2 ** 30

/**
 * A store in a bucket of S3 or of a server that speaks it. An object is put with `If-None-Match: *`: where there is one, the server answers
 * 412. Credentials, region and endpoint are those of the environment, as the AWS SDK reads them.
 */
export class S3Store implements Store {
  readonly #client: S3Client
  readonly #sdk: typeof import('@aws-sdk/client-s3')
  readonly #bucket: string
  readonly #prefix: string

  private constructor(sdk: typeof import('@aws-sdk/client-s3'), bucket: string, prefix: string) {
    this.#sdk = sdk
    this.#bucket = bucket
    this.#prefix = prefix
    const { AWS_REGION, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL } = process.env
    this.#client = new sdk.S3Client({
      ...(AWS_REGION ? {} : { region: process.env.AWS_DEFAULT_REGION || 'us-east-1' }),
      // Servers of one's own seldom have a name for each bucket.
      forcePathStyle: Boolean(AWS_ENDPOINT_URL_S3 || AWS_ENDPOINT_URL),
      // Tries are counted below, where a body can be read anew.
      maxAttempts: 1,
      requestHandler: { requestTimeout: 0, socketTimeout: SILENCE, connectionTimeout: 10_000 },
      // Others than Amazon's do not all know the newer checksums; what is read is checked by its own.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    })
  }

  static async open(bucket: string, prefix: string): Promise<S3Store> {
    return new S3Store(await s3Package(), bucket, prefix)
  }

  async read(key: string, most: number): Promise<Buffer | null> {
    const parts: Buffer[] = []
    const isThere = await this.#get(key, most, {
      begin: () => void parts.splice(0),
      take: (piece) => void parts.push(piece),
    })
    return isThere ? Buffer.concat(parts) : null
  }

  async fetch(key: string, file: string, most: number): Promise<boolean> {
    const target = await open(file, 'w').catch((error) => {
      throw storeError(`${key} cannot be copied from the store`, error, 'check that this machine has room')
    })
    try {
      let at = 0
      return await this.#get(key, most, {
        begin: async () => {
          at = 0
          await target.truncate(0)
        },
        take: async (piece) => {
          await target.write(piece, 0, piece.length, at)
          at += piece.length
        },
      })
    } finally {
      await target.close()
    }
  }

  async create(key: string, content: Content): Promise<boolean> {
    return this.#put(key, content, true)
  }

  async replace(key: string, content: Content): Promise<void> {
    await this.#put(key, content, false)
  }

  async has(key: string): Promise<boolean> {
    return this.#patiently(`${key} cannot be looked up in the store`, async () => {
      try {
        await this.#client.send(new this.#sdk.HeadObjectCommand(this.#at(key)))
        return true
      } catch (error) {
        if (statusOf(error) === 404) return false
        throw error
      }
    })
  }

  async remove(key: string): Promise<void> {
    await this.#patiently(`${key} cannot be removed from the store`, () =>
      this.#client.send(new this.#sdk.DeleteObjectCommand(this.#at(key))),
    )
  }

  async list(prefix: string): Promise<Listed[]> {
    const listed: Listed[] = []
    let token: string | undefined
    do {
      const page = await this.#patiently('the store cannot be listed', () =>
        this.#client.send(
          new this.#sdk.ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: this.#prefix + prefix,
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
        ),
      )
      for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
        const name = Key.slice(this.#prefix.length + prefix.length)
        listed.push({ name, bytes: Size, modified: LastModified?.getTime() ?? 0 })
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined
    } while (token !== undefined)
    return listed
  }

  close(): void {
    this.#client.destroy()
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + key }
  }

  async #get(
    key: string,
    most: number,
    to: { begin(): void | Promise<void>; take(piece: Buffer): void | Promise<void> },
  ): Promise<boolean> {
    return this.#patiently(`${key} cannot be read from the store`, async () => {
      let found: { ContentLength?: number | undefined; Body?: unknown }
      try {
        found = await this.#client.send(new this.#sdk.GetObjectCommand(this.#at(key)))
      } catch (error) {
        if (statusOf(error) === 404) return false
        throw error
      }
      const body = found.Body as Readable
      try {
        if ((found.ContentLength ?? 0) > most) throw tooLarge(key, found.ContentLength as number, most)
        await to.begin()
        let bytes = 0
        for await (const piece of body) {
          bytes += piece.length
          if (bytes > most) throw tooLarge(key, bytes, most)
          await to.take(piece)
        }
        if (found.ContentLength !== undefined && bytes !== found.ContentLength) {
          throw new Error(`${bytes} bytes came instead of ${found.ContentLength}`)
        }
        return true
      } finally {
        body.destroy()
      }
    })
  }

  async #put(key: string, content: Content, onlyNew: boolean): Promise<boolean> {
    const bytes = content instanceof Uint8Array ? content.length : (await stat(content.file)).size
    if (bytes > MOST_BYTES) throw tooLarge(key, bytes, MOST_BYTES)
    return this.#patiently(`the store does not take ${key}`, async () => {
      const body = content instanceof Uint8Array ? content : createReadStream(content.file)
      try {
        await this.#client.send(
          new this.#sdk.PutObjectCommand({
            ...this.#at(key),
            Body: body,
            ContentLength: bytes,
            ...(onlyNew ? { IfNoneMatch: '*' } : {}),
          }),
        )
        return true
      } catch (error) {
        if (onlyNew && statusOf(error) === 412) return false
        throw error
      } finally {
        if (!(body instanceof Uint8Array)) body.destroy()
      }
    })
  }

  /** Makes a request again, within bounds, when the server is busy, another writer is at it, or it cannot be reached. */
  async #patiently<Result>(what: string, request: () => Promise<Result>): Promise<Result> {
    for (let tried = 1; ; tried++) {
      try {
        return await request()
      } catch (error) {
        if (error instanceof NoPropError) throw error
        const status = statusOf(error)
        // Without a status no answer came. A conflict (409) is to be tried again, says S3.
        const mayPass = status === undefined || status >= 500 || [408, 409, 425, 429].includes(status)
        const isOurs = ['CredentialsProviderError', 'ENOSPC', 'ENOENT'].some((name) => nameOf(error).includes(name))
        if (!mayPass || isOurs || tried === TRIES) {
          throw storeError(
            what,
            error,
            'check the bucket, the endpoint and the credentials (AWS_…), and what they may do',
          )
        }
        // The share keeps many workers from coming back at the same moment.
        const wait = FIRST_WAIT * 2 ** (tried - 1) * (0.5 + Math.random())
        await new Promise((resolve) => setTimeout(resolve, wait))
      }
    }
  }
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode
}

function nameOf(error: unknown): string {
  const { name, code } = error as { name?: string; code?: string }
  return `${name} ${code}`
}
