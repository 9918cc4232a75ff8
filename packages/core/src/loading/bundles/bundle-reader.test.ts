import { describe, expect, test, vi } from 'vitest'
import * as parsing from '../../bundle/bundle.ts'
import { ModelSealError } from '../../errors.ts'
import { MAX_BUNDLES } from '../../source/answers/source-answers.ts'
import type { BundleCandidate, BundleRequest, SourceBody } from '../../source/model-source.ts'
import type { OpenedSource } from '../../source/opened-source.ts'
import { bundleOver, encoded, keyPair, statementOver } from '../../testing/bundles.ts'
import { refusal } from '../../testing/scratch.ts'
import { BundleReader } from './bundle-reader.ts'

vi.mock('../../bundle/bundle.ts', async (original) => {
  const real = await original<typeof parsing>()
  return { ...real, parseOwnBundle: vi.fn(real.parseOwnBundle) }
})

const pair = keyPair()
const BUNDLE = bundleOver(encoded(statementOver({ a: 'a' })), pair)
const SIZE = BUNDLE.length

/** What was asked for, with its limit. */
let asked: string[] = []

interface Reading {
  maxBytes?: number
  signal?: AbortSignal
  keeps?: boolean
  /** The limit of the source. */
  room?: number
}

function readerWith({ maxBytes = 10 * SIZE, signal, keeps, room = Infinity }: Reading = {}): BundleReader {
  asked = []
  const reader = {
    read: async (
      what: string,
      ask: (signal: undefined, receive: unknown) => Promise<void>,
      receive: (body: SourceBody) => Promise<Buffer>,
    ) => {
      let read: Buffer | undefined
      await ask(undefined, async (body: SourceBody) => {
        read = await receive(body)
      })
      asked.push(what)
      return read
    },
  }
  return new BundleReader({ reader, maxSearchBytes: room } as unknown as OpenedSource, { maxBytes, signal, keeps })
}

function place(
  path: string,
  body: Partial<SourceBody> | undefined,
  more: Partial<BundleCandidate> = {},
): BundleCandidate {
  const read = async ({ maxBytes }: BundleRequest, receive: (body: SourceBody) => Promise<void>) => {
    asked.push(`${path} ${maxBytes}`)
    if (body) await receive(body as SourceBody)
  }
  return { path, read, ...more }
}
const whole = (path: string, bytes: Uint8Array = BUNDLE) => place(path, { size: bytes.length, chunks: [bytes] })
const failing = (path: string, error: Error) => place(path, undefined, { read: () => Promise.reject(error) })

describe('bundles', () => {
  test('are read one after another, and places without one are told', async () => {
    const { found, absent, unread } = await readerWith().readAll([whole('a'), place('b', undefined), whole('c')])
    expect(found.map(({ path }) => path)).toEqual(['a', 'c'])
    expect(found[0]).toEqual({ path: 'a', bundle: expect.objectContaining({ size: SIZE }) as object })
    expect(absent).toEqual(['b'])
    expect(unread).toBeUndefined()
    expect(asked).toContain('signature bundle "a"')
  })

  test('are joined from their pieces', async () => {
    const pieces = [BUNDLE.subarray(0, 10), new Uint8Array(BUNDLE.subarray(10, 20)), BUNDLE.subarray(20)]
    const { found } = await readerWith({ keeps: true }).readAll([place('a', { chunks: pieces })])
    expect(found).toMatchObject([{ bytes: BUNDLE }])
    const foreign = new Uint8Array(BUNDLE)
    const one = await readerWith({ keeps: true }).readAll([place('a', { chunks: [foreign] })])
    expect(one.found).toMatchObject([{ bytes: BUNDLE }])
    const none = await readerWith().readAll([place('a', { chunks: [] })])
    expect(none.found).toMatchObject([{ error: { code: 'JSON_INVALID' } }])
  })

  test('are kept only if asked for', async () => {
    expect((await readerWith().readAll([whole('a')])).found[0]).not.toHaveProperty('bytes')
  })

  test(`beyond ${MAX_BUNDLES} are not read`, async () => {
    const many = Array.from({ length: MAX_BUNDLES }, (_, index) => whole(`${index}`))
    const reader = readerWith()
    const all = await reader.readAll(many)
    expect([all.found.length, all.unread]).toEqual([MAX_BUNDLES, undefined])
    const { found, unread } = await readerWith().readAll([place('none', undefined), ...many, whole('last')])
    expect([found.length, unread]).toEqual([MAX_BUNDLES, 'last'])
    expect(asked).not.toContain('signature bundle "last"')
  })

  test('that cannot be read or parsed are part of the result', async () => {
    const unreadable = new ModelSealError('FILE_UNREADABLE', 'No.')
    const taken = new ModelSealError('BUNDLE_MALFORMED', 'No.')
    const places = [failing('a', unreadable), failing('b', taken), whole('c', Buffer.from('junk')), whole('d')]
    const { found } = await readerWith().readAll(places)
    expect(found).toEqual([
      { path: 'a', error: unreadable },
      { path: 'b', error: taken },
      { path: 'c', error: refusal('JSON_INVALID') },
      { path: 'd', bundle: expect.anything() as object },
    ])
  })

  test('are not looked for any further if the source fails', async () => {
    for (const error of [
      new ModelSealError('SOURCE_FAILED', 'No.'),
      new Error('broken'),
      new ModelSealError('SOURCE_LISTING', 'A FILE_ or BUNDLE_ fault.'),
    ])
      await expect(readerWith().readAll([failing('a', error), whole('b')])).rejects.toBe(error)
  })

  test('are not read after an abort', async () => {
    const reader = readerWith({ signal: AbortSignal.abort() })
    await expect(reader.readAll([whole('a')])).rejects.toEqual(refusal('ABORTED'))
    expect(asked).toEqual([])
    const stop = new AbortController()
    const stopping = place('a', undefined, {
      read: async (_, receive) => {
        stop.abort()
        await receive({ chunks: [BUNDLE] })
      },
    })
    await expect(readerWith({ signal: stop.signal }).readAll([stopping, whole('b')])).rejects.toEqual(
      refusal('ABORTED'),
    )
    expect(asked).not.toContain('signature bundle "b"')
  })
})

