import { ModelSealError } from '@modelseal/core/errors'
import { collected } from '@modelseal/core/http'
import { pushUnproven } from '@modelseal/core/publishing'
import type { SourceLoad, WritableBundle } from '@modelseal/core/source'
import { Bucket } from '../s3-bucket.ts'
import { named } from '../s3-client.ts'
import { notFound, otherContent } from '../s3-errors.ts'
import { s3Url, type S3Location } from '../s3-location.ts'
import type { S3Settings } from '../s3-settings.ts'
import { Uploads } from './uploads.ts'

const BUNDLE = 'model.sig'

/** The object in which a load looks first for the bundle of a model: `PREFIX/model.sig`, or `KEY.sig`. */
export class BundleInBucket implements WritableBundle {
  readonly path: string
  readonly name: string | undefined
  readonly #location: S3Location
  readonly #settings: S3Settings
  readonly #load: SourceLoad
  readonly #key: string
  /** What was there, for the condition that nobody else has written it since. */
  #found: 'nothing' | { etag: string | undefined } = 'nothing'

  /** @throws {@link ModelSealError} `MODEL_NOT_FOUND`, and what requests throw */
  static async of(location: S3Location, settings: S3Settings, load: SourceLoad): Promise<BundleInBucket> {
    const { path, isFolder, url } = location
    const bucket = new Bucket(location, settings, load)
    try {
      const isBelow = await bucket.hasBelow(path)
      if (!isBelow && (isFolder || !(await bucket.has(path))))
        throw notFound(url, 'the bucket has no such prefix or object')
      // The store has said by now in which region the bucket is.
      return new BundleInBucket(location, { ...settings, region: bucket.region }, { load, isBelow })
    } finally {
      await bucket.stop()
    }
  }

  private constructor(
    location: S3Location,
    settings: S3Settings,
    { load, isBelow }: { load: SourceLoad; isBelow: boolean },
  ) {
    const { bucket, path } = location
    this.#location = location
    this.#settings = settings
    this.#load = load
    this.#key = isBelow ? (path === '' ? BUNDLE : `${path}/${BUNDLE}`) : `${path}.sig`
    this.name = isBelow ? BUNDLE : undefined
    this.path = s3Url(bucket, this.#key)
  }

  async read(maxBytes: number): Promise<Uint8Array | undefined> {
    const bucket = new Bucket(this.#location, this.#settings, this.#load)
    const { signal = new AbortController().signal } = this.#load
    let bytes: Uint8Array | undefined
    try {
      await bucket.candidate(this.#key).read({ signal }, async ({ size, chunks }) => {
        bytes = await collected('signature bundle', maxBytes, { length: size, chunks: piecesOf(chunks) })
      })
      this.#found = bytes ? { etag: bucket.etagOf(this.#key) } : 'nothing'
      return bytes
    } finally {
      await bucket.stop()
    }
  }

  /** @throws {@link ModelSealError} `FILE_CHANGED`, `PUSH_UNPROVEN`, and what requests throw */
  async write(bytes: Uint8Array): Promise<void> {
    const { signal } = this.#load
    const uploads = new Uploads(this.#location.bucket, this.#settings, { signal, onProgress: undefined })
    try {
      await uploads.bytes(this.#key, bytes, this.#condition())
    } catch (error) {
      // The answer to what was written may have been lost, and the request sent again.
      const isOther = error instanceof ModelSealError && error.code === 'FILE_CHANGED'
      if (!isOther || !(await this.#has(bytes))) throw error
      return
    } finally {
      await uploads.stop()
    }
    if (!(await this.#has(bytes)))
      throw pushUnproven(this.path, otherContent(named('bundle', this.path), 'what was sent', 'other bytes'))
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #condition(): Record<string, string> {
    if (this.#found === 'nothing') return { 'if-none-match': '*' }
    return this.#found.etag === undefined ? {} : { 'if-match': this.#found.etag }
  }

  async #has(bytes: Uint8Array): Promise<boolean> {
    const served = await this.read(bytes.length).catch((error: unknown) => {
      if (error instanceof ModelSealError && error.code === 'SOURCE_FAILED') return undefined
      throw error
    })
    return served !== undefined && Buffer.compare(served, bytes) === 0
  }
}

async function* piecesOf(chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* chunks
}
