import { realpathSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { loadPolicy } from '../../policy/load-policy.ts'
import { watchPolicy } from '../../policy/watching/watch-policy.ts'
import { sha256 } from '../../testing/bundles.ts'
import { refusal } from '../../testing/scratch.ts'
import { TestSite } from '../../testing/site.ts'
import type { OpenOptions } from '../open-options.ts'
import { checkAge, givenPolicy, policyOf } from './read-policy.ts'
import { emptyVerdict } from './verdict-steps.ts'

let site: TestSite
let path: string
const RULES = [{ name: 'r', match: { path: 'models/**' }, mode: 'skip', reason: 'a test' }]
const TEXT = JSON.stringify({ version: 1, rules: RULES })

beforeAll(async () => {
  site = await TestSite.make()
  path = await site.write('trust.yaml', TEXT)
})
afterAll(() => site.remove())

const empty = () => emptyVerdict({ path: '/m' }, {})

describe('the policy of a load', () => {
  test('is given by its path or URL, or as it was loaded or is watched', async () => {
    const loaded = await loadPolicy(path)
    expect((await givenPolicy(path)).path).toBe(path)
    expect((await givenPolicy(pathToFileURL(path))).path).toBe(path)
    expect(await givenPolicy(loaded)).toBe(loaded)
    expect((await givenPolicy(await watchPolicy(path))).path).toBe(path)
    await expect(givenPolicy(site.file('none.yaml'))).rejects.toEqual(refusal('POLICY_NOT_FOUND'))
  })

  test('is in the verdict, with the digests of its files', async () => {
    const verdict = empty()
    await policyOf(path, verdict)
    expect(verdict.policy).toBe(realpathSync(path))
    expect(verdict.policyDigests).toEqual({ file: sha256(TEXT) })
    const included = JSON.stringify({ version: 1, rules: RULES })
    await site.write('included.yaml', included)
    const text = JSON.stringify({ version: 1, include: ['included.yaml'] })
    await policyOf(await site.write('including.yaml', text), verdict)
    expect(verdict.policyDigests).toEqual({ file: sha256(text), includes: [sha256(included)] })
  })

  test('is not another object', async () => {
    const details = {
      message: expect.stringContaining('option "policy"') as string,
      expected: 'the result of loadPolicy() or watchPolicy()',
    }
    for (const other of [{}, { ...(await loadPolicy(path)) }])
      await expect(givenPolicy(other as never)).rejects.toEqual(refusal('INVALID_ARGUMENT', details))
  })
})

describe('an object that poses as a watched policy', () => {
  const posing = (current: () => unknown) => givenPolicy({ current } as unknown as OpenOptions['policy'])

  test('must return a policy', async () => {
    const details = {
      message: expect.stringContaining('option "policy"') as string,
      expected: 'the result of watchPolicy()',
    }
    for (const returned of [undefined, {}, path])
      await expect(posing(() => returned)).rejects.toEqual(refusal('INVALID_ARGUMENT', details))
    const loaded = await loadPolicy(path)
    expect(await posing(() => Promise.resolve(loaded))).toBe(loaded)
  })

  test('passes on refusals, and nothing else', async () => {
    const error = new ModelSealError('POLICY_INVALID', 'Bad.')
    const broken = new Error('broken')
    const throwing = (thrown: unknown) => () => {
      throw thrown
    }
    await expect(posing(throwing(error))).rejects.toBe(error)
    await expect(posing(() => Promise.reject(error))).rejects.toBe(error)
    for (const fail of [throwing(broken), () => Promise.reject(broken)])
      await expect(posing(fail)).rejects.toEqual(refusal('INVALID_ARGUMENT', { cause: broken }))
  })
})

describe('the age of a policy', () => {
  const NOW = Date.parse('2026-03-01T00:00:00Z')

  test('is checked if it is limited', async () => {
    const issued = '2026-02-01T00:00:00Z'
    const limited = await loadPolicy(await site.policy({ version: 1, issued, maxAge: '30d', rules: RULES }))
    const policy = await givenPolicy(limited)
    const verdict = empty()
    await checkAge(policy, NOW, verdict)
    const reason = 'The policy is not older than its maximum age.'
    expect(verdict.checks).toEqual([{ check: 'policy-age', outcome: 'passed', reason }])
    const late = empty()
    await expect(checkAge(policy, NOW + 3 * 86_400_000, late)).rejects.toEqual(refusal('POLICY_STALE'))
    expect(late.checks).toMatchObject([{ check: 'policy-age', outcome: 'failed', code: 'POLICY_STALE' }])
  })

  test('is said to be unlimited otherwise', async () => {
    const verdict = empty()
    await checkAge(await givenPolicy(path), NOW, verdict)
    const reason = 'The policy sets no maximum age.'
    expect(verdict.checks).toEqual([{ check: 'policy-age', outcome: 'passed', reason }])
  })
})
