import { describe, expect, test } from 'vitest'
import type { Manifest } from '../../manifest/manifest.ts'
import type { Rule } from '../../policy/rule.ts'
import type { ModelFiles } from '../../source/model-source.ts'
import { costNotes, hashedNotes, ONLY_LOADED, rangeNotes, unsignedNotes } from './file-notes.ts'
import { MAX_SHARD_BYTES } from './signed-parts.ts'
import type { VerifiedFiles } from './verified-files.ts'
import type { WarmLoad } from './warm-load.ts'

const containing = (...texts: string[]) => texts.map((text) => expect.stringContaining(text) as string)

test('a note says how many files were hashed, unless a receipt made that unnecessary', () => {
  const files = { checked: { files: 2, bytes: 9 }, names: ['a', 'b', 'c'] } as unknown as VerifiedFiles
  const hashed = (warm?: Partial<WarmLoad>) => hashedNotes(files, warm as WarmLoad | undefined)
  expect(hashed()).toEqual(containing('2 of 3 signed files were hashed'))
  expect(hashed({ warm: false, note: undefined })).toEqual(containing('2 of 3'))
  expect(hashed({ warm: false, note: 'No receipt.' })).toEqual(containing('2 of 3', 'No receipt.'))
  expect(hashed({ warm: true, note: 'Unchanged.' })).toEqual(['Unchanged.'])
})

describe('a note says what was fetched only to be checked', () => {
  const remote = {} as ModelFiles
  const cost = (files: ModelFiles, read: [number, number], all: [number, number]) =>
    costNotes(files, { files: read[0], bytes: read[1] }, { files: all[0], bytes: all[1] })

  test('of a model elsewhere', () => {
    expect(cost(remote, [1, 7], [3, 20])).toEqual(containing('13 bytes in 2 of them'))
    expect(cost(remote, [1, 7], [3, 20])).toEqual(containing(ONLY_LOADED))
    expect(ONLY_LOADED).toContain('require: { files: loaded }')
  })

  test('but not of one on this machine, nor if nothing was read, or everything', () => {
    expect(cost({ local: {} } as ModelFiles, [1, 7], [3, 20])).toEqual([])
    expect(cost(remote, [0, 0], [3, 20])).toEqual([])
    expect(cost(remote, [3, 20], [3, 20])).toEqual([])
  })
})

test('a note says how ranges are verified, by shards unless these are too large', () => {
  const notes = (shardSize: number | undefined) => rangeNotes({ serialization: { shardSize } } as unknown as Manifest)
  expect(MAX_SHARD_BYTES).toBe(64 * 1024 * 1024)
  for (const size of [8, MAX_SHARD_BYTES]) expect(notes(size)).toEqual(containing(`shards of ${size} bytes`))
  for (const size of [undefined, MAX_SHARD_BYTES + 1]) expect(notes(size)).toEqual(containing('signed whole'))
})

describe('a note says that there may be unsigned files', () => {
  const listed = { list: () => [] } as unknown as ModelFiles
  const notes = (require: object, files = listed) => unsignedNotes({ require } as Rule, files)
  const unsigned = (name: string) => name === 'a'

  test('if the rule ignores them, or allows some', () => {
    expect(notes({ files: 'ignore-unsigned', unsigned })).toEqual(containing('contain unsigned files;'))
    expect(notes({ files: 'all', unsigned })).toEqual(containing('where "require.unsigned" allows them;'))
    expect(notes({ files: 'all' })).toEqual([])
    expect(notes({ files: 'all', unsigned }, { local: {} } as ModelFiles)).toHaveLength(1)
  })

  test('unless none of them could be found', () => {
    expect(notes({ files: 'ignore-unsigned' }, {} as ModelFiles)).toEqual([])
    expect(notes({ files: 'all', unsigned }, {} as ModelFiles)).toEqual([])
  })
})
