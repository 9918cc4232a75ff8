import { describe, expect, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { Manifest } from '../../manifest/manifest.ts'
import type { Serialization } from '../../manifest/serialization.ts'
import { Revocations } from '../../policy/revocations/revocations.ts'
import { refusal } from '../../testing/scratch.ts'
import { AlsoSigned } from './also-signed.ts'
import { allOf, DigestedFiles } from './digested-files.ts'
import { hashTypesBeside, hashTypesOf, revokedBy, RevokedFiles, revokerOf } from './revoked-files.ts'

const [A, B] = ['a'.repeat(64), 'b'.repeat(64)]
const [LONG_A, LONG_B] = ['a'.repeat(128), 'b'.repeat(128)]
const FILES: Serialization = { method: 'files', hashType: 'sha256', allowSymlinks: false }

const manifest = (serialization: Partial<Serialization> = {}, ...names: string[]) =>
  new Manifest(
    'm',
    { ...FILES, ...serialization },
    (names.length > 0 ? names : ['config.json']).map((name) => ({
      name,
      digest: serialization.hashType === 'blake2b' ? LONG_A : A,
    })),
  )

describe('a second manifest', () => {
  const also = new AlsoSigned(manifest({ hashType: 'blake2b' }))

  test('asks for its digests', () => {
    expect(also.hashTypes).toEqual(['blake2b'])
  })

  test('refuses other files, and other content', () => {
    also.check('config.json', 'blake2b', LONG_A)
    expect(() => also.check('other', 'blake2b', LONG_A)).toThrow(refusal('FILE_NOT_SIGNED', { file: 'other' }))
    const [expected, found] = [`blake2b:${LONG_A}`, `blake2b:${LONG_B}`]
    const problem = { code: 'FILE_MISMATCH', file: 'config.json', expected, found }
    const details = { file: 'config.json', expected, found, problems: [problem], hint: expect.any(String) as string }
    expect(() => also.check('config.json', 'blake2b', LONG_B)).toThrow(refusal('FILE_MISMATCH', details))
  })

  test('covers the file of a model without a name for it', () => {
    const unnamed = new AlsoSigned(manifest({}, '.'))
    unnamed.check('model.onnx', 'sha256', A)
    expect(() => unnamed.check('model.onnx', 'sha256', B)).toThrow(refusal('FILE_MISMATCH', { file: 'model.onnx' }))
  })
})

describe('files by which a root digest was computed', () => {
  test('must not change', () => {
    const files = new DigestedFiles(manifest())
    expect(files.hashTypes).toEqual(['sha256'])
    files.check('config.json', 'sha256', A)
    const details = { file: 'config.json', expected: `sha256:${A}`, found: `sha256:${B}` }
    expect(() => files.check('config.json', 'sha256', B)).toThrow(refusal('FILE_CHANGED', details))
  })

  test('are all files of a directory but ignored ones', () => {
    const files = new DigestedFiles(manifest({ ignorePaths: ['.git', 'sub/x'] }))
    for (const name of ['.git', '.git/a', 'sub/x', 'sub/x/y']) files.check(name, 'sha256', B)
    const added = { expected: 'a file that existed at that time', found: `sha256:${B}` }
    for (const name of ['new', '.gitignore', 'sub', 'sub/xy'])
      expect(() => files.check(name, 'sha256', B)).toThrow(refusal('FILE_CHANGED', { file: name, ...added }))
  })

  test('are not those beside a single file', () => {
    const files = new DigestedFiles(manifest({}, 'model.onnx'))
    files.check('beside', 'sha256', B)
    expect(() => files.check('model.onnx', 'sha256', B)).toThrow(refusal('FILE_CHANGED'))
  })

  test('are not those that may be unsigned, unless they went into the digest', () => {
    const files = new DigestedFiles(manifest({ ignorePaths: [] }, 'cache/a'), (name) => name === 'cache')
    files.check('cache/b', 'sha256', B)
    expect(() => files.check('cache/a', 'sha256', B)).toThrow(refusal('FILE_CHANGED'))
    expect(() => files.check('other', 'sha256', B)).toThrow(refusal('FILE_CHANGED'))
    const none = new DigestedFiles(manifest({ ignorePaths: [] }))
    expect(() => none.check('cache/b', 'sha256', B)).toThrow(refusal('FILE_CHANGED'))
  })
})

test('each of several judges gets the digests that it asks for', () => {
  const seen: string[] = []
  const judge = (name: string, ...hashTypes: ('sha256' | 'blake2b')[]) => ({
    hashTypes,
    check: (file: string, hashType: string, digest: string) => void seen.push(`${name} ${file} ${hashType} ${digest}`),
  })
  const all = allOf([judge('one', 'sha256'), judge('two', 'sha256', 'blake2b'), judge('none')])
  expect(all.hashTypes).toEqual(['sha256', 'blake2b'])
  all.check('f', 'sha256', A)
  all.check('f', 'blake2b', B)
  expect(seen).toEqual([`one f sha256 ${A}`, `two f sha256 ${A}`, `two f blake2b ${B}`])
  expect(allOf([]).hashTypes).toEqual([])
})

describe('revoked files', () => {
  const revocations = new Revocations()
  revocations.add({
    fileDigests: [
      `sha256:${A}`,
      `blake2b:${'c'.repeat(128)}`,
      { digest: `sha256:${B}`, from: '2026-01-01T00:00:00Z', until: '2026-02-01T00:00:00Z' },
    ],
  })

  test('are refused by their digests, on behalf of the policy that revokes them', () => {
    const files = new RevokedFiles(revocations, ['sha256'])
    expect(files.hashTypes).toEqual(['sha256'])
    files.check('f', 'sha256', 'd'.repeat(64))
    const error = catchError(() => files.check('f', 'sha256', A))
    expect(error).toEqual(refusal('FILE_REVOKED', { file: 'f' }))
    expect(revokerOf(error)).toBe(revocations)
  })

  test('are revoked for a time', () => {
    const at = (time: string) => ({ earliest: Date.parse(time), latest: Date.parse(time) })
    const check = (when?: { earliest: number; latest: number }) => () =>
      new RevokedFiles(revocations, ['sha256'], when).check('f', 'sha256', B)
    expect(check()).toThrow(refusal('FILE_REVOKED'))
    expect(check(at('2026-01-15T00:00:00Z'))).toThrow(refusal('FILE_REVOKED'))
    expect(check(at('2026-03-01T00:00:00Z'))).not.toThrow()
  })

  test('are looked up by the algorithms that name any, except for one in the manifest', () => {
    expect(hashTypesOf(revocations).sort()).toEqual(['blake2b', 'sha256'])
    expect(hashTypesOf(new Revocations())).toEqual([])
    expect(hashTypesBeside(FILES, revocations)).toEqual(['blake2b'])
    expect(hashTypesBeside({ ...FILES, hashType: 'blake2b' }, revocations)).toEqual(['sha256'])
    expect(hashTypesBeside({ ...FILES, method: 'shards', shardSize: 4 }, revocations).sort()).toEqual([
      'blake2b',
      'sha256',
    ])
    expect(hashTypesBeside({ ...FILES, hashType: 'blake3' }, revocations).sort()).toEqual(['blake2b', 'sha256'])
    const other = { fileAlgorithms: new Set(['sha256', 'md5']) } as unknown as Revocations
    expect(hashTypesOf(other)).toEqual(['sha256'])
  })

  test('are remembered by the error', () => {
    const error = new ModelSealError('FILE_REVOKED', 'No.')
    expect(revokedBy(revocations, error)).toBe(error)
    expect(revokerOf(error)).toBe(revocations)
    for (const other of [new ModelSealError('FILE_REVOKED', 'No.'), undefined, null, 'text'])
      expect(revokerOf(other)).toBeUndefined()
  })
})

function catchError(step: () => void): unknown {
  try {
    step()
  } catch (error) {
    return error
  }
  return undefined
}
