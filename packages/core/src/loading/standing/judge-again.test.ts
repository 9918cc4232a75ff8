import { copyFile, readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeEvaluation } from '../../attestation/kinds/evaluation.ts'
import { ModelSealError } from '../../errors.ts'
import type { Manifest } from '../../manifest/manifest.ts'
import { loadPolicy } from '../../policy/load-policy.ts'
import type { CompiledPolicy } from '../../policy/policy.ts'
import { keySigner } from '../../signing/methods/key.ts'
import { localModelSource } from '../../source/local/local-model-source.ts'
import { OpenedSource } from '../../source/opened-source.ts'
import { sha256 } from '../../testing/bundles.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { bundlesIn } from '../attestations/read-attestations.ts'
import { findBundles, type FoundModel } from '../bundles/find-bundles.ts'
import { attestModel } from '../operations/attest-model.ts'
import { openVerifiedModel } from '../open-verified-model.ts'
import { judgeAgain } from './judge-again.ts'
import type { JudgedLoad } from './judged-load.ts'
import { LoadedContent } from './loaded-content.ts'

const COMMIT = 'a1'.repeat(20)
const UNKNOWN = { revision: undefined, requested: undefined, packageUrl: undefined }
const PACKAGE = `pkg:huggingface/acme/vad@${COMMIT}`

let site: TestSite
let manifest: Manifest
let other: Manifest
let rootDigest: string
/** Of the key `b`. */
let fingerprint: string

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  fingerprint = await site.key('b')
  rootDigest = await site.signedModel('model')
  await site.signedModel('other', { 'config.json': 'other' })
  manifest = await manifestOf('model')
  other = await manifestOf('other')
})
afterAll(() => site.remove())

async function manifestOf(name: string): Promise<Manifest> {
  const model = await openVerifiedModel(site.file(name), { policy: await site.policy(policyText()) })
  await model.close()
  return model.manifest!
}

function policyText(rule: object = {}, more: object = {}): object {
  return {
    version: 1,
    trustRoots: { a: { publicKey: 'a.pub' }, b: { publicKey: 'b.pub' } },
    rules: [{ name: 'r', match: { path: '**' }, signers: [{ key: 'a' }], ...rule }],
    ...more,
  }
}

const found = async (name = 'model'): Promise<FoundModel> =>
  findBundles(await OpenedSource.open(localModelSource(site.file(name))), undefined)

/** What a load of the model remembers. */
async function loaded(more: Partial<JudgedLoad> = {}): Promise<JudgedLoad> {
  const bundles = await found()
  return {
    place: { path: site.file('model') },
    stated: {},
    revision: UNKNOWN,
    found: bundles,
    isAccepted: true,
    verified: { manifest, files: bundles.files, local: undefined, attestations: undefined },
    content: new LoadedContent(),
    ...more,
  } as JudgedLoad
}

async function judged(load: JudgedLoad, rule: object = {}, more: object = {}) {
  const policy = (await loadPolicy(await site.policy(policyText(rule, more)))) as CompiledPolicy
  return judgeAgain(load, { policy } as Parameters<typeof judgeAgain>[1])
}

const NOTHING = { hashTypes: [], rootDigest: false, attestations: false }
const ATTESTED = { require: { attestations: [{ type: 'evaluation', signers: [{ key: 'b' }] }] } }

