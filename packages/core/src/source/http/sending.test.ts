import { describe, expect, test } from 'vitest'
import { serve, type Answer } from '../../testing/http-server.ts'
import { refusal } from '../../testing/scratch.ts'
import { HttpClient } from './client.ts'
import { checkedHttpOptions } from './options.ts'
import type { HttpContent, HttpRequest } from './request.ts'

const MIB = 1024 * 1024

/** Zeros, in pieces of at most 256 KiB. */
function zeros(length: number, seen: () => void = () => {}): HttpContent {
  const chunks = async function* () {
    for (let rest = length; rest > 0; rest -= 256 * 1024) {
      seen()
      yield await Promise.resolve(new Uint8Array(Math.min(rest, 256 * 1024)))
    }
  }
  return { type: 'application/x-test', length, chunks }
}

/** Counts what it gets. */
const counting: Answer = (request, response) => {
  let bytes = 0
  request.on('data', (piece: Buffer) => (bytes += piece.length))
  request.on('end', () => {
    const {
      'content-type': type,
      'content-length': length,
      'transfer-encoding': encoding,
      authorization,
    } = request.headers
    response.writeHead(201, { 'x-got': JSON.stringify({ bytes, type, length, encoding, authorization }) }).end()
  })
}

async function put(origin: string, content: HttpContent, request: Partial<HttpRequest> = {}) {
  const options = { ...checkedHttpOptions(), mayRedirect: () => Promise.resolve(undefined) }
  const client = new HttpClient(origin, options, undefined)
  const url = new URL(`${origin}/file`)
  const success = new Set([201])
  const headers = await client.get({ url, what: 'file', method: 'PUT', content, success, ...request }, ({ headers }) =>
    Promise.resolve(headers),
  )
  return JSON.parse(headers?.get('x-got') ?? '{}') as Record<string, unknown>
}

describe('content', () => {
  test.each([0, 3, 3 * MIB])('of %i bytes is sent with its type and length, and not in chunks', async (length) => {
    const { origin } = await serve({ '/file': counting })
    expect(await put(origin, zeros(length))).toEqual({
      bytes: length,
      type: 'application/x-test',
      length: String(length),
    })
  })

  test('is not kept in memory while it is sent', async () => {
    const { origin } = await serve({ '/file': counting })
    const before = process.memoryUsage().arrayBuffers
    let most = 0
    const content = zeros(256 * MIB, () => (most = Math.max(most, process.memoryUsage().arrayBuffers - before)))
    await put(origin, content)
    expect(most).toBeLessThan(128 * MIB)
  })

  test('is sent again to the target of a redirect, without credentials, if it is small', async () => {
    const other = await serve({ '/file': counting })
    const { origin } = await serve({ '/file': redirecting(307, `${other.origin}/file`) })
    const got = await put(origin, zeros(3), { headers: { authorization: 'secret' } })
    expect(got).toEqual({ bytes: 3, type: 'application/x-test', length: '3' })
  })

  test('is not sent again if it is large', async () => {
    const { origin } = await serve({ '/file': redirecting(307, '/other'), '/other': counting })
    await expect(put(origin, zeros(3 * MIB))).rejects.toEqual(refusal('HTTP_REDIRECT', { found: 'one' }))
  })

  test.each([301, 302, 303])('does not follow status %i, which changes the method', async (status) => {
    const { origin } = await serve({ '/file': redirecting(status, '/other'), '/other': counting })
    await expect(put(origin, zeros(3))).rejects.toEqual(refusal('HTTP_REDIRECT', { found: `status ${status}` }))
  })

  test('that fails to be read ends the request', async () => {
    const { origin } = await serve({ '/file': counting })
    const content = zeros(3 * MIB, () => {
      throw new Error('unreadable')
    })
    await expect(put(origin, content)).rejects.toEqual(refusal('HTTP_UNREACHABLE'))
  })
})

/** Reads what is sent first, so that the connection is not simply closed. */
function redirecting(status: number, location: string): Answer {
  return (request, response) => {
    request.resume().on('end', () => response.writeHead(status, { location }).end())
  }
}
