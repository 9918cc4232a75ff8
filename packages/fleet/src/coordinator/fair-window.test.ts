import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { refusal } from '../../../core/src/testing/scratch.ts'
import { FairWindow } from './fair-window.ts'

/** Work that ends when it is told to, and the order in which it began. */
class Jobs {
  readonly began: string[] = []
  readonly #ends: (() => void)[] = []
  readonly #window: FairWindow

  constructor(window: FairWindow) {
    this.#window = window
  }

  add(model: string, bytes: number, given: { source?: string; signal?: AbortSignal } = {}): Promise<void> {
    const { source = 'disk', signal } = given
    return this.#window.run({ model, source, bytes }, signal, async () => {
      this.began.push(model)
      await new Promise<void>((resolve) => this.#ends.push(resolve))
    })
  }

  async endOne(): Promise<void> {
    this.#ends.shift()?.()
    await setImmediate()
  }
}

test('no more jobs run than the window has', async () => {
  const jobs = new Jobs(new FairWindow(2, 9))
  for (const model of ['a', 'b', 'c']) void jobs.add(model, 1)
  await setImmediate()
  expect(jobs.began).toEqual(['a', 'b'])
  await jobs.endOne()
  expect(jobs.began).toEqual(['a', 'b', 'c'])
})

test('a huge model and a small one that comes later share the window by bytes', async () => {
  const jobs = new Jobs(new FairWindow(1, 9))
  for (let index = 0; index < 6; index++) void jobs.add('huge', 100)
  for (let index = 0; index < 4; index++) void jobs.add('small', 50)
  for (let index = 0; index < 10; index++) await jobs.endOne()
  expect(jobs.began.slice(0, 7).filter((model) => model === 'small')).toHaveLength(4)
  expect(jobs.began.slice(1, 4)).not.toEqual(['small', 'small', 'small'])
  expect(jobs.began).toHaveLength(10)
})

test('a source is read by only so many jobs, and others go on', async () => {
  const jobs = new Jobs(new FairWindow(9, 1))
  void jobs.add('a', 1, { source: 'hub' })
  void jobs.add('b', 1, { source: 'hub' })
  void jobs.add('c', 1, { source: 'store' })
  await setImmediate()
  expect(jobs.began).toEqual(['a', 'c'])
  await jobs.endOne()
  expect(jobs.began).toEqual(['a', 'c', 'b'])
})

test('work that is aborted while it waits leaves the window to others', async () => {
  const jobs = new Jobs(new FairWindow(1, 9))
  const controller = new AbortController()
  void jobs.add('a', 1)
  const waiting = jobs.add('b', 1, { signal: controller.signal })
  void jobs.add('c', 1)
  controller.abort()
  await expect(waiting).rejects.toEqual(refusal('ABORTED'))
  await expect(jobs.add('d', 1, { signal: controller.signal })).rejects.toEqual(refusal('ABORTED'))
  await jobs.endOne()
  expect(jobs.began).toEqual(['a', 'c'])
})

test('work that fails leaves its place', async () => {
  const window = new FairWindow(1, 1)
  const turn = { model: 'a', source: 'disk', bytes: 1 }
  await expect(window.run(turn, undefined, () => Promise.reject(new Error('x')))).rejects.toThrow('x')
  expect(await window.run(turn, undefined, () => Promise.resolve(7))).toBe(7)
})
