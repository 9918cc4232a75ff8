import { parseJsonInTurns } from '@modelseal/core/adapter'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { collected, type HttpBody, type Range } from '@modelseal/core/http'
import type { Receive, SourceLoad } from '@modelseal/core/source'
import { descriptorFrom, field, listFrom, malformed, type Descriptor } from './descriptor.ts'
import { addressed, digestOf, isDigest, otherContent, sized, type Addressed, type Digest } from './digest.ts'
import { nextPage } from './next-page.ts'
import { ociUrl, type OciReference } from './reference.ts'
import { RegistryClient, type RegistryRequest } from './registry-client.ts'

/** A manifest whose bytes have the digest. What it says is a claim. */
export interface FetchedManifest {
  readonly digest: Digest
  readonly mediaType: string
  readonly content: unknown
}

/** How to read a blob. */
interface BlobRequest {
  readonly what: string
  readonly range?: Range | undefined
  readonly signal?: AbortSignal | undefined
  /** Whether the caller compares the content with a signed digest, so that hashing it here would be for nothing. */
  readonly isChecked?: boolean
  /** True if the caller needs each chunk only until it requests the next one. */
  readonly reuses?: boolean
}

export const IMAGE_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const IMAGE_INDEX = 'application/vnd.oci.image.index.v1+json'
/** What Docker calls both. Requested so that the refusal can say what is there. */
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
const ACCEPTED = [IMAGE_MANIFEST, IMAGE_INDEX, DOCKER_MANIFEST, DOCKER_LIST].join(', ')

/** Distribution specification 1.1, "Pushing Manifests": registries need not accept larger ones. */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024
/** A manifest of this size with the shortest descriptors has fewer. */
const MAX_VALUES = 500_000
const MAX_PAGES = 20
/** More than anything attaches to one model. */
const MAX_REFERRERS = 1_000
/** Some registries answer an unknown path with 405. */
const NO_SUCH_API: ReadonlySet<number> = new Set([404, 405, 410])

const NEVER = new AbortController().signal

/** One repository of a registry. Nothing that it answers is believed: manifests and blobs must have their digests. */
export class Repository {
  readonly #reference: OciReference
  readonly #client: RegistryClient

  constructor(reference: OciReference, load: SourceLoad) {
    this.#reference = reference
    this.#client = new RegistryClient(reference, load)
  }

