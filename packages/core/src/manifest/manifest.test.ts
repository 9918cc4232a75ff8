import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../errors.ts'
import { rootOf, sha256 } from '../testing/bundles.ts'
import { refusal } from '../testing/scratch.ts'
import { Manifest } from './manifest.ts'
import { parseShardName } from './serialization.ts'

const WHOLE = { method: 'files', hashType: 'sha256', allowSymlinks: false } as const
const SHARDS = { method: 'shards', hashType: 'sha256', allowSymlinks: false, shardSize: 10 } as const

function manifestOf(...names: string[]): Manifest {
  return new Manifest(
    'm',
    WHOLE,
    names.map((name) => ({ name, digest: sha256(name) })),
  )
}

function shardsOf(...names: string[]): Manifest {
  return new Manifest(
    'm',
    SHARDS,
    names.map((name) => ({ name, digest: sha256(name) })),
  )
}

function refuses(make: () => unknown, code: ErrorCode, details?: object): void {
  expect(make).toThrow(refusal(code, details))
}

describe('a manifest of whole files', () => {
  test('has a root digest over its raw digests in order', () => {
    expect(manifestOf('a', 'b').rootDigest).toBe(rootOf([sha256('a'), sha256('b')]))
  })

  test('has a SHA-256 root digest whatever its hash type', () => {
    const digest = 'ab'.repeat(64)
    const manifest = new Manifest('m', { ...WHOLE, hashType: 'blake2b' }, [{ name: 'a', digest }])
    expect(manifest.rootDigest).toBe(sha256(Buffer.from(digest, 'hex')))
  })

  test('is sorted by code point, even where UTF-16 order differs', () => {
    expect([...manifestOf('ﬀ', '\uffff', '𐀀', '😀').files.keys()]).toEqual(['ﬀ', '\uffff', '𐀀', '😀'])
    refuses(() => manifestOf('😀', 'ﬀ'), 'RESOURCE_ORDER', { file: 'ﬀ' })
  })

  test('may have the order of the reference tool, and has the root digest of that order', () => {
    const manifest = manifestOf('model/x', 'model.bin')
    expect(manifest.rootDigest).toBe(rootOf([sha256('model/x'), sha256('model.bin')]))
    expect(manifestOf('model.bin', 'model/x').rootDigest).not.toBe(manifest.rootDigest)
  })

  test.each([
    ['first one order, then the other', ['a.b', 'a/x', 'c/x', 'c.b'], 'c.b'],
    ['first the other order, then the one', ['a/x', 'a.b', 'c.b', 'c/x'], 'a.b'],
    ['no order', ['b', 'a'], 'a'],
    ['a name that comes too late at the end', ['a', 'b', 'c', 'aa'], 'aa'],
  ])('is refused when it has %s', (_, names, file) =>
    refuses(() => manifestOf(...names), 'RESOURCE_ORDER', {
      file,
      message: `Cannot use the manifest: it is not sorted by name. "${file}" comes too late.`,
    }),
  )

  test('is refused when a name occurs twice, adjacent or not', () => {
    refuses(() => manifestOf('a', 'a'), 'RESOURCE_DUPLICATE', { file: 'a' })
    refuses(() => manifestOf('a', 'b', 'a'), 'RESOURCE_DUPLICATE', { file: 'a' })
  })

  test('distinguishes names that only look alike', () => {
    expect(manifestOf('e\u0301', 'é').files.size).toBe(2)
  })

  test('is refused when it is empty', () => refuses(() => manifestOf(), 'RESOURCES_EMPTY'))

  test.each(['', '/a', '../a', 'a/../b', 'a/', 'a//b', '.'])('is refused when it names %j', (name) => {
    refuses(() => manifestOf(...[name, 'z'].sort()), 'RESOURCE_NAME', {
      file: name,
      expected: 'a path relative to the model root, in canonical form',
    })
  })

  test('may name its only file ".", as the reference tool does', () => {
    expect([...manifestOf('.').files.keys()]).toEqual(['.'])
  })

  test.each([
    ['short', sha256('').slice(2)],
    ['long', sha256('') + '00'],
    ['in uppercase', sha256('').toUpperCase()],
    ['not hex', 'x'.repeat(64)],
    ['empty', ''],
  ])('is refused when a digest is %s', (_, digest) => {
    const details = { file: 'a', expected: '64 lowercase hex digits', found: `"${digest}"` }
    refuses(() => new Manifest('m', WHOLE, [{ name: 'a', digest }]), 'RESOURCE_DIGEST', details)
  })

  test('is refused when digests only have the right length together', () => {
    const [short, long] = [sha256('a').slice(2), `${sha256('b')}00`]
    const make = (...digests: string[]) =>
      new Manifest(
        'm',
        WHOLE,
        digests.map((digest, i) => ({ name: `file ${i}`, digest })),
      )
    refuses(() => make(short, long), 'RESOURCE_DIGEST', { file: 'file 0', found: `"${short}"` })
    refuses(() => make(sha256('c'), long, short), 'RESOURCE_DIGEST', { file: 'file 1', found: `"${long}"` })
  })

  test('is not sorted by numbers like those of shards', () => {
    expect(manifestOf('a:10:20', 'a:9:10').files.size).toBe(2)
    refuses(() => manifestOf('a:9:10', 'a:10:20'), 'RESOURCE_ORDER', { file: 'a:10:20' })
  })

  test('may have more files than are hashed at once', () => {
    const resources = Array.from({ length: 2_049 }, (_, i) => String(i).padStart(4, '0')).map((name) => ({
      name,
      digest: sha256(name),
    }))
    const manifest = new Manifest('m', WHOLE, resources)
    expect(manifest.rootDigest).toBe(rootOf(resources.map(({ digest }) => digest)))
    for (const place of [1_023, 1_024, 2_048]) {
      const changed = resources.with(place, { name: resources[place]!.name, digest: 'x'.repeat(64) })
      refuses(() => new Manifest('m', WHOLE, changed), 'RESOURCE_DIGEST', { file: resources[place]!.name })
    }
  })

  test('has a name that the signer may leave out', () => {
    expect(manifestOf('a').modelName).toBe('m')
    expect(new Manifest(undefined, WHOLE, [{ name: 'a', digest: sha256('a') }]).modelName).toBe('model')
  })

  test('finds a file by its name, or the only file under any', () => {
    expect(manifestOf('a', 'b').listed('b')).toEqual({ name: 'b', digests: [sha256('b')] })
    expect(manifestOf('.').listed('weights.bin').name).toBe('.')
    expect(() => manifestOf('a').listed('b')).toThrow(new RangeError('no b in the manifest'))
  })

  test('lists the names of its files, whether or not they were needed before', () => {
    const manifest = manifestOf('a', 'b')
    expect([...manifest.fileNames()]).toEqual(['a', 'b'])
    manifest.mapFiles()
    const { files } = manifest
    manifest.mapFiles()
    expect(manifest.files).toBe(files)
    expect([...manifest.fileNames()]).toEqual(['a', 'b'])
    expect([...shardsOf('a:0:10', 'a:10:11').fileNames()]).toEqual(['a'])
  })

  test('takes no field of its serialization from Object.prototype', () => {
    expect(Object.getPrototypeOf(manifestOf('a').serialization)).toBeNull()
  })

  test('does not take a name with colons for a shard', () => {
    expect(manifestOf('a:0:10').files.get('a:0:10')).toEqual({ name: 'a:0:10', digests: [sha256('a:0:10')] })
  })
})