describe('a model that was accepted', () => {
  test('is accepted again', async () => {
    expect(await judged(await loaded())).toEqual(NOTHING)
  })

  test('is refused for its signer, its rule, or what names it', async () => {
    await expect(judged(await loaded(), { signers: [{ key: 'b' }] })).rejects.toEqual(refusal('SIGNER_NOT_TRUSTED'))
    await expect(judged(await loaded(), { match: { path: 'x' } })).rejects.toEqual(refusal('POLICY_NO_MATCH'))
    const pinned = { require: { pinned: true } }
    await expect(judged(await loaded(), pinned)).rejects.toEqual(refusal('REVISION_NOT_PINNED'))
    expect(
      await judged(await loaded({ revision: { ...UNKNOWN, revision: COMMIT, requested: COMMIT } }), pinned),
    ).toEqual(NOTHING)
  })

  test('is refused if the signature that counts now is over another one', async () => {
    const { verified } = await loaded()
    await expect(judged(await loaded({ verified: { ...verified!, manifest: other } }))).rejects.toEqual(
      refusal('SIGNER_NOT_TRUSTED', { message: expect.stringContaining('over another model') as string }),
    )
    await expect(judged(await loaded({ verified: undefined }))).rejects.toEqual(refusal('SIGNER_NOT_TRUSTED'))
  })

  test('is refused if no signature of it is known', async () => {
    const named = { match: { name: 'model' } }
    expect(await judged(await loaded(), named)).toEqual(NOTHING)
    await expect(judged(await loaded({ found: undefined }))).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
    await expect(judged(await loaded({ found: undefined }), named)).rejects.toEqual(refusal('POLICY_NO_MATCH'))
  })

  test('is not refused for a signature of it that does not count', async () => {
    await site.signedModel('two')
    await site.sign('two', 'b', 'two.2.sig')
    const revoked = { keys: [{ file: 'b.pub' }] }
    const load = await loaded({ found: await found('two') })
    expect(load.found?.bundles).toHaveLength(2)
    expect(await judged(load, {}, { revoked })).toEqual(NOTHING)
    await expect(judged(load, { mode: 'audit', signers: [{ key: 'b' }] }, { revoked })).rejects.toEqual(
      refusal('KEY_REVOKED'),
    )
  })

  test('is tolerated in an audit, except for revocations', async () => {
    const untrusted = { signers: [{ key: 'b' }] }
    expect(await judged(await loaded(), { ...untrusted, mode: 'audit' })).toEqual(NOTHING)
    expect(await judged(await loaded({ stated: { audit: true } }), untrusted)).toEqual(NOTHING)
    expect(await judged(await loaded({ stated: { audit: true } }), { match: { path: 'x' } })).toEqual(NOTHING)
    await expect(judged(await loaded({ stated: { audit: false } }), untrusted)).rejects.toEqual(
      refusal('SIGNER_NOT_TRUSTED'),
    )
    const revoked = { revoked: { rootDigests: [rootDigest] } }
    for (const rule of [untrusted, {}])
      await expect(judged(await loaded(), { ...rule, mode: 'audit' }, revoked)).rejects.toEqual(
        refusal('MODEL_REVOKED'),
      )
  })

  test('is not verified by a rule in the mode skip, under which only revocations hold', async () => {
    const skip = { mode: 'skip', reason: 'ours', match: { path: 'model' }, signers: undefined }
    expect(await judged(await loaded(), skip)).toEqual(NOTHING)
    const [digests, files] = [{ rootDigests: [rootDigest] }, { fileDigests: [sha256('weights')] }]
    await expect(judged(await loaded(), skip, { revoked: digests })).rejects.toEqual(refusal('MODEL_REVOKED'))
    await expect(judged(await loaded(), skip, { revoked: files })).rejects.toEqual(refusal('FILE_REVOKED'))
    await expect(judged(await loaded(), skip, { revoked: { keys: [{ file: 'a.pub' }] } })).rejects.toEqual(
      refusal('KEY_REVOKED'),
    )
  })
})

describe('a rule by name', () => {
  const rules = [
    { name: 'named', match: { name: 'another' }, signers: [{ key: 'b' }] },
    { name: 'r', match: { path: '**' }, signers: [{ key: 'a' }] },
  ]

  test('is chosen by the names that the bundles claim', async () => {
    expect(await judged(await loaded(), {}, { rules })).toEqual(NOTHING)
    const named = [{ ...rules[0], match: { name: 'model' } }, rules[1]]
    await expect(judged(await loaded(), {}, { rules: named })).rejects.toEqual(refusal('SIGNER_NOT_TRUSTED'))
  })

  test('may be about a model of whose bundles one was not read', async () => {
    await site.model('many')
    await site.sign('many', 'a')
    for (let count = 0; count < 32; count++) await copyFile(site.file('many.sig'), site.file(`many.${100 + count}.sig`))
    const many = await found('many')
    const load = await loaded({ found: many })
    const ambiguous = refusal('NAME_AMBIGUOUS', { file: site.file('many.131.sig') })
    expect(many.unread).toBe(site.file('many.131.sig'))
    await expect(judged(load, {}, { rules })).rejects.toEqual(ambiguous)
    await expect(
      openVerifiedModel(site.file('many'), { policy: await site.policy(policyText({}, { rules })) }),
    ).rejects.toEqual(ambiguous)
    expect(await judged(await loaded({ found: { ...many, unread: undefined } }), {}, { rules })).toEqual(NOTHING)
  })
})

describe('attestations that are required from now on', () => {
  const withAttestations = async (attestations: NonNullable<JudgedLoad['verified']>['attestations']) => {
    const { verified } = await loaded()
    return loaded({ verified: { ...verified!, attestations } })
  }

  test('are unknown if they were not read', async () => {
    expect(await judged(await loaded(), ATTESTED)).toEqual({ ...NOTHING, attestations: true })
    expect(await judged(await withAttestations([]))).toEqual(NOTHING)
  })

  test('refuse the model if there are none, or they cannot be read', async () => {
    await expect(judged(await withAttestations([]), ATTESTED)).rejects.toEqual(refusal('ATTESTATION_MISSING'))
    const error = new ModelSealError('SOURCE_FAILED', 'No.')
    await expect(judged(await withAttestations(error), ATTESTED)).rejects.toBe(error)
    expect(await judged(await withAttestations(error))).toEqual(NOTHING)
  })

  test('are judged by the rule, the policy and the model', async () => {
    const read = async (name: string) => {
      const signer = await keySigner({ privateKey: site.file('b.key') })
      const results = [{ metric: 'accuracy', value: 0.9, dataset: { name: 'test' } }]
      const predicate = makeEvaluation({ results, evaluatedOn: new Date().toISOString() })
      const output = site.file(`${name}.jsonl`)
      await attestModel(site.file(name), { signer, type: 'evaluation', predicate, output })
      const attestations = []
      for await (const one of bundlesIn(await readFile(output), output, undefined)) attestations.push(one)
      return attestations
    }
    const [own, ofOther] = [await read('model'), await read('other')]
    expect(await judged(await withAttestations(own), ATTESTED)).toEqual(NOTHING)
    const revoked = { keys: [fingerprint] }
    await expect(judged(await withAttestations(own), ATTESTED, { revoked })).rejects.toEqual(
      refusal('ATTESTATION_REVOKED'),
    )
    await expect(judged(await withAttestations(ofOther), ATTESTED)).rejects.toEqual(refusal('ATTESTATION_SUBJECT'))
    const error = await judged(await withAttestations(ofOther), { ...ATTESTED, name: 'ours' }).catch(String)
    expect(error).toContain('"ours"')
  })
})

