import { expect, test } from 'vitest'
import { before, parseDuration } from './duration.ts'

const from = (time: string, duration: string) =>
  new Date(before(Date.parse(time), parseDuration(duration)!)).toISOString()

test.each([
  ['2026-03-31T12:00:00Z', '180d', '2025-10-02T12:00:00.000Z'],
  ['2026-03-31T12:00:00Z', '2w', '2026-03-17T12:00:00.000Z'],
  ['2026-03-31T12:00:00Z', 'P1M', '2026-02-28T12:00:00.000Z'],
  ['2024-02-29T00:00:00Z', 'P1Y', '2023-02-28T00:00:00.000Z'],
  ['2026-03-31T12:00:00Z', 'P1Y2M3DT4H5M6S', '2025-01-28T07:54:54.000Z'],
  ['2026-03-31T12:00:00Z', '30s', '2026-03-31T11:59:30.000Z'],
  ['2026-03-31T12:00:00Z', '90m', '2026-03-31T10:30:00.000Z'],
  ['2026-03-31T12:00:00Z', '12h', '2026-03-31T00:00:00.000Z'],
  ['2026-03-31T12:00:00Z', 'PT30S', '2026-03-31T11:59:30.000Z'],
  ['2026-03-31T12:00:00Z', 'PT90M', '2026-03-31T10:30:00.000Z'],
  ['2026-03-31T12:00:00Z', 'PT36H', '2026-03-30T00:00:00.000Z'],
])('%s minus %s is %s', (time, duration, expected) => expect(from(time, duration)).toBe(expected))

test.each(['', '180', 'd', '-1d', '1.5d', 'P', 'PT', 'P1', '1D', '180d ', 'P1DT', '30', '1M', '30S', '1ms'])(
  '%s is not a duration',
  (text) => expect(parseDuration(text)).toBeUndefined(),
)
