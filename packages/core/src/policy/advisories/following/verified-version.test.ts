import { createHash } from 'node:crypto'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DENIED, FeedSite, version } from '../../../testing/feeds.ts'
import { refusal } from '../../../testing/scratch.ts'
import type { CompiledPolicy } from '../../policy.ts'
import { verifiedVersion } from './verified-version.ts'

let site: FeedSite
let policy: CompiledPolicy
beforeEach(async () => {
  site = await FeedSite.create()
  policy = await site.policy({ url: 'https://models.example/feed.jsonl' })
})
afterEach(() => void vi.unstubAllEnvs())

const by = () => ({ followed: policy.advisories[0]!, policy })
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

test('a feed file is verified, and says what it denies', async () => {
  const content = version(3)
  const bytes = site.signed(content)
  const { denied, digest, ...others } = await verifiedVersion(bytes, by(), undefined, undefined)
  const { feed, sequence, issued, expires } = content
  expect(others).toEqual({ bytes, fileDigest: sha256(bytes), feed, sequence, issued, expires })
  expect(digest).toMatch(/^[0-9a-f]{64}$/)
  const revoked = policy.revocations.with([denied]).rootDigest(DENIED, undefined)
  expect(revoked?.message).toContain('the advisory feed "acme"')
})

test('the file in use is not verified again for the same policy', async () => {
  const bytes = site.signed(version(3), site.other)
  const trusted = { ...(await verifiedVersion(site.signed(version(2)), by(), undefined, undefined)), bytes: undefined }
  const same = { ...trusted, fileDigest: sha256(bytes) }
  const found = await verifiedVersion(bytes, by(), undefined, same)
  expect(found).toEqual({ ...same, bytes })
  expect(found.denied).toBe(trusted.denied)
  await expect(verifiedVersion(bytes, by(), same, trusted)).rejects.toEqual(refusal('SIGNER_NOT_TRUSTED'))
})

test('content that is in use is not read again, though its signatures are verified', async () => {
  const content = version(3)
  const known = await verifiedVersion(site.signed(content), by(), undefined, undefined)
  const more = site.signed(content, site.publisher, site.other)
  const found = await verifiedVersion(more, by(), { ...known, bytes: undefined }, undefined)
  expect(found).toEqual({ ...known, bytes: more, fileDigest: sha256(more) })
  expect(found.denied).toBe(known.denied)
})

test('what is signed must be a feed', async () => {
  const { source } = policy.advisories[0]!
  const statement = site.signedStatement(Buffer.from('{"_type":"https://in-toto.io/Statement/v1"}'))
  await expect(verifiedVersion(statement, by(), undefined, undefined)).rejects.toEqual(
    refusal('ADVISORY_INVALID', { file: source }),
  )
})
