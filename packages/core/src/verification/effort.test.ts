import { afterEach, describe, expect, test, vi } from 'vitest'
import { ModelSealError } from '../errors.ts'
import { nextTurn } from '../source/aborted.ts'
import { Effort, passAbort, passesAgain } from './effort.ts'

vi.mock('../source/aborted.ts', { spy: true })

afterEach(() => void vi.restoreAllMocks())

const refusal = { code: 'CHAIN_TOO_LARGE' }
const aborted = new ModelSealError('ABORTED', 'The operation was aborted by its caller.')
const other = new ModelSealError('CERTIFICATE_EXPIRED', 'The certificate has expired.')

describe('the budget', () => {
  test('of all bundles is 512 signature checks', async () => {
    const effort = new Effort()
    await effort.signatures(511)
    await effort.signatures()
    await expect(effort.signatures()).rejects.toMatchObject({
      ...refusal,
      expected: 'at most 512 checks for all bundles together',
    })
  })

  test('of one bundle is used up before that of all', async () => {
    const all = new Effort(undefined, 3)
    const greedy = all.forOne()
    for (let i = 0; i < 24 + 3; i++) await greedy.signatures()
    await expect(greedy.signatures()).rejects.toMatchObject({
      ...refusal,
      expected: 'at most 3 checks for all bundles together',
    })
    const modest = all.forOne()
    await modest.signatures(24)
    await expect(modest.signatures()).rejects.toMatchObject(refusal)
  })

  test('of all bundles pays for all checks of a step that exceeds the own one', async () => {
    const all = new Effort(undefined, 5)
    await all
      .forOne()
      .signatures(25)
      .catch(() => {})
    await expect(all.signatures()).rejects.toMatchObject(refusal)
  })
})

test('all bundles are aborted together', async () => {
  const effort = new Effort(AbortSignal.abort()).forOne()
  await expect(effort.turn()).rejects.toMatchObject({ code: 'ABORTED' })
  await expect(effort.signatures()).rejects.toMatchObject({ code: 'ABORTED' })
  const { signal } = new AbortController()
  expect(new Effort(signal).forOne().signal).toBe(signal)
})

describe('a turn', () => {
  const turns = () => vi.mocked(nextTurn).mock.calls.length

  test('yields to the event loop once five milliseconds of work have passed', async () => {
    const uptime = vi.spyOn(process, 'uptime').mockReturnValue(100)
    vi.mocked(nextTurn).mockClear()
    const effort = new Effort()
    for (const [time, expected] of [
      [100.004, 0],
      [100.006, 1],
      [100.01, 1],
      [100.012, 2],
    ] as const) {
      uptime.mockReturnValue(time)
      await effort.turn()
      expect(turns()).toBe(expected)
    }
  })

  test('yields after exactly five milliseconds, too', async () => {
    const uptime = vi.spyOn(process, 'uptime').mockReturnValue(0)
    vi.mocked(nextTurn).mockClear()
    const effort = new Effort()
    uptime.mockReturnValue(0.005)
    await effort.turn()
    expect(turns()).toBe(1)
  })

  test('is taken in common by the bundles of a load, and with each signature check', async () => {
    const uptime = vi.spyOn(process, 'uptime').mockReturnValue(100)
    vi.mocked(nextTurn).mockClear()
    const all = new Effort()
    const one = all.forOne()
    uptime.mockReturnValue(100.01)
    await one.turn()
    await all.turn()
    expect(turns()).toBe(1)
    uptime.mockReturnValue(100.02)
    await one.signatures()
    expect(turns()).toBe(2)
  })

  test('notices an abort while it waits', async () => {
    const controller = new AbortController()
    const uptime = vi.spyOn(process, 'uptime').mockReturnValue(100)
    const effort = new Effort(controller.signal)
    uptime.mockReturnValue(101)
    const turn = effort.turn()
    controller.abort()
    await expect(turn).rejects.toMatchObject({ code: 'ABORTED' })
  })
})

test('an abort is passed on, and no other error', () => {
  expect(() => passAbort(aborted)).toThrow(aborted)
  for (const error of [other, Object.assign(new Error('no error of modelseal'), { code: 'ABORTED' }), undefined])
    expect(() => passAbort(error)).not.toThrow()
})

test('what is remembered passes unless its check fails, which an abort is not', async () => {
  expect(await passesAgain(() => Promise.resolve())).toBe(true)
  expect(await passesAgain(() => Promise.reject(other))).toBe(false)
  await expect(passesAgain(() => Promise.reject(aborted))).rejects.toBe(aborted)
})
