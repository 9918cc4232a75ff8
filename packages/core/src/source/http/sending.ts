import { causeOf, messageOf } from '../../any-realm.ts'
import type { HttpContent } from './request.ts'

/** What may be copied in memory. */
const SMALL_BYTES = 1024 * 1024

/** What `fetch` says if content that it cannot send again is redirected. */
export function isRedirectedContent(error: unknown): boolean {
  return messageOf(causeOf(error)) === 'unexpected redirect'
}

/**
 * The part of a request that sends content as it comes.
 *
 * @param headers get the type and the length: without a length, servers would get it in chunks, which some refuse
 * @param alive called for each piece that is sent
 */
export function sending(content: HttpContent, headers: Headers, alive: () => void): RequestInit {
  const { type, length } = content
  headers.set('content-type', type)
  headers.set('content-length', String(length))
  if (length === 0) return { body: new Uint8Array() }
  const body = ReadableStream.from(observed(content.chunks(), alive))
  // To be able to send it again to the target of a redirect, fetch would keep a copy of all of it. These two options tell it
  // that it cannot (Fetch standard, "HTTP-network-or-cache fetch").
  return { body, duplex: 'half', ...(length > SMALL_BYTES ? { redirect: 'error', window: null } : {}) }
}

async function* observed(chunks: AsyncIterable<Uint8Array>, alive: () => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    alive()
    yield chunk
  }
}
