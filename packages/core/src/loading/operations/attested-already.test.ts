import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestSigstore } from '../../testing/sigstore.ts'
import { TestSite } from '../../testing/site.ts'
import { attestModel } from './attest-model.ts'

const sigstore = new TestSigstore()
let site: TestSite

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  await site.signedModel('vad')
})
afterAll(() => site.remove())

async function attest(identity: string, predicate: object = { approved: true }): Promise<boolean> {
  const signer = sigstore.signer({ identity })
  return (await attestModel(site.file('vad'), { signer, type: 'https://example.org/review/v1', predicate })).added
}

test('adds a keyless attestation again only if the statement or the identity differs, whatever the key', async () => {
  expect(await attest('https://example.com/lab')).toBe(true)
  expect(await attest('https://example.com/lab')).toBe(false)
  expect(await attest('https://example.com/other')).toBe(true)
  expect(await attest('https://example.com/lab', { approved: false })).toBe(true)
  expect((await readFile(site.file('vad.claims.jsonl'), 'utf8')).match(/\n/g)).toHaveLength(3)
})
