import { expect, test } from 'vitest'
import { Settling } from './settling.ts'

test('values come in the order in which they settle, however long the first takes', async () => {
  const settling = new Settling<string>()
  const slow = Promise.withResolvers<string>()
  settling.add(slow.promise)
  for (const value of ['a', 'b']) {
    settling.add(Promise.resolve(value))
    expect(await settling.next()).toBe(value)
  }
  expect(settling.size).toBe(1)
  const last = settling.next()
  slow.resolve('slow')
  expect(await last).toBe('slow')
  expect(settling.size).toBe(0)
})

test('a rejection is thrown to whoever takes it, and to nobody who only waits for the end', async () => {
  const settling = new Settling<string>()
  settling.add(Promise.reject(new Error('one')))
  await expect(settling.next()).rejects.toThrow('one')
  settling.add(Promise.reject(new Error('two')))
  settling.add(Promise.resolve('three'))
  await settling.all()
  expect(settling.size).toBe(0)
})
