import type { ServerResponse } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { file, redirect, serve, type Answer } from '../../testing/http-server.ts'
import { refusal } from '../../testing/scratch.ts'
import { HttpClient } from './client.ts'
import { checkedHttpOptions, type HttpOptions } from './options.ts'
import type { RedirectRule } from './redirects.ts'
import type { HttpAnswer, HttpBody } from './request.ts'

async function textOf({ chunks }: HttpBody): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts).toString()
}

function get(url: string, options: HttpOptions = {}, signal?: AbortSignal): Promise<string | undefined> {
  const client = new HttpClient(new URL(url).origin, checkedHttpOptions(options), signal)
  return client.get({ url: new URL(url), what: 'file' }, textOf)
}

async function answered(answer: Answer, options?: HttpOptions): Promise<string | undefined> {
  const { origin } = await serve({ '/file': answer })
  return get(`${origin}/file`, options)
}

describe('a file', () => {
  test('is received as the server sends it', async () => {
    expect(await answered(file('weights'))).toBe('weights')
  })

  test('that does not exist, or no longer does, is undefined', async () => {
    const { origin } = await serve({ '/gone': (_, response) => void response.writeHead(410).end() })
    expect(await get(`${origin}/file`)).toBeUndefined()
    expect(await get(`${origin}/gone`)).toBeUndefined()
  })

  test.each([
    ['gzip', gzipSync('weights')],
    ['deflate', deflateSync('weights')],
    ['br', brotliCompressSync('weights')],
  ])('that is compressed with %s is decompressed', async (encoding, content) => {
    expect(await answered(file(content, { 'content-encoding': encoding }))).toBe('weights')
  })

  test.each(['zstd', 'gzip, gzip', 'compress'])('that is encoded as %s is refused', async (encoding) => {
    await expect(answered(file('weights', { 'content-encoding': encoding }))).rejects.toThrow(refusal('HTTP_RESPONSE'))
  })

  test.each([201, 204, 206, 304, 400, 401, 403, 500, 503])('that comes with status %i is refused', async (status) => {
    const answer: Answer = (_, response) => void response.writeHead(status).end()
    await expect(answered(answer)).rejects.toThrow(refusal('HTTP_RESPONSE', { found: `status ${status}` }))
  })

  test('is requested without compression, so that its length is known', async () => {
    const answer: Answer = ({ headers }, response) => void response.end(headers['accept-encoding'])
    expect(await answered(answer)).toBe('identity')
  })
})

describe('a custom fetch function', () => {
  test('does not delay a load that is aborted between two chunks, even if it ignores the signal', async () => {
    const controller = new AbortController()
    const stalling = new ReadableStream({ start: (stream) => stream.enqueue(Buffer.from('weights')) })
    const options = { fetch: () => Promise.resolve(new Response(stalling)) }
    const client = new HttpClient('http://localhost', checkedHttpOptions(options), controller.signal)
    const receive = async ({ chunks }: HttpBody) => {
      for await (const chunk of chunks) controller.abort(new Error(String(chunk.length)))
    }
    const request = { url: new URL('http://localhost/file'), what: 'file' }
    await expect(client.get(request, receive)).rejects.toThrow(refusal('ABORTED'))
  })
})

