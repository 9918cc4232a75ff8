import { utimesSync } from 'node:fs'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { loadPolicy } from '../policy/load-policy.ts'
import type { WatchedPolicy } from '../policy/watching/watch-policy.ts'
import { policyChanged } from '../policy/watching/changes.ts'
import type * as settling from '../source/local/settling.ts'
import { sha256 } from '../testing/bundles.ts'
import { refusal } from '../testing/scratch.ts'
import { TestSite } from '../testing/site.ts'
import type { Gather } from './model-reader.ts'
import { openVerifiedModel } from './open-verified-model.ts'

// No file is so young that a change could be hidden.
vi.mock('../source/local/settling.ts', async (original) => ({
  ...(await original<typeof settling>()),
  isSettled: () => true,
}))

let site: TestSite
let rootDigest: string

beforeAll(async () => {
  site = await TestSite.make()
  await site.key('a')
  rootDigest = await site.signedModel('signed')
  await site.model('plain', { 'weights.bin': 'weights', 'config.json': '{}' })
  await site.model('other', { 'weights.bin': 'others' })
})
afterAll(() => site.remove())

async function version(mode: 'enforce' | 'skip', revoked: object = {}) {
  const rule =
    mode === 'skip'
      ? { name: 'r', match: { path: ['plain', 'other'] }, mode, reason: 'ours' }
      : { name: 'r', match: { path: '**' }, signers: [{ key: 'a' }] }
  const path = await site.policy({ version: 1, trustRoots: { a: { publicKey: 'a.pub' } }, rules: [rule], revoked })
  // Versions that have just been written are not used for models that are loaded.
  utimesSync(path, 1_000, 1_000)
  return loadPolicy(path)
}

/** A policy whose next version can be set. */
async function watched(mode: 'enforce' | 'skip') {
  let current = await version(mode)
  const policy = { current: () => Promise.resolve(current) } as unknown as WatchedPolicy
  const change = async (revoked: object) => {
    current = await version(mode, revoked)
    policyChanged()
  }
  return { policy, change }
}

const placing: Gather<unknown> = (reader) => reader.place(['weights.bin'])
const reasonOf = ({ revoked }: { revoked: AbortSignal }) =>
  vi.waitFor(() => (revoked.aborted ? (revoked.reason as unknown) : Promise.reject(new Error('not yet'))), 5_000)

test('a verified model that is revoked later is reported', async () => {
  const { policy, change } = await watched('enforce')
  await using model = await openVerifiedModel(site.file('signed'), { policy })
  await change({ rootDigests: [rootDigest] })
  expect(await reasonOf(model)).toEqual(refusal('MODEL_REVOKED'))
})

test('an unverified model is revoked by a file that it handed out, and by no other', async () => {
  const { policy, change } = await watched('skip')
  await using other = await openVerifiedModel(site.file('other'), { policy }, placing)
  await using unused = await openVerifiedModel(site.file('plain'), { policy }, (reader) =>
    reader.place(['config.json']),
  )
  await using model = await openVerifiedModel(site.file('plain'), { policy }, placing)
  await change({ fileDigests: [sha256('weights')] })
  expect(await reasonOf(model)).toMatchObject({
    code: 'MODEL_REVOKED',
    cause: { code: 'FILE_REVOKED', file: 'weights.bin' },
  })
  // Models are judged in the order in which they were loaded.
  expect([other.revoked.aborted, unused.revoked.aborted]).toEqual([false, false])
})
