import { createHash, randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { file, redirect, serve, type Answer } from '../../testing/http-server.ts'
import { refusal } from '../../testing/scratch.ts'
import { counted, PartMemory, takenOut } from '../answers/part-memory.ts'
import { HttpClient } from './client.ts'
import { checkedHttpOptions, type HttpOptions } from './options.ts'
import type { HttpBody } from './request.ts'

// After the first request to an origin, requests are sent through what `fetch` itself uses. Everything else stays as it is.

const CONTENT = randomBytes(3_000_001)

/** A client that has had an answer from the server. */
async function known(answers: Record<string, Answer>, options: HttpOptions = {}, signal?: AbortSignal) {
  const { origin } = await serve(answers)
  const client = new HttpClient(origin, checkedHttpOptions(options), signal)
  const get = <T>(path: string, receive: (body: HttpBody) => Promise<T>, into?: PartMemory) =>
    client.get({ url: new URL(path, origin), what: 'file', into }, receive)
  expect(await get('/none', contentOf)).toBeUndefined()
  return { get, origin }
}

async function contentOf({ chunks }: HttpBody): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts).toString('latin1')
}

afterEach(() => {
  vi.unstubAllGlobals()
})

test('content arrives as it was sent, with the headers of the response', async () => {
  const asked: unknown[] = []
  const answer: Answer = ({ headers }, response) => {
    asked.push(headers['sec-fetch-mode'], headers['accept-encoding'], headers['authorization'])
    response.writeHead(200, { 'content-length': CONTENT.length, etag: '"one"', 'x-twice': ['1', '2'] }).end(CONTENT)
  }
  const { get, origin } = await known({ '/file': answer }, { headers: { authorization: 'Bearer secret' } })
  const got = await get('/file?part=1', async (body) => {
    const { length, url, headers } = body
    return { length, url, etag: headers.get('etag'), twice: headers.get('x-twice'), bytes: await contentOf(body) }
  })
  expect(got).toEqual({
    length: CONTENT.length,
    url: `${origin}/file?part=1`,
    etag: '"one"',
    twice: '1, 2',
    bytes: CONTENT.toString('latin1'),
  })
  // Only `fetch` sends the first of them.
  expect(asked).toEqual([undefined, 'identity', 'Bearer secret'])
})

test('headers of the request replace those that are added', async () => {
  const asked: unknown[] = []
  const answer: Answer = ({ rawHeaders }, response) => {
    asked.push(rawHeaders.filter((_, index) => /^(accept|user-agent)$/i.test(rawHeaders[index - (index % 2)] ?? '')))
    response.end('weights')
  }
  const { get } = await known({ '/file': answer }, { headers: { accept: 'application/json' } })
  await get('/file', contentOf)
  expect(asked).toEqual([['accept', 'application/json', 'user-agent', 'node']])
})

test('a receiver that is slow slows down the server, and misses nothing', async () => {
  let sent = 0
  const chunk = randomBytes(1_000_000)
  const endless: Answer = (_, response) => {
    const more = () => {
      while (sent < 64) if ((sent++, !response.write(chunk))) return void response.once('drain', more)
      response.end()
    }
    more()
  }
  const { get } = await known({ '/file': endless })
  const hash = createHash('sha256')
  await get('/file', async ({ chunks }) => {
    const iterator = chunks[Symbol.asyncIterator]()
    hash.update((await iterator.next()).value as Uint8Array)
    for (let before = -1; before !== sent;) {
      before = sent
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    expect(sent).toBeLessThan(48)
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) hash.update(next.value)
  })
  const whole = createHash('sha256')
  for (let index = 0; index < 64; index++) whole.update(chunk)
  expect(hash.digest('hex')).toBe(whole.digest('hex'))
})

