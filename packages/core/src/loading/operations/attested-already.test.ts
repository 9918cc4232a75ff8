import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { parseOwnBundle } from '../../bundle/bundle.ts'
import { keySigner } from '../../signing/methods/key.ts'
import type { Signer } from '../../signing/signer.ts'
import { TestSigstore } from '../../testing/sigstore.ts'
import { TestSite } from '../../testing/site.ts'
import { Effort } from '../../verification/effort.ts'
import { verifyKeyless } from '../../verification/methods/sigstore.ts'
import { attestModel } from './attest-model.ts'

const sigstore = new TestSigstore()
let site: TestSite
let model: string
let count = 0

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
})
afterAll(() => site.remove())
beforeEach(async () => {
  model = `vad${++count}`
  await site.signedModel(model)
})

const claims = () => site.file(`${model}.claims.jsonl`)
const lines = async () => (await readFile(claims(), 'utf8')).match(/\n/g)?.length

async function attest(signer: Signer, predicate: object = { approved: true }): Promise<boolean> {
  return (await attestModel(site.file(model), { signer, type: 'https://example.org/review/v1', predicate })).added
}

/** Checks bundles as `sigstoreSigner()` does. */
async function keyless(identity: string): Promise<Signer> {
  const trust = await sigstore.trust()
  const check = async (bundle: Buffer) => {
    await verifyKeyless(await parseOwnBundle(bundle), trust, 'test', { now: new Date(), effort: new Effort() })
  }
  return { ...sigstore.signer({ identity }), check }
}

test('adds a keyless attestation again only if the statement or the identity differs, whatever the key', async () => {
  const lab = await keyless('https://example.com/lab')
  expect(await attest(lab)).toBe(true)
  expect(await attest(lab)).toBe(false)
  expect(await attest(await keyless('https://example.com/other'))).toBe(true)
  expect(await attest(lab, { approved: false })).toBe(true)
  expect(await lines()).toBe(3)
})

test('adds an attestation although another authority certified the same identity for the same statement', async () => {
  const identity = 'https://example.com/lab'
  expect(await attest(new TestSigstore().signer({ identity }))).toBe(true)
  const lab = await keyless(identity)
  expect(await attest(lab)).toBe(true)
  expect(await attest(lab)).toBe(false)
  expect(await lines()).toBe(2)
})

test('adds an attestation although a forged one names the same key for the same statement', async () => {
  const signer = await keySigner({ privateKey: site.file('a.key') })
  expect(await attest(signer)).toBe(true)
  expect(await attest(signer)).toBe(false)
  const forged = JSON.parse(await readFile(claims(), 'utf8')) as { dsseEnvelope: { signatures: { sig: string }[] } }
  forged.dsseEnvelope.signatures[0]!.sig = 'AAAA'
  await writeFile(claims(), `${JSON.stringify(forged)}\n`)
  expect(await attest(signer)).toBe(true)
  expect(await attest(signer)).toBe(false)
  expect(await lines()).toBe(2)
})
