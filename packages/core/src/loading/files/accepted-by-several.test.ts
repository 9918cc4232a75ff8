import { describe, expect, test } from 'vitest'
import type { FoundBundle } from '../../bundle/bundle.ts'
import { Manifest } from '../../manifest/manifest.ts'
import type { Serialization } from '../../manifest/serialization.ts'
import { Revocations } from '../../policy/revocations/revocations.ts'
import type { Rule } from '../../policy/rule.ts'
import { SourceReader } from '../../source/answers/source-reader.ts'
import type { ModelFiles } from '../../source/model-source.ts'
import { filesAt } from '../../source/model-sources.ts'
import { blake2b, sha256 } from '../../testing/bundles.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import type { AcceptedJudging } from '../judging/judging.ts'
import type { Load } from '../load.ts'
import { acceptedModel } from './accepted-model.ts'

const CONTENT = { 'config.json': '{}', 'weights.bin': 'weights' }
const NAMES = Object.keys(CONTENT)
const WHOLE: Serialization = { method: 'files', hashType: 'sha256', allowSymlinks: false }
const BLAKE2B: Serialization = { ...WHOLE, hashType: 'blake2b' }
const SHARDS: Serialization = { ...WHOLE, method: 'shards', shardSize: 8 }

function manifestOf(serialization: Serialization, content: Record<string, string> = CONTENT): Manifest {
  const { method, hashType } = serialization
  const resources = Object.entries(content).map(([name, text]) => ({
    name: method === 'shards' ? `${name}:0:${text.length}` : name,
    digest: hashType === 'blake2b' ? blake2b(text) : sha256(text),
  }))
  return new Manifest('m', serialization, resources)
}

interface Signed {
  /** What is different about its files. */
  of?: Partial<ModelFiles>
  /** Name of the bundle in the model. */
  bundle?: string
  revoked?: object
}

function accepting(manifest: Manifest, listed: readonly string[], more: Signed = {}): AcceptedJudging {
  const { of, bundle, revoked } = more
  const list = () => listed.map((name) => ({ name }))
  const files: ModelFiles = { path: '/m', name: 'm', isFile: false, read: () => expect.unreachable(), list, ...of }
  const bundles = bundle === undefined ? [] : [{ path: `${files.path}/${bundle}` }]
  const revocations = new Revocations()
  if (revoked) revocations.add(revoked)
  const found = { files, entry: undefined, bundles }
  return { accepted: { found, signature: { manifest, signer: {} }, revocations } } as unknown as AcceptedJudging
}

/** The model that the first of these signatures, and others, cover. */
function together(judgings: readonly AcceptedJudging[], files: Rule['require']['files'] = 'all') {
  const reader = new SourceReader({ isOwn: true }, undefined)
  const content = { recording: <T>(further: T) => further }
  const load = { judgings, options: {}, label: 'm', content, opened: () => Promise.resolve({ reader }) }
  const rule = { name: 'r', require: { files } } as unknown as Rule
  return acceptedModel(load as unknown as Load, judgings as [AcceptedJudging], rule)
}

const signatureOf = ({ accepted: { signature } }: AcceptedJudging) => signature

