import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import type { CompiledPolicy } from '../../policy/policy.ts'
import { refusal } from '../../testing/scratch.ts'
import { emptyVerdict } from '../judging/verdict-steps.ts'
import type { CurrentVersion } from './current-version.ts'
import { hashAgain } from './hash-again.ts'
import { judgeAgain, type Unknown } from './judge-again.ts'
import type { JudgedLoad } from './judged-load.ts'
import { fetching, hashing } from './lines.ts'
import { readAttestationsAgain } from './read-again.ts'
import { Standing } from './standing.ts'

vi.mock(import('./judge-again.ts'), () => ({ judgeAgain: vi.fn() }))
vi.mock(import('./hash-again.ts'), () => ({ hashAgain: vi.fn() }))
vi.mock(import('./read-again.ts'), () => ({ readAttestationsAgain: vi.fn() }))

const [judging, hashed, fetched] = [vi.mocked(judgeAgain), vi.mocked(hashAgain), vi.mocked(readAttestationsAgain)]
const NOTHING: Unknown = { hashTypes: [], rootDigest: false, attestations: false }
const [BLAKE, ROOT]: Unknown[] = [
  { ...NOTHING, hashTypes: ['blake2b'] },
  { ...NOTHING, rootDigest: true },
]
const ATTESTATIONS: Unknown = { ...NOTHING, attestations: true }
const REVOKED = new ModelSealError('KEY_REVOKED', 'No.')

beforeEach(() => {
  vi.resetAllMocks()
  judging.mockResolvedValue(NOTHING)
  fetched.mockResolvedValue(true)
})

const policy = () => ({}) as unknown as CompiledPolicy
const READ = policy()
const loaded = (read = READ) => ({ by: { given: READ, read, number: 1, versions: '' } }) as JudgedLoad
const version = (more: Partial<CurrentVersion> = {}): CurrentVersion => ({
  given: READ,
  read: READ,
  number: 2,
  versions: 'later',
  policy: READ,
  ...more,
})
const turn = () => new Promise<void>((go) => setImmediate(go))

/** A model that is followed. */
function followed(...loads: JudgedLoad[]) {
  const standing = new Standing({ ...emptyVerdict({ path: '/m' }, {}), decision: 'accepted' }, [])
  standing.remember(loads)
  standing.followed(() => {})
  const judge = async (current: CurrentVersion) => {
    await standing.judge(() => Promise.resolve(current))
    await turn()
  }
  return { standing, judge }
}

describe('a loaded model', () => {
  test.each<[string, boolean, Partial<CurrentVersion>]>([
    ['another version of the policy', true, { read: policy(), versions: '' }],
    ['another version of its feeds', true, {}],
    ['another version of both', true, { read: policy() }],
    ['the same version, whatever its number', false, { versions: '' }],
  ])('is judged again by %s: %s', async (_, isJudged, more) => {
    const load = loaded()
    const { by } = load
    const { judge } = followed(load)
    const current = version(more)
    await judge(current)
    expect(judging.mock.calls).toEqual(isJudged ? [[load, current]] : [])
    expect(load.by).toBe(isJudged ? current : by)
    expect([hashed.mock.calls, fetched.mock.calls]).toEqual([[], []])
  })

  test.each([BLAKE, ROOT])('is hashed for what is unknown, and then judged once more: %j', async (unknown) => {
    const load = loaded()
    judging.mockResolvedValueOnce(unknown!)
    const { standing, judge } = followed(load)
    const current = version()
    await judge(current)
    expect(hashed.mock.calls).toEqual([[load, unknown]])
    expect(judging.mock.calls).toEqual(Array(2).fill([load, current]))
    expect(fetched).not.toHaveBeenCalled()
    expect(standing.revoked.aborted).toBe(false)
  })

  test('has attestations fetched that are unknown, and is then judged once more', async () => {
    const load = loaded()
    judging.mockResolvedValueOnce(ATTESTATIONS)
    const { standing, judge } = followed(load)
    const current = version()
    await judge(current)
    expect(fetched.mock.calls).toEqual([[load]])
    expect(judging.mock.calls).toEqual(Array(2).fill([load, current]))
    expect(hashed).not.toHaveBeenCalled()
    expect(standing.revoked.aborted).toBe(false)
  })

  test.each<[string, Unknown, () => void]>([
    ['hashing it', BLAKE!, () => hashed.mockRejectedValue(REVOKED)],
    ['what hashing it shows', BLAKE!, () => judging.mockRejectedValue(REVOKED)],
    ['fetching its attestations', ATTESTATIONS, () => fetched.mockRejectedValue(REVOKED)],
    ['what its attestations say', ATTESTATIONS, () => judging.mockRejectedValue(REVOKED)],
  ])('is revoked by %s', async (_, unknown, refuse) => {
    const { standing, judge } = followed(loaded())
    refuse()
    judging.mockResolvedValueOnce(unknown)
    await judge(version())
    expect(standing.revoked.reason).toEqual(refusal('MODEL_REVOKED', { cause: REVOKED }))
  })
})

