import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { ModelSealError } from '../../errors.ts'
import { beginIntake, counted, landed, ownPartsOf, type PartMemory } from '../answers/part-memory.ts'
import { HttpClient } from '../http/client.ts'
import { checkedHttpOptions } from '../http/options.ts'
import { expect, onTestFinished, test } from 'vitest'
import { CONNECTIONS, Downloads, PART_BYTES } from './downloads.ts'
import type { Range } from './file-parts.ts'
import { RequestRetries } from './retries.ts'

const CONTENT = randomBytes(6 * PART_BYTES + 1_000)

/** Answers a request in its own way. Returns true if it did. */
type Fault = (range: Range, response: ServerResponse, request: IncomingMessage) => boolean

async function server(fault: Fault = () => false) {
  const sockets: Socket[] = []
  const asked: (string | undefined)[] = []
  const seen = { now: 0, most: 0 }
  const http = createServer((request, response) => {
    const { range } = request.headers
    asked.push(range)
    seen.most = Math.max(seen.most, ++seen.now)
    response.on('close', () => (seen.now -= 1))
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
    const start = Number(first ?? 0)
    const end = Number(last ?? CONTENT.length - 1) + 1
    if (fault({ start, end }, response, request)) return
    response.writeHead(range === undefined ? 200 : 206, headOf(start, end)).end(CONTENT.subarray(start, end))
  })
  http.on('connection', (socket) => sockets.push(socket))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    http.closeAllConnections()
    http.close()
  })
  const origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  return { origin, asked, seen, sent: () => sockets.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0) }
}

function headOf(start: number, end: number, etag = '"one"') {
  return { 'content-length': end - start, 'content-range': `bytes ${start}-${end - 1}/${CONTENT.length}`, etag }
}

interface HowToDownload {
  range?: Range
  files?: number
  reuses?: boolean
  receive?: (chunk: Uint8Array) => void
}

/** Fetches the file from a server, as sources do. */
function download(origin: string, { range, files = 1, reuses, receive }: HowToDownload = {}) {
  const stop = new AbortController()
  const options = { ...checkedHttpOptions(), connections: CONNECTIONS, resends: false }
  const client = new HttpClient(origin, options, undefined)
  const other = (what: string, expected: string, found: string) =>
    new ModelSealError('HTTP_RESPONSE', `another ${what}`, { expected, found })
  const downloads = new Downloads(origin, stop.signal, other)
  const read = async (pause?: () => Promise<unknown>) => {
    const hash = createHash('sha256')
    let bytes = 0
    const file = { what: 'file', size: CONTENT.length, range, reuses, signal: stop.signal }
    await downloads.read(
      file,
      ({ from, ...part }, receive) =>
        new RequestRetries([stop.signal]).run((seen) =>
          client.get({ ...part, what: 'file', url: new URL(from ?? `${origin}/file`) }, (body) => {
            seen.isReceived = true
            return receive(body)
          }),
        ),
      async ({ chunks }) => {
        for await (const chunk of chunks as AsyncIterable<Uint8Array>) {
          hash.update(chunk)
          receive?.(chunk)
          bytes += chunk.length
          await pause?.()
        }
      },
    )
    return { digest: hash.digest('hex'), bytes }
  }
  return { read, all: () => Promise.all(Array.from({ length: files }, () => read())) }
}

const digestOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

test('a large file is fetched in parts, several at once, and arrives in order', async () => {
  const { origin, asked, seen } = await server()
  const [got] = await download(origin).all()
  expect(got).toEqual({ digest: digestOf(CONTENT), bytes: CONTENT.length })
  expect(new Set(asked).size).toBe(7)
  expect(asked).toHaveLength(7)
  expect(seen.most).toBeGreaterThan(1)
  expect(seen.most).toBeLessThanOrEqual(CONNECTIONS)
})

test('all files together use eight connections at most', async () => {
  const { origin, seen } = await server()
  const got = await download(origin, { files: 6 }).all()
  expect(got.every(({ digest }) => digest === digestOf(CONTENT))).toBe(true)
  expect(seen.most).toBeGreaterThan(6)
  expect(seen.most).toBeLessThanOrEqual(CONNECTIONS)
})

test('a part of a file is that part', async () => {
  const { origin } = await server()
  const range = { start: 1_000_001, end: CONTENT.length - 7 }
  const [got] = await download(origin, { range }).all()
  expect(got?.digest).toBe(digestOf(CONTENT.subarray(range.start, range.end)))
})

test('what is not read yet is bounded, however large the file is', async () => {
  const { origin, sent, asked } = await server()
  const release = Promise.withResolvers<true>()
  const reading = download(origin).read(() => release.promise)
  // Nothing more is sent once the window is full.
  for (let before = -1; before !== sent() || asked.length < 5; before = sent()) await setTimeout(100)
  expect(asked).toHaveLength(5)
  expect(sent()).toBeLessThan(5 * PART_BYTES + 1_000_000)
  release.resolve(true)
  expect((await reading).digest).toBe(digestOf(CONTENT))
})

