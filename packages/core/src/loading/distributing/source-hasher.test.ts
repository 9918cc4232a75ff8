import { getEventListeners } from 'node:events'
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { stateVersion, type FileElsewhere, type WantedDigest } from '../../hashing/elsewhere.ts'
import { identityOf } from '../../source/local/source-file.ts'
import type { ModelFiles, ReadRequest } from '../../source/model-source.ts'
import { sha256 } from '../../testing/bundles.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { hashFilesOnDisk, SourceHasher, type PartHashingOptions } from './part-hasher.ts'

const TEXT = 'weights of a model'
const CONTENT = new Map([['b.bin', Buffer.from(TEXT)]])
const ENTRY = { name: 'b.bin', size: 18, version: 'v1' }
const whole: WantedDigest = { hashType: 'sha256', start: 0, end: 18 }
const fileOf = (...wanted: WantedDigest[]): FileElsewhere => ({
  place: { name: 'b.bin' },
  size: 18,
  version: 'v1',
  wanted,
})

/** Hashes parts of a file in a source. */
async function hashed(files: Partial<ModelFiles>, wanted = [whole], options?: PartHashingOptions) {
  const hasher = await SourceHasher.open(
    memorySource('store://m', CONTENT, { files: { list: () => [ENTRY], ...files } }),
  )
  onTestFinished(() => hasher.close())
  return hasher.hash([fileOf(...wanted)], options)
}
const reading = (read: ModelFiles['read']) => ({ read })

describe('a worker says what it found instead of', () => {
  const LISTED = '18 bytes, version v1'
  test.each([
    ['a version', { list: () => [{ ...ENTRY, version: 'v2' }] }, LISTED, '18 bytes, version v2'],
    ['no version', { list: () => [{ name: 'b.bin', size: 18 }] }, LISTED, '18 bytes, version unknown'],
    ['a size', { list: () => [{ ...ENTRY, size: 3 }] }, LISTED, '3 bytes, version v1'],
    ['a file', reading(() => Promise.resolve()), '18 bytes', 'no such file'],
    [
      'its end',
      reading((_, receive) => receive({ chunks: [Buffer.alloc(18), Buffer.alloc(1)] })),
      '18 bytes',
      '19 bytes or more',
    ],
    ['more', reading((_, receive) => receive({ chunks: [Buffer.alloc(7)] })), '18 bytes', '7 bytes'],
  ] as const)('%s', async (_, files, expected, found) => {
    const hint = expect.stringContaining('nothing writes to the model') as string
    await expect(hashed(files)).rejects.toEqual(refusal('FILE_CHANGED', { file: 'b.bin', expected, found, hint }))
  })

  test('a file that is not listed', async () => {
    await expect(hashed({ list: () => [] })).rejects.toEqual(refusal('FILE_MISSING', { file: 'b.bin' }))
  })

  test('an answer to its question, which fails for its own reason', async () => {
    const failure = new ModelSealError('HTTP_RESPONSE', 'No.', { found: 'status 500' })
    await expect(hashed(reading(() => Promise.reject(failure)))).rejects.toEqual(
      refusal('HTTP_RESPONSE', { found: 'status 500' }),
    )
  })

  test('a part: its source sends whole files', async () => {
    const cause = new ModelSealError('HTTP_RESPONSE', 'No.', { found: 'status 200' })
    await expect(
      hashed(
        reading(() => Promise.reject(cause)),
        [{ ...whole, start: 1 }],
      ),
    ).rejects.toEqual(
      refusal('HTTP_RESPONSE', {
        file: 'b.bin',
        found: undefined,
        hint: expect.stringContaining('shard size') as string,
        cause: refusal('HTTP_RESPONSE', { found: 'status 200' }),
      }),
    )
  })
})

test('a worker asks for parts, and for a whole file without a range', async () => {
  const asked: Partial<ReadRequest>[] = []
  const read: ModelFiles['read'] = ({ name, range, kept }, receive) => {
    asked.push({ name, range, kept })
    return receive({ chunks: [Buffer.from(TEXT).subarray(range?.start, range?.end)] })
  }
  const done: number[] = []
  const wanted = [whole, { ...whole, start: 7 }, { ...whole, end: 7 }]
  const [digests] = await hashed({ read }, wanted, { onProgress: (bytes) => void done.push(bytes) })
  expect(digests).toEqual([sha256(TEXT), sha256(' of a model'), sha256('weights')])
  expect(asked).toEqual([
    { name: 'b.bin', range: undefined, kept: true },
    { name: 'b.bin', range: { start: 7, end: 18 }, kept: true },
    { name: 'b.bin', range: { start: 0, end: 7 }, kept: true },
  ])
  expect(done).toEqual([18, 29, 36])
})

