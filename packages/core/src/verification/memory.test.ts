import { expect, test } from 'vitest'
import { digestOf, Memory } from './memory.ts'

test('remembers the most recently used facts of each object', () => {
  const memory = new Memory<number>(2)
  const [trust, other] = [{}, {}]
  memory.keep(trust, 'a', 1)
  memory.keep(trust, 'b', 2)
  memory.keep(other, 'c', 3)
  expect(memory.recall(trust, 'a')).toBe(1)
  memory.keep(trust, 'd', 4)
  expect(['a', 'b', 'c', 'd'].map((digest) => memory.recall(trust, digest))).toEqual([1, undefined, undefined, 4])
  expect(memory.recall(other, 'c')).toBe(3)
  expect(memory.recall({}, 'a')).toBeUndefined()
})

test('looks nothing up on Object.prototype', () => {
  Object.defineProperty(Object.prototype, 'a', { configurable: true, value: true })
  try {
    const memory = new Memory<boolean>(2)
    const trust = {}
    memory.keep(trust, 'b', true)
    expect(memory.recall(trust, 'a')).toBeUndefined()
  } finally {
    Reflect.deleteProperty(Object.prototype, 'a')
  }
})

test('a digest covers how its parts are divided, and every code unit of a text', () => {
  const all = [[], [''], ['ab'], ['a', 'b'], ['', 'ab'], ['\ud800'], ['\ud801'], ['\ufffd']].map(digestOf)
  expect(new Set(all).size).toBe(all.length)
})