describe('a connection', () => {
  test('is described by what is requested, and where', async () => {
    const client = new HttpClient('http://127.0.0.1:1', checkedHttpOptions({}), undefined)
    const get = (what: string) => client.get({ url: new URL('http://127.0.0.1:1/a'), what }, textOf)
    await expect(get('file')).rejects.toThrow('Cannot fetch the file "http://127.0.0.1:1/a":')
    await expect(get('tag "1"')).rejects.toThrow('Cannot fetch the tag "1" at "http://127.0.0.1:1/a":')
  })

  test('that is refused is reported', async () => {
    // Nothing listens there: the port is reserved.
    await expect(get('http://127.0.0.1:1/file')).rejects.toThrow(refusal('HTTP_UNREACHABLE'))
  })

  test('that ends before the announced length is reported', async () => {
    const truncated: Answer = (_, response) => {
      response.writeHead(200, { 'content-length': 100 })
      response.write('weig', () => response.destroy())
    }
    await expect(answered(truncated)).rejects.toThrow(refusal('HTTP_UNREACHABLE'))
  })

  test('that ends before the last chunk is reported', async () => {
    const truncated: Answer = (_, response) => {
      response.writeHead(200)
      response.write('weig', () => response.destroy())
    }
    await expect(answered(truncated)).rejects.toThrow(refusal('HTTP_UNREACHABLE'))
  })

  test('that stays silent is abandoned', async () => {
    await expect(answered(() => {}, { idleTimeout: 50 })).rejects.toThrow(refusal('HTTP_TIMEOUT'))
  })

  test('that falls silent within the body is abandoned', async () => {
    const silent: Answer = (_, response) => void response.writeHead(200, { 'content-length': 100 }).write('weig')
    await expect(answered(silent, { idleTimeout: 50 })).rejects.toThrow(refusal('HTTP_TIMEOUT'))
  })

  test('that trickles forever is abandoned after the total timeout', async () => {
    const dripping: Answer = (_, response) => {
      const timer = setInterval(() => response.write('.'), 10)
      response.on('close', () => clearInterval(timer))
    }
    await expect(answered(dripping, { idleTimeout: 5_000, totalTimeout: 150 })).rejects.toThrow(refusal('HTTP_TIMEOUT'))
  })

  test('that is slow but never silent for long is waited for', async () => {
    const slow: Answer = (_, response) => {
      void (async () => {
        for (const part of 'weights') {
          response.write(part)
          await setTimeout(20)
        }
        response.end()
      })()
    }
    expect(await answered(slow, { idleTimeout: 2_000 })).toBe('weights')
  })

  test('is closed when the caller aborts', async () => {
    const controller = new AbortController()
    const closed = Promise.withResolvers<string>()
    const { origin } = await serve({
      '/file': (_, response) => {
        response.on('close', () => closed.resolve('closed'))
        response.write('weig', () => controller.abort())
      },
    })
    await expect(get(`${origin}/file`, {}, controller.signal)).rejects.toThrow(refusal('ABORTED'))
    expect(await closed.promise).toBe('closed')
  })

  test('is closed when the receiver refuses the data', async () => {
    const closed = Promise.withResolvers<string>()
    const { origin } = await serve({
      '/file': (_, response) => {
        response.on('close', () => closed.resolve('closed'))
        response.write('weig')
      },
    })
    const client = new HttpClient(origin, checkedHttpOptions(), undefined)
    const refusing = async ({ chunks }: HttpBody): Promise<void> => {
      for await (const chunk of chunks) throw new RangeError(`${chunk.length} bytes are too many`)
    }
    const request = { url: new URL(`${origin}/file`), what: 'file' }
    await expect(client.get(request, refusing)).rejects.toThrow('4 bytes are too many')
    expect(await closed.promise).toBe('closed')
  })
})

test('a client sends at most six requests at a time', async () => {
  const waiting: ServerResponse[] = []
  let answered = 0
  let most = 0
  // Six wait for each other. Others that are sent meanwhile would be counted.
  const counted: Answer = (_, response) => {
    most = Math.max(most, waiting.push(response))
    if (waiting.length === Math.min(6, 20 - answered)) globalThis.setTimeout(answerAll, 20)
  }
  const answerAll = () => {
    answered += waiting.length
    for (const response of waiting.splice(0)) response.end('weights')
  }
  const { origin, asked } = await serve({ '/file': counted })
  const client = new HttpClient(origin, checkedHttpOptions(), undefined)
  const request = { url: new URL(`${origin}/file`), what: 'file' }
  await Promise.all(Array.from({ length: 20 }, () => client.get(request, textOf)))
  expect(asked).toHaveLength(20)
  expect(most).toBe(6)
})

test('stopping a client ends running and waiting requests', async () => {
  const { origin, asked } = await serve({ '/file': () => {} })
  const client = new HttpClient(origin, checkedHttpOptions(), undefined)
  const request = { url: new URL(`${origin}/file`), what: 'file' }
  const results = Promise.allSettled(Array.from({ length: 20 }, () => client.get(request, textOf)))
  while (asked.length < 6) await setTimeout(1)
  await client.stop()
  for (const result of await results) expect(result).toMatchObject({ status: 'rejected', reason: refusal('ABORTED') })
  expect(asked).toHaveLength(6)
})

describe('a redirect', () => {
  test.each([301, 302, 303, 307, 308])('with status %i within the origin is followed', async (status) => {
    const { origin } = await serve({ '/file': redirect('/moved/file?v=2', status), '/moved/file': file('weights') })
    expect(await get(`${origin}/file`)).toBe('weights')
  })

  test('to another origin is refused, and nothing is requested from it', async () => {
    const other = await serve({ '/file': file('weights') })
    await expect(answered(redirect(`${other.origin}/file`))).rejects.toThrow(refusal('HTTP_REDIRECT'))
    expect(other.asked).toEqual([])
  })

  test("to an origin that the caller listed is followed, without the caller's headers", async () => {
    const seen: unknown[] = []
    const other = await serve({
      '/file': ({ headers }, response) => {
        seen.push(headers.authorization)
        response.end('weights')
      },
    })
    const { origin } = await serve({
      '/file': (request, response) => {
        seen.push(request.headers.authorization)
        redirect(`${other.origin}/file`)(request, response)
      },
    })
    const headers = { authorization: 'Bearer secret' }
    expect(await get(`${origin}/file`, { headers, redirectOrigins: [other.origin] })).toBe('weights')
    expect(seen).toEqual(['Bearer secret', undefined])
  })

  test.each([
    ['in a loop', '/file'],
    ['to another scheme', 'file:///etc/hostname'],
    ['to data', 'data:text/plain,weights'],
    ['with credentials', 'http://user:secret@127.0.0.1/file'],
    ['to an invalid URL', 'http://[nowhere'],
  ])('%s is refused', async (_, location) => {
    const error = await answered(redirect(location)).catch((reason: unknown) => reason)
    expect(error).toEqual(refusal('HTTP_REDIRECT'))
    expect(String(error)).not.toContain('secret')
  })

  test('without a location is refused', async () => {
    const nowhere: Answer = (_, response) => void response.writeHead(302).end()
    await expect(answered(nowhere)).rejects.toThrow(refusal('HTTP_REDIRECT'))
  })
})