test('a worker reads a few parts at a time', async () => {
  let [live, most] = [0, 0]
  const read: ModelFiles['read'] = async ({ range }, receive) => {
    most = Math.max(most, ++live)
    await setImmediate()
    live--
    await receive({ chunks: [Buffer.from(TEXT).subarray(range?.start, range?.end)] })
  }
  const wanted = Array.from({ length: 18 }, (_, start) => ({ ...whole, start, end: start + 1 }))
  expect(await hashed({ read }, wanted)).toEqual([[...TEXT].map((letter) => sha256(letter))])
  expect(most).toBe(4)
})

test('a worker that is aborted while it reads ends at once', async () => {
  const controller = new AbortController()
  let isStopped = false
  const read: ModelFiles['read'] = ({ signal }) => {
    signal.addEventListener('abort', () => (isStopped = true))
    controller.abort()
    return new Promise(() => {})
  }
  await expect(hashed({ read }, [whole], { signal: controller.signal })).rejects.toEqual(refusal('ABORTED'))
  expect(isStopped).toBe(true)
})

test('how a worker hashes is checked', async () => {
  for (const options of [{ onProgress: 1 }, { signal: 1 }, { more: true }]) {
    await expect(hashed({}, [whole], options as never)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
    await expect(hashFilesOnDisk([], options as never)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  }
  await expect(hashFilesOnDisk([], { checkPlace: 1 } as never)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
})

describe('files on disk', () => {
  const onDisk = (path: string, ...wanted: WantedDigest[]): FileElsewhere => {
    const identity = identityOf(lstatSync(path, { bigint: true }))
    return { place: { path }, size: identity.size, version: stateVersion(identity), wanted }
  }

  test('are hashed by several hash types, with one count of bytes', async () => {
    const directory = scratch({ a: 'aaaa', b: 'bb' })
    const [a, b] = [join(directory, 'a'), join(directory, 'b')]
    const short: WantedDigest = { hashType: 'sha256', start: 0, end: 2 }
    const other: WantedDigest = { ...short, hashType: 'blake2b' }
    const done: number[] = []
    const digests = await hashFilesOnDisk([onDisk(a, other, short, { ...short, start: 2, end: 4 }), onDisk(b, short)], {
      onProgress: (bytes) => void done.push(bytes),
    })
    expect(digests).toEqual([[expect.stringMatching(/^[0-9a-f]{128}$/), sha256('aa'), sha256('aa')], [sha256('bb')]])
    expect(await hashFilesOnDisk([onDisk(b, short)])).toEqual([[sha256('bb')]])
    expect([done.at(-1), done.toSorted((one, two) => one - two)]).toEqual([8, done])
    await expect(hashFilesOnDisk([onDisk(b, short)], { signal: AbortSignal.abort() })).rejects.toEqual(
      refusal('ABORTED'),
    )
  })

  test('are refused if they have another size or state than was listed', async () => {
    const path = join(scratch({ a: 'aaaa' }), 'a')
    const file = onDisk(path, { hashType: 'sha256', start: 0, end: 4 })
    for (const other of [{ size: 5 }, { version: 'v1' }]) {
      const refused = hashFilesOnDisk([{ ...file, ...other }])
      await expect(refused).rejects.toEqual(refusal('FILE_CHANGED', { file: path }))
      await expect(refused).rejects.toThrow(`(expected ${other.version ?? file.version}, found ${file.version})`)
    }
  })
})

test('a worker does not wait for a source that is silent, once it is aborted', async () => {
  const controller = new AbortController()
  const open = () => {
    controller.abort()
    return new Promise<never>(() => {})
  }
  const opening = SourceHasher.open({ place: { url: 'store://m' }, open }, controller.signal)
  await expect(opening).rejects.toEqual(refusal('ABORTED'))
})

test('a worker leaves nothing behind: no listener, and no open source', async () => {
  const { signal } = new AbortController()
  let closed = 0
  const close = () => {
    closed++
  }
  const source = memorySource('store://m', CONTENT, { files: { list: () => [ENTRY] }, session: { close } })
  const hasher = await SourceHasher.open(source)
  await hasher.hash([fileOf(whole)], { signal })
  expect(getEventListeners(signal, 'abort')).toEqual([])
  expect(closed).toBe(0)
  await hasher.close()
  expect(closed).toBe(1)
})

test('a failure of the source names the file', async () => {
  const failing = hashed(reading(() => Promise.reject(new Error('disk on fire'))))
  await expect(failing).rejects.toEqual(
    refusal('SOURCE_FAILED', { message: expect.stringContaining('"b.bin"') as string }),
  )
})