test('a receiver may keep chunks, unless it says that their memory may be used again', async () => {
  const { origin } = await server()
  const kept: Uint8Array[] = []
  const receive = (chunk: Uint8Array) => void kept.push(chunk)
  await download(origin, { receive }).read()
  expect(digestOf(Buffer.concat(kept))).toBe(digestOf(CONTENT))
  kept.length = 0
  const memory = new Set<ArrayBufferLike>()
  await download(origin, {
    reuses: true,
    receive: (chunk) => {
      if (chunk.length === PART_BYTES) memory.add(chunk.buffer)
    },
  }).all()
  expect(memory.size).toBeLessThan(6)
})

test.each([
  ['the part that is read', 0],
  ['a part that is fetched ahead', 2 * PART_BYTES],
])('a connection that breaks in %s is continued where it broke', async (_, at) => {
  let breaks = 0
  const { origin, asked } = await server(({ start, end }, response) => {
    if (start !== at || breaks++ > 0) return false
    response
      .writeHead(206, headOf(start, end))
      .write(CONTENT.subarray(start, start + 3_000_000), () => response.destroy())
    return true
  })
  const [got] = await download(origin).all()
  expect(got?.digest).toBe(digestOf(CONTENT))
  const continued = asked.flatMap((range) => /^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? []).map(Number)
  const again = continued.filter((start) => start > at && start < at + PART_BYTES)
  expect(again).toHaveLength(1)
  expect(again[0]).toBeGreaterThan(at)
  expect(again[0]).toBeLessThanOrEqual(at + 3_000_000)
})

test('the first request gives back its connection with its part, so that others use it', async () => {
  const held: (() => void)[] = []
  let isReleased = false
  const { origin } = await server(({ start, end }, response) => {
    if (start === 0 || isReleased) return false
    held.push(() => response.writeHead(206, headOf(start, end)).end(CONTENT.subarray(start, end)))
    // One more than if the two first requests still had theirs.
    isReleased = held.length === CONNECTIONS - 1
    if (isReleased) for (const answer of held) answer()
    return true
  })
  const range = { start: 0, end: 5 * PART_BYTES }
  const got = await download(origin, { files: 2, range }).all()
  expect(got.every(({ digest }) => digest === digestOf(CONTENT.subarray(0, range.end)))).toBe(true)
})

test.each([
  ['in parts', undefined],
  ['in one piece', { start: 0, end: 1_000_000 }],
])('more files than connections, fetched %s, are continued after all connections broke', async (_, range) => {
  const sent: ServerResponse[] = []
  let begun = 0
  const { origin } = await server(({ start, end }, response) => {
    if (start !== 0 || begun === CONNECTIONS) return false
    begun += 1
    response.writeHead(206, headOf(start, end)).write(CONTENT.subarray(0, 300_000), () => {
      if (sent.push(response) === CONNECTIONS) for (const each of sent) each.destroy()
    })
    return true
  })
  const got = await download(origin, { files: CONNECTIONS + 1, ...(range ? { range } : {}) }).all()
  const { start, end } = range ?? { start: 0, end: CONTENT.length }
  expect(new Set(got.map(({ digest }) => digest))).toEqual(new Set([digestOf(CONTENT.subarray(start, end))]))
})

test('a whole file in place of a later part is refused, because its beginning was passed on', async () => {
  const { origin } = await server(({ start }, response) => {
    if (start < 2 * PART_BYTES) return false
    response.writeHead(200, { 'content-length': CONTENT.length }).end(CONTENT)
    return true
  })
  await expect(download(origin).read()).rejects.toMatchObject({ code: 'HTTP_RESPONSE', found: 'status 200' })
})

test('a file that became another one is not continued', async () => {
  const { origin } = await server(({ start, end }, response) => {
    if (start < 2 * PART_BYTES) return false
    response.writeHead(206, headOf(start, end, '"two"')).end(CONTENT.subarray(start, end))
    return true
  })
  await expect(download(origin).read()).rejects.toMatchObject({ code: 'HTTP_RESPONSE', found: '"\\"two\\""' })
})

test('a connection that breaks without progress is given up, and the hint says when', async () => {
  const { origin, asked } = await server(({ start }, response) => {
    if (start < PART_BYTES) return false
    response.destroy()
    return true
  })
  await expect(
    download(origin, { range: { start: PART_BYTES - 10, end: CONTENT.length } }).read(),
  ).rejects.toMatchObject({
    code: 'HTTP_UNREACHABLE',
    hint: expect.stringMatching(/failed 4 times in a row; at most 4 attempts are made, within 120 seconds/) as string,
  })
  expect(asked.length).toBeGreaterThan(4)
})