describe('two signatures', () => {
  test('over the same manifest need no further digests', async () => {
    const [first, second] = [accepting(manifestOf(WHOLE), NAMES), accepting(manifestOf(WHOLE), NAMES)]
    const model = await together([first, second])
    expect(model.signature).toBe(signatureOf(first))
    expect(model.further.hashTypes).toEqual([])
  })

  test('over shards and whole files are checked by both, read by shards', async () => {
    const [shards, whole] = [accepting(manifestOf(SHARDS), NAMES), accepting(manifestOf(WHOLE), NAMES)]
    for (const judgings of [
      [shards, whole],
      [whole, shards],
    ]) {
      const { signature, further } = await together(judgings)
      expect(signature).toBe(signatureOf(shards))
      expect(further.hashTypes).toEqual(['sha256'])
      further.check('weights.bin', 'sha256', sha256('weights'))
      expect(() => further.check('weights.bin', 'sha256', sha256('other'))).toThrow(refusal('FILE_MISMATCH'))
    }
  })

  test('over whole files are read by the first, and checked by the second as well', async () => {
    const [first, second] = [accepting(manifestOf(WHOLE), NAMES), accepting(manifestOf(BLAKE2B), NAMES)]
    const { signature, further } = await together([first, second])
    expect(signature).toBe(signatureOf(first))
    expect(further.hashTypes).toEqual(['blake2b'])
    expect(() => further.check('weights.bin', 'blake2b', blake2b('other'))).toThrow(refusal('FILE_MISMATCH'))
  })

  test('leave what the second policy revokes by digests of the first manifest to be looked up', async () => {
    const revoked = { fileDigests: [sha256('weights'), `blake2b:${blake2b('weights')}`] }
    const second = accepting(manifestOf(BLAKE2B), NAMES, { revoked })
    const { further } = await together([accepting(manifestOf(WHOLE), NAMES), second])
    expect(further.hashTypes.toSorted()).toEqual(['blake2b', 'sha256'])
    expect(() => further.check('weights.bin', 'sha256', sha256('weights'))).toThrow(refusal('FILE_REVOKED'))
    const alone = await together([second])
    expect(alone.further.hashTypes).toEqual(['sha256'])
  })

  test('may lie in the model, and so may the bundles of both', async () => {
    const listed = [...NAMES, 'a.sig', 'b.sig']
    const [first, second] = [
      accepting(manifestOf(WHOLE), listed, { bundle: 'a.sig' }),
      accepting(manifestOf(BLAKE2B), listed, { bundle: 'b.sig' }),
    ]
    const paths = (bundles: readonly FoundBundle[]) => bundles.map(({ path }) => path)
    const { found, otherBundles } = await together([first, second])
    expect([paths(found.bundles), paths(otherBundles)]).toEqual([['/m/a.sig'], ['/m/b.sig']])
    const unknown = accepting(manifestOf(BLAKE2B), listed)
    await expect(together([first, unknown])).rejects.toEqual(refusal('FILE_UNSIGNED'))
  })

  test('may cover the bundle of one of them, which is content then', async () => {
    const content = { 'a.sig': 'a bundle', ...CONTENT }
    const of = { ...(await filesAt(scratch(content))), list: undefined }
    const first = accepting(manifestOf(WHOLE), [], { of, bundle: 'a.sig' })
    const { further } = await together([first, accepting(manifestOf(BLAKE2B, content), [], { of })], 'loaded')
    expect(() => further.check('a.sig', 'blake2b', blake2b('other'))).toThrow(refusal('FILE_MISMATCH'))
  })
})

describe('two signatures that cannot be checked in one read', () => {
  const expected = 'signatures over the same files, hashed in the same way'
  const disagreement = (found: string) =>
    refusal('POLICIES_DISAGREE', { expected, found: expect.stringContaining(found) as string })

  test('are over different directories', async () => {
    const [first, second] = [
      accepting(manifestOf(WHOLE), NAMES),
      accepting(manifestOf(WHOLE), NAMES, { of: { path: '/n' } }),
    ]
    await expect(together([first, second])).rejects.toEqual(disagreement('directories'))
  })

  test('are over different shards', async () => {
    const other = manifestOf({ ...SHARDS, shardSize: 16 })
    const judgings = [accepting(manifestOf(SHARDS), NAMES), accepting(other, NAMES)]
    await expect(together(judgings)).rejects.toEqual(disagreement('shard'))
  })

  test('are over different lists of files, unless only loaded ones count', async () => {
    const judgings = [
      accepting(manifestOf(WHOLE, { 'config.json': '{}' }), NAMES),
      accepting(manifestOf(BLAKE2B), NAMES),
    ]
    await expect(together(judgings)).rejects.toEqual(disagreement('"weights.bin"'))
    await expect(together(judgings, 'ignore-unsigned')).rejects.toEqual(disagreement('"weights.bin"'))
    expect((await together(judgings, 'loaded')).further.hashTypes).toEqual(['blake2b'])
    // What the first list has in addition is found when names are compared with the second one.
    await expect(together(judgings.toReversed())).rejects.toEqual(refusal('FILE_UNSIGNED'))
    const of = { ...(await filesAt(scratch(CONTENT))), list: undefined }
    const here = [manifestOf(WHOLE), manifestOf(BLAKE2B, { 'config.json': '{}' })]
    await expect(together(here.map((manifest) => accepting(manifest, [], { of })))).rejects.toEqual(
      refusal('FILE_UNSIGNED'),
    )
  })

  test('are not those over a single file that only one of them names', async () => {
    const file = { of: { isFile: true } }
    const judgings = [
      accepting(manifestOf(WHOLE, { '.': 'weights' }), ['weights.bin'], file),
      accepting(manifestOf(BLAKE2B, { 'weights.bin': 'weights' }), ['weights.bin'], file),
    ]
    const { further } = await together(judgings)
    further.check('weights.bin', 'blake2b', blake2b('weights'))
    expect(() => further.check('weights.bin', 'blake2b', blake2b('other'))).toThrow(refusal('FILE_MISMATCH'))
  })
})
