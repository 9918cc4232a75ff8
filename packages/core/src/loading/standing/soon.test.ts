import { expect, test, vi } from 'vitest'
import { clearTimeout } from '../../real-time.ts'
import { timerCount } from '../../testing/timers.ts'
import { pause, soon } from './soon.ts'

vi.mock(import('../../real-time.ts'), async (original) => {
  const real = await original()
  return { ...real, clearTimeout: vi.fn(real.clearTimeout) }
})

test('a work that takes too long is not waited for', async () => {
  expect(await soon(Promise.resolve({ a: 1 }), 600_000)).toEqual({ a: 1 })
  expect(await soon(new Promise<object>(() => {}), 1)).toBeUndefined()
  await expect(soon(Promise.reject(new Error('broken')), 600_000)).rejects.toThrow('broken')
})

test('waiting keeps no process alive', async () => {
  const timers = await timerCount()
  const before = timers()
  const late = soon(new Promise<object>(() => {}), 1)
  const began = performance.now()
  const paused = pause(50).then(() => performance.now() - began)
  expect(timers()).toBe(before)
  expect(await late).toBeUndefined()
  expect(await paused).toBeGreaterThan(45)
})

test('nothing is left of a work that was done in time, or failed', async () => {
  const cleared = vi.mocked(clearTimeout)
  cleared.mockClear()
  await soon(Promise.resolve({}), 600_000)
  await soon(Promise.reject(new Error('broken')), 600_000).catch(() => {})
  expect(cleared.mock.calls).toEqual([[expect.any(Object)], [expect.any(Object)]])
})
