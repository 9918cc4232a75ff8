import { createHash } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { SourceReader } from '../../source/answers/source-reader.ts'
import { SizeLimit } from '../../source/size-limit.ts'
import { sha256 } from '../../testing/bundles.ts'
import { refusal } from '../../testing/scratch.ts'
import { FILES, SHARDS, streamed, WHOLE, type Given } from '../../testing/streamed.ts'
import type { FurtherDigests } from '../contents.ts'
import { Manifest } from '../manifest.ts'
import { SignedComparison } from './signed-comparison.ts'

const texts = (buffers: readonly Uint8Array[]) => buffers.map((bytes) => Buffer.from(bytes).toString())
const named = (...names: string[]) => names.map((name) => ({ name }))

describe('reading', () => {
  test('returns what was hashed, in the order of the requests', async () => {
    const { streams, requests } = streamed()
    expect(texts(await streams.readAll(named('sub/b', 'a', 'c')))).toEqual(['beta', 'alpha', ''])
    expect(streams.checked).toEqual({ files: 3, bytes: 9 })
    expect(requests[0]).toEqual({ name: 'sub/b', signed: { hashType: 'sha256', digests: [sha256('beta')] } })
  })

  test('counts a file that is read twice once', async () => {
    const { streams } = streamed()
    await streams.readAll(named('a', 'sub/b'))
    await streams.readAll(named('a'))
    expect(streams.checked).toEqual({ files: 2, bytes: 9 })
  })

  test.each<[string, string, object]>([
    ['other', 'alphb', { expected: `sha256:${sha256('alpha')}`, found: `sha256:${sha256('alphb')}` }],
    ['too many', 'alpha!', { expected: `sha256:${sha256('alpha')}`, found: `sha256:${sha256('alpha!')}` }],
    ['no', '', { expected: `sha256:${sha256('alpha')}`, found: `sha256:${sha256('')}` }],
  ])('refuses %s bytes', async (_, a, details) => {
    const { streams } = streamed({ served: { ...FILES, a } })
    await expect(streams.readAll(named('a'))).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'a', ...details }))
    expect(streams.checked).toEqual({ files: 0, bytes: 0 })
  })

  test('recognizes by its first bytes what arrived instead', async () => {
    const served = { ...FILES, a: `version https://git-lfs.github.com/spec/v1\n${' '.repeat(2_000)}` }
    await expect(streamed({ served }).streams.readAll(named('a'))).rejects.toEqual(
      refusal('FILE_MISMATCH', { hint: expect.stringContaining('Git LFS') as string }),
    )
  })

  test('refuses a file that the source does not have, and one that is not signed', async () => {
    const { streams, requests } = streamed({ served: { a: 'alpha', evil: 'x' } })
    await expect(streams.readAll(named('sub/b'))).rejects.toEqual(refusal('FILE_MISSING', { file: 'sub/b' }))
    requests.length = 0
    await expect(streams.readAll(named('evil'))).rejects.toEqual(refusal('FILE_NOT_SIGNED', { file: 'evil' }))
    expect(requests).toEqual([])
  })

  test('does not let the source change what is compared', async () => {
    const { streams } = streamed({
      read: async ({ signed }, receive) => {
        ;(signed?.digests as string[])[0] = sha256('evil')
        await receive({ chunks: [Buffer.from('evil')] })
      },
    })
    await expect(streams.readAll(named('a'))).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'a' }))
  })

  test('does not let the source change what a single file is compared with', async () => {
    const manifest = new Manifest('m', WHOLE, [{ name: 'm', digest: sha256('alpha') }])
    const comparison = new SignedComparison({ path: 'm', name: 'm', isFile: true, read: async () => {} }, manifest)
    const { streams } = streamed({
      comparison,
      read: async ({ signed }, receive) => {
        ;(signed?.digests as string[])[0] = sha256('evil')
        await receive({ chunks: [Buffer.from('evil')] })
      },
    })
    await expect(streams.readAll(named('m'))).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'm' }))
  })

  test('of no files reads nothing', async () => {
    const { streams, requests } = streamed()
    expect(await streams.readAll([])).toEqual([])
    expect(requests).toEqual([])
  })

  test('keeps only as many bytes as are wanted, and hashes all', async () => {
    const { streams } = streamed()
    expect(texts(await streams.readAll([{ name: 'a', firstBytes: 3 }]))).toEqual(['alp'])
    expect(streams.checked).toEqual({ files: 1, bytes: 5 })
    const changed = streamed({ served: { ...FILES, a: 'alpxx' } }).streams
    await expect(changed.readAll([{ name: 'a', firstBytes: 3 }])).rejects.toEqual(refusal('FILE_MISMATCH'))
  })

  test('judges each file by further digests', async () => {
    const blake2b = (text: string) => createHash('blake2b512').update(text).digest('hex')
    const further: FurtherDigests = {
      hashTypes: ['blake2b'],
      check: (name, hashType, digest) => {
        if (digest === blake2b('beta')) throw new ModelSealError('FILE_REVOKED', `${name} ${hashType}`)
      },
    }
    const { streams } = streamed({ further })
    expect(texts(await streams.readAll(named('a')))).toEqual(['alpha'])
    await expect(streams.readAll(named('sub/b'))).rejects.toEqual(refusal('FILE_REVOKED', { message: 'sub/b blake2b' }))
    expect(streams.checked).toEqual({ files: 1, bytes: 5 })
  })

  test('reports progress', async () => {
    const calls: [number, number][] = []
    const { streams } = streamed({ onProgress: (...call) => void calls.push(call) })
    await streams.readAll(named('a'))
    expect(calls[0]).toEqual([2, 5])
    const before = calls.length
    await streams.readAll(named('a'))
    expect(calls).toHaveLength(before)
    await streams.checkRest(['a', 'sub/b', 'c'])
    expect(calls.at(-1)).toEqual([9, 9])
  })
})