test('an abort while a bundle is parsed ends the search, as does anything unexpected', async () => {
  for (const error of [new ModelSealError('ABORTED', 'No.'), new Error('broken')]) {
    vi.mocked(parsing.parseOwnBundle).mockRejectedValueOnce(error)
    await expect(readerWith().readAll([whole('a'), whole('b')])).rejects.toBe(error)
    expect(asked).not.toContain('signature bundle "b"')
  }
})

describe('the size of bundles', () => {
  const details = (expected: number | string, file = 'a') => ({
    file,
    expected: typeof expected === 'number' ? `at most ${expected} bytes` : expected,
  })
  const TOO_LARGE = (expected: number | string, file = 'a') => refusal('BUNDLE_TOO_LARGE', details(expected, file))

  test('may be the limit, whether it is announced or not', async () => {
    const reader = () => readerWith({ maxBytes: SIZE })
    expect((await reader().readAll([whole('a')])).found).toMatchObject([{ bundle: {} }])
    expect((await reader().readAll([place('a', { chunks: [BUNDLE] })])).found).toMatchObject([{ bundle: {} }])
    expect(asked[0]).toBe(`a ${SIZE}`)
  })

  test('may not be announced to be more', async () => {
    const unasked = { [Symbol.asyncIterator]: () => expect.unreachable() }
    const large = place('a', { size: SIZE + 1, chunks: unasked as never })
    await expect(readerWith({ maxBytes: SIZE }).readAll([large])).rejects.toEqual(TOO_LARGE(SIZE))
  })

  test('may not turn out to be more, which ends the search', async () => {
    const longer = place('a', { chunks: [BUNDLE, Buffer.from(' ')] })
    await expect(readerWith({ maxBytes: SIZE }).readAll([longer, whole('b')])).rejects.toEqual(TOO_LARGE(SIZE))
  })

  test('is what the source says if it refuses one, and others are read', async () => {
    const cause = new ModelSealError('FILE_TOO_LARGE', 'No.', { found: '9000 bytes' })
    const { found } = await readerWith({ maxBytes: 8000 }).readAll([failing('a', cause), whole('b')])
    expect(found).toEqual([
      { path: 'a', error: refusal('BUNDLE_TOO_LARGE', { ...details(8000), found: '9000 bytes', cause }) },
      { path: 'b', bundle: expect.anything() as object },
    ])
  })

  test('is limited for all of them to four times as much', async () => {
    const maxBytes = SIZE + 10
    const paths = ['a', 'b', 'c', 'd', 'e']
    const reader = readerWith({ maxBytes })
    await expect(reader.readAll(paths.map((path) => whole(path)))).rejects.toEqual(
      TOO_LARGE(4 * maxBytes - 4 * SIZE, 'e'),
    )
    expect(asked).toContain(`d ${Math.min(maxBytes, 4 * maxBytes - 3 * SIZE)}`)
    expect(asked).toContain('e 40')
    // Each search has as much.
    const twice = readerWith({ maxBytes })
    await twice.readAll(paths.slice(0, 4).map((path) => whole(path)))
    expect((await twice.readAll([whole('e')])).found).toMatchObject([{ bundle: {} }])
  })

  test('is limited by the source, for all searches together', async () => {
    const room = SIZE + 100
    const reader = readerWith({ room })
    await reader.readAll([whole('a')])
    // Even without room, places are looked at.
    expect((await reader.readAll([place('b', undefined)])).absent).toEqual(['b'])
    const expected = `at most 100 bytes: the rest of the ${room} bytes that the source of the model allows`
    await expect(reader.readAll([whole('c')])).rejects.toEqual(TOO_LARGE(expected, 'c'))
    expect(asked).toContain('c 100')
    const full = readerWith({ room: SIZE, maxBytes: SIZE })
    expect((await full.readAll([whole('a')])).found).toMatchObject([{ bundle: {} }])
    // The limit of the caller, which is the same, is the one that is named.
    await expect(
      readerWith({ room: SIZE, maxBytes: SIZE }).readAll([whole('a', Buffer.alloc(SIZE + 1))]),
    ).rejects.toEqual(TOO_LARGE(SIZE))
  })
})

describe('a place for signatures and attestations', () => {
  const attestation = (predicateType: string) =>
    bundleOver(encoded({ ...(statementOver({ a: 'a' }) as object), predicateType }), pair)
  const ATTESTED = attestation('https://example.org/review/v1')

  test('has its attestations left out', async () => {
    const mixed = { mixed: true }
    const body = (bytes: Buffer) => ({ size: bytes.length, chunks: [bytes] })
    const places = [
      place('a', body(ATTESTED), mixed),
      place('b', body(BUNDLE), mixed),
      place('c', body(Buffer.from('junk')), mixed),
      place('d', body(ATTESTED)),
    ]
    const { found, absent } = await readerWith().readAll(places)
    expect(found.map(({ path }) => path)).toEqual(['b', 'c', 'd'])
    expect(absent).toEqual([])
  })
})