describe('what is revoked from now on', () => {
  test('refuses a package that the source named', async () => {
    const revoked = { packages: ['pkg:huggingface/acme/vad'] }
    const load = await loaded({ revision: { ...UNKNOWN, packageUrl: PACKAGE } })
    await expect(judged(load, {}, { revoked })).rejects.toEqual(refusal('MODEL_REVOKED'))
    expect(await judged(await loaded(), {}, { revoked })).toEqual(NOTHING)
    const otherOne = { packages: ['pkg:huggingface/acme/asr'] }
    expect(await judged(load, {}, { revoked: otherOne })).toEqual(NOTHING)
  })

  test('refuses files by digests that the load computed, and asks for others', async () => {
    const digest = 'c'.repeat(128)
    const revoked = { fileDigests: [`blake2b:${digest}`] }
    expect(await judged(await loaded(), {}, { revoked })).toEqual({ ...NOTHING, hashTypes: ['blake2b'] })
    const content = LoadedContent.ofBytes('weights.bin', new Map([['blake2b', digest]]))
    await expect(judged(await loaded({ content }), {}, { revoked })).rejects.toEqual(
      refusal('FILE_REVOKED', { file: 'weights.bin' }),
    )
    const harmless = LoadedContent.ofBytes('weights.bin', new Map([['blake2b', 'd'.repeat(128)]]))
    expect(await judged(await loaded({ content: harmless }), {}, { revoked })).toEqual(NOTHING)
  })

  test('holds for files that are handed out later', async () => {
    const load = await loaded()
    const digest = 'c'.repeat(128)
    await judged(load, {}, { revoked: { fileDigests: [`blake2b:${digest}`] } })
    const later = load.content.recordingEach({ hashTypes: [], check: () => {} })
    expect(later.hashTypes).toEqual(['blake2b'])
    expect(() => later.check('f', 'blake2b', digest)).toThrow(refusal('FILE_REVOKED', { file: 'f' }))
  })
})

describe('a model that was loaded unverified', () => {
  const unverified = (more: Partial<JudgedLoad> = {}) => loaded({ isAccepted: false, verified: undefined, ...more })
  const known = (...rootDigests: string[]) => Object.assign(new LoadedContent(), { rootDigests })

  test('is not judged by rules', async () => {
    expect(await judged(await unverified(), { match: { path: 'x' } })).toEqual(NOTHING)
  })

  test('is refused by what its bundles claim', async () => {
    const revoked = { keys: [{ file: 'a.pub' }] }
    await expect(judged(await unverified(), {}, { revoked })).rejects.toEqual(refusal('KEY_REVOKED'))
    expect(await judged(await unverified({ found: undefined }), {}, { revoked })).toEqual(NOTHING)
  })

  test('is refused by any of its root digests, which are asked for if they are not known', async () => {
    const revoked = { rootDigests: ['0'.repeat(64)] }
    expect(await judged(await unverified(), {}, { revoked })).toEqual({ ...NOTHING, rootDigest: true })
    expect(await judged(await unverified({ content: known('1'.repeat(64)) }), {}, { revoked })).toEqual(NOTHING)
    const content = known('1'.repeat(64), '0'.repeat(64))
    await expect(judged(await unverified({ content }), {}, { revoked })).rejects.toEqual(refusal('MODEL_REVOKED'))
  })

  test('is refused by the root digest that another policy verified', async () => {
    const { verified } = await loaded()
    const load = await unverified({ verified, found: undefined })
    await expect(judged(load, {}, { revoked: { rootDigests: [rootDigest] } })).rejects.toEqual(refusal('MODEL_REVOKED'))
    expect(await judged(load, {}, { revoked: { rootDigests: ['0'.repeat(64)] } })).toEqual(NOTHING)
  })

  test('has its files looked up by every algorithm', async () => {
    const revoked = { fileDigests: [`sha256:${'0'.repeat(64)}`] }
    expect(await judged(await unverified(), {}, { revoked })).toEqual({ ...NOTHING, hashTypes: ['sha256'] })
    // A manifest has these digests.
    expect(await judged(await loaded(), {}, { revoked })).toEqual(NOTHING)
  })
})
