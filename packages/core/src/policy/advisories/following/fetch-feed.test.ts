import { describe, expect, test } from 'vitest'
import { file, redirect, serve, type Answer } from '../../../testing/http-server.ts'
import { refusal } from '../../../testing/scratch.ts'
import { MAX_FEED_BYTES } from '../feed-statement.ts'
import { fetchFeed, tooLarge, usableTag, type Asking } from './fetch-feed.ts'

const CONTENT = Buffer.from('{"a":1}\n')
type Headers = Record<string, string | string[] | undefined>

/** Asks a server, and records the headers of all requests. */
async function fetched(answer: Answer, etag?: string, asking: Partial<Asking> = {}) {
  const asked: Headers[] = []
  const answering: Answer = (request, response) => {
    asked.push(request.headers)
    answer(request, response)
  }
  const { origin } = await serve({ '/feed.jsonl': answering })
  const source = `${origin}/feed.jsonl`
  const looked = fetchFeed(source, etag, { milliseconds: 5_000, isDetached: false, ...asking })
  return { looked: await looked, asked, source }
}
const unchanged =
  (headers: Record<string, string> = {}): Answer =>
  (_, response) =>
    void response.writeHead(304, headers).end()

describe('a feed is fetched', () => {
  test('with its entity tag, past every cache', async () => {
    const { looked, asked } = await fetched(file(CONTENT, { etag: '"1"' }))
    expect(looked).toEqual({ bytes: CONTENT, etag: '"1"', granted: undefined })
    expect(asked).toMatchObject([{ accept: expect.stringContaining('application/jsonl'), 'cache-control': 'no-cache' }])
    expect(asked[0]).not.toHaveProperty('if-none-match')
    expect(asked[0]).not.toHaveProperty('prefer')
  })

  test('unless it has not changed', async () => {
    const { looked, asked } = await fetched(unchanged(), '"1"')
    expect(looked).toEqual({ bytes: undefined, etag: '"1"', granted: undefined })
    expect(asked).toMatchObject([{ 'if-none-match': '"1"' }])
  })

  test.each([
    ['"1"', '"1"', 1],
    ['W/"1"', '"1"', 1],
    ['"1"', 'W/"1"', 1],
    ['"W/1"', '"1"', 2],
    ['"1"', '"2"', 2],
  ])('again if the answer about %s is about %s', async (etag, answered, requests) => {
    const answer: Answer = (request, response) => {
      if (request.headers['if-none-match'] === undefined)
        setTimeout(() => file(CONTENT, { etag: '"3"' })(request, response), 30)
      else unchanged({ etag: answered })(request, response)
    }
    const { looked, asked } = await fetched(answer, etag, { wait: 1 })
    expect(asked).toHaveLength(requests)
    expect(looked).toMatchObject(requests === 1 ? { bytes: undefined, etag } : { bytes: CONTENT, etag: '"3"' })
    if (requests === 2) expect(asked[1]).not.toHaveProperty('prefer')
  })

  test('without an entity tag that cannot be sent back', async () => {
    expect((await fetched(file(CONTENT, { etag: 'x' }))).looked.etag).toBeUndefined()
    expect((await fetched(file(CONTENT))).looked.etag).toBeUndefined()
    expect([usableTag(1), usableTag(undefined), usableTag('x"1"'), usableTag('"1"x')]).toEqual(Array(4).fill(undefined))
    expect([usableTag(['"1"']), usableTag(null)]).toEqual([undefined, undefined])
    expect([usableTag(`"${'a'.repeat(500)}"`)?.length, usableTag(`"${'a'.repeat(501)}"`)]).toEqual([502, undefined])
    expect(['""', 'W/"!#~"', '"\u0080\u00ff"'].map(usableTag)).toEqual(['""', 'W/"!#~"', '"\u0080\u00ff"'])
    expect(['" "', '"\u007f"', '"a"b"', '"\u0100"', 'w/"1"'].map(usableTag)).toEqual(Array(5).fill(undefined))
  })
})

