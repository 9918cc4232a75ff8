import { readFileSync, statSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MAX_BUNDLE_BYTES } from '../../bundle/bundle.ts'
import { paddedBundle } from '../../testing/bundles.ts'
import { file, serve, type Answer } from '../../testing/http-server.ts'
import { judgeModel } from '../operations/judge-model.ts'
import type { OpenOptions } from '../open-options.ts'
import { TestSite } from '../../testing/site.ts'

const KEYS = ['a', 'b', 'c', 'd', 'e']
const LARGE = MAX_BUNDLE_BYTES + 1_000_000

let site: TestSite
/** Size of the bundle of the model `one`, in bytes. */
let size: number

beforeAll(async () => {
  site = await TestSite.make()
  for (const name of KEYS) await site.key(name)
  for (const name of ['one', 'several', 'large']) await site.model(name)
  await site.sign('one', 'a')
  for (const name of KEYS) await site.sign('several', name, `several.${name}.sig`)
  await site.sign('large', 'a')
  await site.write(
    'large.sig',
    paddedBundle(readFileSync(site.file('large.sig')), readFileSync(site.file('a.key'), 'utf8'), LARGE),
  )
  size = statSync(site.file('one.sig')).size
})
afterAll(() => site.remove())

function policy(maxBundleBytes: unknown, rule: object = {}, before: object[] = []): object {
  const require = maxBundleBytes === undefined ? {} : { maxBundleBytes }
  const signers = [{ key: 'a' }]
  return {
    version: 1,
    trustRoots: Object.fromEntries(KEYS.map((key) => [key, { publicKey: `${key}.pub` }])),
    rules: [...before, { name: 'all', match: { format: 'any' }, signers, require, ...rule }],
  }
}

const BY_NAME = { name: 'by name', match: { name: 'another' }, signers: [{ key: 'a' }] }
const TOO_LARGE = 'refused BUNDLE_TOO_LARGE'

describe('the size of a bundle is limited', () => {
  /** Limits of the rule and the option, relative to the size of the bundle. */
  const CASES: [string, number | undefined, number | undefined, string][] = [
    ['by the rule, to less', -1, undefined, TOO_LARGE],
    ['by the rule, to exactly its size', 0, undefined, 'accepted'],
    ['by the option, to less', undefined, -1, TOO_LARGE],
    ['by the option, to exactly its size', undefined, 0, 'accepted'],
    ['by the rule, although the option allows more', -1, 1, TOO_LARGE],
    ['by the option, although the rule allows more', 1, -1, TOO_LARGE],
    ['by both, to exactly its size', 0, 0, 'accepted'],
  ]
  const relative = (bytes: number | undefined) => (bytes === undefined ? undefined : size + bytes)

  test.each(CASES)('%s', async (_, rule, option, outcome) => {
    const options: OpenOptions = { maxBundleBytes: relative(option) }
    const signature = site.file('one.sig')
    const stated = policy(relative(rule))
    expect(await site.judge('one', stated, options)).toBe(outcome)
    expect(await site.judge('one', stated, { ...options, signature })).toBe(outcome)
    // Found before the rule is known, when the option and the default apply.
    const early = option === -1 ? 'refused NAME_AMBIGUOUS' : outcome
    expect(await site.judge('one', policy(relative(rule), {}, [BY_NAME]), options)).toBe(early)
  })

  test.each(CASES)('over HTTP %s', async (_, rule, option, outcome) => {
    const paths = ['one/config.json', 'one/weights.bin', 'one.sig']
    const files: Record<string, Answer> = {}
    for (const path of paths) files[`/${path}`] = file(readFileSync(site.file(path)))
    const { origin } = await serve(files)
    for (const before of [[], [BY_NAME]]) {
      const trust = await site.policy(policy(relative(rule), {}, before))
      const verdict = await judgeModel(`${origin}/one/`, { policy: trust, maxBundleBytes: relative(option) })
      expect([verdict.decision, verdict.error?.code].filter(Boolean).join(' ')).toBe(outcome)
    }
  })

  test('by a rule in the mode audit, which reports it', async () => {
    expect(await site.judge('one', policy(size - 1, { mode: 'audit' }))).toBe('tolerated BUNDLE_TOO_LARGE')
    expect(await site.judge('one', policy(size, { mode: 'audit' }))).toBe('accepted')
  })

  test('with the expected and the found size', async () => {
    for (const before of [[], [BY_NAME]]) {
      const trust = await site.policy(policy(size - 1, {}, before))
      expect((await judgeModel(site.file('one'), { policy: trust })).error).toMatchObject({
        code: 'BUNDLE_TOO_LARGE',
        file: site.file('one.sig'),
        expected: `at most ${size - 1} bytes`,
        found: `${size} bytes`,
      })
    }
  })

  test('before it is read, whichever of the two limits is smaller', async () => {
    const signature = await site.write('no-bundle.sig', 'x'.repeat(2000))
    for (const [rule, option] of [
      [1999, 2000],
      [2000, 1999],
    ])
      expect(await site.judge('one', policy(rule), { signature, maxBundleBytes: option })).toBe(TOO_LARGE)
    expect(await site.judge('one', policy(2000), { signature, maxBundleBytes: 2000 })).toBe('refused JSON_INVALID')
  })

  test('to four times as much for all bundles of a model together', async () => {
    const largest = Math.max(...KEYS.map((key) => statSync(site.file(`several.${key}.sig`)).size))
    const all = { signers: KEYS.map((key) => ({ key })), threshold: KEYS.length }
    expect(await site.judge('several', policy(largest, all))).toBe('refused SIGNATURE_THRESHOLD')
    expect(await site.judge('several', policy(largest, { ...all, threshold: 4 }))).toBe('accepted')
    expect(await site.judge('several', policy(2 * largest, all))).toBe('accepted')
  })
})

describe('a valid bundle of more than 32 MiB', () => {
  test('is accepted only if the rule allows it', async () => {
    expect(await site.judge('large', policy(undefined))).toBe(TOO_LARGE)
    expect(await site.judge('large', policy(MAX_BUNDLE_BYTES))).toBe(TOO_LARGE)
    expect(await site.judge('large', policy(2 * MAX_BUNDLE_BYTES))).toBe('accepted')
  })

  test('is refused if choosing the rule requires its name', async () => {
    const trust = policy(2 * MAX_BUNDLE_BYTES, {}, [BY_NAME])
    expect(await site.judge('large', trust)).toBe('refused NAME_AMBIGUOUS')
    expect(await site.judge('large', trust, { signature: site.file('large.sig') })).toBe(TOO_LARGE)
  })
})

test.each([0, -1, 1.5, 512_000_001, '64 MiB', '1', null, true])('a rule cannot say %j', async (bytes) => {
  expect(await site.judge('one', policy(bytes))).toBe('refused POLICY_INVALID')
})

test('a rule in the mode skip cannot limit bundles, which it does not read', async () => {
  const skipping = { mode: 'skip', reason: 'a test', match: { path: 'one' }, signers: undefined }
  expect(await site.judge('one', policy(size, skipping))).toBe('refused POLICY_INVALID')
})
