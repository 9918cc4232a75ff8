import { describe, expect, test } from 'vitest'
import { ModelSealError, type ErrorCode } from '../../errors.ts'
import { MOST_PROBLEMS } from '../../manifest/mismatch.ts'
import { Revocations } from '../../policy/revocations/revocations.ts'
import { refusal } from '../../testing/scratch.ts'
import { revokedBy } from '../files/revoked-files.ts'
import type { Judging } from './judging.ts'
import { Responsibility } from './responsibility.ts'
import { emptyVerdict } from './verdict-steps.ts'

/** What a rule requires of files. */
interface Requiring {
  files?: string
  isolation?: readonly string[]
  unsigned?: (name: string) => boolean
}

/** A judgement that accepted a signature by such a rule, or none. */
function judging(by: string | undefined, require?: Requiring): Judging {
  const verdict = { ...emptyVerdict({ path: 'm' }, {}), ...(by === undefined ? {} : { policy: `/${by}.yaml` }) }
  const accepted = require && { rule: { require } }
  return { by, verdict, accepted, knownRevocations: new Revocations() } as unknown as Judging
}

const errorOf = (code: ErrorCode, unsigned: string[] = []) =>
  new ModelSealError(code, 'No.', {
    problems: unsigned.map((file) => ({ code: 'FILE_UNSIGNED', file })),
  })

describe('a step', () => {
  const [one, two] = [judging(undefined, {}), judging('two', {})]

  test('returns its result', async () => {
    const responsibility = new Responsibility([one])
    expect(await responsibility.of([one], () => Promise.resolve(1))).toBe(1)
    expect(responsibility.ofNow([one], () => 2)).toBe(2)
  })

  test('fails on behalf of the policies for which it was taken first', async () => {
    const responsibility = new Responsibility([one, two])
    const [error, sync] = [errorOf('BUNDLE_NOT_FOUND'), errorOf('MODEL_FORMAT')]
    const failing = () => responsibility.of([two], () => Promise.reject(error))
    await expect(responsibility.of([one], failing)).rejects.toBe(error)
    expect(responsibility.for(error)).toEqual([two])
    const throwing = (): never => {
      throw sync
    }
    expect(() => responsibility.ofNow([two], throwing)).toThrow(sync)
    expect(responsibility.for(sync)).toEqual([two])
  })

  test.each([undefined, null, 'text'])('may fail by %j', async (thrown) => {
    const responsibility = new Responsibility([one, two])
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- what a loader throws
    await expect(responsibility.of([two], () => Promise.reject(thrown))).rejects.toBe(thrown)
    expect(responsibility.for(thrown)).toEqual([one])
  })
})

describe('a refusal', () => {
  test('that concerns no policy is one of the first', () => {
    const responsibility = new Responsibility([judging(undefined), judging('two')])
    const error = errorOf('BUNDLE_NOT_FOUND')
    expect(responsibility.refused(error)).toBe(error)
    expect(error.message).toBe('No.')
    expect(error.verdict?.policy).toBeUndefined()
  })

  test('names the policies if there are several', async () => {
    const [one, two] = [judging(undefined), judging('two')]
    one.verdict.policy = '/one.yaml'
    const responsibility = new Responsibility([one, two])
    const error = errorOf('BUNDLE_NOT_FOUND')
    await responsibility.of([two, one], () => Promise.reject(error)).catch(() => {})
    responsibility.refused(error)
    expect(error.message).toBe(
      'No. Refused by the policy of two, "/two.yaml" and the policy of the program, "/one.yaml".',
    )
    expect(error.verdict).toBe(two.verdict)
    for (const { verdict } of [one, two]) expect(verdict.error?.code).toBe('BUNDLE_NOT_FOUND')
    const sole = new Responsibility([judging(undefined)])
    const alone = errorOf('BUNDLE_NOT_FOUND')
    await sole.of([one], () => Promise.reject(alone)).catch(() => {})
    expect(sole.refused(alone).message).toBe('No.')
  })

  test('names a policy without a path, too', async () => {
    const one = judging(undefined)
    const responsibility = new Responsibility([one, judging('two')])
    const error = errorOf('BUNDLE_NOT_FOUND')
    await responsibility.of([one], () => Promise.reject(error)).catch(() => {})
    expect(responsibility.refused(error).message).toBe('No. Refused by the policy of the program.')
  })

  test('by something unexpected has its message unchanged', async () => {
    const [one, two] = [judging(undefined), judging('two')]
    const responsibility = new Responsibility([one, two])
    const broken = new Error('broken')
    await responsibility.of([two], () => Promise.reject(broken)).catch(() => {})
    expect(responsibility.refused(broken)).toEqual(refusal('INTERNAL', { found: 'broken', verdict: two.verdict }))
    expect(broken.message).toBe('broken')
  })

  test('if no policy is named, is one of the first', async () => {
    const one = judging(undefined)
    const responsibility = new Responsibility([one])
    const error = errorOf('BUNDLE_NOT_FOUND')
    await responsibility.of([], () => Promise.reject(error)).catch(() => {})
    expect(responsibility.refused(error).verdict).toBe(one.verdict)
  })
})

