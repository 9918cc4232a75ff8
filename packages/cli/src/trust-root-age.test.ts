import type { TrustRootInfo } from '@modelseal/core/verification'
import { expect, test } from 'vitest'
import { originOf } from './trust-root-age.ts'

const shown = (name: string) => `"${name}"`
const now = Date.parse('2026-03-10T12:00:00Z')
const root = (more: Partial<TrustRootInfo>): TrustRootInfo => ({
  name: 'public-good',
  source: 'refreshed',
  digest: 'ab',
  newest: '2025-09-23T00:00:00.000Z',
  ...more,
})

test.each([
  [{ source: 'carried' }, '"public-good", included in this program; its newest key has been in use since 2025-09-23'],
  [
    { source: 'file', name: '/root.json' },
    'from the file "/root.json"; its newest key has been in use since 2025-09-23',
  ],
  [
    { fetched: '2026-03-10T01:00:00Z', expires: '2026-03-14T00:00:00Z' },
    '"public-good", fetched on 2026-03-10 (less than a day ago); the instance vouches for it until 2026-03-14',
  ],
  [
    { fetched: '2026-03-09T01:00:00Z', expires: '2026-03-10T12:00:00Z' },
    '"public-good", fetched on 2026-03-09 (a day ago); an update has been overdue since 2026-03-10',
  ],
  [
    { fetched: '2026-01-09T13:00:00Z', expires: '2026-01-16T00:00:00Z' },
    '"public-good", fetched on 2026-01-09 (59 days ago); an update has been overdue since 2026-01-16',
  ],
] satisfies [Partial<TrustRootInfo>, string][])('tells the age of a root as far as it is known: %j', (more, line) => {
  expect(originOf(root(more), shown, now)).toBe(line)
})
