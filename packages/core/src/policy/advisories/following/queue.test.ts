import { setTimeout } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { withTimerCount } from '../../../testing/timers.ts'
import { firstFetches, Queue, readings } from './queue.ts'

/** Tasks that end when they are told to. */
function tasks(queue: Queue, count: number) {
  const begun: number[] = []
  const ends: (() => void)[] = []
  const all = Array.from({ length: count }, (_, index) =>
    queue.run(async () => {
      begun.push(index)
      await new Promise<void>((end) => (ends[index] = end))
      return index
    }),
  )
  return { begun, ends, all: Promise.all(all) }
}

test('tasks start in order, a few at the same time', async () => {
  const { begun, ends, all } = tasks(new Queue(2), 4)
  await setTimeout(1)
  expect(begun).toEqual([0, 1])
  ends[1]?.()
  await setTimeout(1)
  expect(begun).toEqual([0, 1, 2])
  for (const index of [0, 2]) ends[index]?.()
  await setTimeout(1)
  ends[3]?.()
  await expect(all).resolves.toEqual([0, 1, 2, 3])
})

test('a task that fails makes room for the next', async () => {
  const queue = new Queue(1)
  const failing = queue.run(() => Promise.reject(new Error('no')))
  const next = queue.run(() => Promise.resolve('next'))
  await expect(failing).rejects.toThrow('no')
  await expect(next).resolves.toBe('next')
})

test('all begin if none of those before them ends', async () => {
  let isBusy = true
  const { begun, ends, all } = tasks(new Queue(1, { after: 20, isBusy: () => isBusy }), 4)
  await setTimeout(100)
  expect(begun).toEqual([0])
  isBusy = false
  await vi.waitFor(() => expect(begun).toEqual([0, 1, 2, 3]), 20_000)
  for (const end of ends) end()
  await expect(all).resolves.toHaveLength(4)
})

test('a queue is busy while a task runs', async () => {
  const queue = new Queue(1)
  expect(queue.isBusy).toBe(false)
  const { ends, all } = tasks(queue, 1)
  expect(queue.isBusy).toBe(true)
  ends[0]?.()
  await all
  expect(queue.isBusy).toBe(false)
})

test('impatience starts again with each end, and keeps no process alive', () =>
  withTimerCount(async (timers) => {
    const { begun, ends, all } = tasks(new Queue(1, { after: 200, isBusy: () => false }), 4)
    expect(timers()).toBe(0)
    await setTimeout(120)
    ends[0]?.()
    await setTimeout(120)
    expect(begun).toEqual([0, 1])
    await vi.waitFor(() => expect(begun).toEqual([0, 1, 2, 3]), 20_000)
    for (const end of ends) end()
    await all
  }))

test('impatience begins with the first task that waits', async () => {
  const queue = new Queue(1, { after: 200, isBusy: () => false })
  const before = tasks(queue, 1)
  before.ends[0]?.()
  await before.all
  await setTimeout(120)
  const first = tasks(queue, 2)
  await setTimeout(120)
  expect(first.begun).toEqual([0])
  const last = tasks(queue, 1)
  await setTimeout(120)
  expect([first.begun, last.begun]).toEqual([[0, 1], [0]])
  for (const end of [...first.ends, ...last.ends]) end()
  await Promise.all([first.all, last.all])
})

test('more tasks than usual make no room until they have ended', async () => {
  const queue = new Queue(1, { after: 20, isBusy: () => false })
  const first = tasks(queue, 3)
  await vi.waitFor(() => expect(first.begun).toHaveLength(3), 20_000)
  const next = queue.run(() => Promise.resolve('next'))
  let isNext = false
  void next.then(() => (isNext = true))
  first.ends[0]?.()
  await setTimeout(1)
  expect(isNext).toBe(false)
  for (const end of first.ends) end()
  await first.all
  await next
})

test('feeds are read one at a time, and four are fetched at the same time unless servers do not answer', async () => {
  const reading = tasks(readings, 2)
  const fetching = tasks(firstFetches, 6)
  await setTimeout(2_300)
  expect([reading.begun, fetching.begun]).toEqual([[0], [0, 1, 2, 3]])
  reading.ends[0]?.()
  await setTimeout(1)
  reading.ends[1]?.()
  await reading.all
  expect(fetching.begun).toHaveLength(4)
  await setTimeout(1_200)
  expect(fetching.begun).toHaveLength(4)
  await vi.waitFor(() => expect(fetching.begun).toHaveLength(6), 20_000)
  for (const end of fetching.ends) end()
  await fetching.all
})
