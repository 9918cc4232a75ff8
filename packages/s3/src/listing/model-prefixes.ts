import { isPathComponent } from '../s3-location.ts'
import { listedPage, prefixOf, unusableListing, type ListedPrefix, type ListingPage } from './listing-page.ts'

/** For each page, in seconds: between two pages, models are worked on. */
const PAGE_SECONDS = 60
/** Consecutive pages without a prefix: a million keys that belong to no model. */
const MAX_EMPTY_PAGES = 1_000

/**
 * Lists the prefixes directly below a prefix, a page at a time, by their names. Keys directly below it are passed over.
 *
 * @returns the names in the order of the store, which is that of their UTF-8 bytes
 * @throws {@link ModelSealError} `SOURCE_LISTING` for a name that is no component of a path, one that does not come after all before it, and a malformed or
 * endless listing; and what the client throws
 */
export async function* modelPrefixes(at: ListedPrefix): AsyncGenerator<string> {
  let token: string | undefined
  let last = ''
  let empty = 0
  do {
    const end = process.uptime() + PAGE_SECONDS
    const page = await listedPage(at, { token, end, seconds: PAGE_SECONDS, isFlat: true })
    empty += 1
    for (const name of namesIn(page, at)) {
      empty = 0
      // Without an order, the same page could come for ever, and what had been listed would have to be kept.
      if (Buffer.compare(Buffer.from(last), Buffer.from(`${name}/`)) >= 0)
        throw unusableListing(at, 'prefixes twice, or not in order', `${prefixOf(at)}${name}/`)
      last = `${name}/`
      yield name
    }
    if (empty > MAX_EMPTY_PAGES) throw unusableListing(at, `more than ${MAX_EMPTY_PAGES} pages without a prefix`)
    token = page.next
  } while (token !== undefined)
}

function* namesIn(page: ListingPage, at: ListedPrefix): Generator<string> {
  for (const child of page.answer.children) {
    if (child.name !== 'CommonPrefixes') continue
    const key = page.keyIn(child, 'Prefix')
    const prefix = prefixOf(at)
    if (key === undefined) throw unusableListing(at, 'a prefix that cannot be read')
    if (!key.startsWith(prefix) || !key.endsWith('/'))
      throw unusableListing(at, 'a prefix outside the requested one', key)
    const name = key.slice(prefix.length, -1)
    if (!isPathComponent(name)) throw unusableListing(at, 'a prefix that is not the name of a model', key)
    yield name
  }
}
