import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'

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
