import { describe, expect, test } from 'vitest'
import type { SourceEntry } from '../../source/model-source.ts'
import { sha256 } from '../../testing/bundles.ts'
import { refusal } from '../../testing/scratch.ts'
import { Manifest } from '../manifest.ts'
import type { Serialization } from '../serialization.ts'
import { SignedComparison } from './signed-comparison.ts'

const WHOLE: Serialization = { method: 'files', hashType: 'sha256', allowSymlinks: false }
const SHARDS: Serialization = { ...WHOLE, method: 'shards', shardSize: 4 }

function manifestOf(names: readonly string[], serialization = WHOLE): Manifest {
  return new Manifest(
    'm',
    serialization,
    names.map((name) => ({ name, digest: sha256(name).repeat(serialization.hashType === 'blake2b' ? 2 : 1) })),
  )
}

function comparison(manifest: Manifest, { name = 'm', isFile = false } = {}): SignedComparison {
  return new SignedComparison({ path: 'store://m', name, isFile, read: async () => {} }, manifest)
}

const whole = comparison(manifestOf(['a', 'b']))
const sharded = comparison(manifestOf(['a:0:4', 'a:4:6'], SHARDS))

test('says what to compute and which files to request', () => {
  expect(whole.digests).toEqual({ hashType: 'sha256', shardSize: Infinity })
  expect(sharded.digests).toEqual({ hashType: 'sha256', shardSize: 4 })
  expect([whole.names, sharded.names]).toEqual([['a', 'b'], ['a']])
  expect(whole.expected('a')).toEqual({ hashType: 'sha256', digests: [sha256('a')], size: undefined })
  const digests = [sha256('a:0:4'), sha256('a:4:6')]
  expect(sharded.expected('a')).toEqual({ hashType: 'sha256', digests, size: 6 })
})

test('refuses a name that is not signed', () => {
  for (const name of ['c', '', './a', 'a/']) {
    expect(() => whole.expected(name)).toThrow(refusal('FILE_NOT_SIGNED', { file: name }))
    expect(() => whole.check(name, [sha256('a')], Buffer.alloc(0))).toThrow(refusal('FILE_NOT_SIGNED', { file: name }))
  }
})

describe('the digests of a file', () => {
  test('are compared with the signed ones', () => {
    expect(() => whole.check('a', [sha256('a')], Buffer.alloc(0))).not.toThrow()
    const found = { expected: `sha256:${sha256('a')}`, found: `sha256:${sha256('b')}` }
    expect(() => whole.check('a', [sha256('b')], Buffer.from('text'))).toThrow(
      refusal('FILE_MISMATCH', { file: 'a', ...found, problems: [{ code: 'FILE_MISMATCH', file: 'a', ...found }] }),
    )
  })

  test('are compared shard by shard', () => {
    expect(() => sharded.check('a', [sha256('a:0:4'), sha256('a:4:6')], Buffer.alloc(0))).not.toThrow()
    expect(() => sharded.check('a', [sha256('a:0:4')], Buffer.alloc(0))).toThrow(
      refusal('FILE_MISMATCH', {
        file: 'a',
        expected: `sha256:${sha256('a:4:6')} for shard 2 of 2`,
        found: 'sha256:nothing',
      }),
    )
  })

  test('that differ are explained by the beginning of the file', () => {
    const pointer = Buffer.from('version https://git-lfs.github.com/spec/v1\n')
    const hint = expect.stringContaining('Git LFS pointer') as string
    expect(() => whole.check('a', [sha256('b')], pointer)).toThrow(refusal('FILE_MISMATCH', { hint }))
    const refused = whole.wrongSize('a', { expected: 9, found: '3 bytes' }, pointer)
    expect(refused).toEqual(refusal('FILE_MISMATCH', { file: 'a', expected: '9 bytes', found: '3 bytes', hint }))
  })
})

test('a file that is missing is named', () => {
  expect(whole.missing('a')).toEqual(
    refusal('FILE_MISSING', { file: 'a', message: expect.stringContaining('"store://m"') as string }),
  )
})

describe('what a source states about a file', () => {
  const stated = (compared: SignedComparison, entry: Omit<SourceEntry, 'name'>) => () =>
    compared.checkStated([{ name: 'a', ...entry }])

  test('is refused if it differs from the signed digest', () => {
    const found = `sha256:${sha256('b')}, as its source states`
    expect(stated(whole, { sha256: sha256('b') })).toThrow(
      refusal('FILE_MISMATCH', { file: 'a', expected: `sha256:${sha256('a')}`, found }),
    )
  })

  test('is refused if it differs from the signed size', () => {
    for (const size of [5, 7])
      expect(stated(sharded, { size })).toThrow(
        refusal('FILE_MISMATCH', { file: 'a', expected: '6 bytes', found: `${size} bytes, as its source states` }),
      )
  })

  test.each<[string, SignedComparison, Omit<SourceEntry, 'name'>]>([
    ['is the signed digest', whole, { size: 5, sha256: sha256('a') }],
    ['is nothing', whole, {}],
    ['is the signed size', sharded, { size: 6 }],
    ['is a digest of all shards', sharded, { sha256: sha256('b') }],
    [
      'is the digest of another hash type',
      comparison(manifestOf(['a'], { ...WHOLE, hashType: 'blake2b' })),
      { sha256: sha256('b') },
    ],
  ])('is accepted if it %s', (_, compared, entry) => {
    expect(stated(compared, entry)).not.toThrow()
  })

  test('is refused for all files at once', () => {
    const entries = ['a', 'b'].map((name) => ({ name, sha256: sha256('c') }))
    expect(() => whole.checkStated(entries)).toThrow(
      refusal('FILE_MISMATCH', {
        problems: [expect.objectContaining({ file: 'a' }), expect.objectContaining({ file: 'b' })],
      }),
    )
  })
})

describe('a single file', () => {
  const file = (manifest: Manifest, name = 'vad.onnx') => comparison(manifest, { name, isFile: true })

  test('is the only one in its manifest, under its own name or that of the reference tool', () => {
    for (const signed of ['vad.onnx', '.']) {
      const compared = file(manifestOf([signed]))
      expect(compared.names).toEqual(['vad.onnx'])
      expect(compared.expected('vad.onnx').digests).toEqual([sha256(signed)])
      expect(() => compared.expected('.')).toThrow(refusal('FILE_NOT_SIGNED'))
    }
  })

  test('is refused if the manifest names other files as well', () => {
    const missing = (name: string) => refusal('FILE_MISSING', { file: name })
    expect(() => file(manifestOf(['other', 'vad.onnx']))).toThrow(missing('other'))
    expect(() => file(manifestOf(['vad.onnx', 'with']))).toThrow(missing('with'))
  })

  test('is refused if the manifest does not name it, with a hint at the bundle of another model', () => {
    const hint = expect.stringContaining('The bundle belongs to the model "m"') as string
    expect(() => file(manifestOf(['other.onnx']))).toThrow(refusal('FILE_UNSIGNED', { file: 'vad.onnx', hint }))
    expect(() => file(manifestOf(['other.onnx']), 'm')).toThrow(
      refusal('FILE_UNSIGNED', { file: 'm', hint: expect.not.stringContaining('another model') as string }),
    )
    expect(() => file(manifestOf(['other.onnx']), 'm')).not.toThrow(refusal('FILE_UNSIGNED', { hint }))
  })
})
