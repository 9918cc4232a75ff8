import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { keySigner } from '../../signing/methods/key.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import { addToFeed, createFeedSource } from './edit-feed.ts'
import { judgeMemory } from './judge-memory.ts'
import { signFeed } from './sign-feed.ts'

const bytes = Buffer.from('the weights')
const HEX = createHash('sha256').update(bytes).digest('hex')
const DAY = 24 * 3_600_000

let site: TestSite

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('security')
  await mkdir(site.file('cache'), { mode: 0o700 })
})
afterAll(() => site.remove())
afterEach(() => {
  vi.unstubAllEnvs()
  vi.useRealTimers()
})

/** A policy that allows models in memory, and follows a feed. */
async function following(name: string, denied: string[]): Promise<string> {
  vi.stubEnv('MODELSEAL_CACHE', site.file('cache'))
  const source = site.file(`${name}.yaml`)
  await createFeedSource(source, { feed: name })
  if (denied.length > 0) await addToFeed(source, { fileDigests: denied })
  const signer = await keySigner({ privateKey: site.file('security.key') })
  await signFeed(source, { signer, output: site.file(`${name}.jsonl`) })
  return site.policy({
    version: 1,
    trustRoots: { security: { publicKey: 'security.pub' } },
    rules: [{ name: 'embedded', match: { memory: 'any' }, mode: 'skip', reason: 'reviewed' }],
    advisories: [{ file: `${name}.jsonl`, signers: [{ key: 'security' }] }],
  })
}

test('bytes that a feed denies are refused', async () => {
  const policy = await following('denying', [HEX])
  await expect(judgeMemory(bytes, { policy })).rejects.toEqual(refusal('FILE_REVOKED'))
})

test('others are not, but may be later', async () => {
  const policy = await following('harmless', ['a'.repeat(64)])
  const model = await judgeMemory(bytes, { policy })
  expect(model.verdict).toMatchObject({ decision: 'skipped', advisories: [{ feed: 'harmless' }] })
  expect(model.standing.isChangeable).toBe(true)
  model.close()
})

test('a feed that has expired refuses all', async () => {
  const policy = await following('old', [])
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 8 * DAY })
  await expect(judgeMemory(bytes, { policy })).rejects.toEqual(refusal('ADVISORY_STALE'))
})
