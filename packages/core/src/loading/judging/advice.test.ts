import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { advised, type Advised } from '../../policy/advisories/following/advised.ts'
import { loadPolicy } from '../../policy/load-policy.ts'
import type { CompiledPolicy } from '../../policy/policy.ts'
import { Revocations } from '../../policy/revocations/revocations.ts'
import { TestSite } from '../../testing/site.ts'
import { adviceFor } from './advice.ts'
import { givenPolicy } from './read-policy.ts'
import { emptyVerdict } from './verdict-steps.ts'

vi.mock('../../policy/advisories/following/advised.ts', () => ({ advised: vi.fn() }))

let site: TestSite
let policy: CompiledPolicy

beforeAll(async () => {
  site = await TestSite.make()
  const rules = [{ name: 'r', match: { path: 'models/**' }, mode: 'skip', reason: 'a test' }]
  policy = await givenPolicy(await loadPolicy(await site.policy({ version: 1, rules })))
})
afterAll(() => site.remove())

const denied = new Revocations()
const empty = () => emptyVerdict({ path: '/m' }, {})

/** What feeds say of which some are stale. */
function feeds(...stale: boolean[]): Advised {
  const advisories = stale.map((isStale, index) => ({ source: `f${index}`, stale: isStale }))
  return { revocations: denied, advisories, versions: 'a,b', warnings: [], refusal: undefined }
}

beforeEach(() => {
  vi.mocked(advised).mockReset()
})

test('the advice of feeds is in the verdict, and what they deny among the revocations', async () => {
  const warning = { code: 'MODELSEAL_ADVISORY_STALE', message: 'Old.' } as const
  const said = { ...feeds(false), warnings: [warning, { ...warning, message: 'Old, too.' }] }
  vi.mocked(advised).mockResolvedValue(said)
  const [verdict, { signal }] = [empty(), new AbortController()]
  const advice = await adviceFor(policy, verdict, signal)
  expect(vi.mocked(advised).mock.calls).toEqual([[policy, signal]])
  expect(advice.policy.revocations).toBe(denied)
  expect(advice.policy.rules).toBe(policy.rules)
  expect(advice.versions).toBe('a,b')
  expect(verdict.advisories).toBe(said.advisories)
  expect(verdict.warnings).toEqual([warning])
  expect(verdict.checks).toEqual([])
})

describe('the step about feeds', () => {
  test.each<[string, boolean[]]>([
    ['The policy follows one advisory feed.', [false]],
    ['The policy follows one advisory feed. None of them may be relied on.', [true]],
    ['The policy follows 2 advisory feeds.', [false, false]],
    ['The policy follows 3 advisory feeds. 2 of them may be relied on.', [false, true, false]],
    ['The policy follows 2 advisory feeds. None of them may be relied on.', [true, true]],
  ])('says: %s', async (reason, stale) => {
    vi.mocked(advised).mockResolvedValue(feeds(...stale))
    const verdict = empty()
    await (await adviceFor(policy, verdict, undefined)).check()
    expect(verdict.checks).toEqual([{ check: 'advisories', outcome: 'passed', reason }])
  })

  test('fails with the refusal, once the policy has been checked', async () => {
    const refusal = new ModelSealError('ADVISORY_STALE', 'Old.')
    vi.mocked(advised).mockResolvedValue({ ...feeds(true), refusal })
    const verdict = empty()
    const { check } = await adviceFor(policy, verdict, undefined)
    await expect(check()).rejects.toBe(refusal)
    const failed = { check: 'advisories', outcome: 'failed', reason: 'Old.', code: 'ADVISORY_STALE' }
    expect(verdict.checks).toEqual([failed])
  })
})
