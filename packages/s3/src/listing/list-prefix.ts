import type { ModelSealError } from '@modelseal/core/errors'
import { foldedName } from '@modelseal/core/http'
import type { SourceEntry } from '@modelseal/core/source'
import { textOf, type Element } from '../s3-answer.ts'
import { listedPage, prefixOf, unusableListing, type ListedPrefix, type ListingPage } from './listing-page.ts'

/** A thousand keys a page, so a million in all. No model has as many files. */
const MAX_PAGES = 1_000
const MAX_ENTRIES = 1_000_000
/** For all pages together, in seconds. */
const MAX_SECONDS = 600
/** All names together. */
const MAX_NAME_BYTES = 256 * 1024 * 1024

/** An object that the store lists. */
export interface S3Entry extends SourceEntry {
  /** Its version, as the store states it: only used to notice a change. */
  readonly etag: string | undefined
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
  for (let count = 1; ; count += 1) {
    if (count > MAX_PAGES) throw unusableListing(at, `more than ${MAX_PAGES} pages`)
    const page = await listedPage(at, { token, end, seconds: MAX_SECONDS })
    listing.add(page)
    if (page.next === undefined) return listing.entries
    token = page.next
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

  add(page: ListingPage): void {
    for (const child of page.answer.children) if (child.name === 'Contents') this.#add(child, page.keyIn(child, 'Key'))
  }

  #add(contents: Element, key: string | undefined): void {
    if (key === undefined) throw this.#unusable('an object without a readable key')
    const prefix = prefixOf(this.#at)
    if (!key.startsWith(prefix)) throw this.#unusable('an object outside the requested prefix', key)
    const name = key.slice(prefix.length)
    const size = Number(textOf(contents, 'Size'))
    if (!Number.isSafeInteger(size) || size < 0) throw this.#unusable('an object without a size', key)
    // Consoles create empty objects for folders.
    if ((name === '' || name.endsWith('/')) && size === 0) return
    if (name.split('/').some((component) => /^\.{0,2}$/.test(component)))
      throw this.#unusable('a key that is not a path', key)
    const folded = foldedName(name)
    if (this.#folded.has(folded)) throw this.#unusable('a name twice, or in two spellings', key)
    this.#folded.add(folded)
    this.#bytes += name.length
    if (this.#bytes > MAX_NAME_BYTES) throw this.#unusable('names that are too long')
    if (this.entries.size >= MAX_ENTRIES) throw this.#unusable(`more than ${MAX_ENTRIES} objects`)
    this.entries.set(name, { name, size, etag: strongTag(textOf(contents, 'ETag')) })
  }

  #unusable(found: string, file?: string): ModelSealError {
    return unusableListing(this.#at, found, file)
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
