import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { scratch } from '../../testing/scratch.ts'
import { serving } from '../../testing/serving.ts'
import { TestSigstore } from '../../testing/sigstore.ts'
import { TestTuf } from '../../testing/tuf.ts'
import { loadSigstoreTrust } from './trust.ts'
import type { TufRepository, TufSource } from '../tuf/repository.ts'
import { updateTrustRoot } from './update-trust-root.ts'

// The keys of the public instances are not available here: this instance replaces them.
const released = vi.hoisted((): { anchor: Buffer; included: Buffer | undefined } => ({
  anchor: Buffer.alloc(0),
  included: undefined,
}))
vi.mock('../tuf/repository.ts', async (original) => {
  const { repositoryUrl } = await original<{ repositoryUrl: (instance: TufSource) => string }>()
  return {
    repositoryUrl,
    repositoryOf: (instance: TufSource): TufRepository => ({ name: 'ours', url: repositoryUrl(instance), ...released }),
  }
})

beforeEach(() => vi.stubEnv('MODELSEAL_CACHE', join(scratch(), 'cache')))
afterEach(() => vi.unstubAllEnvs())

/** A root whose newest key came into use at the given time. */
async function rootOf(start: string): Promise<string> {
  const root = (await new TestSigstore().root()) as { tlogs: { publicKey: { validFor: { start: string } } }[] }
  for (const { publicKey } of root.tlogs) publicKey.validFor.start = start
  return JSON.stringify(root)
}

async function published(root: Buffer) {
  const tuf = new TestTuf({ 'trusted_root.json': root })
  released.anchor = tuf.anchor
  return { tuf, instance: { tufUrl: await serving(tuf.answer), tufRoot: 'root.json' } }
}

const sourceOf = async (instance: TufSource) => (await loadSigstoreTrust(instance)).info.source

test('a fetched root takes precedence over the included one, until a newer version includes a newer root', async () => {
  const years = ['2021', '2022', '2023', String(new Date().getFullYear() + 1)]
  const [first, second, third, coming] = await Promise.all(
    years.map(async (year) => Buffer.from(await rootOf(`${year}-01-01T00:00:00Z`))),
  )
  if (!first || !second || !third || !coming) throw new Error('expected four roots')
  const { tuf, instance } = await published(second)
  released.included = first
  expect(await sourceOf(instance)).toBe('carried')
  await updateTrustRoot(instance)
  expect(await sourceOf(instance)).toBe('refreshed')

  // The instance withdrew its newest key.
  released.included = third
  expect(await sourceOf(instance)).toBe('refreshed')
  // The next release includes a key that is newer than the fetched root.
  released.included = coming
  expect(await sourceOf(instance)).toBe('carried')
  released.included = first
  expect(await sourceOf(instance)).toBe('refreshed')

  // Both have the same newest key, which is not in use yet.
  const { instance: early } = await published(coming)
  released.included = first
  await updateTrustRoot(early)
  released.included = coming
  expect(await sourceOf(early)).toBe('refreshed')
  released.included = first
  released.anchor = tuf.anchor

  // Or a later version of the repository's root, from which the fetched record cannot be verified.
  tuf.publish({ 'trusted_root.json': second }, { newRoot: true })
  released.anchor = tuf.files.get('2.root.json') ?? Buffer.alloc(0)
  expect(await sourceOf(instance)).toBe('carried')
  expect(await updateTrustRoot(instance)).toMatchObject({ source: 'refreshed' })
})
