import { appendFile, copyFile, readFile, rename, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeEvaluation } from '../../attestation/kinds/evaluation.ts'
import { ROLE_ANNOTATION } from '../../attestation/kinds/provenance.ts'
import { keySigner } from '../../signing/methods/key.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { attestModel } from '../operations/attest-model.ts'
import { provenanceInputs } from './provenance-inputs.ts'
import { readAttestations } from './read-attestations.ts'

const REVIEW = 'https://example.org/review/v1'
const AT = '2026-11-01T00:00:00Z'
const [A, B] = ['a'.repeat(64), 'b'.repeat(64)]

let site: TestSite
let name: string
let root: string
let fingerprint: string
let count = 0

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  fingerprint = await site.key('lab')
})
afterAll(() => site.remove())
beforeEach(async () => {
  name = `m${++count}`
  root = await site.signedModel(name, { 'weights.bin': name })
})

const claims = (model = name) => site.file(`${model}.claims.jsonl`)

async function attest(type: string, predicate: object, model = name) {
  const signer = await keySigner({ privateKey: site.file('lab.key') })
  return attestModel(site.file(model), { signer, type, predicate })
}

const evaluation = makeEvaluation({ results: [{ metric: 'accuracy', value: 0.94 }], evaluatedOn: AT })

function made(...inputs: string[]) {
  const resolvedDependencies = inputs.map((sha256) => ({
    digest: { sha256 },
    annotations: { [ROLE_ANNOTATION]: 'dataset' },
  }))
  const buildDefinition = { buildType: 'https://example.org/build', externalParameters: {}, resolvedDependencies }
  return { buildDefinition, runDetails: { builder: { id: 'https://example.org/builder' } } }
}

describe('what an attestation says', () => {
  test('is read with its kind, its signer and the model that it is about', async () => {
    const { digest } = await attest('evaluation', evaluation)
    expect(await readAttestations(site.file(name))).toEqual([
      {
        path: `${claims()}:1`,
        digest,
        method: 'key',
        signer: { description: `key sha256:${fingerprint}`, fingerprint },
        type: 'https://in-toto.io/attestation/test-result/v0.1',
        kind: 'evaluation',
        subjects: [{ sha256: root, modelIdentity: expect.stringMatching(/^[0-9a-f]{64}$/) as string }],
        isAbout: true,
        statedAt: AT,
        content: expect.objectContaining({
          result: 'PASSED',
          results: [{ metric: 'accuracy', value: 0.94 }],
        }) as object,
      },
    ])
  })

  test('is read as JSON if its kind is not known', async () => {
    await attest(REVIEW, { approved: true })
    const [found] = await readAttestations(site.file(name))
    expect(found).toMatchObject({ type: REVIEW, content: { approved: true } })
    expect(found).not.toHaveProperty('kind')
    expect(found).not.toHaveProperty('statedAt')
  })

  test('states no time if it has none', async () => {
    await attest('provenance', made())
    const [found] = await readAttestations(site.file(name))
    expect(found).toMatchObject({ kind: 'provenance' })
    expect(found).not.toHaveProperty('statedAt')
  })

  test('names no signer if its key cannot be read', async () => {
    await attest(REVIEW, {})
    const line = JSON.parse(await readFile(claims(), 'utf8')) as object
    const publicKey = { rawBytes: Buffer.from('junk').toString('base64') }
    await writeFile(claims(), JSON.stringify({ ...line, verificationMaterial: { publicKey } }))
    const [found] = await readAttestations(site.file(name))
    expect(found).toMatchObject({ method: 'key', type: REVIEW })
    expect(found).not.toHaveProperty('signer')
  })

  test('is read although it is about another model', async () => {
    await site.signedModel('other', { 'weights.bin': 'other' })
    await attest(REVIEW, {}, 'other')
    await copyFile(claims('other'), claims())
    expect(await readAttestations(site.file(name))).toMatchObject([{ isAbout: false }])
  })

  test('is read as far as possible, with the reason', async () => {
    await attest(REVIEW, { approved: true })
    const line = JSON.parse(await readFile(claims(), 'utf8')) as { dsseEnvelope: { payload: string } }
    line.dsseEnvelope.payload = Buffer.from('{}').toString('base64')
    await writeFile(claims(), `junk\n${JSON.stringify(line)}\n`)
    const [junk, unread] = await readAttestations(site.file(name))
    expect(junk).toEqual({ path: `${claims()}:1`, error: expect.objectContaining({ code: 'JSON_INVALID' }) as object })
    expect(unread).toMatchObject({ method: 'key', signer: { fingerprint }, error: { code: 'STATEMENT_MALFORMED' } })
    expect(unread).not.toHaveProperty('isAbout')
    expect(unread).not.toHaveProperty('content')
  })

  test('is not said to be about a model whose bundle, or the statement in it, cannot be read', async () => {
    await attest(REVIEW, {})
    const bundle = JSON.parse(await readFile(site.file(`${name}.sig`), 'utf8')) as { dsseEnvelope: { payload: string } }
    bundle.dsseEnvelope.payload = Buffer.from('{}').toString('base64')
    for (const unread of ['{}', JSON.stringify(bundle)]) {
      await writeFile(site.file(`${name}.sig`), unread)
      const [found] = await readAttestations(site.file(name))
      expect(found).toMatchObject({ subjects: [{ sha256: root }] })
      expect(found).not.toHaveProperty('isAbout')
    }
  })
})