  /**
   * Fetches a manifest by its tag or digest.
   *
   * @param what for messages
   * @returns undefined if there is none
   * @throws {@link ModelSealError} `SOURCE_FAILED`, `JSON_INVALID`, `JSON_NOT_UTF8`, `JSON_DUPLICATE_KEY`,
   * `JSON_TOO_COMPLEX`, and what the client throws
   */
  manifest(version: string, what: string, signal?: AbortSignal): Promise<FetchedManifest | undefined> {
    const request = { path: `manifests/${version}`, what, accept: ACCEPTED, signal }
    return this.#client.get(request, async (body) => {
      const bytes = await collected(what, MAX_MANIFEST_BYTES, body)
      const stated = body.headers.get('docker-content-digest')?.trim()
      // A tag has no digest to compare with. If the registry states one, what stands between may not have changed the bytes.
      const expected = [version, stated].filter(isDigest)
      for (const each of expected) {
        const found = digestOf(bytes, each)
        if (found !== each) throw otherContent(what, each, found)
      }
      const digest = isDigest(version) ? version : digestOf(bytes)
      return { digest, ...(await typed(what, bytes, body)) }
    })
  }

  /**
   * Passes a blob to `receive`. Its length must be as stated, and its content must have the digest, unless only a part
   * is read or the caller checks it.
   *
   * @returns false if there is no such blob
   * @throws {@link ModelSealError} `SOURCE_FAILED`, and what the client and `receive` throw
   */
  async blob(blob: Addressed, request: BlobRequest, receive: Receive): Promise<boolean> {
    const { what, range, isChecked, reuses, signal = NEVER } = request
    if (blob.size === 0) {
      // A range of nothing cannot be requested.
      await receive({ size: 0, chunks: [] })
      return true
    }
    const size = range ? range.end - range.start : blob.size
    const path = `blobs/${blob.digest}`
    return this.#client.downloads.read(
      { what, size: blob.size, range, reuses, signal },
      ({ from, ...part }, take) =>
        this.#client.get({ ...part, what, path: from === undefined ? path : new URL(from) }, (body) => {
          checkLength(what, part.range ?? { start: 0, end: blob.size }, body)
          return take(body)
        }),
      ({ chunks }) => {
        const isWhole = range === undefined && isChecked !== true
        const bytes = chunks as AsyncIterable<Uint8Array>
        return receive({ size, chunks: isWhole ? addressed(what, blob, bytes) : sized(what, size, bytes) })
      },
    )
  }

  /**
   * What is attached to a manifest: by the referrers API, or by the fallback tag where the registry has no such API
   * (distribution specification 1.1, "Listing Referrers"). Only their digests are of use: everything else is to be read
   * from the manifests themselves.
   *
   * @throws {@link ModelSealError} `SOURCE_FAILED`, `BUNDLES_TOO_MANY`, and what the client throws
   */
  async referrers(digest: Digest): Promise<readonly Descriptor[]> {
    const what = `list of what is attached to ${digest}`
    const found: Descriptor[] = []
    let path: string | undefined = `referrers/${digest}`
    for (let page = 0; path !== undefined; page += 1) {
      if (page >= MAX_PAGES) throw malformed(what, `at most ${MAX_PAGES} pages`, 'more')
      const answer: ReferrersPage | undefined = await this.#referrersPage({ path, what, absent: NO_SUCH_API })
      if (!answer) return page === 0 ? this.#tagged(digest, what) : found
      found.push(...answer.descriptors)
      if (found.length > MAX_REFERRERS)
        throw tooManyReferrers(ociUrl({ ...this.#reference, version: { digest } }), MAX_REFERRERS)
      path = answer.next
    }
    return found
  }

  /** Ends all running requests. */
  stop(): Promise<void> {
    return this.#client.stop()
  }

  async #tagged(digest: Digest, what: string): Promise<readonly Descriptor[]> {
    // Ibid., "Referrers Tag Schema": the algorithm and the hex digest, cut to the length of a tag.
    const tag = digest.replace(':', '-').slice(0, 128)
    const index = await this.manifest(tag, what)
    return index ? descriptorsOf(index, what) : []
  }

  #referrersPage(request: RegistryRequest & { readonly path: string }): Promise<ReferrersPage | undefined> {
    const { what } = request
    return this.#client.get({ ...request, accept: IMAGE_INDEX }, async (body) => {
      const bytes = await collected(what, MAX_MANIFEST_BYTES, body)
      const index = await typed(what, bytes, body)
      const next = nextPage(
        body.headers.get('link'),
        `${this.#reference.origin}/v2/${this.#reference.repository}/`,
        request.path,
      )
      return { descriptors: descriptorsOf(index, what), next }
    })
  }
}

function checkLength(what: string, { start, end }: Range, { length }: HttpBody): void {
  if (length !== undefined && length !== end - start)
    throw otherContent(what, `${end - start} bytes`, `${length} bytes`)
}

interface ReferrersPage {
  readonly descriptors: readonly Descriptor[]
  /** Path of the next page. */
  readonly next: string | undefined
}

/** Because the rest could contain a bundle that says something else. */
export function tooManyReferrers(url: string, most: number): ModelSealError {
  return new ModelSealError('BUNDLES_TOO_MANY', `Cannot check everything that is attached to ${shown(url)}.`, {
    file: url,
    expected: `at most ${most} manifests`,
    hint: 'Remove what is not needed from the registry, or push the bundle as a layer named "model.sig".',
  })
}

function descriptorsOf({ mediaType, content }: Omit<FetchedManifest, 'digest'>, what: string): readonly Descriptor[] {
  if (mediaType !== IMAGE_INDEX) throw malformed(what, IMAGE_INDEX, mediaType)
  return listFrom(field(content, 'manifests') ?? [], what, MAX_REFERRERS).map((each) => descriptorFrom(each, what))
}

/**
 * The type and the content of a manifest. Both must agree, because another program may decide by the other one
 * (CVE-2021-41190).
 */
async function typed(what: string, bytes: Buffer, { headers }: HttpBody): Promise<Omit<FetchedManifest, 'digest'>> {
  const mediaType = (headers.get('content-type') ?? '').replace(/;.*$/s, '').trim().toLowerCase()
  const content = await parseJsonInTurns(bytes, { what, maxValues: MAX_VALUES })
  const own = field(content, 'mediaType')
  if (own !== undefined && own !== mediaType) throw malformed(what, mediaType, own)
  if (field(content, 'layers') !== undefined && field(content, 'manifests') !== undefined)
    throw malformed(what, 'layers or manifests', 'both')
  return { mediaType, content }
}
