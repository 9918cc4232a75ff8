import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Revocations } from '../../policy/revocations/revocations.ts'
import { digestModel } from '../../signing/digest-model.ts'
import type { ModelSource } from '../../source/model-source.ts'
import { localModelSource } from '../../source/model-sources.ts'
import { OpenedSource } from '../../source/opened-source.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { fifo } from '../../testing/special-files.ts'
import type { FoundModel } from '../bundles/find-bundles.ts'
import type { Load } from '../load.ts'
import { LoadedContent } from '../standing/loaded-content.ts'
import { SeenFiles } from '../standing/seen-files.ts'
import { openUnverified } from './open-unverified.ts'
import type { UnrevokedClaims } from './unrevoked-claims.ts'

const MODEL = { 'weights.bin': 'weights', 'cache/a': 'a' }

const ROOT_DIGESTS = new Revocations()
ROOT_DIGESTS.add({ rootDigests: ['0'.repeat(64)] })

/** Opens a model unverified. @returns its files, and what is known of them */
async function open(
  source: ModelSource | string,
  {
    isWatched = true,
    signal,
    ...claims
  }: Partial<UnrevokedClaims> & { isWatched?: boolean; signal?: AbortSignal } = {},
) {
  const opened = await OpenedSource.open(typeof source === 'string' ? localModelSource(source) : source)
  onTestFinished(async () => {
    await opened.close()
  })
  const content = new LoadedContent()
  const load = {
    label: 'm',
    options: { signal },
    judgings: [],
    isWatched,
    content,
    opened: () => Promise.resolve(opened),
    warnInto: () => undefined,
    closing: () => () => Promise.resolve(),
  }
  const all = { found: undefined, revocations: [], mayBeUnsigned: undefined, ...claims }
  return { content, files: await openUnverified(load as unknown as Load, all) }
}

describe('of a model that is loaded unverified', () => {
  test('the root digests are known if some are revoked, and the files then need not be', async () => {
    const root = scratch(MODEL)
    const { rootDigest: whole } = await digestModel(root)
    const { rootDigest: without } = await digestModel(root, { ignorePaths: [`${root}/cache`] })
    const { content } = await open(root, { revocations: [ROOT_DIGESTS] })
    expect([content.path, content.rootDigests, content.published]).toEqual([root, [whole], undefined])
    const allowing = { revocations: [ROOT_DIGESTS], mayBeUnsigned: (name: string) => name === 'cache' }
    expect((await open(root, allowing)).content.rootDigests).toEqual([whole, without])
  })

  test('every file must stay as it was for the root digests, also one that may be unsigned', async () => {
    const root = scratch(MODEL)
    const allowing = { revocations: [ROOT_DIGESTS], mayBeUnsigned: (name: string) => name === 'cache' }
    const { files } = await open(root, allowing)
    for (const name of Object.keys(MODEL)) {
      writeFileSync(join(root, name), 'changed')
      await expect(files.read(name)).rejects.toEqual(refusal('FILE_CHANGED', { file: name }))
    }
  })

  test('the files are known otherwise, if the policy is watched', async () => {
    const root = scratch(MODEL)
    const { content } = await open(root)
    expect([content.path, content.rootDigests]).toEqual([root, undefined])
    expect(content.published).toBeInstanceOf(SeenFiles)
    expect(() => content.published?.checkAll([])).toThrow(refusal('FILE_CHANGED'))
    const unwatched = await open(root, { isWatched: false })
    expect(unwatched.content.published).toBeUndefined()
    // Nobody could sign it.
    fifo(`${root}/fifo`)
    expect((await open(root)).content).toMatchObject({ path: root, published: undefined })
  })

  test('an abort while they are listed refuses it, even if the load needs no list', async () => {
    const opening = open(join(scratch(MODEL), 'weights.bin'), { signal: AbortSignal.abort('enough') })
    await expect(opening).rejects.toEqual(refusal('ABORTED', { cause: 'enough' }))
  })

  test('a fault of this program while they are listed refuses it', async () => {
    const fault = new Error('broken')
    const bundle = {
      get path(): string {
        throw fault
      },
    }
    const found = { files: { isFile: true }, bundles: [bundle] } as unknown as FoundModel
    await expect(open(scratch(MODEL), { found })).rejects.toBe(fault)
  })

  test('those that were handed out are known, by names and states', async () => {
    const root = scratch(MODEL)
    const { content, files } = await open(root)
    const { seen, ...unverified } = content.unverified!
    expect(unverified).toEqual({ root, names: new Set() })
    seen.checkAll([])
    await files.read('weights.bin')
    expect(unverified.names).toEqual(new Set(['weights.bin']))
    expect(() => seen.checkAll([])).toThrow(refusal('FILE_CHANGED'))
  })

  test('nothing is known if it is elsewhere', async () => {
    const content = new Map(Object.entries(MODEL).map(([name, text]) => [name, Buffer.from(text)]))
    const opened = await open(memorySource('store://m', content))
    await opened.files.read('weights.bin')
    const nothing = { path: undefined, rootDigests: undefined, published: undefined, unverified: undefined }
    expect(opened.content).toMatchObject(nothing)
  })
})