describe('sizes', () => {
  test('are known from the manifest, from what was read, or from the listing', async () => {
    const { streams } = streamed({ announced: [{ name: 'a', size: 7 }] })
    expect([streams.size('a'), streams.size('sub/b')]).toEqual([7, 0])
    await streams.readAll(named('sub/b'))
    expect(streams.size('sub/b')).toBe(4)
    const signed = { a: 'alpha' }
    expect(streamed({ signed, serialization: SHARDS, announced: [{ name: 'a', size: 7 }] }).streams.size('a')).toBe(5)
  })

  test('of shards are compared before and while a file arrives', async () => {
    const refused = (a: string, sizeOf?: Given['sizeOf']) =>
      streamed({
        signed: { a: 'alpha' },
        served: { a },
        serialization: SHARDS,
        ...(sizeOf && { sizeOf }),
      }).streams.readAll(named('a'))
    expect(texts(await refused('alpha'))).toEqual(['alpha'])
    const details = (found: string) => ({ file: 'a', expected: '5 bytes', found })
    await expect(refused('alpha!')).rejects.toEqual(refusal('FILE_MISMATCH', details('6 bytes or more')))
    await expect(refused('alpha!', () => undefined)).rejects.toEqual(
      refusal('FILE_MISMATCH', details('6 bytes or more')),
    )
    await expect(refused('alph')).rejects.toEqual(refusal('FILE_MISMATCH', details('4 bytes')))
    await expect(refused('alpha', () => 9)).rejects.toEqual(refusal('FILE_MISMATCH', details('9 bytes or more')))
    // A wrong length that is too small is only a hint.
    expect(texts(await refused('alpha', () => 1))).toEqual(['alpha'])
  })

  test('that were right once are known when the file is read again', async () => {
    const served: Record<string, string> = { ...FILES }
    const { streams } = streamed({ served })
    await streams.readAll(named('a'))
    served.a = 'alpha, and more'
    await expect(streams.readAll(named('a'))).rejects.toEqual(
      refusal('FILE_MISMATCH', { expected: '5 bytes', found: '15 bytes or more' }),
    )
    served.a = 'alp'
    await expect(streams.readAll(named('a'))).rejects.toEqual(
      refusal('FILE_MISMATCH', { expected: '5 bytes', found: '3 bytes' }),
    )
  })

  test('above that of a request are refused', async () => {
    const { streams, requests } = streamed()
    expect(texts(await streams.readAll([{ name: 'a', maxBytes: 5 }]))).toEqual(['alpha'])
    expect(requests[0]).toMatchObject({ maxBytes: 5 })
    const tooLarge = refusal('FILE_TOO_LARGE', { file: 'sub/b', expected: 'at most 3 bytes' })
    await expect(streams.readAll([{ name: 'sub/b', maxBytes: 3 }])).rejects.toEqual(tooLarge)
    const silent = streamed({ sizeOf: () => undefined }).streams
    await expect(silent.readAll([{ name: 'sub/b', maxBytes: 3 }])).rejects.toEqual(tooLarge)
    // Nothing was read that would be wrong.
    await expect(streams.readAll([{ name: 'a', maxBytes: 4 }])).rejects.toEqual(refusal('FILE_TOO_LARGE'))
  })

  test('of requests are refused together', async () => {
    const group = (maxBytes: number) => {
      const together = { maxBytes }
      return [
        { name: 'a', together },
        { name: 'sub/b', together },
      ]
    }
    const { streams } = streamed()
    expect(texts(await streams.readAll(group(9)))).toEqual(['alpha', 'beta'])
    await expect(streams.readAll(group(8))).rejects.toEqual(refusal('FILE_TOO_LARGE'))
  })

  test('above the limit of the load are refused', async () => {
    const { streams, limit } = streamed({ limit: new SizeLimit(9) })
    expect(texts(await streams.readAll(named('a', 'sub/b')))).toEqual(['alpha', 'beta'])
    expect([limit?.counted('a'), limit?.counted('sub/b')]).toEqual([5, 4])
    await expect(streamed({ limit: new SizeLimit(8) }).streams.readAll(named('a', 'sub/b'))).rejects.toEqual(
      refusal('FILE_TOO_LARGE'),
    )
  })

  test('of refused files do not count', async () => {
    const limit = new SizeLimit(5)
    const { streams } = streamed({ limit, served: { ...FILES, 'sub/b': 'evil' }, sizeOf: () => undefined })
    await expect(streams.readAll(named('sub/b'))).rejects.toEqual(refusal('FILE_MISMATCH'))
    expect(limit.counted('sub/b')).toBe(0)
    expect(texts(await streams.readAll(named('a')))).toEqual(['alpha'])
  })

  test('of a file that was accepted count, even if it is refused when it is read again', async () => {
    const served: Record<string, string> = { ...FILES }
    const { streams, limit } = streamed({ limit: new SizeLimit(9), served })
    await streams.readAll(named('a'))
    served.a = 'other'
    await expect(streams.readAll(named('a'))).rejects.toEqual(refusal('FILE_MISMATCH'))
    expect(limit?.counted('a')).toBe(5)
  })

  test('that do not fit into one buffer are refused before anything is read', async () => {
    const { streams } = streamed({ sizeOf: () => Number.MAX_SAFE_INTEGER })
    await expect(streams.readAll(named('a'))).rejects.toEqual(refusal('FILE_TOO_LARGE', { file: 'a' }))
  })

  test('that a source overstates do not count', async () => {
    const limit = new SizeLimit(9)
    const { streams } = streamed({ limit, sizeOf: ({ length }) => length + 2 })
    await streams.readAll(named('a'))
    expect(limit.counted('a')).toBe(5)
  })
})

