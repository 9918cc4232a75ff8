import { messageOf } from '@modelseal/core/any-realm'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { collected, foldedName } from '@modelseal/core/http'
import type { SourceEntry } from '@modelseal/core/source'
import { parseAnswer, textOf, type Element } from './s3-answer.ts'
import type { S3Client } from './s3-client.ts'
import { s3Url } from './s3-location.ts'

/** A thousand keys a page, so a million in all. No model has as many files. */
const MAX_PAGES = 1_000
const MAX_ENTRIES = 1_000_000
/** For all pages together, in seconds. */
const MAX_SECONDS = 600
/** All names together. */
const MAX_NAME_BYTES = 256 * 1024 * 1024
/** A thousand keys of a kilobyte, each of whose bytes may be escaped. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024

/** An object that the store lists. */
export interface S3Entry extends SourceEntry {
  /** Its version, as the store states it: only used to notice a change. */
  readonly etag: string | undefined
}

/** Keys to list. */
interface ListedPrefix {
  readonly client: S3Client
  readonly bucket: string
  /** Without a slash at its end; empty for the whole bucket. */
  readonly path: string
  readonly signal: AbortSignal | undefined
}

/**
 * Lists the objects below a prefix, by names relative to it.
 *
 * @throws {@link ModelSealError} `SOURCE_LISTING` for an endless, repeated or malformed listing, and what the client throws
 */
export async function listPrefix(at: ListedPrefix): Promise<ReadonlyMap<string, S3Entry>> {
  const listing = new Listing(at)
  const end = process.uptime() + MAX_SECONDS
  let token: string | undefined
  for (let page = 1; ; page += 1) {
    if (page > MAX_PAGES) throw listing.unusable(`more than ${MAX_PAGES} pages`)
    const next = listing.add(await pageOf(at, listing, { token, end }))
    if (next === undefined) return listing.entries
    if (next === token) throw listing.unusable('the same page again')
    token = next
  }
}

async function pageOf(
  { client, bucket, path, signal }: ListedPrefix,
  listing: Listing,
  { token, end }: { token: string | undefined; end: number },
): Promise<Element> {
  const query = {
    'list-type': '2',
    'encoding-type': 'url',
    'max-keys': '1000',
    prefix: path === '' ? '' : `${path}/`,
    ...(token === undefined ? {} : { 'continuation-token': token }),
  }
  const what = `listing of ${shown(s3Url(bucket, path))}`
  const request = { query, what, signal, place: s3Url(bucket, path) }
  const text = await client.send(request, async ({ length, chunks }) =>
    (await collected(what, MAX_PAGE_BYTES, { length, chunks: listing.inTime(chunks, end) })).toString('utf8'),
  )
  if (text === undefined) throw listing.unusable('no page')
  try {
    const answer = parseAnswer(text)
    if (answer.name === 'ListBucketResult') return answer
    throw new Error(`an element ${shown(answer.name)}`)
  } catch (error) {
    throw listing.unusable(`a page that is none: ${shown(messageOf(error))}`)
  }
}

/** What was listed so far. */
class Listing {
  readonly entries = new Map<string, S3Entry>()
  readonly #at: ListedPrefix
  readonly #folded = new Set<string>()
  #bytes = 0

  constructor(at: ListedPrefix) {
    this.#at = at
  }

  /** @returns where the next page begins; undefined for the last one */
  add(page: Element): string | undefined {
    // Some stores ignore the requested encoding, and say so with an empty one.
    const encoding = textOf(page, 'EncodingType') || undefined
    for (const child of page.children) if (child.name === 'Contents') this.#add(child, encoding)
    const isTruncated = textOf(page, 'IsTruncated')
    if (isTruncated === 'false') return undefined
    const token = textOf(page, 'NextContinuationToken')
    if (isTruncated !== 'true' || !token) throw this.unusable('a page that does not say whether it is the last one')
    return token
  }

  #add(contents: Element, encoding: string | undefined): void {
    const key = decodedKey(textOf(contents, 'Key'), encoding)
    if (key === undefined) throw this.unusable('an object without a readable key')
    const { path } = this.#at
    const prefix = path === '' ? '' : `${path}/`
    if (!key.startsWith(prefix)) throw this.unusable('an object outside the requested prefix', key)
    const name = key.slice(prefix.length)
    const size = Number(textOf(contents, 'Size'))
    if (!Number.isSafeInteger(size) || size < 0) throw this.unusable('an object without a size', key)
    // Consoles create empty objects for folders.
    if ((name === '' || name.endsWith('/')) && size === 0) return
    if (name.split('/').some((component) => /^\.{0,2}$/.test(component)))
      throw this.unusable('a key that is not a path', key)
    const folded = foldedName(name)
    if (this.#folded.has(folded)) throw this.unusable('a name twice, or in two spellings', key)
    this.#folded.add(folded)
    this.#bytes += name.length
    if (this.#bytes > MAX_NAME_BYTES) throw this.unusable('names that are too long')
    if (this.entries.size >= MAX_ENTRIES) throw this.unusable(`more than ${MAX_ENTRIES} objects`)
    this.entries.set(name, { name, size, etag: strongTag(textOf(contents, 'ETag')) })
  }

  /** @param end in seconds, as `process.uptime()` */
  async *inTime(chunks: AsyncIterable<Uint8Array>, end: number): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      if (process.uptime() > end) throw this.unusable(`its objects for more than ${MAX_SECONDS} seconds`)
      yield chunk
    }
  }

  unusable(found: string, file = s3Url(this.#at.bucket, this.#at.path)): ModelSealError {
    const place = s3Url(this.#at.bucket, this.#at.path)
    return new ModelSealError(
      'SOURCE_LISTING',
      `Cannot use the listing of ${shown(place)}: the object store lists ${found}.`,
      {
        file,
        hint: 'Do not load this copy. Check AWS_ENDPOINT_URL_S3 if it is set, and ask the owner of the bucket.',
      },
    )
  }
}

function decodedKey(text: string | undefined, encoding: string | undefined): string | undefined {
  if (text === undefined || text === '' || encoding === undefined) return text === '' ? undefined : text
  if (encoding !== 'url') return undefined
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

/** Some stores leave out the quotation marks in listings. */
function strongTag(text: string | undefined): string | undefined {
  const tag = text?.trim()
  if (!tag || tag.startsWith('W/')) return undefined
  const quoted = tag.startsWith('"') ? tag : `"${tag}"`
  // RFC 9110 8.8.3. Anything else could not be sent as a condition.
  return /^"[\x21\x23-\x7e]*"$/.test(quoted) ? quoted : undefined
}