describe('a server that is asked to wait', () => {
  test.each<[string | undefined, number | undefined]>([
    [undefined, undefined],
    ['', undefined],
    ['respond-async', undefined],
    ['wait=7', 7],
    ['wait = "7"', 7],
    ['respond-async, wait=7; x=1', 7],
    ['WAIT=7', 7],
    ['wait', 0],
    ['wait, respond-async', 0],
    ['await=7', undefined],
    ['wait=123456', undefined],
    ['wait=x', undefined],
    ['waiting=7', undefined],
    ['wait=12345', 12_345],
  ])('says for how long: %s', async (applied, granted) => {
    const headers: Record<string, string> = applied === undefined ? {} : { 'preference-applied': applied }
    for (const answer of [file(CONTENT, headers), unchanged(headers)]) {
      const { looked, asked } = await fetched(answer, '"1"', { wait: 3 })
      expect(asked).toMatchObject([{ prefer: 'wait=3' }])
      expect(looked.granted).toBe(granted)
    }
  })

  test('is believed only if it was asked', async () => {
    const headers = { 'preference-applied': 'wait=7' }
    expect((await fetched(file(CONTENT, headers), '"1"')).looked.granted).toBeUndefined()
  })

  test('has as much more time', async () => {
    const slow: Answer = (request, response) => void setTimeout(() => file(CONTENT)(request, response), 600)
    expect((await fetched(slow, undefined, { milliseconds: 200, wait: 20 })).looked.bytes).toEqual(CONTENT)
    await expect(fetched(slow, undefined, { milliseconds: 200 })).rejects.toEqual(refusal('HTTP_TIMEOUT'))
  })
})

describe('a feed is not fetched', () => {
  test.each<[string, string, Answer]>([
    ['an error', 'HTTP_RESPONSE', (_, response) => void response.writeHead(500).end()],
    ['an answer that nobody asked for', 'HTTP_RESPONSE', unchanged()],
    ['that nobody asked for, about a version', 'HTTP_RESPONSE', unchanged({ etag: '"1"' })],
    ['another place', 'HTTP_REDIRECT', redirect('https://models.example/feed.jsonl')],
    ['nothing', 'HTTP_UNREACHABLE', (request) => void request.socket.destroy()],
    [
      'too much',
      'ADVISORY_TOO_LARGE',
      (_, response) => {
        response.writeHead(200, { 'content-length': MAX_FEED_BYTES + 1 }).flushHeaders()
      },
    ],
  ])('from a server that answers %s', async (_, code, answer) => {
    await expect(fetched(answer)).rejects.toEqual(refusal(code as 'HTTP_RESPONSE'))
  })

  test('with a hint about feeds', async () => {
    const hint = (text: string) => ({ hint: expect.stringContaining(text) as string })
    await expect(fetched((_, response) => void response.writeHead(404).end())).rejects.toEqual(
      refusal('HTTP_RESPONSE', hint('URL of the feed')),
    )
    await expect(fetched(redirect('https://models.example/'))).rejects.toEqual(
      refusal('HTTP_REDIRECT', hint('in the policy')),
    )
    await expect(fetched(() => {}, undefined, { milliseconds: 100 })).rejects.toEqual(
      refusal('HTTP_TIMEOUT', hint('the feed arrives')),
    )
  })

  test('beyond its largest size', async () => {
    const long =
      (bytes: number, headers: object = {}): Answer =>
      (_, response) => {
        response.writeHead(200, { ...headers })
        const more = (left: number) => {
          if (left === 0) response.end()
          else
            response.write(Buffer.alloc(Math.min(left, 2 ** 22)), () => {
              more(left - Math.min(left, 2 ** 22))
            })
        }
        more(bytes)
      }
    const time = { milliseconds: 60_000 }
    for (const headers of [{}, { 'content-length': MAX_FEED_BYTES }]) {
      const { bytes } = (await fetched(long(MAX_FEED_BYTES, headers), undefined, time)).looked
      expect(bytes).toHaveLength(MAX_FEED_BYTES)
    }
    await expect(fetched(long(MAX_FEED_BYTES + 1), undefined, time)).rejects.toEqual(refusal('ADVISORY_TOO_LARGE'))
    expect(tooLarge('f')).toEqual(
      refusal('ADVISORY_TOO_LARGE', { file: 'f', expected: `at most ${MAX_FEED_BYTES} bytes`, found: 'more' }),
    )
  })

  test('again for longer than there was time at first', async () => {
    const answer: Answer = (request, response) => {
      if (request.headers['if-none-match'] !== undefined) unchanged({ etag: '"2"' })(request, response)
    }
    await expect(fetched(answer, '"1"', { milliseconds: 400 })).rejects.toEqual(refusal('HTTP_TIMEOUT'))
  })
})
