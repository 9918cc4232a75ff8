import { readFile } from 'node:fs/promises'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { keySigner } from '../../signing/methods/key.ts'
import { LARGEST_BUNDLE_BYTES } from '../../bundle/bundle.ts'
import type { BundleCandidate, ClaimsCandidate, ModelSource, Receive, SourceEntry } from '../../source/model-source.ts'
import { memorySource } from '../../testing/memory-source.ts'
import { sha256 } from '../../testing/bundles.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { attestModel } from '../operations/attest-model.ts'
import { checkServed, type CheckServedOptions } from './check-served.ts'
import { preparePublication, type Publication } from './publication.ts'

const NAMES = ['config.json', 'weights.bin', 'model.sig']
let site: TestSite
let content: Map<string, Uint8Array>

beforeEach(async () => {
  site = await TestSite.make()
  onTestFinished(() => site.remove())
  await site.key('a')
  await site.model('m')
})

/** Publishes the model: what is served is the same. */
async function published(options: Parameters<TestSite['sign']>[3] = {}): Promise<Publication> {
  await site.sign('m', 'a', 'm/model.sig', options)
  const publication = await preparePublication(site.file('m'), {
    signedBy: { verifier: { publicKey: site.file('a.pub') } },
  })
  content = new Map()
  for (const name of NAMES) content.set(name, await readFile(site.file('m', name)))
  return publication
}

interface Serving extends CheckServedOptions {
  /** What the listing says instead. */
  stated?: (entry: SourceEntry) => SourceEntry
  session?: NonNullable<Parameters<typeof memorySource>[2]>['session']
}

function check(publication: Publication, { stated = (entry) => entry, session, ...options }: Serving = {}) {
  const list = () => [...content].map(([name, { length }]) => stated({ name, size: length }))
  const source = memorySource('store://m', content, { files: { list }, ...(session && { session }) })
  return checkServed(source, publication, options)
}

const withDigest = (entry: SourceEntry) => ({ ...entry, sha256: sha256(content.get(entry.name)!) })

describe('files are', () => {
  test('read if their digests are not stated', async () => {
    const publication = await published()
    expect(await check(publication)).toEqual({ revision: undefined, files: { listed: 2, read: 2 }, bytes: 9 })
    expect(await check(publication, { session: { revision: 'abc' } })).toMatchObject({ revision: 'abc' })
  })

  test('not read if their digests are stated, unless that is wanted', async () => {
    const publication = await published()
    expect(await check(publication, { stated: withDigest })).toMatchObject({ files: { listed: 2, read: 0 }, bytes: 0 })
    const one = (entry: SourceEntry) => (entry.name === 'config.json' ? withDigest(entry) : entry)
    expect(await check(publication, { stated: one })).toMatchObject({ files: { listed: 2, read: 1 }, bytes: 7 })
    for (const full of [true, false]) {
      const read = full ? { files: { read: 2 }, bytes: 9 } : { files: { read: 0 }, bytes: 0 }
      expect(await check(publication, { stated: withDigest, full })).toMatchObject(read)
    }
  })

  test('read if the signed digests are not of whole files', async () => {
    const publication = await published({ hashType: 'blake2b' })
    expect(publication.files.map((file) => file.sha256)).toEqual([undefined, undefined])
    expect(await check(publication, { stated: withDigest })).toMatchObject({ files: { listed: 2, read: 2 } })
    expect(await check(publication)).toMatchObject({ files: { listed: 2, read: 2 } })
  })

  test('refused if another digest or size is stated, before anything is read', async () => {
    const publication = await published()
    const session = { bundles: () => expect.fail('read all the same') }
    const other = (change: object) => (entry: SourceEntry) =>
      entry.name === 'weights.bin' ? { ...entry, ...change } : entry
    await expect(check(publication, { stated: other({ sha256: 'f'.repeat(64) }), session })).rejects.toEqual(
      refusal('FILE_MISMATCH', { file: 'weights.bin' }),
    )
    await expect(check(publication, { stated: other({ size: 8 }), session })).rejects.toEqual(
      refusal('FILE_MISMATCH', { file: 'weights.bin', expected: '7 bytes', found: '8 bytes' }),
    )
    const sizes = { stated: (entry: SourceEntry) => ({ ...entry, size: 100 }), session }
    await expect(check(publication, sizes)).rejects.toEqual(
      refusal('FILE_MISMATCH', {
        problems: [
          { code: 'FILE_MISMATCH', file: 'config.json', expected: '2 bytes', found: '100 bytes' },
          { code: 'FILE_MISMATCH', file: 'weights.bin', expected: '7 bytes', found: '100 bytes' },
        ],
      }),
    )
  })

  test('read if neither size nor digest is stated', async () => {
    const publication = await published()
    expect(await check(publication, { stated: ({ name }) => ({ name }) })).toMatchObject({ files: { read: 2 } })
  })

  test('refused if one is missing or was added', async () => {
    const publication = await published()
    content.set('new.py', Buffer.from(''))
    await expect(check(publication)).rejects.toEqual(refusal('FILE_UNSIGNED', { file: 'new.py' }))
    content.delete('new.py')
    content.delete('config.json')
    await expect(check(publication)).rejects.toEqual(refusal('FILE_MISSING', { file: 'config.json' }))
  })
})