describe('a manifest of shards', () => {
  test('knows the size of each file and its digests in order', () => {
    const manifest = shardsOf('a:0:10', 'a:10:13', 'b:0:1')
    expect(manifest.files.get('a')).toEqual({ name: 'a', digests: [sha256('a:0:10'), sha256('a:10:13')], size: 13 })
    expect(manifest.files.get('b')?.size).toBe(1)
  })

  test('may sort the shards of a file by number or as text', () => {
    const byNumber = [
      'a:0:10',
      'a:10:20',
      'a:20:30',
      'a:30:40',
      'a:40:50',
      'a:50:60',
      'a:60:70',
      'a:70:80',
      'a:80:90',
      'a:90:100',
      'a:100:105',
    ]
    const byText = [...byNumber].sort()
    expect(byText).not.toEqual(byNumber)
    const digests = byNumber.map((name) => sha256(name))
    expect(shardsOf(...byNumber).files.get('a')).toEqual({ name: 'a', digests, size: 105 })
    expect(shardsOf(...byText).files.get('a')).toEqual({ name: 'a', digests, size: 105 })
    refuses(() => shardsOf('a:10:20', 'a:0:10'), 'RESOURCE_ORDER')
  })

  test('may have the order of the reference tool', () => {
    expect([...shardsOf('m/x:0:1', 'm.bin:0:1').files.keys()]).toEqual(['m/x', 'm.bin'])
    refuses(() => shardsOf('b:0:1', 'a:0:1'), 'RESOURCE_ORDER')
  })

  test('takes the last two numbers of a name with colons as the range', () => {
    expect([...shardsOf('a:0:10:0:5', 'b::0:5').files.keys()]).toEqual(['a:0:10', 'b:'])
    expect(parseShardName('a\nb:0:5')).toEqual({ file: 'a\nb', range: { start: 0, end: 5 } })
  })

  test.each([
    ['overlap', ['a:0:10', 'a:5:15'], 'a shard from 10 of at most 10 bytes', '5:15'],
    ['repeat a start with two ends', ['a:0:10', 'a:0:9'], 'a shard from 10 of at most 10 bytes', '0:9'],
    ['leave a gap', ['a:0:10', 'a:20:30'], 'a shard from 10 of at most 10 bytes', '20:30'],
    ['do not begin at 0', ['a:10:20'], 'a shard from 0 of at most 10 bytes', '10:20'],
    ['are longer than the shard size', ['a:0:11'], 'a shard from 0 of at most 10 bytes', '0:11'],
    ['are shorter than the shard size before the last', ['a:0:5', 'a:5:10'], 'a shard from 0 of 10 bytes', '0:5'],
    ['are longer than the shard size before the last', ['a:0:11', 'a:11:20'], 'a shard from 0 of 10 bytes', '0:11'],
    ['end before they begin', ['a:0:10', 'a:10:9'], 'a shard from 10 of at most 10 bytes', '10:9'],
    ['are empty', ['a:0:10', 'a:10:10'], 'a shard from 10 of at most 10 bytes', '10:10'],
  ])('is refused when shards %s', (_, names, expected, found) =>
    refuses(() => shardsOf(...names), 'RESOURCE_NAME', { file: 'a', expected, found }),
  )

  test('is refused when a shard occurs twice', () => {
    refuses(() => shardsOf('a:0:10', 'a:0:10'), 'RESOURCE_DUPLICATE', { file: 'a:0:10' })
    refuses(() => shardsOf('a:0:10', 'a:10:20', 'a:10:20'), 'RESOURCE_DUPLICATE', { file: 'a:10:20' })
    refuses(() => shardsOf('a:0:10', 'b:0:10', 'a:0:10'), 'RESOURCE_DUPLICATE', { file: 'a:0:10' })
  })

  test.each([
    ['files by code point and shards by number', 'm.bin', 'm/x', 'number'],
    ['files by code point and shards as text', 'm.bin', 'm/x', 'text'],
    ['files by components and shards by number', 'm/x', 'm.bin', 'number'],
    ['files by components and shards as text', 'm/x', 'm.bin', 'text'],
  ])('may sort %s', (_, first, second, order) => {
    const ranges = Array.from({ length: 11 }, (__, i) => `${i * 10}:${i * 10 + 10}`)
    const sorted = order === 'text' ? ranges.toSorted() : ranges
    const names = [first, second].flatMap((file) => sorted.map((range) => `${file}:${range}`))
    expect([...shardsOf(...names).files.keys()]).toEqual([first, second])
    // Neither order for all files.
    const mixed = [
      ...sorted.map((range) => `${first}:${range}`),
      ...sorted.toReversed().map((range) => `${second}:${range}`),
    ]
    refuses(() => shardsOf(...mixed), 'RESOURCE_ORDER')
  })

  test.each([
    'a',
    'a:0',
    'a:0:',
    'a::5',
    ':0:5',
    'a:00:5',
    'a:0:05',
    'a:-1:5',
    'a:0:1e1',
    'a: 0:5',
    'a:0:0',
    'a:0:9007199254740993',
    'a:0:99999999999999999999',
  ])('is refused when it names a shard %j', (name) =>
    refuses(() => shardsOf(name), 'RESOURCE_NAME', { file: name, expected: 'the form path:start:end' }),
  )

  test.each(['../a:0:5', '/a:0:5', 'a/:0:5', 'a//b:0:5'])(
    'is refused when a shard has an invalid file name: %j',
    (name) => {
      refuses(() => shardsOf(name), 'RESOURCE_NAME', {
        file: name.slice(0, -':0:5'.length),
        expected: 'a path relative to the model root, in canonical form',
      })
    },
  )
})
