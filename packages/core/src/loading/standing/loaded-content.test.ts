import { describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import type { HashType } from '../../hashing/algorithms.ts'
import type { FileIdentity, SourceFile } from '../../source/local/source-file.ts'
import { refusal } from '../../testing/scratch.ts'
import type { RevokedFiles } from '../files/revoked-files.ts'
import { LoadedContent } from './loaded-content.ts'
import { SeenFiles } from './seen-files.ts'

const judge = (...hashTypes: HashType[]) => ({ hashTypes, check: vi.fn() })

describe('the digests of loaded content', () => {
  test('are those of bytes in memory', () => {
    const content = LoadedContent.ofBytes('m', new Map([['sha256', 'aa']]))
    expect(content.rootDigests).toEqual([])
    expect(content.digestsBy('sha256')).toEqual(new Map([['m', new Set(['aa'])]]))
    expect(content.digestsBy('blake2b')).toBeUndefined()
  })

  test('are recorded as files are judged, each with all its contents', () => {
    const content = new LoadedContent()
    const further = judge('sha256')
    const recording = content.recording(further)
    expect(recording.hashTypes).toEqual(['sha256'])
    expect(content.digestsBy('sha256')).toEqual(new Map())
    recording.check('f', 'sha256', 'aa')
    recording.check('f', 'sha256', 'bb')
    recording.check('g', 'sha256', 'aa')
    expect(further.check).toHaveBeenCalledWith('f', 'sha256', 'aa')
    expect(content.digestsBy('sha256')).toEqual(
      new Map([
        ['f', new Set(['aa', 'bb'])],
        ['g', new Set(['aa'])],
      ]),
    )
    content.recording(judge('blake2b'))
    expect(content.digestsBy('sha256')).toBeUndefined()
    expect(content.digestsBy('blake2b')).toEqual(new Map())
  })

  test('are not recorded of a file that is refused', () => {
    const content = new LoadedContent()
    const recording = content.recording({
      hashTypes: ['sha256'],
      check: () => {
        throw new ModelSealError('FILE_REVOKED', 'No.')
      },
    })
    expect(() => recording.check('f', 'sha256', 'aa')).toThrow(refusal('FILE_REVOKED'))
    expect(content.digestsBy('sha256')).toEqual(new Map())
  })

  test('may be added and dropped', () => {
    const content = LoadedContent.ofBytes('m', new Map([['sha256', 'aa']]))
    const adding = content.adding(['blake2b'])
    adding.check('m', 'blake2b', 'bb')
    expect(content.digestsBy('blake2b')).toEqual(new Map([['m', new Set(['bb'])]]))
    expect(content.digestsBy('sha256')).toBeDefined()
    content.drop(['blake2b'])
    expect(content.digestsBy('blake2b')).toBeUndefined()
    expect(content.digestsBy('sha256')).toBeDefined()
    adding.check('m', 'blake2b', 'bb')
    expect(content.digestsBy('blake2b')).toBeUndefined()
  })
})

describe('what later versions revoke', () => {
  test('holds for files that are handed out from then on', () => {
    const content = new LoadedContent()
    const recording = content.recordingEach(judge('sha256'))
    expect(recording.hashTypes).toEqual(['sha256'])
    const later = judge('blake2b', 'sha256')
    content.alsoBy({}, later as unknown as RevokedFiles)
    expect(recording.hashTypes).toEqual(['sha256', 'blake2b'])
    recording.check('f', 'blake2b', 'bb')
    expect(later.check).toHaveBeenCalledWith('f', 'blake2b', 'bb')
  })

  test('is replaced by what a still later one revokes', () => {
    const content = new LoadedContent()
    const recording = content.recording(judge('sha256'))
    const [by, first, second, other] = [{}, judge(), judge(), judge()]
    content.alsoBy(by, first as unknown as RevokedFiles)
    content.alsoBy(by, second as unknown as RevokedFiles)
    content.alsoBy({}, other as unknown as RevokedFiles)
    recording.check('f', 'sha256', 'aa')
    expect(first.check).not.toHaveBeenCalled()
    expect(second.check).toHaveBeenCalledOnce()
    expect(other.check).toHaveBeenCalledOnce()
  })
})

describe('the states of seen files', () => {
  const identity: FileIdentity = { dev: 1n, ino: 2n, size: 3, mtimeNs: 4n, ctimeNs: 5n }
  const file = (more: Partial<FileIdentity> = {}, young?: boolean): SourceFile => ({
    name: 'f',
    path: '/f',
    identity: { ...identity, ...more },
    ...(young ? { young } : {}),
  })
  const CHANGED = refusal('FILE_CHANGED', { file: 'f' })

  test.each(['dev', 'ino', 'mtimeNs', 'ctimeNs'] as const)('differ by %s', (field) => {
    const seen = new SeenFiles([file()])
    seen.check(file())
    expect(() => seen.check(file({ [field]: 9n }))).toThrow(CHANGED)
  })

  test('differ by their size', () => {
    expect(() => new SeenFiles([file()]).check(file({ size: 9 }))).toThrow(CHANGED)
  })

  test('tell nothing of a file that was not seen, seen in two states, or too young', () => {
    expect(() => new SeenFiles().check(file())).toThrow(CHANGED)
    expect(() => new SeenFiles([file({}, true)]).check(file())).toThrow(CHANGED)
    const seen = new SeenFiles([file()])
    seen.add(file())
    seen.check(file())
    seen.add(file({ size: 9 }))
    expect(() => seen.check(file())).toThrow(CHANGED)
    expect(() => seen.check(file({ size: 9 }))).toThrow(CHANGED)
    // Which of the states was handed out first is not known.
    seen.add(file())
    expect(() => seen.check(file())).toThrow(CHANGED)
    const young = new SeenFiles([file()])
    young.add(file({}, true))
    expect(() => young.check(file())).toThrow(CHANGED)
  })

  test('are those of all files', () => {
    const other = { ...file(), name: 'g' }
    new SeenFiles([file(), other]).checkAll([file(), other])
    expect(() => new SeenFiles([file(), other]).checkAll([file()])).toThrow(
      refusal('FILE_CHANGED', { file: undefined }),
    )
    expect(() => new SeenFiles([file()]).checkAll([file(), other])).toThrow(refusal('FILE_CHANGED', { file: 'g' }))
  })
})
