import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ERROR_CODES } from '@modelseal/core/errors'
import { expect, test } from 'vitest'

const text = readFileSync(join(import.meta.dirname, '../docs/reference/errors.md'), 'utf8')
const rows = [...text.matchAll(/^\| `([A-Z0-9_]+)` \| (.+?) \| (.*?) \|$/gm)].map(
  ([, code = '', meaning, todo = '']) => ({
    code,
    meaning,
    todo,
  }),
)

test('docs/reference/errors.md has every code and its meaning exactly once', () => {
  expect(rows.map(({ code, meaning }) => [code, meaning])).toEqual(Object.entries(ERROR_CODES))
})

test('docs/reference/errors.md says what to do about each code', () => {
  expect(rows.filter(({ todo }) => !/^[A-Z`].{20,}\.$/.test(todo))).toEqual([])
})
