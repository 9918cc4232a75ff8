import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { withTimerCount } from '../../../testing/timers.ts'
import { FewAtOnce } from './few-at-once.ts'

/** Tasks that end when they are told to. */
function tasks(turns: FewAtOnce, count: number) {
  const begun: number[] = []
  const ends: (() => void)[] = []
  const all = Array.from({ length: count }, (_, index) =>
    turns.run(async () => {
      begun.push(index)
      await new Promise<void>((end) => (ends[index] = end))
      return index
    }),
  )
  const end = async (...indexes: number[]) => {
    for (const index of indexes) ends[index]?.()
    await setTimeout(1)
  }
  return { begun, end, all: Promise.all(all) }
}
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

test('eight tasks run at a time, and others start in order', async () => {
  const turns = new FewAtOnce(false)
  const { begun, end, all } = tasks(turns, 12)
  await setTimeout(1)
  expect(begun).toEqual(upTo(8))
  await end(3)
  expect(begun).toEqual(upTo(9))
  await end(8, 0)
  expect(begun).toEqual(upTo(11))
  await end(...upTo(11))
  await end(11)
  await expect(all).resolves.toEqual(upTo(12))
  const more = tasks(turns, 9)
  expect(more.begun).toEqual(upTo(8))
  await more.end(...upTo(8))
  await more.end(8)
  await more.all
})

test('a task that fails makes room for the next', async () => {
  const turns = new FewAtOnce(false)
  const { end, all } = tasks(turns, 7)
  const failing = turns.run(() => Promise.reject(new Error('no')))
  const next = turns.run(() => Promise.resolve('next'))
  await expect(failing).rejects.toThrow('no')
  await expect(next).resolves.toBe('next')
  await end(...upTo(7))
  await all
})

test('tasks that take long make room, but only once', async () => {
  const { begun, end, all } = tasks(new FewAtOnce(false), 30)
  await setTimeout(350)
  expect(begun).toEqual(upTo(8))
  await setTimeout(350)
  expect(begun).toEqual(upTo(16))
  // Their places are taken.
  await end(...upTo(8))
  expect(begun).toEqual(upTo(16))
  await end(8)
  expect(begun).toEqual(upTo(17))
  await setTimeout(700)
  await end(...upTo(30))
  await setTimeout(700)
  await end(...upTo(30))
  await expect(all).resolves.toEqual(upTo(30))
})

test.each([true, false])(
  'what waits for its turn keeps no process alive that it must not; detached: %s',
  (isDetached) =>
    withTimerCount(async (timers) => {
      const { end, all } = tasks(new FewAtOnce(isDetached), 2)
      expect(timers()).toBe(isDetached ? 0 : 2)
      await end(0, 1)
      await all
      expect(timers()).toBe(0)
    }),
)
