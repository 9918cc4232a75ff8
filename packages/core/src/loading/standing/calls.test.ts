import { describe, expect, test, vi } from 'vitest'
import { Calls } from './calls.ts'

function calls() {
  const check = vi.fn()
  const ended = vi.fn()
  return { check, ended, calls: new Calls(check, ended) }
}
const refuse = () => {
  throw new Error('revoked')
}

describe('a call', () => {
  test('is checked, runs, and ends', () => {
    const { calls: all, check, ended } = calls()
    const result = all.run(() => {
      expect(all.areRunning).toBe(true)
      expect(ended).not.toHaveBeenCalled()
      return 7
    })
    expect(result).toBe(7)
    expect(check).toHaveBeenCalledOnce()
    expect(ended).toHaveBeenCalledOnce()
    expect(all.areRunning).toBe(false)
  })

  test('that is asynchronous ends with its result', async () => {
    const { calls: all, check, ended } = calls()
    let finish: (value: number) => void = () => {}
    const running = all.runAsync(() => new Promise<number>((go) => (finish = go)))
    await Promise.resolve()
    expect([check.mock.calls.length, ended.mock.calls.length, all.areRunning]).toEqual([1, 0, true])
    finish(7)
    expect(await running).toBe(7)
    expect([ended.mock.calls.length, all.areRunning]).toEqual([1, false])
  })

  test('that fails has ended, too', async () => {
    const { calls: all, ended } = calls()
    expect(() => all.run(refuse)).toThrow('revoked')
    await expect(all.runAsync(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
    expect(ended).toHaveBeenCalledTimes(2)
    expect(all.areRunning).toBe(false)
  })

  test('does not begin if the check refuses it', async () => {
    const { calls: all, check, ended } = calls()
    check.mockImplementation(refuse)
    const work = vi.fn()
    expect(() => all.run(work)).toThrow('revoked')
    await expect(all.runAsync(work)).rejects.toThrow('revoked')
    expect(work).not.toHaveBeenCalled()
    expect(ended).not.toHaveBeenCalled()
    expect(all.areRunning).toBe(false)
  })

  test('within another one is a part of it', async () => {
    const { calls: all, check, ended } = calls()
    const result = await all.runAsync(async () => {
      check.mockImplementation(refuse)
      await Promise.resolve()
      const inner = all.run(() => 7)
      expect(ended).not.toHaveBeenCalled()
      return inner
    })
    expect(result).toBe(7)
    expect(ended).toHaveBeenCalledOnce()
  })

  test('within one of another model is not, and nor is one that begins after the end', async () => {
    const { calls: all, check } = calls()
    const { calls: others } = calls()
    check.mockImplementation(refuse)
    expect(() => others.run(() => all.run(() => 7))).toThrow('revoked')
    check.mockReset()
    let goOn = () => {}
    const later = all.run(() => {
      const wait = new Promise<void>((go) => (goOn = go))
      return { done: wait.then(() => all.run(() => 7)) }
    })
    check.mockImplementation(refuse)
    goOn()
    await expect(later.done).rejects.toThrow('revoked')
  })

  test('is the last one in progress only if no other runs', () => {
    const { calls: all, ended } = calls()
    all.run(() => {
      all.run(() => {})
      expect(ended).not.toHaveBeenCalled()
      expect(all.areRunning).toBe(true)
    })
    expect(ended).toHaveBeenCalledOnce()
  })
})
