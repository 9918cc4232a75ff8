import { describe, expect, test } from 'vitest'
import { SourceReader } from '../source/answers/source-reader.ts'
import type { ModelFiles, SourceEntry } from '../source/model-source.ts'
import { sha256 } from '../testing/bundles.ts'
import { refusal } from '../testing/scratch.ts'
import { compareListing, listed } from './compare-listing.ts'
import type { NameOptions } from './find-signed.ts'
import { Manifest } from './manifest.ts'

const WHOLE = { method: 'files', hashType: 'sha256', allowSymlinks: false } as const

const manifest = new Manifest(
  'vad',
  WHOLE,
  ['a', 'b'].map((name) => ({ name, digest: sha256(name) })),
)
const sharded = new Manifest('vad', { ...WHOLE, method: 'shards', shardSize: 10 }, [
  { name: 'a:0:1', digest: sha256('a') },
])

function filesOf(entries: Iterable<unknown>, more: object = {}): ModelFiles {
  const list = () => entries as Iterable<SourceEntry>
  return { path: 'https://models.example/vad', name: 'vad', isFile: false, list, ...more } as unknown as ModelFiles
}

const reader = () => new SourceReader({}, undefined)
const entriesOf = (...names: string[]) => names.map((name) => ({ name, size: 1 }))

async function compared(entries: Iterable<unknown>, options: NameOptions = {}, given = manifest): Promise<string[]> {
  return [...(await compareListing(filesOf(entries), reader(), given, options)).keys()]
}

describe('the listing of a source', () => {
  test('gives the entries of the signed files', async () => {
    const entries = await compareListing(filesOf(entriesOf('b', 'a')), reader(), manifest, {})
    expect([...entries]).toEqual(['b', 'a'].map((name) => [name, { name, size: 1, sha256: undefined }]))
  })

  test('is not asked for if the source has none or the model is a file', async () => {
    const file = filesOf(entriesOf('x'), { isFile: true })
    expect(await compareListing(file, reader(), manifest, {})).toEqual(new Map())
    expect(await compareListing(filesOf([], { list: undefined }), reader(), manifest, {})).toEqual(new Map())
  })

  test('may leave out no signed file, and name no other', async () => {
    await expect(compared(entriesOf('a'))).rejects.toEqual(
      refusal('FILE_MISSING', { file: 'b', problems: [{ code: 'FILE_MISSING', file: 'b' }] }),
    )
    await expect(compared(entriesOf('a', 'c/d', 'x'))).rejects.toEqual(
      refusal('FILE_MISSING', {
        problems: [
          { code: 'FILE_MISSING', file: 'b' },
          { code: 'FILE_UNSIGNED', file: 'c/d' },
          { code: 'FILE_UNSIGNED', file: 'x' },
        ],
        message: expect.stringContaining('(model "https://models.example/vad")') as string,
      }),
    )
  })

  test('may name files that are ignored or need no signature', async () => {
    const more = entriesOf('a', 'b', 'c/d', '.git/config')
    await expect(compared(more)).rejects.toEqual(refusal('FILE_UNSIGNED', { file: 'c/d' }))
    expect(await compared(more, { ignored: ['c'] })).toEqual(['a', 'b'])
    expect(await compared(more, { mayBeUnsigned: (name) => name === 'c' })).toEqual(['a', 'b'])
    expect(await compared(more, { ignoreUnsignedFiles: true })).toEqual(['a', 'b'])
    await expect(compared(more, { ignored: ['c'], ignoreGitPaths: false })).rejects.toEqual(
      refusal('FILE_UNSIGNED', { file: '.git/config' }),
    )
  })

  test('may name empty files next to shards, and only there', async () => {
    const empty = [
      { name: 'a', size: 1 },
      { name: 'empty', size: 0 },
    ]
    expect(await compared(empty, {}, sharded)).toEqual(['a'])
    await expect(compared([empty[0], { name: 'empty', size: 1 }], {}, sharded)).rejects.toEqual(
      refusal('FILE_UNSIGNED', { file: 'empty' }),
    )
    await expect(compared([empty[0], { name: 'empty' }], {}, sharded)).rejects.toEqual(refusal('FILE_UNSIGNED'))
    await expect(compared([...entriesOf('a', 'b'), { name: 'empty', size: 0 }])).rejects.toEqual(
      refusal('FILE_UNSIGNED', { file: 'empty' }),
    )
  })

  test('of another model says of which the bundle is', async () => {
    const refused = (files: ModelFiles) => compareListing(files, reader(), manifest, {})
    const hint = expect.stringContaining('The bundle belongs to the model "vad"') as string
    await expect(refused(filesOf(entriesOf('x'), { name: 'asr' }))).rejects.toEqual(refusal('FILE_MISSING', { hint }))
    await expect(refused(filesOf(entriesOf('x', 'a'), { name: 'asr' }))).rejects.not.toEqual(
      refusal('FILE_MISSING', { hint }),
    )
    await expect(refused(filesOf(entriesOf('x')))).rejects.not.toEqual(refusal('FILE_MISSING', { hint }))
  })
})