describe('what a loader gets', () => {
  const OF_FILES: ErrorCode[] = ['FILE_MISMATCH', 'FILE_MISSING', 'FILE_NOT_SIGNED', 'ISOLATION_REFUSED']

  test.each(OF_FILES)('is refused by the policies that accepted a signature: %s', (code) => {
    const [one, two] = [judging(undefined), judging('two', { isolation: ['copy'] })]
    expect(new Responsibility([one, two]).for(errorOf(code))).toEqual([two])
    // Something else that only has the code may be of the loader.
    expect(new Responsibility([one, two]).for({ code })).toEqual([one])
    expect(new Responsibility([one]).for(errorOf(code))).toEqual([one])
    expect(new Responsibility([two, one]).refused(errorOf(code)).message).toContain('Refused by the policy of two')
    const alone = new Responsibility([judging(undefined), judging('two')])
    expect(alone.refused(errorOf(code)).message).toBe('No.')
  })

  test('is refused for its isolation by the policies that require one', () => {
    const [one, two] = [judging(undefined, {}), judging('two', { isolation: ['copy'] })]
    const responsibility = new Responsibility([one, two])
    expect(responsibility.for(errorOf('ISOLATION_REFUSED'))).toEqual([two])
    expect(responsibility.for(errorOf('FILE_MISMATCH'))).toEqual([one, two])
    const neither = [judging(undefined, {}), judging('two', {})] as const
    expect(new Responsibility(neither).for(errorOf('ISOLATION_REFUSED'))).toEqual(neither)
  })

  test('is refused for its isolation by a policy that accepted nothing, if the step was taken for it alone', async () => {
    const [one, two] = [judging(undefined, { isolation: ['copy'] }), judging('two')]
    const responsibility = new Responsibility([one, two])
    const error = errorOf('ISOLATION_REFUSED')
    await expect(responsibility.of([two], () => Promise.reject(error))).rejects.toBe(error)
    expect(responsibility.for(error)).toEqual([two])
  })
})

test('an error of a loader that only has such a code concerns all policies for which the step was taken', async () => {
  const [one, two] = [judging(undefined, {}), judging('two', { isolation: ['copy'] })]
  const responsibility = new Responsibility([one, two])
  const error = Object.assign(new Error('No.'), { code: 'ISOLATION_REFUSED' })
  await expect(responsibility.of([one, two], () => Promise.reject(error))).rejects.toBe(error)
  expect(responsibility.for(error)).toEqual([one, two])
})

describe('an unsigned file', () => {
  const inCache = (name: string) => name === 'cache'
  const strict = judging(undefined, {})
  const none = judging('none')
  const listed = judging('listed', { unsigned: inCache })
  const ignoring = judging('ignoring', { files: 'ignore-unsigned' })

  async function responsible(error: ModelSealError): Promise<(string | undefined)[]> {
    const all = [strict, none, listed, ignoring] as const
    const responsibility = new Responsibility(all)
    await responsibility.of(all, () => Promise.reject(error)).catch(() => {})
    return responsibility.for(error).map(({ by }) => by)
  }

  test('is refused by the policies that do not allow it', async () => {
    expect(await responsible(errorOf('FILE_UNSIGNED', ['cache/a']))).toEqual([undefined])
    expect(await responsible(errorOf('FILE_UNSIGNED', ['cache/a', 'other']))).toEqual([undefined, 'listed'])
    // Without a list of all of them, any policy may mind one.
    expect(await responsible(errorOf('FILE_UNSIGNED'))).toEqual([undefined, 'listed'])
    expect(await responsible(new ModelSealError('FILE_UNSIGNED', 'No.'))).toEqual([undefined, 'listed'])
    const most = Array.from({ length: MOST_PROBLEMS }, (_, index) => `cache/${index}`)
    expect(await responsible(errorOf('FILE_UNSIGNED', most))).toEqual([undefined, 'listed'])
    expect(await responsible(errorOf('FILE_UNSIGNED', most.slice(1)))).toEqual([undefined])
  })

  test('concerns all if it concerns none more than others', async () => {
    const responsibility = new Responsibility([ignoring, none])
    const error = errorOf('FILE_UNSIGNED', ['other'])
    await responsibility.of([ignoring, none], () => Promise.reject(error)).catch(() => {})
    expect(responsibility.for(error)).toEqual([ignoring, none])
  })
})

test('a revocation concerns the policies that have it, whoever took the step', async () => {
  const [one, two] = [judging(undefined, {}), judging('two', {})]
  const responsibility = new Responsibility([one, two])
  const error = revokedBy(two.knownRevocations!, errorOf('FILE_REVOKED'))
  await responsibility.of([one], () => Promise.reject(error)).catch(() => {})
  expect(responsibility.for(error)).toEqual([two])
  // A policy that could not be read has no revocations.
  const unread = { ...judging('three'), knownRevocations: undefined } as unknown as Judging
  expect(new Responsibility([one, unread]).for(errorOf('FILE_REVOKED'))).toEqual([one])
  const foreign = revokedBy(new Revocations(), errorOf('FILE_REVOKED'))
  expect(new Responsibility([one, two]).for(foreign)).toEqual([one])
})
