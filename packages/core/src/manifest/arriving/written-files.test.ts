import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { SizeLimit } from '../../source/size-limit.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { FILES, streamed, type Content } from '../../testing/streamed.ts'
import type { Target } from '../../source/private/partial-file.ts'

describe('copying', () => {
  test('writes the files that were hashed', async () => {
    const directory = scratch()
    const { streams } = streamed()
    await streams.copy(Object.keys(FILES), directory)
    for (const [name, content] of Object.entries(FILES))
      expect(readFileSync(join(directory, name), 'utf8')).toBe(content)
    expect(streams.checked).toEqual({ files: 3, bytes: 9 })
  })

  test('leaves none of them if one is refused', async () => {
    const directory = scratch()
    const { streams } = streamed({ served: { ...FILES, a: 'other' } })
    await expect(streams.copy(Object.keys(FILES), directory)).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'a' }))
    expect(readdirSync(directory, { recursive: true })).toEqual(['sub'])
  })

  test('reports that it failed only if no file was refused', async () => {
    const directory = scratch({ 'sub/b': 'there' })
    const copying = (served: Content) => streamed({ served }).streams.copy(['sub/b', 'a'], directory)
    await expect(copying(FILES)).rejects.toEqual(refusal('COPY_FAILED', { file: 'sub/b' }))
    mkdirSync(join(directory, 'sub'), { recursive: true })
    writeFileSync(join(directory, 'sub/b'), 'there')
    await expect(copying({ ...FILES, a: 'other' })).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'a' }))
  })

  test('begins again for a file that a cache had wrong', async () => {
    const directory = scratch()
    const contents = ['a longer one', 'alpha']
    const { streams } = streamed({
      read: async (_, receive) => receive({ cached: true, chunks: [Buffer.from(contents.shift() ?? '')] }),
    })
    await streams.copy(['a'], directory)
    expect(readFileSync(join(directory, 'a'), 'utf8')).toBe('alpha')
  })
})

describe('saving', () => {
  const at = (directory: string, ...names: string[]): Target[] =>
    names.map((name) => ({ name, path: join(directory, name), partial: join(directory, `${name}.part`) }))
  const contents = (directory: string) =>
    Object.fromEntries(
      readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ name, parentPath }) => [name, readFileSync(join(parentPath, name), 'utf8')]),
    )

  test('gives files their names once their digests were right', async () => {
    const directory = scratch()
    const { streams, requests } = streamed()
    await streams.save(at(directory, 'a', 'sub/b', 'c'))
    expect(contents(directory)).toEqual({ a: 'alpha', b: 'beta', c: '' })
    expect(requests.map(({ kept, range }) => [kept, range])).toEqual(Array(3).fill([true, undefined]))
  })

  test('leaves nothing of a file that differs, and saves the others', async () => {
    const directory = scratch()
    const { streams } = streamed({ served: { ...FILES, a: 'other' } })
    await expect(streams.save(at(directory, 'a', 'c'))).rejects.toEqual(refusal('FILE_MISMATCH', { file: 'a' }))
    expect(contents(directory)).toEqual({ c: '' })
  })

  test('leaves what arrived of an interrupted file', async () => {
    const directory = scratch()
    const { streams } = streamed({
      read: async (_, receive) =>
        receive({
          size: 5,
          chunks: (async function* () {
            yield await Promise.resolve(Buffer.from('alp'))
            throw new Error('interrupted')
          })(),
        }),
    })
    const message = expect.stringContaining('file "a"') as string
    await expect(streams.save(at(directory, 'a'))).rejects.toEqual(refusal('SOURCE_FAILED', { message }))
    expect(contents(directory)).toEqual({ 'a.part': 'alp' })
  })

  test('continues what was left, if the length is known', async () => {
    const directory = scratch({ 'a.part': 'alp' })
    const { streams, requests } = streamed({ announced: [{ name: 'a', size: 5 }] })
    await streams.save(at(directory, 'a'))
    expect(contents(directory)).toEqual({ a: 'alpha' })
    expect(requests).toMatchObject([{ name: 'a', range: { start: 3, end: 5 }, kept: true }])
    expect(streams.checked).toEqual({ files: 1, bytes: 5 })
  })

  test('adds what was left to the length that the source announces of the rest', async () => {
    const directory = scratch({ 'a.part': 'alp' })
    const { streams } = streamed({
      announced: [{ name: 'a', size: 5 }],
      limit: new SizeLimit(11),
      sizeOf: () => 9,
    })
    await expect(streams.save(at(directory, 'a'))).rejects.toEqual(refusal('FILE_TOO_LARGE', { found: '12 bytes' }))
    expect(contents(directory)).toEqual({ 'a.part': 'alp' })
  })

  test('requests nothing for a file that is there already', async () => {
    for (const announced of [[{ name: 'a', size: 5 }], undefined]) {
      const directory = scratch({ 'a.part': 'alpha' })
      const { streams, requests } = streamed({ ...(announced && { announced }) })
      await streams.save(at(directory, 'a'))
      expect(contents(directory)).toEqual({ a: 'alpha' })
      expect(requests).toEqual([])
    }
  })

  test.each([
    ['other bytes', 'xyz'],
    ['too many bytes', 'alpha and more'],
  ])('begins again if there were %s', async (_, left) => {
    const directory = scratch({ 'a.part': left })
    const { streams, requests } = streamed({ announced: [{ name: 'a', size: 5 }] })
    await streams.save(at(directory, 'a'))
    expect(contents(directory)).toEqual({ a: 'alpha' })
    expect(requests.at(-1)).not.toHaveProperty('range')
  })

  test('begins again if the server cannot send the rest', async () => {
    const directory = scratch({ 'a.part': 'alp' })
    let refused = 0
    const { streams } = streamed({
      announced: [{ name: 'a', size: 5 }],
      read: async ({ range }, receive) => {
        if (range) {
          refused += 1
          throw new ModelSealError('HTTP_RESPONSE', 'whole', { found: 'status 200' })
        }
        await receive({ chunks: [Buffer.from('alpha')] })
      },
    })
    await streams.save(at(directory, 'a'))
    expect([refused, contents(directory)]).toEqual([1, { a: 'alpha' }])
  })

  test('does not begin again after another failure, and keeps what was left', async () => {
    const directory = scratch({ 'a.part': 'alp' })
    const { streams } = streamed({
      announced: [{ name: 'a', size: 5 }],
      read: async ({ range }, receive) => {
        if (range) throw new ModelSealError('HTTP_RESPONSE', 'gone', { found: 'status 503' })
        await receive({ chunks: [Buffer.from('alpha')] })
      },
    })
    await expect(streams.save(at(directory, 'a'))).rejects.toEqual(refusal('HTTP_RESPONSE'))
    expect(contents(directory)).toEqual({ 'a.part': 'alp' })
  })
})
