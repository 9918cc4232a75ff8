import type { IncomingMessage } from 'node:http'

/** What a client sends. @returns undefined if the client gave up */
export async function bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
  const pieces: Buffer[] = []
  try {
    for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece)
    return Buffer.concat(pieces)
  } catch {
    return undefined
  }
}
