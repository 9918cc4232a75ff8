import { readFile } from 'node:fs/promises'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { sha256 } from '../../testing/bundles.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { preparePublication, type Publication } from './publication.ts'
import { readBack } from './read-back.ts'

let publication: Publication
let content: Map<string, Buffer>

beforeEach(async () => {
  const site = await TestSite.make()
  onTestFinished(() => site.remove())
  await site.key('a')
  await site.model('m')
  await site.sign('m', 'a', 'm/model.sig')
  publication = await preparePublication(site.file('m'), { signedBy: { verifier: { publicKey: site.file('a.pub') } } })
  content = new Map()
  for (const name of ['config.json', 'weights.bin', 'model.sig'])
    content.set(name, await readFile(site.file('m', name)))
})

/** The place, which states the digests of what it serves. */
function placed(revision?: string, stated = revision) {
  const list = () => [...content].map(([name, bytes]) => ({ name, size: bytes.length, sha256: sha256(bytes) }))
  const source = memorySource('store://m', content, {
    files: { list },
    ...(stated && { session: { revision: stated } }),
  })
  return { place: `store://m@${revision}`, revision, source }
}

test('what was pushed is what is served', async () => {
  expect(await readBack(placed('abc'), publication, {})).toEqual({
    revision: 'abc',
    files: { listed: 2, read: 0 },
    bytes: 0,
  })
  expect(await readBack(placed(), publication, { verify: 'listing' })).toMatchObject({ files: { read: 0 } })
  const seen: number[] = []
  const onProgress = (bytes: number) => void seen.push(bytes)
  expect(await readBack(placed('abc'), publication, { verify: 'full', onProgress })).toMatchObject({
    files: { read: 2 },
  })
  expect(seen.at(-1)).toBe(9)
})

test('other content is not proven', async () => {
  content.set('weights.bin', Buffer.from('WEIGHTS'))
  await expect(readBack(placed('abc'), publication, {})).rejects.toEqual(
    refusal('PUSH_UNPROVEN', { file: 'weights.bin', cause: refusal('FILE_MISMATCH') }),
  )
})

test('another revision is not proven', async () => {
  await expect(readBack(placed('abc', 'def'), publication, {})).rejects.toEqual(
    refusal('PUSH_UNPROVEN', {
      file: 'store://m@abc',
      expected: 'abc',
      found: 'def',
      cause: refusal('SOURCE_FAILED', { expected: 'abc', found: 'def' }),
    }),
  )
})

test('reading back can be abandoned, and may show a fault of the program', async () => {
  await expect(readBack(placed('abc'), publication, { signal: AbortSignal.abort() })).rejects.toEqual(
    refusal('ABORTED'),
  )
  const broken = { ...publication, bundles: undefined } as never
  const failing = readBack(placed('abc'), broken, {})
  await expect(failing).rejects.toThrow(TypeError)
  await expect(failing).rejects.not.toBeInstanceOf(ModelSealError)
})