describe('a source of another package', () => {
  test('decides which redirects to other origins are followed; its headers stay with the origin', async () => {
    const storage = await serve({ '/file': ({ headers }, response) => void response.end(JSON.stringify(headers)) })
    const hub = await serve({ '/file': redirect(`${storage.origin}/file`) })
    const url = new URL(`${hub.origin}/file`)
    const load = (mayRedirect: RedirectRule) =>
      new HttpClient(hub.origin, { ...checkedHttpOptions(), mayRedirect }, undefined).get(
        { url, what: 'file', headers: { authorization: 'secret' } },
        textOf,
      )
    const allowed = await load(() => Promise.resolve(undefined))
    expect(Object.keys(JSON.parse(allowed ?? '') as object)).not.toContain('authorization')
    const against = { expected: 'another', found: 'this' }
    await expect(load(() => Promise.resolve(against))).rejects.toThrow(refusal('HTTP_REDIRECT', against))
    expect(storage.asked).toEqual(['/file'])
  })

  test('sends its headers with a request, and explains responses', async () => {
    const { origin } = await serve({
      '/file': ({ headers }, response) => void response.end(headers.authorization),
      '/gone': (_, response) => void response.writeHead(404, { 'x-error-code': 'RepoNotFound' }).end(),
    })
    const client = new HttpClient(origin, checkedHttpOptions(), undefined)
    const refusal = ({ status, headers }: HttpAnswer) =>
      new ModelSealError('MODEL_NOT_FOUND', `${status} ${headers.get('x-error-code') ?? ''}`)
    const request = { what: 'file', headers: { authorization: 'Bearer a' }, refusal }
    expect(await client.get({ url: new URL(`${origin}/file`), ...request }, textOf)).toBe('Bearer a')
    await expect(client.get({ url: new URL(`${origin}/gone`), ...request }, textOf)).rejects.toThrow('404 RepoNotFound')
  })
})

test('messages contain neither the query nor the headers', async () => {
  const { origin } = await serve({ '/file': (_, response) => void response.writeHead(403).end() })
  const options = { headers: { authorization: 'Bearer secret-token' } }
  const error = await get(`${origin}/file?key=secret-key`, options).catch((reason: unknown) => reason)
  expect(error).toEqual(refusal('HTTP_RESPONSE'))
  expect(JSON.stringify(error)).not.toContain('secret')
})

describe('options', () => {
  test.each<[string, object]>([
    ['that does not exist', { timeout: 5 }],
    ['with a timeout of zero', { idleTimeout: 0 }],
    ['with a timeout that overflows timers', { totalTimeout: 2 ** 31 }],
    ['with a fraction of a byte', { maxBytes: 0.5 }],
    ['with a header that HTTP does not allow', { headers: { 'a b': 'secret' } }],
    ['with a header value that HTTP does not allow', { headers: { authorization: 'secret\r\nx: y' } }],
    ['that would ask for a part', { headers: { Range: 'bytes=0-1' } }],
    ['with an origin that has a path', { redirectOrigins: ['https://cdn.example/models'] }],
    ['with an origin that has another scheme', { redirectOrigins: ['ftp://cdn.example'] }],
  ])('%s are refused', (_, options) => {
    let error: unknown
    try {
      checkedHttpOptions(options)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toEqual(refusal('INVALID_ARGUMENT'))
    expect(String(error)).not.toContain('secret')
  })
})

describe('a connection that the server closes as a request arrives', () => {
  /** A server that answers only the first requests of a connection. */
  async function server(answers: number) {
    let requests = 0
    const served = new WeakMap<object, number>()
    const { origin } = await serve({
      '/file': ({ socket }, response) => {
        requests++
        const before = served.get(socket) ?? 0
        served.set(socket, before + 1)
        if (before < answers) response.end('weights')
        else socket.resetAndDestroy()
      },
    })
    const client = new HttpClient(origin, checkedHttpOptions({}), undefined)
    const get = () => client.get({ url: new URL(`${origin}/file`), what: 'file' }, textOf)
    return { get, requests: () => requests }
  }

  test('is replaced by another one', async () => {
    const { get, requests } = await server(1)
    expect(await get()).toBe('weights')
    await setTimeout(20) // until the connection is idle
    expect(await get()).toBe('weights')
    expect(requests()).toBe(3)
  })

  test('is an error if the next one is closed as well', async () => {
    const { get, requests } = await server(0)
    await expect(get()).rejects.toThrow(refusal('HTTP_UNREACHABLE'))
    expect(requests()).toBe(2)
  })
})