test('attestations in a file that is signed are not read', async () => {
  await attest(REVIEW, {})
  await rename(claims(), site.file(name, 'claims.jsonl'))
  expect(await readAttestations(site.file(name))).toHaveLength(1)
  await appendFile(site.file(name, 'claims.jsonl'), '{"content":true}\n')
  await site.sign(name, 'a')
  expect(await readAttestations(site.file(name))).toEqual([])
})

test('reading is refused without a bundle, with a misspelt option, and if it is abandoned', async () => {
  const given = site.file(name)
  expect(await readAttestations(given, { signature: site.file(`${name}.sig`) })).toEqual([])
  await expect(readAttestations(given, { signature: site.file('no.sig') })).rejects.toEqual(refusal('BUNDLE_NOT_FOUND'))
  await expect(readAttestations(given, { signatur: 'x' } as never)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  await expect(readAttestations(given, { signal: AbortSignal.abort() })).rejects.toEqual(refusal('ABORTED'))
})

describe('the inputs of provenance', () => {
  test('are those of each provenance statement, and of no other', async () => {
    await attest('provenance', made(A, B))
    await attest(REVIEW, made(A))
    await attest('evaluation', evaluation)
    await attest('provenance', made())
    expect(await provenanceInputs(claims())).toEqual([
      { subjects: [root], inputs: [A, B] },
      { subjects: [root], inputs: [] },
    ])
  })

  test('are refused if one cannot be read, or it is abandoned', async () => {
    await attest('provenance', made(A))
    await appendFile(claims(), 'junk\n')
    await expect(provenanceInputs(claims())).rejects.toEqual(refusal('JSON_INVALID', { file: `${claims()}:2` }))
    await expect(provenanceInputs(claims(), AbortSignal.abort())).rejects.toEqual(refusal('ABORTED'))
  })

  test('are refused in a file that is too large', async () => {
    const directory = scratch({ 'claims.jsonl': Buffer.alloc(64 * 1024 * 1024 + 1, '\n') })
    await expect(provenanceInputs(`${directory}/claims.jsonl`)).rejects.toEqual(refusal('ATTESTATIONS_TOO_LARGE'))
  })
})

test('attestations in the model are read even if nobody knows what was signed', async () => {
  await attest(REVIEW, {})
  await rename(claims(), site.file(name, 'claims.jsonl'))
  await writeFile(site.file(`${name}.sig`), '{}')
  expect(await readAttestations(site.file(name))).toHaveLength(1)
})
