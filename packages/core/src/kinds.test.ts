import { expect, test, vi } from 'vitest'
import { signal } from './kinds.ts'

function foreignSignal() {
  const listeners: (() => void)[] = []
  const addEventListener = vi.fn((_: string, listener: () => void) => void listeners.push(listener))
  const foreign = { aborted: false, reason: undefined as unknown, addEventListener, removeEventListener: () => {} }
  const abort = (reason: unknown) => {
    Object.assign(foreign, { aborted: true, reason })
    for (const listener of listeners) listener()
  }
  return { foreign, abort }
}

test('the signal of another library is followed with one listener, regardless of the number of calls', () => {
  const { foreign, abort } = foreignSignal()
  const followers = [signal(foreign, 'signal'), signal(foreign, 'signal')] as AbortSignal[]
  expect(foreign.addEventListener).toHaveBeenCalledOnce()
  expect(followers.map(({ aborted }) => aborted)).toEqual([false, false])
  abort('enough')
  expect(followers.map(({ reason }) => reason as unknown)).toEqual(['enough', 'enough'])
})

test('the follower of a signal that is already aborted is aborted', () => {
  const { foreign, abort } = foreignSignal()
  abort('before')
  expect(signal(foreign, 'signal')).toMatchObject({ aborted: true, reason: 'before' })
})
