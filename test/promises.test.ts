import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

// SECURITY.md names the test of each promise. These tests must exist, and include every attack.

const root = join(import.meta.dirname, '..')
const security = readFileSync(join(root, 'SECURITY.md'), 'utf8')
const table = security.slice(security.indexOf('## Promises and their tests'), security.indexOf('## Reporting'))
const rows = [...table.matchAll(/^\| (?!promise \|)(.+) \| (.+) \|$/gm)].map(([, promise, tests]) => ({
  promise,
  tests,
}))
const named = rows.flatMap(({ tests }) => [...tests!.matchAll(/`([^`]+)`/g)].map(([, path]) => path!))

test('every promise names a test', () => {
  expect(rows.length).toBeGreaterThan(30)
  expect(rows.filter(({ tests }) => !tests!.includes('.test.ts`'))).toEqual([])
})

test('every test named by a promise exists', () => {
  expect(named.filter((path) => !/\.test\.ts$/.test(path) || !existsSync(join(root, path)))).toEqual([])
})

test('every test of an attack belongs to a promise', () => {
  const attacks = readdirSync(join(root, 'test/attacks')).filter((name) => name.endsWith('.test.ts'))
  expect(attacks.length).toBeGreaterThan(5)
  expect(attacks.map((name) => `test/attacks/${name}`).filter((path) => !named.includes(path))).toEqual([])
})
