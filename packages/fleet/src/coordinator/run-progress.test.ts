import { expect, test, vi } from 'vitest'
import { CountedProgress } from './run-progress.ts'

test('a run tells of the largest models that are being worked on, and counts the others', () => {
  const progress = new CountedProgress(() => 7)
  for (let index = 0; index < 12; index++) {
    progress.begin(`m${index}`)
    progress.hashed(`m${index}`, index, 100 * index)
  }
  progress.end('m11', false)
  progress.end('m10', true)
  // What comes late does not bring it back.
  progress.hashed('m10', 1, 1_000)
  const { current, ...rest } = progress.now()
  expect(rest).toMatchObject({ models: 2, failed: 1, others: 2, bytes: 7 })
  expect(current).toHaveLength(8)
  expect(current[0]).toEqual({ model: 'm9', done: 9, total: 900 })
})

test('the rate is that of the last seconds', () => {
  let [now, bytes] = [100, 0]
  vi.spyOn(process, 'uptime').mockImplementation(() => now)
  const progress = new CountedProgress(() => bytes)
  expect(progress.now().bytesPerSecond).toBe(0)
  for (let second = 1; second <= 60; second++) {
    now += 1
    bytes += second <= 30 ? 1_000 : 10
    progress.now()
  }
  expect(progress.now().bytesPerSecond).toBe(10)
  // As after a result that was rejected.
  bytes = 0
  now += 1
  expect(progress.now().bytesPerSecond).toBe(0)
  vi.restoreAllMocks()
})