test('parts that are compressed, although they should not be, are what they were before', async () => {
  const { origin } = await server(({ start, end }, response) => {
    const { etag, 'content-range': range } = headOf(start, end)
    response.writeHead(206, { etag, 'content-range': range, 'content-encoding': 'gzip' })
    response.end(gzipSync(CONTENT.subarray(start, end), { level: 1 }))
    return true
  })
  const [got] = await download(origin).all()
  expect(got?.digest).toBe(digestOf(CONTENT))
})

test('a server without ranges sends the whole file', async () => {
  const { origin } = await server((_, response) => {
    response.writeHead(200, { 'content-length': CONTENT.length }).end(CONTENT)
    return true
  })
  const [got] = await download(origin).all()
  expect(got?.digest).toBe(digestOf(CONTENT))
})

test('parts are requested from where the first was redirected to, and from the beginning once that expires', async () => {
  let storageAsked = 0
  const storage = await server((_, response) => {
    if (++storageAsked !== 3) return false
    response.writeHead(403).end()
    return true
  })
  let hubAsked = 0
  const { origin } = await server((_, response) => {
    hubAsked += 1
    response.writeHead(302, { location: `${storage.origin}/file?signed` }).end()
    return true
  })
  const stop = new AbortController()
  const client = new HttpClient(
    origin,
    { ...checkedHttpOptions(), mayRedirect: () => Promise.resolve(undefined) },
    undefined,
  )
  const downloads = new Downloads(origin, stop.signal, () => new ModelSealError('HTTP_RESPONSE', 'other'))
  const hash = createHash('sha256')
  await downloads.read(
    { what: 'file', size: CONTENT.length, range: undefined, reuses: true, signal: stop.signal },
    ({ from, ...part }, receive) =>
      client.get({ ...part, what: 'file', url: new URL(from ?? `${origin}/file`) }, receive),
    async ({ chunks }) => {
      for await (const chunk of chunks) hash.update(chunk)
    },
  )
  expect(hash.digest('hex')).toBe(digestOf(CONTENT))
  // The first request, and those after the refusal.
  expect(hubAsked).toBeGreaterThan(1)
  expect(hubAsked).toBeLessThan(7)
})

test('the core gets parts in memory that nobody else has had, and that is used again once it is free', async () => {
  const { origin } = await server()
  const { read, took } = downloadBy(origin)
  const [seen, own] = [new Set<ArrayBufferLike>(), new Set<ArrayBufferLike>()]
  const bySource = read(async (chunks) => {
    for await (const { buffer } of chunks) seen.add(buffer)
  })
  const byCore = read(async (chunks) => {
    const hash = createHash('sha256')
    for await (const { bytes, free } of ownPartsOf(chunks)!) {
      own.add(bytes.buffer)
      hash.update(bytes)
      free()
    }
    expect(hash.digest('hex')).toBe(digestOf(CONTENT))
  })
  await Promise.all([bySource, byCore])
  expect(own.size).toBeLessThan(7)
  expect([...own].some((buffer) => seen.has(buffer))).toBe(false)
  // What requests get is of no use to whoever sends them.
  expect(took.size).toBe(14)
  for (const into of took) {
    landed(into, beginIntake(into), Buffer.from('other'))
    expect(counted(into)).not.toBe(5)
  }
})

test('the memory of parts that are still in use is not used again', async () => {
  const { origin, asked } = await server()
  const { read } = downloadBy(origin)
  const free: (() => void)[] = []
  const memory: ArrayBufferLike[] = []
  const reading = read(async (chunks) => {
    for await (const part of ownPartsOf(chunks)!) {
      memory.push(part.bytes.buffer)
      free.push(part.free)
    }
  })
  await reading
  expect(new Set(memory).size).toBe(7)
  expect(asked).toHaveLength(7)
  for (const each of free) each()
})

/** Reads the file by a function that gets its chunks. */
function downloadBy(origin: string) {
  const { signal } = new AbortController()
  const client = new HttpClient(origin, { ...checkedHttpOptions(), connections: CONNECTIONS }, undefined)
  const downloads = new Downloads(origin, signal, (what) => new ModelSealError('HTTP_RESPONSE', what))
  const took = new Set<PartMemory>()
  const read = (by: (chunks: AsyncIterable<Uint8Array>) => Promise<void>) =>
    downloads.read(
      { what: 'file', size: CONTENT.length, range: undefined, reuses: true, signal },
      ({ from, ...part }, receive) => {
        if (part.into) took.add(part.into)
        return client.get({ ...part, what: 'file', url: new URL(from ?? `${origin}/file`) }, receive)
      },
      ({ chunks }) => by(chunks as AsyncIterable<Uint8Array>),
    )
  return { read, took }
}
