import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { writeFileSync } from 'node:fs'
import { readFile, rename, rm } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { POLICY_CHANNEL } from '../../events.ts'
import { sha256 } from '../../testing/bundles.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import * as loadPolicy from '../load-policy.ts'
import { onPolicyChange } from './changes.ts'
import { openVerifiedModel } from '../../loading/open-verified-model.ts'
import type { CompiledPolicy } from '../policy.ts'
import { isWatchedPolicy, watchPolicy } from './watch-policy.ts'

vi.mock('../load-policy.ts', { spy: true })

let site: TestSite

beforeAll(async () => {
  site = await TestSite.make()
  for (const name of ['a', 'b']) await site.key(name)
  await site.model('model')
  await site.sign('model', 'a')
})
afterAll(() => site.remove())

const text = (root: string, more = {}) => ({
  version: 1,
  trustRoots: { root: { publicKey: `${root}.pub` } },
  rules: [{ name: 'r', match: { path: 'model' }, signers: [{ key: 'root' }] }],
  ...more,
})

test('takes effect at the next load, and keeps the last valid version in use', async () => {
  const path = await site.policy(text('a'), 'watched.yaml')
  const seen: string[] = []
  const published: unknown[] = []
  const onMessage = (message: unknown) => published.push(message)
  subscribe(POLICY_CHANNEL, onMessage)
  const policy = await watchPolicy(path, {
    onReload: (policy) => seen.push(`rules ${(policy as CompiledPolicy).rules.length}`),
    onError: ({ code }) => seen.push(code),
  })
  const load = async () =>
    openVerifiedModel(site.file('model'), { policy }).then(
      ({ verdict }) => verdict.decision,
      (error: unknown) => (error as { code: string }).code,
    )
  expect(await load()).toBe('accepted')

  await site.policy(text('b'), 'watched.yaml')
  expect([await load(), await load()]).toEqual(['SIGNER_NOT_TRUSTED', 'SIGNER_NOT_TRUSTED'])
  await site.policy('version: 2\n', 'watched.yaml')
  expect([await load(), await load()]).toEqual(['SIGNER_NOT_TRUSTED', 'SIGNER_NOT_TRUSTED'])
  await site.policy(text('missing'), 'watched.yaml')
  expect([await load(), await load()]).toEqual(['SIGNER_NOT_TRUSTED', 'SIGNER_NOT_TRUSTED'])
  await rm(path)
  expect([await load(), await load()]).toEqual(['SIGNER_NOT_TRUSTED', 'SIGNER_NOT_TRUSTED'])
  await site.policy(text('a'), 'next.yaml')
  await rename(site.file('next.yaml'), path)
  expect(await load()).toBe('accepted')
  expect(seen).toEqual(['rules 1', 'POLICY_INVALID', 'FILE_NOT_FOUND', 'POLICY_NOT_FOUND', 'rules 1'])
  unsubscribe(POLICY_CHANNEL, onMessage)
  expect(published).toHaveLength(5)
  expect(published[1]).toMatchObject({ path, error: { code: 'POLICY_INVALID' } })
  expect(published[4]).toEqual({ path, digest: sha256(await readFile(path)) })
})

test('follows the keys and the included files as well', async () => {
  await site.policy('version: 1\nrevoked: {}\n', 'central.yaml')
  const policy = await watchPolicy(await site.policy(text('a', { include: ['central.yaml'] })))
  await openVerifiedModel(site.file('model'), { policy })
  await site.policy(`version: 1\nrevoked: { rootDigests: ["${'0'.repeat(64)}"] }\n`, 'central.yaml')
  expect(((await policy.current()) as CompiledPolicy).revocations.concernsModels).toBe(true)
  await rename(site.file('b.pub'), site.file('a.pub'))
  await expect(openVerifiedModel(site.file('model'), { policy })).rejects.toMatchObject({ code: 'SIGNER_NOT_TRUSTED' })
})

test('refuses a first version that is not valid', async () => {
  await expect(watchPolicy(await site.policy('version: 2\n'))).rejects.toMatchObject({ code: 'POLICY_INVALID' })
})

test('a change after another check of the files has begun is not missed', async () => {
  const path = await site.policy(text('a'), 'overtaken.yaml')
  let asked: Promise<unknown> | undefined
  const policy = await watchPolicy(path, {
    // The check under way has read the files by now.
    onReload: () => {
      if (asked) return
      writeFileSync(path, JSON.stringify(text('b', { issued: '2026-01-01T00:00:00.000Z' })))
      asked = policy.current()
    },
  })
  await site.policy(text('a', { issued: '2026-01-01T00:00:00Z' }), 'overtaken.yaml')
  await policy.current()
  expect(await asked).toBe(await policy.current())
  await expect(openVerifiedModel(site.file('model'), { policy })).rejects.toMatchObject({ code: 'SIGNER_NOT_TRUSTED' })
})

test('who follows policies learns of each version that comes into use, and of its included files', async () => {
  const included = await site.policy('version: 1\nrevoked: {}\n', 'included.yaml')
  const path = await site.policy(text('a', { include: ['included.yaml'] }), 'including.yaml')
  const policy = await watchPolicy(path)
  const changed = vi.fn()
  onPolicyChange(changed)
  const published: unknown[] = []
  const onMessage = (message: unknown) => published.push(message)
  subscribe(POLICY_CHANNEL, onMessage)
  const first = await policy.current()
  expect([changed.mock.calls.length, published]).toEqual([0, []])
  await site.policy('version: 1\nrevoked: { keys: [] }\n', 'included.yaml')
  const second = await policy.current()
  expect(second).not.toBe(first)
  expect(await policy.current()).toBe(second)
  await site.policy('version: 2\n', 'included.yaml')
  expect(await policy.current()).toBe(second)
  unsubscribe(POLICY_CHANNEL, onMessage)
  expect(changed).toHaveBeenCalledTimes(1)
  expect(published).toMatchObject([
    { path, digest: sha256(await readFile(path)), includes: [sha256('version: 1\nrevoked: { keys: [] }\n')] },
    { path, error: { code: 'POLICY_INVALID', file: included } },
  ])
})

test('a mistake of ours is not taken for a policy that is not valid', async () => {
  const path = await site.policy(text('a'), 'mistaken.yaml')
  const onError = vi.fn()
  const policy = await watchPolicy(path, { onError })
  await site.policy(text('b'), 'mistaken.yaml')
  vi.mocked(loadPolicy.loadCompiledPolicy).mockRejectedValueOnce(new TypeError('ours'))
  await expect(policy.current()).rejects.toThrow(new TypeError('ours'))
  expect(onError).not.toHaveBeenCalled()
})

test('only functions are called', async () => {
  const path = await site.policy(text('a'))
  for (const options of [{ onReload: 1 }, { onError: 'x' }, { onChange: () => {} }])
    await expect(watchPolicy(path, options as never)).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  await expect(watchPolicy(path, { onChange: () => {} } as never)).rejects.toEqual(
    refusal('INVALID_ARGUMENT', { message: expect.stringContaining('watchPolicy') as string }),
  )
})

test('a watched policy is recognized by its method', async () => {
  const watched = await watchPolicy(await site.policy(text('a')))
  expect([watched, { current: () => {} }].map(isWatchedPolicy)).toEqual([true, true])
  const callable = Object.assign(() => {}, { current: () => {} })
  const others = [undefined, null, 'current', callable, {}, { current: 1 }, await watched.current()]
  expect(others.map(isWatchedPolicy)).toEqual(others.map(() => false))
})
