import { pack, type Header } from 'tar-stream'
import { describe, expect, test, vi } from 'vitest'
import { refusal } from '../../../testing/scratch.ts'
import * as packages from '../../../source/optional-package.ts'
import type { AsyncBuffer } from '../async-buffer.ts'
import { TarLists } from './tar-lists.ts'
import { TAR_LIMITS, tarMembers, type TarLimits, type TarMembers } from './tar-members.ts'

type Entry = readonly [name: string, content: Uint8Array | string, header?: Partial<Header>]

async function tarOf(...entries: Entry[]): Promise<Buffer> {
  const tar = pack()
  for (const [name, content, header] of entries) tar.entry({ name, ...header }, content)
  tar.finalize()
  const parts: Uint8Array[] = []
  for await (const part of tar) parts.push(part as Uint8Array)
  return Buffer.concat(parts)
}

/** A file, and how much of it was read. */
function fileOf(bytes: Uint8Array): AsyncBuffer & { read: number } {
  const file = {
    byteLength: bytes.length,
    read: 0,
    slice(start: number, end = bytes.length) {
      const part = Uint8Array.from(bytes.subarray(start, end))
      file.read += part.length
      return Promise.resolve(part.buffer)
    },
  }
  return file
}

const listed = async (bytes: Uint8Array, limits?: TarLimits) => [
  ...(await tarMembers('a.tar', fileOf(bytes), limits)).values(),
]

/** Changes the header at the beginning, and corrects its sum. */
function edited(tar: Buffer, edit: (header: Buffer) => void): Buffer {
  edit(tar)
  tar.fill(' ', 148, 156)
  const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return tar
}

const malformed = (expected: string, found: string) => {
  const message = expect.stringContaining('as a tar archive') as string
  return refusal('DATASET_MALFORMED', { message, file: 'a.tar', expected, found })
}

describe('the members of a tar', () => {
  test('have names, sizes and the offsets of their content', async () => {
    const long = `${'d/'.repeat(150)}ä.txt`
    const tar = await tarOf(
      ['./', '', { type: 'directory' }],
      ['./b.txt', 'bb'],
      ['a', ''],
      ['sub/', '', { type: 'directory' }],
      [long, 'x'.repeat(1_000)],
      ['z', 'z', { type: 'contiguous-file' }],
    )
    const members = await listed(tar)
    expect(members.map(({ name, size }) => [name, size])).toEqual([
      ['b.txt', 2],
      ['a', 0],
      [long, 1_000],
      ['z', 1],
    ])
    const contents = members.map(({ offset, size }) => tar.toString('utf8', offset, offset + size))
    expect(contents).toEqual(['bb', '', 'x'.repeat(1_000), 'z'])
  })

  test('may have a name that ends with an empty block', async () => {
    const name = 'n'.repeat(512)
    const tar = edited(await tarOf(['a', `${name}\0`], ['a', 'x']), (header) => header.write('L', 156))
    expect(tar.subarray(1_024, 1_536).every((byte) => byte === 0)).toBe(true)
    expect(await listed(tar)).toEqual([{ name, size: 1, offset: 2_048 }])
  })

  test.each<[how: string, written: (size: number) => string]>([
    ['spaces before it', (size) => `${size.toString(8).padStart(11)} `],
    ['zeros and spaces after it', (size) => `${size.toString(8)}\0 `.padEnd(12)],
    ['nothing after it', (size) => size.toString(8).padStart(12, '0')],
  ])('may have attributes whose size has %s', async (_, written) => {
    const tar = edited(await tarOf(['a', 'x', { pax: { path: 'b' } }]), (header) =>
      header.write(written(parseInt(header.toString('latin1', 124, 135), 8)), 124, 'latin1'),
    )
    expect(await listed(tar)).toEqual([{ name: 'b', size: 1, offset: 1_536 }])
  })

  test('are none in an empty archive', async () => {
    expect(await listed(await tarOf())).toEqual([])
  })

  test('may end with a single empty block', async () => {
    const tar = (await tarOf(['a', 'x'.repeat(512)])).subarray(0, 1_536)
    expect(await listed(tar)).toEqual([{ name: 'a', size: 512, offset: 512 }])
  })

  test('are listed without their content', async () => {
    const content = Buffer.alloc(5_000_000, 'abc')
    const file = fileOf(await tarOf(['a', content], ['b', content], ['c', '']))
    expect((await tarMembers('a.tar', file)).get('b')?.offset).toBe(512 + 5_000_192 + 512)
    expect(file.read).toBeLessThan(4 * 64 * 1024)
  })

  test('may be many', async () => {
    const tar = await tarOf(...Array.from({ length: 3_000 }, (_, index): Entry => [`${index}.txt`, `${index}`]))
    const members = await listed(tar)
    expect(members).toHaveLength(3_000)
    const { offset, size } = members[2_345]!
    expect(tar.toString('utf8', offset, offset + size)).toBe('2345')
  })
})