describe('bundles are refused', () => {
  test('if there are none, or others', async () => {
    const publication = await published()
    const [{ bytes } = expect.fail('no bundle')] = publication.bundles
    const expected = `${bytes.length} bytes with the same content`
    content.delete('model.sig')
    await expect(check(publication)).rejects.toEqual(
      refusal('BUNDLE_NOT_FOUND', { file: 'model.sig', expected, found: 'no bundle' }),
    )
    await site.sign('m', 'a', 'm/model.sig')
    content.set('model.sig', await readFile(site.file('m/model.sig')))
    await expect(check(publication)).rejects.toEqual(
      refusal('BUNDLE_NOT_FOUND', { file: 'model.sig', expected, found: 'other content at "store://m/model.sig"' }),
    )
    content.set('model.sig', Buffer.from('{}'))
    await expect(check(publication)).rejects.toEqual(
      refusal('BUNDLE_NOT_FOUND', { found: 'other content at "store://m/model.sig"' }),
    )
  })

  test('if the source fails', async () => {
    const publication = await published()
    const bundles = () => {
      throw new Error('a fault of the source')
    }
    await expect(check(publication, { session: { bundles } })).rejects.toEqual(refusal('SOURCE_FAILED'))
  })
})

describe('a bundle is read', () => {
  const bundlesFrom = (read: BundleCandidate['read']) => ({
    session: { bundles: () => [{ candidates: [{ path: 'model.sig', read }] }] },
  })

  test('whatever its size, as long as it could be signed', async () => {
    const publication = await published()
    const limits: unknown[] = []
    const serving = bundlesFrom(({ maxBytes }, receive) => {
      limits.push(maxBytes)
      return receive({ chunks: [content.get('model.sig')!] })
    })
    await check(publication, serving)
    expect(limits).toEqual([LARGEST_BUNDLE_BYTES])
  })

  test('until the check is aborted', async () => {
    const publication = await published()
    const abort = new AbortController()
    const never = bundlesFrom(() => {
      abort.abort()
      return new Promise(() => {})
    })
    await expect(check(publication, { ...never, signal: abort.signal })).rejects.toEqual(refusal('ABORTED'))
  })
})

