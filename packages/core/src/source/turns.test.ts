import { expect, test } from 'vitest'
import { refusal } from '../testing/scratch.ts'
import { inTurns, type Steps } from './turns.ts'

function* counting(steps: { taken: number }, most: number): Steps<number> {
  while (steps.taken < most) {
    steps.taken++
    yield
  }
  return steps.taken
}

test('steps are not begun once the caller has aborted, however short they are', async () => {
  const steps = { taken: 0 }
  await expect(inTurns(counting(steps, 1), AbortSignal.abort())).rejects.toEqual(refusal('ABORTED'))
  expect(steps.taken).toBe(0)
})

test('steps end at the next turn of the loop after the caller has aborted, and release what they hold', async () => {
  const steps = { taken: 0 }
  let released = false
  function* releasing(): Steps<number> {
    try {
      return yield* counting(steps, Infinity)
    } finally {
      released = true
    }
  }
  const controller = new AbortController()
  setImmediate(() => controller.abort())
  await expect(inTurns(releasing(), controller.signal)).rejects.toEqual(refusal('ABORTED'))
  expect(steps.taken).toBeGreaterThan(0)
  expect(released).toBe(true)
})

test('what the steps return is returned', async () => {
  expect(await inTurns(counting({ taken: 0 }, 3), new AbortController().signal)).toBe(3)
})