describe('what the listing states', () => {
  test('refuses a file before it is requested', async () => {
    const { streams, requests } = streamed({ announced: [{ name: 'a', sha256: sha256('other') }] })
    await expect(streams.readAll(named('a'))).rejects.toEqual(
      refusal('FILE_MISMATCH', { found: `sha256:${sha256('other')}, as its source states` }),
    )
    expect(requests).toEqual([])
    expect(texts(await streams.readAll(named('sub/b')))).toEqual(['beta'])
  })
})

describe('an answer from a cache', () => {
  const cached = (contents: readonly string[], isCached = true) => {
    const requests: (boolean | undefined)[] = []
    const { streams } = streamed({
      read: async ({ again }, receive) => {
        const content = contents[requests.length] ?? 'none'
        requests.push(again)
        await receive({ cached: isCached, chunks: [Buffer.from(content)] })
      },
    })
    return { streams, requests }
  }

  test('that is wrong is requested once more', async () => {
    const { streams, requests } = cached(['other', 'alpha'])
    expect(texts(await streams.readAll(named('a')))).toEqual(['alpha'])
    expect(requests).toEqual([undefined, true])
  })

  test('that is wrong again is refused', async () => {
    const { streams, requests } = cached(['other', 'other', 'alpha'])
    await expect(streams.readAll(named('a'))).rejects.toEqual(refusal('FILE_MISMATCH'))
    expect(requests).toHaveLength(2)
  })

  test('is not requested again if it came from elsewhere, or was refused for another reason', async () => {
    const elsewhere = cached(['other', 'alpha'], false)
    await expect(elsewhere.streams.readAll(named('a'))).rejects.toEqual(refusal('FILE_MISMATCH'))
    const long = cached(['alpha', 'alpha'])
    await expect(long.streams.readAll([{ name: 'a', maxBytes: 1 }])).rejects.toEqual(refusal('FILE_TOO_LARGE'))
    expect([elsewhere.requests, long.requests]).toEqual([[undefined], [undefined]])
  })

  test('does not count if the source itself refuses the file', async () => {
    const read = vi.fn(() => Promise.reject(new ModelSealError('FILE_MISMATCH', 'refused')))
    await expect(streamed({ read }).streams.readAll(named('a'))).rejects.toEqual(refusal('FILE_MISMATCH'))
    expect(read).toHaveBeenCalledTimes(1)
  })
})

