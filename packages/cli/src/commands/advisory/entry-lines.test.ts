import type { ListedEntry } from '@modelseal/core/advisory'
import { expect, test } from 'vitest'
import { count, entryLines } from './entry-lines.ts'

const entry = (description: string, more: object = {}): ListedEntry => ({
  list: 'keys',
  name: description,
  description,
  entry: more,
})
const quoted = (text: string) => `"${text}"`

test('an entry is on one line, with everything that is known about it', () => {
  const all = { from: '2026-01-01T00:00:00Z', until: '2026-02-01T00:00:00Z', severity: 'high', reason: 'stolen' }
  expect(entryLines([entry('key a'), entry('key b', all)], quoted, '+')).toEqual([
    '+ key a',
    '+ key b: from 2026-01-01T00:00:00Z, until 2026-02-01T00:00:00Z, high, reason "stolen"',
  ])
})

test('a long list is cut', () => {
  const lines = entryLines(Array(201).fill(entry('key a')) as ListedEntry[], quoted)
  expect([lines.length, lines.at(-1)]).toEqual([201, '  and 1 more (see --json)'])
  expect([count(1), count(2)]).toEqual(['1 entry', '2 entries'])
})
