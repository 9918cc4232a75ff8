import { randomBytes } from 'node:crypto'
import { createGzip, gzipSync, zstdCompressSync } from 'node:zlib'
import { Readable } from 'node:stream'
import type { ReadRequest } from '@modelseal/core/source'
import type { Header } from 'tar-stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { refusal } from '../../../../core/src/testing/scratch.ts'
import { archiveOf, MODEL_TAR, tarOf } from '../../testing/oci-archives.ts'
import { TestRegistry, type Layer } from '../../testing/oci-registry.ts'
import { ociSource } from '../oci-source.ts'
import { parseOciReference } from '../reference.ts'
import { Repository } from '../repository.ts'
import { entriesOf } from './archive-entries.ts'
import { ArchiveLimit } from './archive-limit.ts'
import { readArchivedBundle } from './archived-bundle.ts'

const FILES = Array.from(
  { length: 20 },
  (_, index) => [`w${String(index).padStart(2, '0')}.bin`, 'x'.repeat(index * 700)] as const,
)

/** The names and sizes of the files in an archive. */
async function read(
  content: Uint8Array,
  compression?: 'gzip' | 'zstd',
  chunks: AsyncIterable<Uint8Array> = Readable.from([content]),
): Promise<[string, number][]> {
  const found: [string, number][] = []
  for await (const { name, chunks: pieces } of entriesOf(
    archiveOf(content, compression),
    chunks,
    new ArchiveLimit(1024 ** 4),
  )) {
    let size = 0
    for await (const piece of pieces) size += piece.length
    found.push([name, size])
  }
  return found
}

