import { beforeEach, expect, test, vi } from 'vitest'
import { refusal } from '../../testing/scratch.ts'
import { ArrivalProgress } from './arrival-progress.ts'

const clock = vi.hoisted(() => ({ now: 0 }))
vi.mock('../../real-time.ts', async (original) => ({
  ...(await original<object>()),
  monotonic: () => clock.now,
}))
beforeEach(() => void (clock.now = 1_000))

function progress() {
  const calls: [number, number][] = []
  return { calls, told: new ArrivalProgress((done, total) => void calls.push([done, total])) }
}

test('counts what arrives of all announced files', () => {
  const { calls, told } = progress()
  const [first, second] = [told.start(10), told.start(20)]
  for (const [count, bytes] of [
    [first, 4],
    [second, 20],
    [first, 6],
  ] as const) {
    count(bytes)
    clock.now += 50
  }
  told.end()
  expect(calls).toEqual([
    [4, 30],
    [24, 30],
    [30, 30],
    [30, 30],
  ])
})

test('reports at once, and then at most every 50 milliseconds', () => {
  const { calls, told } = progress()
  const count = told.start(10)
  for (const wait of [0, 49, 1, 49]) {
    clock.now += wait
    count(1)
  }
  expect(calls).toEqual([
    [1, 10],
    [3, 10],
  ])
})

test('raises the total by what was not announced, once', () => {
  const { calls, told } = progress()
  const count = told.start(3)
  const unknown = told.start()
  for (const [counting, bytes] of [
    [count, 2],
    [count, 2],
    [count, 2],
    [unknown, 5],
  ] as const) {
    counting(bytes)
    clock.now += 50
  }
  expect(calls).toEqual([
    [2, 3],
    [4, 4],
    [6, 6],
    [11, 11],
  ])
})

test('ends with all that arrived, even if more was announced', () => {
  const { calls, told } = progress()
  told.start(10)(4)
  told.end()
  expect(calls.at(-1)).toEqual([4, 4])
})

test('an error of the callback ends the load, and none is needed', () => {
  const told = new ArrivalProgress(() => {
    throw new RangeError('mine')
  })
  expect(() => told.start(1)(1)).toThrow(refusal('INVALID_ARGUMENT'))
  expect(() => told.end()).toThrow(refusal('INVALID_ARGUMENT'))
  const silent = new ArrivalProgress(undefined)
  expect(() => silent.start(1)(1)).not.toThrow()
  expect(() => silent.end()).not.toThrow()
})
