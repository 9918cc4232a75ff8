import type { ModelSealError } from '../../../errors.ts'
import { monotonic } from '../../../real-time.ts'
import { HttpClient } from '../../../source/http/client.ts'
import { checkedHttpOptions } from '../../../source/http/options.ts'
import type { HttpAnswer, HttpBody } from '../../../source/http/request.ts'
import { feedTooLarge, MAX_FEED_BYTES } from '../feed-statement.ts'

/** How a feed is asked for. */
export interface Asking {
  /** For the answer. */
  milliseconds: number
  /** True if nobody waits for the answer: then the requests do not keep the process alive. */
  isDetached: boolean
  /** Seconds that the server may wait for a change (RFC 7240 4.3), besides that time. */
  wait?: number | undefined
}

/** What the source of a feed answered. */
export interface Looked {
  /** A feed file; undefined if it is the known one. */
  bytes: Buffer | undefined
  etag: string | undefined
  /** Seconds that the server agreed to wait. */
  granted?: number | undefined
}

export const FEED_HINTS = {
  response: 'Check the URL of the feed.',
  redirect: 'Use the final URL of the feed in the policy.',
  timeout: 'and that the feed arrives within seconds.',
}
/** RFC 9110 15.4.5. */
const NOT_MODIFIED = 304

/**
 * Fetches a feed, unless it has not changed.
 *
 * @param etag entity tag of the version that is known
 * @throws {@link ModelSealError} `HTTP_UNREACHABLE`, `HTTP_TIMEOUT`, `HTTP_RESPONSE`, `HTTP_REDIRECT`, `ADVISORY_TOO_LARGE`
 */
export async function fetchFeed(source: string, etag: string | undefined, asking: Asking): Promise<Looked> {
  const { wait, isDetached } = asking
  const url = new URL(source)
  const time = asking.milliseconds + (wait ?? 0) * 1_000
  const limits = checkedHttpOptions({ idleTimeout: time, totalTimeout: time })
  const client = new HttpClient(url.origin, { ...limits, hints: FEED_HINTS, detached: isDetached }, undefined)
  const headers = {
    accept: 'application/jsonl, application/json, */*;q=0.1',
    // A cache on the way must ask the server: an answer of its own would confirm what may no longer be current.
    'cache-control': 'no-cache',
    ...(etag === undefined ? {} : { 'if-none-match': etag }),
    ...(wait === undefined ? {} : { prefer: `wait=${wait}` }),
  }
  const told: { granted?: number | undefined; isOther?: boolean } = {}
  const refusal = ({ headers: answered }: HttpAnswer) => {
    told.granted = grantedWait(answered)
    told.isOther = !isAbout(etag, answered)
    return undefined
  }
  const absent = new Set(etag === undefined ? [] : [NOT_MODIFIED])
  const began = monotonic()
  const fetched = await client.get({ url, what: 'advisory feed', headers, absent, refusal }, async (body) => {
    told.granted = grantedWait(body.headers)
    return { bytes: await allOf(body, source), etag: usableTag(body.headers.get('etag')) }
  })
  if (!fetched && told.isOther === true) {
    const left = Math.max(1, Math.ceil(began + time - monotonic()))
    return fetchFeed(source, undefined, { isDetached, milliseconds: left })
  }
  return { ...(fetched ?? { bytes: undefined, etag }), granted: wait === undefined ? undefined : told.granted }
}

/** @throws {@link ModelSealError} `ADVISORY_TOO_LARGE` */
async function allOf(body: HttpBody, source: string): Promise<Buffer> {
  if ((body.length ?? 0) > MAX_FEED_BYTES) throw tooLarge(source)
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body.chunks) {
    length += chunk.length
    if (length > MAX_FEED_BYTES) throw tooLarge(source)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

export function tooLarge(source: string): ModelSealError {
  return feedTooLarge(source, `${MAX_FEED_BYTES} bytes`, 'more')
}

/** RFC 9110 8.8.3. Servers may refuse requests with longer fields. */
const TAG = /^(?:W\/)?"[!\x23-\x7e\x80-\xff]{0,500}"$/

/** An entity tag that can be sent back. Without one, the feed is merely fetched again. */
export function usableTag(etag: unknown): string | undefined {
  return typeof etag === 'string' && TAG.test(etag) ? etag : undefined
}

/** RFC 9110 15.4.5: an answer that something is unchanged has its tag. Tags are compared weakly (13.1.2). */
function isAbout(asked: string | undefined, answer: Headers): boolean {
  const etag = answer.get('etag')
  return asked === undefined || etag === null || weak(etag) === weak(asked)
}

function weak(etag: string): string {
  return etag.replace(/^W\//, '')
}

/** RFC 7240 3: the list of the preferences that the server applied. */
function grantedWait(headers: Headers): number | undefined {
  const applied = headers.get('preference-applied') ?? ''
  const [isApplied, seconds] = /(?:^|,)\s*wait\s*(?:=\s*"?(\d{1,5})"?\s*)?(?:$|[,;])/i.exec(applied) ?? []
  return isApplied === undefined ? undefined : Number(seconds ?? 0)
}
