import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { hashingElsewhere } from '../hashing/elsewhere.ts'
import { openLocalSource } from '../source/local/local-source.ts'
import { sha256 } from '../testing/bundles.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { checkContents } from './check-contents.ts'
import { Contents } from './contents.ts'
import { Manifest } from './manifest.ts'

const FILES = { a: 'A', b: 'B' }
const RESOURCES = Object.entries(FILES).map(([name, content]) => ({ name, digest: sha256(content) }))
const MANIFEST = new Manifest('m', { method: 'files', hashType: 'sha256', allowSymlinks: false }, RESOURCES)

const contentsOf = async (files: Record<string, string> = FILES) =>
  Contents.compareNames(await openLocalSource(scratch(files)), MANIFEST, {})

/** Runs an operation whose files are hashed somewhere else. @returns what it returns, and how many files that were */
async function withElsewhere<T>(operation: () => Promise<T>): Promise<{ result: T; asked: number }> {
  let asked = 0
  const result = await hashingElsewhere(async ({ files }) => {
    asked += files.length
    return Promise.all(files.map(async ({ place }) => ['path' in place ? sha256(await readFile(place.path)) : '']))
  }, operation)
  return { result, asked }
}

const checkedNames = (contents: Contents) => Object.keys(FILES).filter((name) => contents.isChecked(name))

describe('files that are hashed somewhere else', () => {
  test('count as matching, but their paths may not be handed out', async () => {
    const contents = await contentsOf()
    const { asked } = await withElsewhere(() => contents.checkRest())
    expect([asked, contents.checked]).toEqual([2, { files: 2, bytes: 2 }])
    expect(checkedNames(contents)).toEqual([])
    await contents.checkRest()
    expect(checkedNames(contents)).toEqual([])
  })

  test('are hashed here once they are read or placed', async () => {
    const contents = await contentsOf()
    await withElsewhere(() => contents.checkRest())
    const { asked, result } = await withElsewhere(async () => {
      await contents.check([{ file: contents.file('b'), copyTo: undefined }])
      return contents.read('a')
    })
    expect([asked, Buffer.from(result).toString()]).toEqual([0, 'A'])
    expect(checkedNames(contents)).toEqual(['a', 'b'])
    expect(contents.checked).toEqual({ files: 2, bytes: 2 })
  })

  test('are refused if they differ', async () => {
    const contents = await contentsOf({ a: 'A', b: 'X' })
    const mismatch = refusal('FILE_MISMATCH', { file: 'b', found: `sha256:${sha256('X')}` })
    await expect(withElsewhere(() => contents.checkRest())).rejects.toEqual(mismatch)
    expect(contents.checked).toEqual({ files: 0, bytes: 0 })
  })

  test('may be all of a model that nobody reads', async () => {
    const source = await openLocalSource(scratch(FILES))
    const { asked, result } = await withElsewhere(() => checkContents(source, MANIFEST, {}))
    expect([asked, result]).toEqual([2, { files: 2, bytes: 2 }])
  })
})

test('files that are hashed here may be handed out', async () => {
  const contents = await contentsOf()
  await contents.checkRest()
  expect(checkedNames(contents)).toEqual(['a', 'b'])
})