describe('an entry of a listing', () => {
  const names = (entries: Iterable<unknown>) => listed(filesOf(entries), reader(), undefined)

  test.each([
    [
      { name: 'a', size: 0, sha256: sha256('') },
      { size: 0, sha256: sha256('') },
    ],
    [
      { name: 'a', size: 0, version: 'v' },
      { size: 0, version: 'v' },
    ],
    [
      { name: 'a', size: 0, version: 'v'.repeat(1_024) },
      { size: 0, version: 'v'.repeat(1_024) },
    ],
    [{ name: 'a', version: 'v'.repeat(1_025) }, {}],
    [{ name: 'a', version: ['v'] }, {}],
    [{ name: 'a', size: -1, sha256: sha256('').slice(1) }, {}],
    [{ name: 'a', size: 0.5, sha256: `${sha256('')}0` }, {}],
    [{ name: 'a', size: '1', sha256: sha256('').toUpperCase() }, {}],
    [{ name: 'a', size: 2 ** 53, sha256: [sha256('')] }, {}],
  ])('has a size and digest only if they are valid: %j', async (entry, valid) => {
    expect(await names([entry])).toEqual([{ name: 'a', size: undefined, sha256: undefined, ...valid }])
  })

  test.each([
    ['../a', '../a', 'an invalid file name (it contains a ".." component)'],
    ['', '', 'an invalid file name (it is empty)'],
    [7, 'a number', 'an invalid file name (it is not text)'],
    [undefined, 'undefined', 'an invalid file name (it is not text)'],
  ])('is refused with the name %j', async (name, file, found) => {
    await expect(names([{ name: 'a' }, { name }])).rejects.toEqual(
      refusal('SOURCE_LISTING', {
        file,
        message: expect.stringContaining(`its source lists ${found}.`) as string,
        hint: expect.any(String) as string,
      }),
    )
  })
})

test('a listing may have a limited number of files', async () => {
  const entries = entriesOf('a', 'b', 'c')
  expect(await listed(filesOf(entries), reader(), undefined, 3)).toHaveLength(3)
  await expect(listed(filesOf(entries), reader(), undefined, 2)).rejects.toEqual(
    refusal('SOURCE_LISTING', {
      file: 'https://models.example/vad',
      message: expect.stringContaining('its source lists more than 2 files.') as string,
    }),
  )
})

test('a source without a listing lists no files', async () => {
  expect(await listed(filesOf([], { list: undefined }), reader(), undefined)).toEqual([])
})

test('a listing that fails is named in the refusal', async () => {
  function* failing(): Iterable<SourceEntry> {
    yield { name: 'a' }
    throw new Error('offline')
  }
  await expect(listed(filesOf(failing()), reader(), undefined)).rejects.toEqual(
    refusal('SOURCE_FAILED', { message: expect.stringContaining('listing of the model') as string }),
  )
})

test('a listing can be aborted while it is read', async () => {
  const controller = new AbortController()
  let given = 0
  function* endless(): Iterable<SourceEntry> {
    for (; ; given++) {
      if (given === 3_000) controller.abort()
      yield { name: `f${given}` }
    }
  }
  await expect(listed(filesOf(endless()), reader(), controller.signal)).rejects.toEqual(refusal('ABORTED'))
  expect(given).toBeLessThanOrEqual(4_001)
})
