import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { installGuard, installedGuard, type Guard } from './guard.ts'

const MODULE = JSON.stringify(pathToFileURL(join(import.meta.dirname, 'guard.ts')).href)

// In a separate process, because a guard cannot be removed.
test('a guard replaces anything installed before it, and cannot be replaced itself', () => {
  const script = `
    'use strict'
    const symbol = Symbol.for('modelseal.guard.3')
    const posed = {}
    globalThis[symbol] = posed
    const { installGuard, installedGuard } = await import(${MODULE})
    const guard = { adapters: {} }
    installGuard(guard)
    const attempts = [
      () => { globalThis[symbol] = posed },
      () => { delete globalThis[symbol] },
      () => Object.defineProperty(globalThis, symbol, { value: posed }),
      () => { guard.open = posed },
    ]
    const refused = attempts.filter((attempt) => { try { attempt() } catch { return true } })
    console.log(installedGuard() === guard, refused.length)
  `
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  expect(output).toBe('true 4\n')
})

const SYMBOL = Symbol.for('modelseal.guard.3')

test('a guard is found under a symbol that all copies of the package share', () => {
  expect(installedGuard()).toBeUndefined()
  const guard = { adapters: {} }
  Object.defineProperty(globalThis, SYMBOL, { value: guard, configurable: true })
  try {
    expect(installedGuard()).toBe(guard)
  } finally {
    Reflect.deleteProperty(globalThis, SYMBOL)
  }
})

test('a guard is installed frozen, with all attributes of its property', () => {
  const guard = { adapters: {} } as Guard
  const defined: unknown[][] = []
  // It could not be removed again, so it is only looked at.
  const { defineProperty } = Object
  Object.defineProperty = (object, ...rest) => {
    if (object === globalThis) defined.push(rest)
    return object
  }
  try {
    installGuard(guard)
  } finally {
    Object.defineProperty = defineProperty
  }
  expect(defined).toEqual([[SYMBOL, { value: guard, writable: false, enumerable: false, configurable: false }]])
  expect(Object.isFrozen(guard)).toBe(true)
})
