import { expect, test, vi } from 'vitest'
import { Memo } from './memo.ts'

test('finds each only once', () => {
  const memo = new Memo()
  const find = vi.fn(() => 7)
  expect([memo.get(['model', 'a'], find), memo.get(['model', 'a'], find)]).toEqual([7, 7])
  expect(find).toHaveBeenCalledOnce()
})

test('tells apart what differs only far behind', () => {
  const memo = new Memo()
  const long = 'x'.repeat(5_000)
  expect(memo.get(['name', `${long}1`], () => 1)).toBe(1)
  expect(memo.get(['name', `${long}2`], () => 2)).toBe(2)
  expect(memo.get(['name', `${long}1`], () => 3)).toBe(1)
})

test('keeps a limited number', () => {
  const memo = new Memo()
  for (let index = 0; index <= 20_000; index++) memo.get(['model', index], () => index)
  expect(memo.get(['model', 0], () => -1)).toBe(-1)
  expect(memo.get(['model', 20_000], () => -1)).toBe(20_000)
})