describe.each<[string, Unknown, typeof hashing, number, () => { mock: { calls: unknown[] } }]>([
  ['hashed', BLAKE!, hashing, 2, () => hashed],
  ['asked for its attestations', ATTESTATIONS, fetching, 8, () => fetched],
])('a loaded model that waits to be %s', (_, unknown, line, width, step) => {
  test.each<[string, number, (standing: Standing, judge: (current: CurrentVersion) => Promise<void>) => unknown]>([
    ['is not, if it is closed meanwhile', 0, (standing) => standing.close()],
    [
      'is not, if it is revoked meanwhile, even if it is followed again',
      0,
      async (standing) => {
        const other = policy()
        judging.mockRejectedValueOnce(REVOKED)
        await standing.judge((by) => Promise.resolve(by.read === READ ? version() : version({ read: other })))
        expect(standing.revoked.aborted).toBe(true)
        standing.followed(() => {})
      },
    ],
    ['is not, if another version takes the place meanwhile', 0, (_, judge) => judge(version({ versions: 'last' }))],
    ['is, once it is its turn', 1, () => {}],
  ])('%s', async (__, times, change) => {
    const free = Promise.withResolvers<undefined>()
    onTestFinished(() => free.resolve(undefined))
    const busy = async () => {
      await free.promise
    }
    for (let count = 0; count < width; count++) line.add(busy)
    const another = policy()
    const { standing } = followed(loaded(), loaded(another))
    const judgeFirst = async (current: CurrentVersion) =>
      standing.judge((by) => Promise.resolve(by.read === READ ? current : { ...current, ...by }))
    judging.mockResolvedValueOnce(unknown)
    await judgeFirst(version())
    await turn()
    expect(step().mock.calls).toHaveLength(0)
    await change(standing, judgeFirst)
    free.resolve(undefined)
    await turn()
    expect(step().mock.calls).toHaveLength(times)
  })

  test('is not judged by the version for which it was, if another one has taken its place meanwhile', async () => {
    const { standing, judge } = followed(loaded())
    const [first, last] = [version(), version({ versions: 'last' })]
    const meanwhile = () => judge(last)
    hashed.mockImplementation(meanwhile)
    fetched.mockImplementation(() => meanwhile().then(() => true))
    judging.mockResolvedValueOnce(unknown)
    await judge(first)
    await turn()
    expect(step().mock.calls).toHaveLength(1)
    expect(judging.mock.calls.map(([, current]) => current)).toEqual([first, last])
    expect(standing.revoked.aborted).toBe(false)
  })
})

test('attestations that could not be fetched are asked for again a minute later', async () => {
  const now = 1_800_000_000_000
  vi.useFakeTimers({ toFake: ['Date'], now })
  onTestFinished(() => void vi.useRealTimers())
  const { judge } = followed(loaded())
  judging.mockResolvedValueOnce(ATTESTATIONS)
  fetched.mockResolvedValueOnce(false)
  await judge(version())
  expect([judging.mock.calls.length, fetched.mock.calls.length]).toEqual([1, 1])
  vi.setSystemTime(now + 59_999)
  await judge(version())
  expect([judging.mock.calls.length, fetched.mock.calls.length]).toEqual([1, 1])
  vi.setSystemTime(now + 60_000)
  judging.mockResolvedValueOnce(ATTESTATIONS)
  await judge(version())
  expect([judging.mock.calls.length, fetched.mock.calls.length]).toEqual([3, 2])
  // They have been read.
  vi.setSystemTime(now + 180_000)
  await judge(version())
  expect([judging.mock.calls.length, fetched.mock.calls.length]).toEqual([3, 2])
})
