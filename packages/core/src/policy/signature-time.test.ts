import { expect, test } from 'vitest'
import { signatureBy } from '../testing/evidence.ts'
import { ANY_TIME, boundsOf, isoTime, WELL_DATED } from './signature-time.ts'

const [EARLY, LATE] = ['2026-01-01T00:00:00.000Z', '2026-02-01T00:00:00.000Z']
const time = { at: LATE, source: 'rfc3161', authority: 'CN=TSA' } as const

test('nothing is proven about the time of a signature by a bare key', () => {
  expect(boundsOf(signatureBy())).toEqual(ANY_TIME)
  expect(ANY_TIME).toEqual({ earliest: -Infinity, latest: Infinity })
})

test('a timestamp proves the latest time only', () => {
  expect(boundsOf(signatureBy({ time }))).toEqual({ earliest: -Infinity, latest: Date.parse(LATE) })
})

test('a certificate proves the earliest time only', () => {
  const signer = { method: 'certificate', notBefore: EARLY } as const
  expect(boundsOf(signatureBy({ signer }))).toEqual({ earliest: Date.parse(EARLY), latest: Infinity })
  expect(boundsOf(signatureBy({ signer, time }))).toEqual({ earliest: Date.parse(EARLY), latest: Date.parse(LATE) })
})

test('the best case is outside every period', () => {
  expect(WELL_DATED.earliest).toBeGreaterThan(Date.parse('9999-12-31T23:59:59Z'))
  expect(WELL_DATED.latest).toBeLessThan(Date.parse('0000-01-01T00:00:00Z'))
})

test('a time is written in UTC', () => {
  expect(isoTime(Date.parse(EARLY))).toBe(EARLY)
})