describe('attestations', () => {
  const TYPE = 'https://example.org/review/v1'
  const place = (...lines: Uint8Array[]): ClaimsCandidate => ({
    path: 'claims.jsonl',
    lines: true,
    read: (_, receive) => receive({ chunks: lines.flatMap((line) => [line, Buffer.from('\n')]) }),
  })

  /** Publishes the model with two attestations. */
  async function attested(): Promise<Publication> {
    await site.sign('m', 'a', 'm/model.sig')
    const signer = await keySigner({ privateKey: site.file('a.key') })
    for (const at of [1, 2]) await attestModel(site.file('m'), { signer, type: TYPE, predicate: { at } })
    return published()
  }

  test('must be served as they were published', async () => {
    const publication = await attested()
    expect(publication.attestations).toHaveLength(2)
    const [first, second] = publication.attestations.map(({ bytes }) => bytes)
    const serving = (...lines: Uint8Array[]) => ({ session: { claims: () => [place(...lines)] } })
    expect(await check(publication, serving(second!, Buffer.from('junk'), first!))).toMatchObject({
      files: { read: 2 },
    })
    const missing = (at: number, count: number) =>
      refusal('ATTESTATION_MISSING', {
        file: publication.attestations[at]?.path,
        expected: `an attestation of the type ${JSON.stringify(TYPE)} with the same content`,
        found: `${count} attestations, none of which is this one`,
      })
    await expect(check(publication, serving(first!))).rejects.toEqual(missing(1, 1))
    await expect(check(publication, serving(second!, Buffer.from('junk')))).rejects.toEqual(missing(0, 2))
    await expect(check(publication)).rejects.toEqual(missing(0, 0))
  })

  test('in a file that is signed do not count', async () => {
    const publication = await attested()
    const lines = publication.attestations.map(({ bytes }) => bytes)
    const inModel = (name: string) => ({ session: { claims: () => [{ ...place(...lines), name }] } })
    await expect(check(publication, inModel('config.json'))).rejects.toEqual(refusal('ATTESTATION_MISSING'))
    expect(await check(publication, inModel('claims.jsonl'))).toMatchObject({ files: { read: 2 } })
  })

  test('are not asked for if none was published', async () => {
    const session = { claims: () => expect.fail('asked all the same') }
    expect(await check(await published(), { session })).toMatchObject({ files: { read: 2 } })
  })
})

test('the source is closed, whether or not it serves what was published', async () => {
  const publication = await published()
  let closed = 0
  const session = {
    close: () => {
      closed++
    },
  }
  await check(publication, { session })
  content.delete('config.json')
  await check(publication, { session }).catch(() => {})
  expect(closed).toBe(2)
})

test('checking can be abandoned, and tells of its progress', async () => {
  const publication = await published()
  await expect(check(publication, { signal: AbortSignal.abort() })).rejects.toEqual(refusal('ABORTED'))
  const seen: number[] = []
  await check(publication, { onProgress: (bytes) => void seen.push(bytes) })
  expect(seen.at(-1)).toBe(9)
  await expect(check(publication, { ful: true } as never)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  await expect(check(publication, { full: 'yes' } as never)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
})

test('checking can be abandoned while the source is silent', async () => {
  const publication = await published()
  const list = () => [...content].map(([name, { length }]) => ({ name, size: length }))
  type Hang = () => Promise<never>
  const silent: ((hang: Hang) => ModelSource)[] = [
    (open) => ({ place: { url: 'store://m' }, open }),
    (next) => {
      const bundles = () => ({ [Symbol.asyncIterator]: () => ({ next }) })
      return memorySource('store://m', content, { files: { list }, session: { bundles } })
    },
    (read) => memorySource('store://m', content, { files: { list, read } }),
  ]
  for (const sourceOf of silent) {
    const controller = new AbortController()
    const hang = () => {
      controller.abort()
      return new Promise<never>(() => {})
    }
    const checking = checkServed(sourceOf(hang), publication, { signal: controller.signal })
    await expect(checking).rejects.toEqual(refusal('ABORTED'))
  }
})

test('all bundles that are served instead are named', async () => {
  const publication = await published()
  const candidate = (path: string) => ({
    path,
    read: (_: unknown, receive: Receive) => receive({ chunks: [Buffer.from('{}')] }),
  })
  const bundles = () => [{ candidates: ['a.oms.sig', 'b.oms.sig'].map(candidate) }]
  await expect(check(publication, { session: { bundles } })).rejects.toEqual(
    refusal('BUNDLE_NOT_FOUND', { found: 'other content at "a.oms.sig", "b.oms.sig"' }),
  )
})