describe('a tar is refused', () => {
  const differing = 'members with different names'
  test.each([
    ['one name twice', 'a', 'a'],
    ['one name in two spellings', 'a', './a'],
    ['names that differ only in case', 'A', 'a'],
    ['names that differ only in the form of an accent', '\u00e9', 'e\u0301'],
  ])('with %s', async (_, first, second) => {
    const found = `the name "${second.replace('./', '')}" twice, or in two spellings`
    await expect(listed(await tarOf([first, '1'], [second, '2']))).rejects.toEqual(malformed(differing, found))
  })

  const files = 'files and directories'
  test.each([
    ['link', 'the link "x"'],
    ['symlink', 'the link "x"'],
    ['fifo', 'the special file "x"'],
    ['block-device', 'the special file "x"'],
    ['character-device', 'the special file "x"'],
  ] as const)('with a %s', async (type, found) => {
    const tar = await tarOf(['x', '', { type, linkname: 'y' }])
    await expect(listed(tar)).rejects.toEqual(malformed(files, found))
  })

  test('with a file of an unknown type', async () => {
    const tar = edited(await tarOf(['x', '']), (header) => header.write('S', 156))
    await expect(listed(tar)).rejects.toEqual(malformed(files, 'the special file "x"'))
  })

  test('with a sparse file', async () => {
    const sparse = { pax: { 'GNU.sparse.major': '1' } }
    await expect(listed(await tarOf(['x', '', sparse]))).rejects.toEqual(malformed(files, 'the sparse file "x"'))
  })

  test('with a directory that has content', async () => {
    const tar = edited(await tarOf(['x/', '1']), (header) => header.write('5', 156))
    await expect(listed(tar)).rejects.toEqual(malformed(files, 'the directory "x/" with content'))
  })

  test.each([
    '/a',
    '../a',
    'a/../../b',
    'a//b',
    'a/./b',
    '..',
    '..\\a',
    '\\a',
    'C:a',
    'c:\\a',
    'a\u001b[2J',
    'a\n',
    'x'.repeat(4_097),
  ])('with the name %s', async (name) => {
    const found = expect.stringMatching(/^the name "/) as string
    const tar = await tarOf([name, '1'])
    await expect(listed(tar)).rejects.toEqual(malformed('names of files in the archive', found))
  })

  test('with the name of a directory that leads out of it', async () => {
    const tar = await tarOf(['../x/', '', { type: 'directory' }])
    await expect(listed(tar)).rejects.toEqual(malformed('names of files in the archive', 'the name "../x"'))
  })

  test('with a name that is not UTF-8', async () => {
    const tar = edited(await tarOf(['x', '1']), (header) => header.writeUInt8(0xff, 0))
    await expect(listed(tar)).rejects.toEqual(malformed('names of files in the archive', 'the name "\ufffd"'))
  })

  test.each([
    ['in content', 1_000, 'the content of "a" up to byte 1212', 1_000],
    ['in the padding', 1_300, 'a header or an empty block at byte 1536', 1_300],
    ['before its end', 1_536, 'a header or an empty block at byte 1536', 1_536],
    ['in a header', 300, 'a header or an empty block at byte 0', 300],
    ['to nothing', 0, 'a header or an empty block at byte 0', 0],
  ])('if it is cut off %s', async (_, length, expected, found) => {
    const tar = (await tarOf(['a', 'x'.repeat(700)])).subarray(0, length)
    await expect(listed(tar)).rejects.toEqual(malformed(expected, `the end of the file, which has ${found} bytes`))
  })

  test('if it is cut off after content that needs no padding', async () => {
    const tar = (await tarOf(['a', 'x'.repeat(512)])).subarray(0, 1_024)
    await expect(listed(tar)).rejects.toEqual(
      malformed('a header or an empty block at byte 1024', 'the end of the file, which has 1024 bytes'),
    )
  })

  test('if a member claims more than the file has, before that is looked at', async () => {
    const tar = edited(await tarOf(['a', '1']), (header) => header.write('77777777777\0', 124))
    const file = fileOf(tar)
    await expect(tarMembers('a.tar', file)).rejects.toEqual(
      malformed(
        `the content of "a" up to byte ${8 ** 11 - 1 + 512}`,
        `the end of the file, which has ${tar.length} bytes`,
      ),
    )
  })

  test('with a size that is no number', async () => {
    const found = '"Invalid size of a"'
    for (const size of [0x81, 0xfe]) {
      const tar = edited(await tarOf(['a', '1'], ['b', '2']), (header) => header.writeUInt8(size, 124))
      await expect(listed(tar)).rejects.toEqual(malformed('valid headers', found))
    }
    const negative = edited(await tarOf(['a', '1']), (header) => header.fill(0xff, 124, 135).writeUInt8(0, 135))
    await expect(listed(negative)).rejects.toEqual(malformed('valid headers', '"Invalid header"'))
    const text = await tarOf(['a', '1', { pax: { size: 'x' } }])
    await expect(listed(text)).rejects.toEqual(malformed('valid headers', '"Invalid header"'))
  })

  test('with something after its end', async () => {
    const tar = Buffer.concat([await tarOf(['a', '1']), await tarOf(['b', '1'])])
    await expect(listed(tar)).rejects.toEqual(
      malformed('nothing after the end of the archive at byte 1024', 'further content'),
    )
  })

  test('with headers without end', async () => {
    const header = await tarOf(['a', '', { pax: { comment: 'x'.repeat(100) } }])
    const endless = Buffer.concat(Array<Buffer>(200).fill(header.subarray(0, 1_024)))
    const file = fileOf(endless)
    await expect(tarMembers('a.tar', file)).rejects.toEqual(
      malformed('headers of at most 65536 bytes', 'longer ones at byte 0'),
    )
    expect(file.read).toBe(65_536)
    const long = await tarOf(['a', '', { pax: { comment: 'x'.repeat(70_000) } }])
    await expect(listed(long)).rejects.toEqual(malformed('headers of at most 65536 bytes', 'longer ones at byte 0'))
  })

  test('with an end between the attributes of a file and the file', async () => {
    const tar = await tarOf(['a', '', { pax: { path: 'b' } }])
    const ended = Buffer.concat([tar.subarray(0, 1_024), Buffer.alloc(512), tar.subarray(1_024)])
    await expect(listed(ended)).rejects.toEqual(malformed('a file after its attributes', 'an end at byte 1024'))
  })

  test.each([
    ['no size', '00000000000\0', String.raw`"00000000000\u{0}"`],
    ['an empty size', '\0'.repeat(12), `"${String.raw`\u{0}`.repeat(12)}"`],
    ['a size that is cut off', '00000000016x', '"00000000016x"'],
    ['text before their size', 'x00000000016', '"x00000000016"'],
    ['a sign before their size', '+00000000016', '"+00000000016"'],
  ])('with attributes that have %s', async (_, size, found) => {
    const tar = edited(await tarOf(['a', '', { pax: { path: 'b' } }]), (header) => header.write(size, 124, 'latin1'))
    await expect(listed(tar)).rejects.toEqual(malformed('attributes with a size in octal', found))
  })

  test('that is something else', async () => {
    const found = expect.stringContaining('Invalid tar header') as string
    await expect(listed(Buffer.alloc(2_048, 'text'))).rejects.toEqual(malformed('valid headers', found))
  })

  test('with more members or longer names than are allowed', async () => {
    expect(TAR_LIMITS.members).toBe(1_000_000)
    const tar = await tarOf(['aa', ''], ['bb', ''], ['cc', ''])
    const expected = (members: number, names: number) =>
      `at most ${members} members, with names of ${names} characters in total`
    expect(await listed(tar, { members: 3, names: 6 })).toHaveLength(3)
    await expect(listed(tar, { members: 2, names: 6 })).rejects.toEqual(malformed(expected(2, 6), 'more'))
    await expect(listed(tar, { members: 3, names: 5 })).rejects.toEqual(malformed(expected(3, 5), 'more'))
  })
})

test('a failure to read is passed on as it is', async () => {
  const failure = new Error('refused')
  const file = { byteLength: 2_048, slice: () => Promise.reject(failure) }
  await expect(tarMembers('a.tar', file)).rejects.toBe(failure)
})

test('a tar cannot be read without the package, which the refusal names', async () => {
  const missing = Object.assign(new Error("Cannot find module 'tar-stream'"), { code: 'MODULE_NOT_FOUND' })
  vi.spyOn(packages, 'optionalPackage').mockImplementationOnce(() => {
    throw missing
  })
  await expect(listed(Buffer.alloc(1_024))).rejects.toEqual(
    refusal('DATASET_READER_UNAVAILABLE', { hint: expect.stringContaining('npm install tar-stream@3') as string }),
  )
})

describe('listing lets others work meanwhile', () => {
  /** How often others had their turn. */
  async function turnsOf(file: AsyncBuffer): Promise<number> {
    let turns = 0
    let isDone = false
    const count = () => {
      turns++
      if (!isDone) setImmediate(count)
    }
    setImmediate(count)
    await tarMembers('a.tar', file)
    isDone = true
    return turns
  }

  test('if there are many members', async () => {
    const tar = await tarOf(...Array.from({ length: 3_000 }, (_, index): Entry => [`${index}.txt`, '']))
    expect(await turnsOf(fileOf(tar))).toBeGreaterThan(3)
  })

  test('if one is large', async () => {
    const size = 4 * 1024 ** 3
    const header = edited(await tarOf(['a', '']), (bytes) =>
      bytes.write(`${size.toString(8).padStart(11, '0')}\0`, 124),
    )
    const slice = (start: number, end = 0) => {
      const bytes = new Uint8Array(end - start)
      if (start === 0) bytes.set(header.subarray(0, 512))
      return Promise.resolve(bytes.buffer)
    }
    expect(await turnsOf({ byteLength: size + 1_536, slice })).toBeGreaterThan(3)
  })
})

describe('lists of archives', () => {
  const list = (name: string): TarMembers => new Map([[name, { name, size: 1, offset: 512 }]])
  const counted = () => vi.fn((name: string) => Promise.resolve(list(name)))

  test('are read once, and those that were not used for the longest time make room', async () => {
    const lists = new TarLists(2 * 65)
    const read = counted()
    const get = (name: string) => lists.get(name, () => read(name))
    expect(await Promise.all([get('a'), get('a')])).toEqual([list('a'), list('a')])
    await get('b')
    await get('a')
    await get('c')
    await get('a')
    expect(read.mock.calls.flat()).toEqual(['a', 'b', 'c'])
    await get('b')
    expect(read.mock.calls.flat()).toEqual(['a', 'b', 'c', 'b'])
    lists.clear()
    await get('b')
    expect(read).toHaveBeenCalledTimes(5)
  })

  test('that cannot be read are read again', async () => {
    const lists = new TarLists()
    await expect(lists.get('a', () => Promise.reject(new Error('x')))).rejects.toThrow('x')
    expect(await lists.get('a', () => counted()('a'))).toEqual(list('a'))
  })
})