describe('an archive', () => {
  const expected = FILES.map(([name, text]) => [name, text.length])

  test.each([
    [undefined, (tar: Buffer) => tar],
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const)('is read from a layer compressed with %s, in pieces of any size', async (compression, compress) => {
    const content = compress(await tarOf(FILES))
    expect(await read(content, compression)).toEqual(expected)
    const pieces = Array.from({ length: Math.ceil(content.length / 97) }, (_, index) =>
      content.subarray(index * 97, (index + 1) * 97),
    )
    expect(await read(content, compression, Readable.from(pieces))).toEqual(expected)
  })

  test('has names without "./", and no directories', async () => {
    const tar = await tarOf([
      ['./', '', { type: 'directory' }],
      ['./sub', '', { type: 'directory' }],
      ['./sub/a', 'a'],
      [`${'long/'.repeat(40)}name`, 'b'],
    ])
    expect(await read(tar)).toEqual([
      ['sub/a', 1],
      [`${'long/'.repeat(40)}name`, 1],
    ])
  })

  test.each<[string, string, string, Partial<Header>]>([
    ['SYMLINK_REFUSED', 'a symbolic link', 'link', { type: 'symlink', linkname: '/etc/passwd' }],
    ['SYMLINK_REFUSED', 'a hard link', 'link', { type: 'link', linkname: '../a' }],
    ['FILE_SPECIAL', 'a device', 'null', { type: 'character-device', devmajor: 1, devminor: 3 }],
    ['FILE_SPECIAL', 'a FIFO', 'pipe', { type: 'fifo' }],
    ['SOURCE_LISTING', 'an absolute name', '/etc/passwd', {}],
    ['SOURCE_LISTING', 'a name that leads out', 'sub/../../evil', {}],
    ['SOURCE_LISTING', 'an empty component', 'sub//evil', {}],
    ['SOURCE_LISTING', 'a repeated name', 'a', {}],
    ['SOURCE_LISTING', 'a name in another case', 'A', {}],
    ['SOURCE_LISTING', 'a directory with content', 'd', { type: 'directory', pax: { size: '5' } }],
  ])('is refused (%s) for %s', async (code, _, name, header) => {
    const tar = await tarOf([
      ['a', 'first'],
      [name, '', header],
    ])
    await expect(read(tar)).rejects.toEqual(refusal(code as 'SOURCE_LISTING'))
  })

  test.each(['gzip', 'zstd', undefined] as const)('is refused if it is cut off (%s)', async (compression) => {
    const tar = await tarOf([['a', randomBytes(400_000)]])
    const content = compression === 'gzip' ? gzipSync(tar) : compression === 'zstd' ? zstdCompressSync(tar) : tar
    await expect(read(content.subarray(0, 300_000), compression).then((found) => found.length)).rejects.toEqual(
      refusal('SOURCE_FAILED'),
    )
  })

  test.each(['gzip', 'zstd', undefined] as const)('is refused if it is none (%s)', async (compression) => {
    await expect(read(Buffer.alloc(2_000, 'no archive'), compression)).rejects.toEqual(refusal('SOURCE_FAILED'))
  })

  test('is read if it has thousands of small files', async () => {
    const files = Array.from({ length: 3_000 }, (_, index) => [`f${index}`, 'x'.repeat(index % 3)] as const)
    expect(await read(await tarOf(files))).toEqual(files.map(([name, { length }]) => [name, length]))
  })

  test.each([
    ['attributes of an entry', 'x', 1],
    ['attributes of all entries', 'g', 1],
    ['headers without an entry', 'x', 2_000],
  ])('is refused at once if it has too many %s', async (_, type, count) => {
    const length = 4 * 1024 * 1024
    const attributes = '10 k000=v\n'.repeat(length / count / 10)
    const header = await tarOf([['h', attributes]])
    // The pax formats differ from a file in their type (POSIX, "ustar Header Block").
    header.write(type, 156)
    const sum = header.subarray(0, 512).reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    const headers = Array.from({ length: count }, () => header.subarray(0, header.length - 1024))
    let taken = 0
    const pieces = Readable.from(
      (function* () {
        for (const each of headers)
          for (let start = 0; start < each.length; start += 1_000) {
            const piece = each.subarray(start, start + 1_000)
            taken += piece.length
            yield piece
          }
      })(),
    )
    await expect(read(Buffer.alloc(0), undefined, pieces)).rejects.toEqual(
      refusal('SOURCE_FAILED', { expected: 'headers of at most 65536 bytes' }),
    )
    expect(taken).toBeLessThan(length / 8)
  })

  test('that expands without end is refused before it fills anything', async () => {
    const header = (await tarOf([['a', '']])).subarray(0, 512)
    const size = Buffer.from(`${(8 * 1024 ** 3 - 1).toString(8)} `)
    size.copy(header, 124)
    const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    let expanded = 0
    const zeros = Readable.from(
      (function* () {
        yield header
        for (;;) {
          expanded += 1024 * 1024
          yield Buffer.alloc(1024 * 1024)
        }
      })(),
    )
    const bomb = zeros.pipe(createGzip({ level: 9 }))
    await expect(read(Buffer.alloc(0), 'gzip', bomb)).rejects.toEqual(
      refusal('SOURCE_FAILED', { expected: 'at most 100 times its size' }),
    )
    zeros.destroy()
    expect(expanded).toBeLessThan(256 * 1024 * 1024)
  })
})

describe('what a load reads of archives', () => {
  const MiB = 1024 * 1024
  const archive = (size: number) => ({ ...archiveOf(Buffer.alloc(1)), size })

  test('is at most what it allows for the model, with what nobody signed', () => {
    const admit = new ArchiveLimit(1_000).pass(archive(2_000))
    admit(600)
    admit(400)
    const expected = 'at most 1000 bytes of files, whether signed or not ("maxBytes")'
    expect(() => admit(1)).toThrow(refusal('FILE_TOO_LARGE', { expected }))
    // What is compressed may expand to nothing.
    expect(() => new ArchiveLimit(1_000).pass(archive(257 * MiB))).toThrow(refusal('FILE_TOO_LARGE', { expected }))
  })

  test('is bounded however often it has to begin again', () => {
    const limit = new ArchiveLimit(768 * MiB)
    for (let pass = 1; pass <= 4; pass += 1) limit.pass(archive(1024 * MiB))(768 * MiB)
    for (let pass = 1; pass <= 4; pass += 1) limit.pass(archive(128 * MiB))(64 * MiB)
    expect(() => {
      for (;;) limit.pass(archive(1024 * MiB))(768 * MiB)
    }).toThrow(refusal('SOURCE_FAILED'))
  })

  test('ends before a file that is too large is downloaded', async () => {
    const registry = await TestRegistry.start()
    const content = await tarOf([
      ['junk', randomBytes(24 * MiB)],
      ['a.bin', 'a'],
    ])
    registry.push([{ mediaType: MODEL_TAR, content }], { tag: '1.0' })
    const session = await ociSource(registry.url()).open({ signal: undefined, maxBytes: MiB })
    const { signal } = new AbortController()
    const files = await session.model()
    await expect(files.read({ name: 'a.bin', signal }, () => Promise.reject(new Error('received')))).rejects.toEqual(
      refusal('FILE_TOO_LARGE'),
    )
    await session.close?.()
    expect(registry.bytesSent).toBeLessThan(content.length)
  })
})

describe('a bundle in an archive', () => {
  const repositoryWith = async (...contents: Buffer[]) => {
    const registry = await TestRegistry.start()
    registry.push(
      contents.map((content) => ({ mediaType: MODEL_TAR, content })),
      { tag: '1.0' },
    )
    const repository = new Repository(parseOciReference(registry.url()), { signal: undefined })
    onTestFinished(() => repository.stop())
    return { repository, archives: contents.map((content) => archiveOf(content)) }
  }

  test.each([
    ['first', 0, 'bundle'],
    ['within the room', 700, 'bundle'],
    ['behind it', 699, undefined],
  ])('is read if it is %s', async (_, room, expected) => {
    const before: [string, string][] = room === 0 ? [] : [['weights.bin', 'x'.repeat(700)]]
    const { repository, archives } = await repositoryWith(
      await tarOf(room === 0 ? [] : [['sub/model.sig', '']]),
      await tarOf([...before, ['./model.sig', 'bundle'], ['z', 'z']]),
    )
    let text: string | undefined
    const wanted = { name: 'model.sig', room, signal: new AbortController().signal }
    await readArchivedBundle(repository, archives, wanted, async ({ chunks }) => {
      text = ''
      for await (const chunk of chunks) text += Buffer.from(chunk).toString()
    })
    expect(text).toBe(expected)
  })

  test('is found however large the archive is said to be, and what comes behind it', async () => {
    const header = (await tarOf([['weights.bin', '']])).subarray(0, 512)
    Buffer.from('77777777777 ').copy(header, 124)
    const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    const bundle = (await tarOf([['model.sig', 'bundle']])).subarray(0, 1024)
    for (const [content, expected] of [
      [Buffer.concat([bundle, header]), 'bundle'],
      [Buffer.concat([header, bundle]), undefined],
    ] as const) {
      const { repository, archives } = await repositoryWith(content)
      let text: string | undefined
      const wanted = { name: 'model.sig', room: 700, signal: new AbortController().signal }
      await readArchivedBundle(repository, archives, wanted, async ({ chunks }) => {
        text = ''
        for await (const chunk of chunks) text += Buffer.from(chunk).toString()
      })
      expect(text).toBe(expected)
    }
  })
})

describe('files of an archive in a registry', () => {
  const open = (content: Uint8Array) => openLayers([{ mediaType: `${MODEL_TAR}+gzip`, content }])

  async function openLayers(layers: readonly Layer[]) {
    const registry = await TestRegistry.start()
    registry.push(layers, { tag: '1.0' })
    const session = await ociSource(registry.url()).open({ signal: undefined })
    const files = await session.model()
    const get = async (name: string, more: Partial<ReadRequest> = {}) => {
      let text: string | undefined
      await files.read({ name, signal: new AbortController().signal, ...more }, async ({ chunks }) => {
        text = ''
        for await (const chunk of chunks) text += Buffer.from(chunk).toString()
      })
      return text
    }
    const downloads = () => registry.asked.filter((path) => path.includes('/blobs/')).length
    return { session, get, downloads, files }
  }

  test('cost one download if they are asked for in their order, six at a time', async () => {
    const { session, get, downloads } = await open(gzipSync(await tarOf(FILES)))
    const waiting = [...FILES]
    const lane = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) expect(await get(next[0])).toBe(next[1])
    }
    await Promise.all(Array.from({ length: 6 }, lane))
    expect(downloads()).toBe(1)
    await session.close?.()
  })

  test('cost another download if they have gone by', async () => {
    const { session, get, downloads } = await open(gzipSync(await tarOf(FILES)))
    expect(await get('w03.bin')).toBe('x'.repeat(2_100))
    expect(await get('w02.bin')).toBe('x'.repeat(1_400))
    expect(downloads()).toBe(2)
    await session.close?.()
  })

  test('are known to be absent once the archive has been read', async () => {
    const { session, get, downloads } = await open(gzipSync(await tarOf(FILES)))
    expect(await get('none.bin')).toBeUndefined()
    expect(await get('nothing.bin')).toBeUndefined()
    expect(downloads()).toBe(1)
    await session.close?.()
  })

  test('are read again if a reader leaves early', async () => {
    const { session, get, files } = await open(gzipSync(await tarOf(FILES)))
    const leaving = files.read({ name: 'w19.bin', signal: new AbortController().signal }, async ({ chunks }) => {
      for await (const chunk of chunks) throw new RangeError(`${chunk.length} are too many`)
    })
    await expect(leaving).rejects.toThrow('too many')
    expect(await get('w19.bin', { range: { start: 5, end: 9 } })).toBe('xxxx')
    await session.close?.()
  })

  test('that are no longer needed are not waited for', async () => {
    const { session, get } = await open(gzipSync(await tarOf(FILES)))
    await expect(get('w01.bin', { signal: AbortSignal.abort() })).rejects.toEqual(refusal('ABORTED'))
    await session.close?.()
  })

  test('cannot be read once the model is closed', async () => {
    const { session, get } = await open(gzipSync(await tarOf(FILES)))
    await get('w01.bin')
    await session.close?.()
    await expect(get('w02.bin')).rejects.toEqual(refusal('ABORTED'))
  })

  test('that ModelPack tools pack one by one cost one download each', async () => {
    const layer = async ([name, text]: readonly [string, string], index: number): Promise<Layer> => ({
      annotations: { 'org.cncf.model.filepath': name },
      ...(index % 2 === 0
        ? { mediaType: 'application/vnd.cncf.model.weight.config.v1.raw', content: Buffer.from(text) }
        : { mediaType: 'application/vnd.cncf.model.doc.v1.tar', content: await tarOf([[name, text]]) }),
    })
    const { session, get, downloads } = await openLayers(await Promise.all(FILES.map(layer)))
    for (const [name, text] of FILES) expect(await get(name)).toBe(text)
    // One of the files is empty.
    expect(downloads()).toBe(FILES.length - 1)
    expect(await get('none.bin')).toBeUndefined()
    await session.close?.()
  })

  test('are found in a directory that ORAS packed', async () => {
    const packed = {
      content: gzipSync(
        await tarOf([
          ['sub/', '', { type: 'directory' }],
          ['sub/a.bin', 'a'],
        ]),
      ),
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      annotations: { 'org.opencontainers.image.title': 'sub', 'io.deis.oras.content.unpack': 'true' },
    }
    const { session, get } = await openLayers([packed])
    expect(await get('sub/a.bin')).toBe('a')
    expect(await get('sub')).toBeUndefined()
    await session.close?.()
  })
})
