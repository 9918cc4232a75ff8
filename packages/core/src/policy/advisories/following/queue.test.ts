import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Queue } from './queue.ts'

/** Works that end when they are told to. */
function works(queue: Queue, count: number) {
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

test('works begin in their order, a few at the same time', async () => {
  const { begun, ends, all } = works(new Queue(2), 4)
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

test('a work that fails makes room for the next', async () => {
  const queue = new Queue(1)
  const failing = queue.run(() => Promise.reject(new Error('no')))
  const next = queue.run(() => Promise.resolve('next'))
  await expect(failing).rejects.toThrow('no')
  await expect(next).resolves.toBe('next')
})

test('all begin if none of those before them ends', async () => {
  let isBusy = true
  const { begun, ends, all } = works(new Queue(1, { after: 20, isBusy: () => isBusy }), 4)
  await setTimeout(100)
  expect(begun).toEqual([0])
  isBusy = false
  await expect.poll(() => begun, { timeout: 20_000 }).toEqual([0, 1, 2, 3])
  for (const end of ends) end()
  await expect(all).resolves.toHaveLength(4)
})