describe('checking the rest', () => {
  test('reads each file that was not read yet', async () => {
    const { streams, requests } = streamed()
    await streams.readAll(named('a'))
    requests.length = 0
    await streams.checkRest(Object.keys(FILES))
    expect(requests.map(({ name }) => name).sort()).toEqual(['c', 'sub/b'])
    expect(streams.checked).toEqual({ files: 3, bytes: 9 })
  })

  test('refuses a file that differs or is missing', async () => {
    const changed = streamed({ served: { ...FILES, a: 'other' } }).streams
    await expect(changed.checkRest(['a'])).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'a' }))
    const missing = streamed({ served: { a: 'alpha' } }).streams
    await expect(missing.checkRest(['a', 'c'])).rejects.toEqual(refusal('FILE_MISSING', { file: 'c' }))
  })

  test('refuses a file whose content never arrived, although it is said to have been read', async () => {
    const reader = new SourceReader({}, undefined)
    vi.spyOn(reader, 'read').mockResolvedValue({ write: undefined })
    const { streams } = streamed({ reader })
    await expect(streams.checkRest(['a', 'c'])).rejects.toEqual(refusal('FILE_MISSING', { file: 'a' }))
    expect(streams.checked).toEqual({ files: 0, bytes: 0 })
  })

  test('reads files here unless they are to be hashed elsewhere', async () => {
    const announced = Object.entries(FILES).map(([name, { length }]) => ({ name, size: length, version: 'v' }))
    const { streams, requests } = streamed({ announced })
    await streams.checkRest(Object.keys(FILES))
    expect(requests.map(({ name }) => name).sort()).toEqual(Object.keys(FILES).sort())
  })
})
