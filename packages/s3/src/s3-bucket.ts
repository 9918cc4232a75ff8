import { partFault, type HttpBody, type Range } from '@modelseal/core/http'
import type { BundleCandidate, ModelFiles, Receive, SourceEntry, SourceLoad } from '@modelseal/core/source'
import { S3Client, named } from './s3-client.ts'
import { changedObject, otherContent } from './s3-errors.ts'
import { listPrefix, type S3Entry } from './listing/list-prefix.ts'
import { listedPage, prefixOf } from './listing/listing-page.ts'
import { modelPrefixes } from './listing/model-prefixes.ts'
import { s3Url, type S3Location } from './s3-location.ts'
import type { S3Settings } from './s3-settings.ts'

/** A request for an object. */
interface ObjectRequest {
  readonly key: string
  /** What it is, for messages: `file`. */
  readonly what: string
  /** What was listed of it; undefined if nothing was. */
  readonly entry?: S3Entry | undefined
  readonly range?: Range | undefined
  readonly signal: AbortSignal
}

/** Which version of an object a load reads. */
interface Pinned {
  readonly etag: string | undefined
  /** With a bucket that keeps versions: read even if there is a newer one meanwhile. */
  readonly version: string | undefined
}

/** For a page with two keys. */
const LOOK_SECONDS = 60

/** One load of objects of a bucket. Each object is read in one version: that of the listing, or else of the first answer. */
export class Bucket {
  readonly name: string
  readonly #client: S3Client
  readonly #signal: AbortSignal | undefined
  readonly #pinned = new Map<string, Pinned>()

  constructor({ bucket }: S3Location, settings: S3Settings, load: SourceLoad) {
    this.name = bucket
    this.#client = new S3Client(bucket, settings, load)
    this.#signal = load.signal
  }

  /** Where it is, as far as the store has said. */
  get region(): string {
    return this.#client.region
  }

  /** The objects below a prefix, by names relative to it. */
  async list(path: string): Promise<ReadonlyMap<string, S3Entry>> {
    return listPrefix({ client: this.#client, bucket: this.name, path, signal: this.#signal })
  }

  /** Names of the prefixes directly below one, as they are listed. */
  prefixes(path: string): AsyncGenerator<string> {
    return modelPrefixes({ client: this.#client, bucket: this.name, path, signal: this.#signal })
  }

  /** Whether there is any object below a prefix. */
  async hasBelow(path: string): Promise<boolean> {
    const at = { client: this.#client, bucket: this.name, path, signal: this.#signal }
    const end = process.uptime() + LOOK_SECONDS
    const page = await listedPage(at, { token: undefined, end, seconds: LOOK_SECONDS, keys: 2 })
    // Consoles create an empty object for the folder itself.
    return page.answer.children.some((child) => child.name === 'Contents' && page.keyIn(child, 'Key') !== prefixOf(at))
  }

  async has(key: string): Promise<boolean> {
    const request = { method: 'HEAD', key, what: named('object', key), signal: this.#signal } as const
    return (await this.#client.send(request, () => Promise.resolve(true))) === true
  }

  /** The files below a prefix. */
  files(path: string, listed?: ReadonlyMap<string, S3Entry>): ModelFiles {
    let entries = listed && Promise.resolve(listed)
    const list = () => (entries ??= this.list(path))
    const prefix = path === '' ? '' : `${path}/`
    return {
      path: s3Url(this.name, path),
      name: path.slice(path.lastIndexOf('/') + 1) || this.name,
      isFile: false,
      read: async ({ name, range, signal }, receive) => {
        const entry = (await entries)?.get(name)
        await this.read({ key: prefix + name, what: 'file', entry, range, signal }, receive)
      },
      list: () => entriesOf(list()),
    }
  }

  /** A bundle, or file of bundles, that may exist. */
  candidate(key: string, entry?: S3Entry, what = 'signature bundle'): BundleCandidate {
    return {
      path: s3Url(this.name, key),
      read: ({ signal }, receive) => this.read({ key, what, entry, signal }, receive),
    }
  }

  /**
   * Reads an object; returns without calling `receive` if there is none.
   *
   * @throws {@link ModelSealError} `FILE_CHANGED` if it is not the version that was listed or read before, `HTTP_RESPONSE` if
   * another part is sent, and what the client throws
   */
  async read({ key, what, entry, range, signal }: ObjectRequest, receive: Receive): Promise<void> {
    const object = named(what, key)
    if (entry?.size === 0) return receive({ size: 0, chunks: [] })
    await this.#client.downloads.read(
      { what: object, size: entry?.size, range, reuses: true, signal },
      (part, take) =>
        this.#client.send({ key, what: object, ...this.#versionOf(key, entry), ...part }, (body) => {
          const fault = partFault({ range: part.range, size: entry?.size }, body)
          if (fault) throw otherContent(object, fault.expected, fault.found)
          this.#pin(key, object, entry, body)
          return take(body)
        }),
      receive,
    )
  }

  /** By which the object that was read is known. */
  etagOf(key: string): string | undefined {
    return this.#pinned.get(key)?.etag
  }

  /** Ends all running requests. */
  stop(): Promise<void> {
    return this.#client.stop()
  }

  #versionOf(key: string, entry: S3Entry | undefined) {
    const { etag = entry?.etag, version } = this.#pinned.get(key) ?? {}
    return {
      headers: etag === undefined ? {} : { 'if-match': etag },
      query: version === undefined ? {} : { versionId: version },
    }
  }

  /** Some stores ignore conditions, so what they send is compared, too. */
  #pin(key: string, what: string, entry: S3Entry | undefined, { headers }: HttpBody): void {
    const pinned = this.#pinned.get(key)
    const etag = headers.get('etag') ?? undefined
    const version = headers.get('x-amz-version-id') ?? undefined
    const expected = pinned?.etag ?? entry?.etag
    if (expected !== undefined && etag !== undefined && etag !== expected)
      throw changedObject(what, s3Url(this.name, key), expected, etag)
    if (!pinned)
      this.#pinned.set(key, { etag: expected ?? strong(etag), version: version === 'null' ? undefined : version })
  }
}

function strong(etag: string | undefined): string | undefined {
  return etag?.startsWith('"') ? etag : undefined
}

async function* entriesOf(listed: Promise<ReadonlyMap<string, S3Entry>>): AsyncGenerator<SourceEntry> {
  // What the store states of an object is no digest of it.
  for (const { name, size, etag } of (await listed).values()) yield { name, size, version: etag }
}
