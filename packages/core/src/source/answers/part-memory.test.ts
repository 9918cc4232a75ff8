import { expect, test, vi } from 'vitest'
import {
  beginIntake,
  counted,
  giveUpIntake,
  isFull,
  landed,
  ownParts,
  OwnParts,
  ownPartsOf,
  PartMemory,
  takenOut,
  type OwnPart,
} from './part-memory.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)

test('what lands counts once it is said to, and the next response continues there', () => {
  const memory = new PartMemory(new Uint8Array(6))
  const first = beginIntake(memory)
  expect(landed(memory, first, bytesOf('abc'))).toHaveLength(0)
  expect(counted(memory)).toBe(3)
  const second = beginIntake(memory)
  expect(isFull(memory, second)).toBe(false)
  expect(landed(memory, second, bytesOf('defg'))).toEqual(bytesOf('g'))
  expect(isFull(memory, second)).toBe(true)
  expect(counted(memory)).toBe(6)
  expect(takenOut(memory)).toEqual(bytesOf('abcdef'))
})

test('a response that was given up counts for nothing', () => {
  const bytes = new Uint8Array(6)
  const memory = new PartMemory(bytes)
  const given = beginIntake(memory)
  landed(memory, given, bytesOf('xyz'))
  const intake = beginIntake(memory)
  expect(landed(memory, given, bytesOf('late'))).toEqual(bytesOf('late'))
  // Nobody waits until it is filled.
  expect(isFull(memory, given)).toBe(true)
  giveUpIntake(memory, given)
  landed(memory, intake, bytesOf('ab'))
  expect(counted(memory)).toBe(2)
  const last = beginIntake(memory)
  landed(memory, last, bytesOf('xyz'))
  giveUpIntake(memory, last)
  expect(counted(memory)).toBe(2)
  expect(takenOut(memory)).toEqual(bytesOf('ab'))
})

test('memory whose bytes were taken out receives nothing, even if a source sends another request with it', () => {
  const memory = new PartMemory(new Uint8Array(3))
  const intake = beginIntake(memory)
  landed(memory, intake, bytesOf('ab'))
  counted(memory)
  const taken = takenOut(memory)
  for (const late of [intake, beginIntake(memory)]) {
    expect(landed(memory, late, bytesOf('xyz'))).toEqual(bytesOf('xyz'))
    expect(isFull(memory, late)).toBe(true)
  }
  expect(taken).toEqual(bytesOf('ab'))
  expect(takenOut(memory)).toHaveLength(0)
})

test('a source cannot get at the bytes of memory, or of parts', () => {
  const parts = ownParts(() => read(vi.fn()))
  for (const given of [new PartMemory(bytesOf('abc')), parts]) {
    const prototype = Object.getPrototypeOf(given) as object
    expect(Reflect.ownKeys(given)).toEqual([])
    expect(Reflect.ownKeys(given.constructor)).toEqual(['length', 'name', 'prototype'])
    expect(Reflect.ownKeys(prototype).filter((key) => key !== Symbol.asyncIterator)).toEqual(['constructor'])
  }
})

test('a source cannot make parts, which are not copied', () => {
  expect(() => new OwnParts(Symbol('core'), () => read(vi.fn()))).toThrow(TypeError)
  const parts = ownParts(() => read(vi.fn()))
  expect(ownPartsOf(new Proxy(parts, {}))).toBeUndefined()
  expect(ownPartsOf(Object.create(parts))).toBeUndefined()
  for (const other of [undefined, null, 'ab', [bytesOf('ab')]]) expect(ownPartsOf(other)).toBeUndefined()
})

test('parts are read once, by the core or by the source', async () => {
  const readers: string[] = []
  const free = vi.fn()
  const begun = () =>
    ownParts((by) => {
      readers.push(by)
      return read(free)
    })
  const forCore = begun()
  expect(ownPartsOf(forCore)).toBeDefined()
  expect(() => ownPartsOf(forCore)).toThrow('only once')
  await expect(forCore[Symbol.asyncIterator]().next()).rejects.toThrow('only once')
  const forSource = begun()
  const chunks: Uint8Array[] = []
  for await (const chunk of forSource) chunks.push(chunk)
  expect(chunks).toEqual([bytesOf('ab'), bytesOf('c')])
  expect(free).toHaveBeenCalledTimes(2)
  expect(() => ownPartsOf(forSource)).toThrow('only once')
  expect(readers).toEqual(['core', 'source'])
})

async function* read(free: () => void): AsyncGenerator<OwnPart> {
  yield { bytes: bytesOf('ab'), free }
  await Promise.resolve()
  yield { bytes: bytesOf('c'), free }
}
