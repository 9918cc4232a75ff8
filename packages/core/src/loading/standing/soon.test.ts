import { beforeEach, expect, test, vi } from 'vitest'
import { clearTimeout, setTimeout } from '../../real-time.ts'
import { withTimerCount } from '../../testing/timers.ts'
import { pause, soon } from './soon.ts'

vi.mock(import('../../real-time.ts'), async (original) => {
  const real = await original()
  return {
    ...real,
    setTimeout: vi.fn(real.setTimeout) as unknown as typeof real.setTimeout,
    clearTimeout: vi.fn(real.clearTimeout),
  }
})

const [started, cleared] = [vi.mocked(setTimeout), vi.mocked(clearTimeout)]
beforeEach(() => {
  started.mockClear()
  cleared.mockClear()
})

test('a work that takes too long is not waited for', async () => {
  expect(await soon(Promise.resolve({ a: 1 }), 600_000)).toEqual({ a: 1 })
  expect(await soon(new Promise<object>(() => {}), 1)).toBeUndefined()
  await expect(soon(Promise.reject(new Error('broken')), 600_000)).rejects.toThrow('broken')
})

test('waiting takes as long as was said, and keeps no process alive', () =>
  withTimerCount(async (timers) => {
    const late = soon(new Promise<object>(() => {}), 1)
    const paused = pause(2)
    expect(timers()).toBe(0)
    expect(await late).toBeUndefined()
    await paused
    expect(started.mock.calls.map(([, milliseconds]) => milliseconds)).toEqual([1, 2])
  }))

test('nothing is left of a work that was done in time, or failed', async () => {
  await soon(Promise.resolve({}), 600_000)
  await soon(Promise.reject(new Error('broken')), 600_000).catch(() => {})
  const timers = started.mock.results.map(({ value }) => value as unknown)
  expect(timers).toHaveLength(2)
  for (const [index, timer] of timers.entries()) expect(cleared.mock.calls[index]?.[0]).toBe(timer)
})