test.each([1_000, CONTENT.length, CONTENT.length + 1])(
  'content is received into %i bytes of memory, an empty chunk says so, and what is left comes as usual',
  async (room) => {
    const { get } = await known({ '/file': file(CONTENT) })
    const bytes = new Uint8Array(room)
    const into = new PartMemory(bytes)
    const parts: Uint8Array[] = []
    const receive = async ({ chunks }: HttpBody) => {
      for await (const chunk of chunks) parts.push(chunk)
    }
    await get('/file', receive, into)
    expect(parts[0]).toHaveLength(0)
    expect(parts.every(({ buffer }) => buffer !== bytes.buffer)).toBe(true)
    expect(counted(into)).toBe(Math.min(room, CONTENT.length))
    expect(Buffer.concat([takenOut(into), ...parts]).equals(CONTENT)).toBe(true)
  },
)

test('what has landed counts when the connection breaks, and nothing is written to the memory after that', async () => {
  const { get } = await known({
    '/file': (_, response) => {
      response.writeHead(200, { 'content-length': 2_000_000 })
      response.write(CONTENT.subarray(0, 1_000_000), () => response.destroy())
    },
  })
  const bytes = new Uint8Array(2_000_000)
  const into = new PartMemory(bytes)
  let arrived = 0
  const receive = async ({ chunks }: HttpBody) => {
    for await (const chunk of chunks) {
      expect(chunk).toHaveLength(0)
      arrived = counted(into)
      expect(CONTENT.subarray(0, arrived).equals(bytes.subarray(0, arrived))).toBe(true)
    }
  }
  await expect(get('/file', receive, into)).rejects.toThrow(refusal('HTTP_UNREACHABLE'))
  expect(arrived).toBeGreaterThan(0)
  expect(bytes.subarray(arrived).every((byte) => byte === 0)).toBe(true)
})

test('the content of an error does not get into the memory', async () => {
  const { get } = await known({ '/file': (_, response) => response.writeHead(403).end('no') })
  const bytes = new Uint8Array(12)
  const into = new PartMemory(bytes)
  await expect(get('/file', contentOf, into)).rejects.toThrow(refusal('HTTP_RESPONSE'))
  expect(counted(into)).toBe(0)
  expect(bytes.every((byte) => byte === 0)).toBe(true)
})

test('a server that goes on sending into memory is not idle, and one that stops is', async () => {
  const drip: Answer = (_, response) => {
    response.writeHead(200, { 'content-length': 12 })
    let sent = 0
    const timer = setInterval(() => {
      if (++sent === 8) clearInterval(timer)
      response.write('w')
    }, 100)
  }
  const { get } = await known({ '/file': drip }, { idleTimeout: 500 })
  const into = new Uint8Array(12)
  await expect(get('/file', contentOf, new PartMemory(into))).rejects.toThrow(refusal('HTTP_TIMEOUT'))
  expect(Buffer.from(into).toString()).toBe('wwwwwwww\0\0\0\0')
})

test('content that is compressed although it must not be is decompressed', async () => {
  const { get } = await known({ '/file': file(gzipSync('weights'), { 'content-encoding': 'gzip' }) })
  expect(await get('/file', contentOf)).toBe('weights')
})

test('a redirect to an origin that is not allowed is refused, and one within the origin is followed', async () => {
  const other = await serve({ '/file': file('other') })
  const { get } = await known({
    '/away': redirect(`${other.origin}/file`),
    '/here': redirect('/file'),
    '/file': file('weights'),
  })
  await expect(get('/away', contentOf)).rejects.toThrow(refusal('HTTP_REDIRECT'))
  expect(await get('/here', contentOf)).toBe('weights')
})

