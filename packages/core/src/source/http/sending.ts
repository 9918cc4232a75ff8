import type { HttpContent } from './request.ts'

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
  return { body: ReadableStream.from(observed(content.chunks(), alive)), duplex: 'half' }
}

async function* observed(chunks: AsyncIterable<Uint8Array>, alive: () => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    alive()
    yield chunk
  }
}
