import { createHash } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { hashingElsewhere, type ElsewhereRequest } from '../../hashing/elsewhere.ts'
import type { SourceEntry } from '../../source/model-source.ts'
import { SizeLimit } from '../../source/size-limit.ts'
import { refusal } from '../../testing/scratch.ts'
import { FILES, SHARDS, streamed, type Content, type Given } from '../../testing/streamed.ts'
import type { FurtherDigests } from '../contents.ts'
import { ArrivalProgress } from './arrival-progress.ts'
import type { Comparison } from './comparison.ts'
import { hashedElsewhere } from './hashed-elsewhere.ts'

const NAMES = Object.keys(FILES)
const ALGORITHMS = { sha256: 'sha256', blake2b: 'blake2b512' } as Record<string, string>
const announced = (files: Content = FILES): SourceEntry[] =>
  Object.entries(files).map(([name, { length }]) => ({ name, size: length, version: `v-${name}` }))

/** Hashes what a source has, as another machine would. */
const answer =
  (content: Content) =>
  ({ files }: ElsewhereRequest) =>
    Promise.resolve(
      files.map(({ place, wanted }) => {
        const bytes = Buffer.from(content['name' in place ? place.name : ''] ?? '')
        return wanted.map(({ hashType, start, end }) =>
          createHash(ALGORITHMS[hashType]!).update(bytes.subarray(start, end)).digest('hex'),
        )
      }),
    )

/** Checks all files of a source, which are hashed somewhere else. */
async function checked(given: Given, content: Content = FILES) {
  const made = streamed({ announced: announced(), ...given })
  const hash = vi.fn(answer(content))
  await hashingElsewhere(hash, () => made.streams.checkRest(NAMES))
  return { ...made, files: hash.mock.calls.flatMap(([{ files }]) => files), calls: hash.mock.calls.length }
}

describe('files that are hashed somewhere else', () => {
  test('are not read here, and count', async () => {
    const { streams, requests, files } = await checked({})
    expect([requests, streams.checked]).toEqual([[], { files: 3, bytes: 9 }])
    expect(files[0]).toEqual({
      place: { name: 'a' },
      size: 5,
      version: 'v-a',
      wanted: [{ hashType: 'sha256', start: 0, end: 5 }],
    })
  })

  test('are compared in shards, and by further digests', async () => {
    const seen: [string, string, string][] = []
    const further: FurtherDigests = {
      hashTypes: ['blake2b'],
      check: (name, hashType, digest) => void seen.push([name, hashType, digest]),
    }
    const signed = { a: 'alpha', 'sub/b': 'beta' }
    const made = streamed({ serialization: SHARDS, further, signed, announced: announced(signed) })
    const hash = vi.fn(answer(signed))
    await hashingElsewhere(hash, () => made.streams.checkRest(['a', 'sub/b']))
    expect(hash.mock.calls[0]?.[0].files[0]?.wanted).toEqual([
      { hashType: 'sha256', start: 0, end: 4 },
      { hashType: 'sha256', start: 4, end: 5 },
      { hashType: 'blake2b', start: 0, end: 5 },
    ])
    const blake2b = (text: string) => createHash('blake2b512').update(text).digest('hex')
    expect(seen).toEqual([
      ['a', 'blake2b', blake2b('alpha')],
      ['sub/b', 'blake2b', blake2b('beta')],
    ])
    expect(made.streams.checked).toEqual({ files: 2, bytes: 9 })
  })

  test('are refused if they differ', async () => {
    await expect(checked({}, { ...FILES, 'sub/b': 'BETA' })).rejects.toEqual(
      refusal('FILE_MISMATCH', { file: 'sub/b' }),
    )
  })

  test('are refused if the source states a size that was not signed', async () => {
    const signed = { a: 'alpha' }
    const { streams } = streamed({ serialization: SHARDS, signed, announced: announced({ a: 'alpha!' }) })
    await expect(hashingElsewhere(answer(signed), () => streams.checkRest(['a']))).rejects.toEqual(
      refusal('FILE_MISMATCH', { expected: '5 bytes', found: '6 bytes, as its source states' }),
    )
  })

  test('count for the limit of the load', async () => {
    await expect(checked({ limit: new SizeLimit(8) })).rejects.toEqual(refusal('FILE_TOO_LARGE'))
    expect((await checked({ limit: new SizeLimit(9) })).streams.checked.bytes).toBe(9)
  })

  test('are read here if their size or version is not known, or if they were read before', async () => {
    const entries = [{ name: 'a', version: 'v' }, { name: 'sub/b', size: 4 }, ...announced({ c: '' })] as SourceEntry[]
    const { requests, files } = await checked({ announced: entries })
    expect(requests.map(({ name }) => name)).toEqual(['a', 'sub/b'])
    expect(files.map(({ place }) => place)).toEqual([{ name: 'c' }])
    expect((await checked({ announced: [] })).calls).toBe(0)
    const { streams } = streamed({ announced: announced() })
    await streams.readAll([{ name: 'a' }])
    const hash = vi.fn(answer(FILES))
    await hashingElsewhere(hash, () => streams.checkRest(NAMES))
    expect(hash.mock.calls[0]?.[0].files.map(({ place }) => place)).toEqual([{ name: 'sub/b' }, { name: 'c' }])
    expect(streams.checked).toEqual({ files: 3, bytes: 9 })
  })
})

test('files have the version of all files if they have none of their own, and progress is counted once', async () => {
  const calls: [number, number][] = []
  const progress = new ArrivalProgress((done, total) => void calls.push([done, total]))
  const comparison = { expected: () => undefined } as unknown as Comparison
  const known = new Map(Object.entries(FILES).map(([name, { length }]) => [name, { name, size: length }]))
  const { signal } = new AbortController()
  let given: ElsewhereRequest | undefined
  const hash = (request: ElsewhereRequest) => {
    given = request
    for (const done of [3, 7, 9]) request.onProgress?.(done)
    return answer(FILES)(request)
  }
  const stated = { announced: known, revision: 'r', comparison, limit: undefined }
  const wanted = [{ hashType: 'sha256', partBytes: Infinity }] as const
  const files = await hashedElsewhere(NAMES, stated, { hash, signal, progress, wanted })
  expect(files.map(({ name, size }) => [name, size])).toEqual([
    ['a', 5],
    ['sub/b', 4],
    ['c', 0],
  ])
  expect(given?.files.map(({ version }) => version)).toEqual(['r', 'r', 'r'])
  expect(given?.signal).toBe(signal)
  expect(calls[0]).toEqual([3, 9])
  progress.end()
  expect(calls.at(-1)).toEqual([9, 9])
})
