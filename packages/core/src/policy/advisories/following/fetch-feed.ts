import type { ModelSealError } from '../../../errors.ts'
import { HttpClient } from '../../../source/http/client.ts'
import { checkedHttpOptions } from '../../../source/http/options.ts'
import { feedTooLarge, MAX_FEED_BYTES } from '../feed-statement.ts'

/** A feed file as its server sent it; undefined if it still is what the entity tag identifies. */
type FetchedFeed = { bytes: Buffer; etag: string | undefined } | undefined

const HINTS = {
  response: 'Check the URL of the feed.',
  redirect: 'Use the final URL of the feed in the policy.',
  timeout: 'and that the feed arrives within seconds.',
}
/** RFC 9110 15.4.5. */
const NOT_MODIFIED: ReadonlySet<number> = new Set([304])

/**
 * Fetches a feed, unless it has not changed.
 *
 * @param etag entity tag of the version that is known
 * @param milliseconds for the whole request
 * @throws {@link ModelSealError} `HTTP_UNREACHABLE`, `HTTP_TIMEOUT`, `HTTP_RESPONSE`, `HTTP_REDIRECT`, `ADVISORY_TOO_LARGE`
 */
export async function fetchFeed(source: string, etag: string | undefined, milliseconds: number): Promise<FetchedFeed> {
  const url = new URL(source)
  const limits = checkedHttpOptions({ idleTimeout: milliseconds, totalTimeout: milliseconds })
  const client = new HttpClient(url.origin, { ...limits, hints: HINTS }, undefined)
  const headers = {
    accept: 'application/jsonl, application/json, */*;q=0.1',
    // A cache on the way must ask the server: an answer of its own would confirm what may no longer be current.
    'cache-control': 'no-cache',
    ...(etag === undefined ? {} : { 'if-none-match': etag }),
  }
  const absent = etag === undefined ? new Set<number>() : NOT_MODIFIED
  return client.get({ url, what: 'advisory feed', headers, absent }, async (body) => {
    if ((body.length ?? 0) > MAX_FEED_BYTES) throw tooLarge(source)
    const chunks: Uint8Array[] = []
    let length = 0
    for await (const chunk of body.chunks) {
      length += chunk.length
      if (length > MAX_FEED_BYTES) throw tooLarge(source)
      chunks.push(chunk)
    }
    return { bytes: Buffer.concat(chunks), etag: body.headers.get('etag') ?? undefined }
  })
}

function tooLarge(source: string): ModelSealError {
  return feedTooLarge(source, `${MAX_FEED_BYTES} bytes`, 'more')
}