describe('a connection', () => {
  const begun: Answer = (_, response) => void response.writeHead(200, { 'content-length': 100 }).write('weig')

  test.each<[string, Answer]>([
    [
      'before the announced length',
      (_, response) => {
        response.writeHead(200, { 'content-length': 100 })
        response.write('weig', () => response.destroy())
      },
    ],
    [
      'before the last chunk',
      (_, response) => {
        response.writeHead(200)
        response.write('weig', () => response.destroy())
      },
    ],
    ['before the response', (_, response) => void response.destroy()],
  ])('that ends %s is reported', async (_, answer) => {
    const { get } = await known({ '/file': answer })
    await expect(get('/file', contentOf)).rejects.toThrow(refusal('HTTP_UNREACHABLE'))
  })

  test.each<[string, Answer]>([
    ['is silent', () => {}],
    ['falls silent', begun],
  ])('that %s is abandoned', async (_, answer) => {
    const { get } = await known({ '/file': answer }, { idleTimeout: 200 })
    await expect(get('/file', contentOf)).rejects.toThrow(refusal('HTTP_TIMEOUT'))
  })

  test('is closed when the caller aborts', async () => {
    const controller = new AbortController()
    const closed = Promise.withResolvers<true>()
    const answer: Answer = (request, response) => {
      response.on('close', () => closed.resolve(true))
      begun(request, response)
      response.write('hts', () => controller.abort())
    }
    const { get } = await known({ '/file': answer }, {}, controller.signal)
    await expect(get('/file', contentOf)).rejects.toThrow(refusal('ABORTED'))
    expect(await closed.promise).toBe(true)
  })

  test('is closed when the receiver refuses the data', async () => {
    const closed = Promise.withResolvers<true>()
    const answer: Answer = (request, response) => {
      response.on('close', () => closed.resolve(true))
      begun(request, response)
    }
    const { get } = await known({ '/file': answer })
    const refusing = async ({ chunks }: HttpBody): Promise<void> => {
      for await (const chunk of chunks) throw new RangeError(`${chunk.length} bytes are too many`)
    }
    await expect(get('/file', refusing)).rejects.toThrow('4 bytes are too many')
    expect(await closed.promise).toBe(true)
  })
})

test('a program that replaces the global fetch function replaces it for every request', async () => {
  const { get } = await known({ '/file': file('weights') })
  vi.stubGlobal('fetch', () => Promise.resolve(new Response('replaced')))
  expect(await get('/file', contentOf)).toBe('replaced')
})

test('a program that sets a dispatcher for fetch sets it for every request', async () => {
  const { get } = await known({ '/file': file('weights') })
  const paths: string[] = []
  const symbol = Symbol.for('undici.globalDispatcher.1')
  const original = (globalThis as Record<symbol, { dispatch: (...args: { path: string }[]) => boolean }>)[symbol]!
  const dispatch = (...args: { path: string }[]) => {
    paths.push(args[0]!.path)
    return original.dispatch(...args)
  }
  const own = Object.getOwnPropertyDescriptor(globalThis, symbol)!
  Object.defineProperty(globalThis, symbol, { ...own, value: { dispatch } })
  try {
    expect(await get('/file', contentOf)).toBe('weights')
  } finally {
    Object.defineProperty(globalThis, symbol, own)
  }
  expect(paths).toEqual(['/file'])
})

test('a dispatcher of the program that follows redirects by itself is told not to', async () => {
  const other = await serve({ '/weights': file('of another server') })
  const { get } = await known({ '/file': redirect(`${other.origin}/weights`) }, { headers: { 'x-api-key': 'secret' } })
  const symbol = Symbol.for('undici.globalDispatcher.1')
  const original = (globalThis as Record<symbol, object>)[symbol]!
  // What setGlobalDispatcher() of undici does with such an agent.
  const Agent = original.constructor as new (options: object) => object
  const own = Object.getOwnPropertyDescriptor(globalThis, symbol)!
  Object.defineProperty(globalThis, symbol, { ...own, value: new Agent({ maxRedirections: 5 }) })
  try {
    await expect(get('/file', contentOf)).rejects.toEqual(refusal('HTTP_REDIRECT'))
  } finally {
    Object.defineProperty(globalThis, symbol, own)
  }
  expect(other.asked).toEqual([])
})
