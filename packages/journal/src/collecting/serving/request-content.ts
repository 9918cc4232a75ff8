import type { IncomingMessage } from 'node:http'

/** A request that is refused before what it says is looked at: its status, and why. */
export class BadRequest extends Error {
  readonly status: number

  constructor(status: number, reason: string) {
    super(reason)
    this.status = status
  }
}

/**
 * The content of a request, as it came: nothing is decompressed, so that it cannot become larger.
 *
 * @throws {@link BadRequest}
 */
export async function contentOf(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const { 'content-encoding': encoding = 'identity', 'content-length': length = '0' } = request.headers
  if (encoding.toLowerCase() !== 'identity') throw new BadRequest(415, 'compressed content is not accepted')
  const tooLarge = () => new BadRequest(413, `at most ${maxBytes} bytes are accepted`)
  if (Number(length) > maxBytes) throw tooLarge()
  const pieces: Buffer[] = []
  let bytes = 0
  try {
    for await (const piece of request as AsyncIterable<Buffer>) {
      bytes += piece.length
      if (bytes > maxBytes) throw tooLarge()
      pieces.push(piece)
    }
  } catch (error) {
    if (error instanceof BadRequest) throw error
    throw new BadRequest(400, 'the request ended before its content')
  }
  return Buffer.concat(pieces, bytes)
}
