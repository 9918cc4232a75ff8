import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { fetching, hashing } from './lines.ts'

test.each<[string, typeof hashing, number]>([
  ['hash', hashing, 2],
  ['fetch', fetching, 8],
])('works that %s begin in their order, a few at a time', async (_, line, width) => {
  const begun: number[] = []
  const ends: (() => void)[] = []
  const add = (work: number) => {
    line.add(() => {
      begun.push(work)
      return new Promise((end) => (ends[work] = end))
    })
  }
  const upTo = (count: number) => Array.from({ length: count }, (__, index) => index)
  for (let work = 0; work < width + 2; work++) add(work)
  expect(begun).toEqual(upTo(width))
  ends[1]!()
  await setTimeout(1)
  expect(begun).toEqual(upTo(width + 1))
  ends[0]!()
  await setTimeout(1)
  for (const end of ends) end()
  await setTimeout(1)
  expect(begun).toEqual(upTo(width + 2))
  // All have ended.
  for (let work = width + 2; work < 2 * width + 3; work++) add(work)
  expect(begun).toEqual(upTo(2 * width + 2))
  ends.at(-1)!()
  await setTimeout(1)
  for (const end of ends) end()
  await setTimeout(1)
})
