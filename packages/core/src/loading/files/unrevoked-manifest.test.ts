import { rmSync } from 'node:fs'
import { describe, expect, test, vi } from 'vitest'
import type { FoundBundle } from '../../bundle/bundle.ts'
import { Revocations } from '../../policy/revocations/revocations.ts'
import { digestModel } from '../../signing/digest-model.ts'
import { SizeLimit } from '../../source/size-limit.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { fifo } from '../../testing/special-files.ts'
import { revokerOf } from './revoked-files.ts'
import { publishedFiles, publishedManifests, unrevokedManifest } from './unrevoked-manifest.ts'

const MODEL = { 'weights.bin': 'weights', 'cache/a': 'a' }
const inCache = (name: string) => name === 'cache'

function revoking(...rootDigests: string[]): Revocations {
  const revocations = new Revocations()
  revocations.add({ rootDigests })
  return revocations
}
const OTHER = revoking('0'.repeat(64))
const found = (path: string) => [{ path }] as unknown as FoundBundle[]
const namesOf = (manifest: { fileNames(): Iterable<string> } | undefined) => manifest && [...manifest.fileNames()]

async function digests(files: Record<string, string> = MODEL) {
  const root = scratch(files)
  const { rootDigest: whole } = await digestModel(root)
  const { rootDigest: without } = await digestModel(root, { ignorePaths: [`${root}/cache`] })
  return { root, whole, without }
}

describe('the manifests of an unverified model', () => {
  test('are not computed if no root digest is revoked', async () => {
    const files = new Revocations()
    files.add({ fileDigests: ['0'.repeat(64)] })
    expect(await unrevokedManifest('/nowhere', undefined, [files, new Revocations()], {})).toBeUndefined()
    expect(await unrevokedManifest('/nowhere', undefined, [], {})).toBeUndefined()
  })

  test('may not be revoked by any policy', async () => {
    const { root, whole } = await digests()
    const manifests = await unrevokedManifest(root, undefined, [OTHER], {})
    expect(manifests?.map(({ rootDigest }) => rootDigest)).toEqual([whole])
    const revoked = revoking(whole)
    const error: unknown = await unrevokedManifest(root, undefined, [OTHER, revoked], {}).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toEqual(refusal('MODEL_REVOKED'))
    expect(revokerOf(error)).toBe(revoked)
  })

  test('are with and without what may be unsigned, and neither may be revoked', async () => {
    const { root, whole, without } = await digests()
    const hashing = { mayBeUnsigned: inCache }
    const manifests = await unrevokedManifest(root, undefined, [OTHER], hashing)
    expect(manifests?.map(namesOf)).toEqual([['cache/a', 'weights.bin'], ['weights.bin']])
    for (const digest of [whole, without])
      await expect(unrevokedManifest(root, undefined, [revoking(digest)], hashing)).rejects.toEqual(
        refusal('MODEL_REVOKED'),
      )
  })

  test('are one if nothing, or everything, may be unsigned', async () => {
    const { root } = await digests()
    expect(await publishedManifests(root, [], { mayBeUnsigned: () => false })).toHaveLength(1)
    const [all, ...others] = await publishedManifests(root, [], { mayBeUnsigned: () => true })
    expect([namesOf(all), others]).toEqual([['cache/a', 'weights.bin'], []])
  })

  test('are one without what may be unsigned if that cannot be read', async () => {
    const { root } = await digests()
    fifo(`${root}/cache/fifo`)
    const hashing = { mayBeUnsigned: inCache }
    expect((await publishedManifests(root, [], hashing)).map(namesOf)).toEqual([['weights.bin']])
    expect((await publishedFiles(root, [], hashing)).map(({ name }) => name)).toEqual(['weights.bin'])
    await expect(publishedFiles(root, [], {})).rejects.toEqual(refusal('FILE_SPECIAL'))
    const aborted = { ...hashing, signal: AbortSignal.abort() }
    await expect(publishedManifests(root, [], aborted)).rejects.toEqual(refusal('ABORTED'))
    await expect(publishedFiles(root, [], aborted)).rejects.toEqual(refusal('ABORTED'))
  })

  test('are not computed after an abort, even if the model is gone by then', async () => {
    for (const compute of [publishedManifests, publishedFiles]) {
      const { root } = await digests()
      const stop = new AbortController()
      const computed = compute(root, [], { mayBeUnsigned: inCache, signal: stop.signal })
      // The model has been found, and nothing in it.
      stop.abort('enough')
      rmSync(root, { recursive: true })
      await expect(computed).rejects.toEqual(refusal('ABORTED', { cause: 'enough' }))
    }
  })

  test('leave out bundles, even those that cannot be read or do not exist', async () => {
    const { root } = await digests()
    const bundles = scratch({})
    const content = { ...MODEL, 'model.sig': 'junk', 'a.sig': 'junk', 'b.sig': 'junk' }
    const other = scratch(content)
    const hashing = { signature: `${other}/b.sig` }
    const [manifest] = await publishedManifests(other, found(`${other}/a.sig`), hashing)
    expect(namesOf(manifest)).toEqual(['cache/a', 'weights.bin'])
    const listed = await publishedFiles(other, found(`${other}/a.sig`), hashing)
    expect(listed.map(({ name }) => name).sort()).toEqual(['cache/a', 'weights.bin'])
    const allListed = await publishedFiles(other, undefined, {})
    expect(allListed.map(({ name }) => name).sort()).toEqual(['a.sig', 'b.sig', 'cache/a', 'weights.bin'])
    const [counted] = await publishedManifests(other, [], {})
    expect(namesOf(counted)).toEqual(['a.sig', 'b.sig', 'cache/a', 'weights.bin'])
    expect(namesOf((await publishedManifests(root, found(`${bundles}/none.sig`), {}))[0])).toEqual([
      'cache/a',
      'weights.bin',
    ])
  })

  test('that cannot be computed refuse the model, for the reason why', async () => {
    const { root } = await digests()
    fifo(`${root}/fifo`)
    const error: unknown = await unrevokedManifest(root, undefined, [OTHER], {}).catch((thrown: unknown) => thrown)
    expect(error).toEqual(
      refusal('FILE_SPECIAL', {
        file: 'fifo',
        message: expect.stringMatching(/the root digest of this model cannot be computed\. \S/) as string,
        cause: refusal('FILE_SPECIAL'),
      }),
    )
    const large = await digests()
    await expect(publishedManifests(large.root, [], { limit: new SizeLimit(7) })).rejects.toEqual(
      refusal('FILE_TOO_LARGE', {
        expected: expect.stringContaining('at most 7 bytes') as string,
        found: expect.any(String) as string,
      }),
    )
  })

  test('that are not computed to the end refuse the model as it is', async () => {
    const { root } = await digests()
    const signal = AbortSignal.abort('enough')
    await expect(publishedManifests(root, [], { signal })).rejects.toEqual(refusal('ABORTED', { cause: 'enough' }))
    const fault = new Error('broken')
    const limit = new SizeLimit(1_000)
    vi.spyOn(limit, 'admit').mockImplementation(() => {
      throw fault
    })
    await expect(publishedManifests(root, [], { limit })).rejects.toBe(fault)
  })
})
