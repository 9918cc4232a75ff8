import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ModelSealError } from '../../../errors.ts'
import { ADVISORY_CHANNEL } from '../../../events.ts'
import { refusal } from '../../../testing/scratch.ts'
import { checkFollows, failureOf, ignored, isLater, staleness, type FeedVersion } from './version.ts'

const SOURCE = 'https://models.example/feed.jsonl'
const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000]
const NOW = Date.parse('2026-11-10T00:00:00Z')
const iso = (time: number) => new Date(time).toISOString()

const version = (sequence: number, more: Partial<FeedVersion> = {}) =>
  ({ feed: 'acme', sequence, digest: `d${sequence}`, ...more }) as FeedVersion

describe('a version of a feed', () => {
  const follows = (next: FeedVersion, current: FeedVersion) => () => checkFollows(next, current, SOURCE)

  test('may follow an earlier one, and itself', () => {
    expect(follows(version(2), version(1))).not.toThrow()
    expect(follows(version(9), version(1))).not.toThrow()
    expect(follows(version(2), version(2))).not.toThrow()
    // Whoever signs a later version may deny the same again.
    expect(follows(version(3, { digest: 'd2' }), version(2))).not.toThrow()
  })

  test('does not follow a later one', () => {
    for (const digest of ['d1', 'd3'])
      expect(follows(version(1, { digest }), version(3))).toThrow(
        refusal('ADVISORY_ROLLBACK', { file: SOURCE, expected: 'a sequence of at least 3', found: '1' }),
      )
  })

  test('does not follow other content with the same sequence', () => {
    expect(follows(version(3, { digest: 'x' }), version(3))).toThrow(
      refusal('ADVISORY_ROLLBACK', { file: SOURCE, expected: 'a sequence of more than 3', found: '3' }),
    )
  })

  test('does not follow another feed, however late it is', () => {
    for (const sequence of [1, 3, 9])
      expect(follows(version(sequence, { feed: 'other' }), version(3))).toThrow(
        refusal('ADVISORY_INVALID', { file: SOURCE, expected: '"acme"', found: '"other"' }),
      )
  })

  test('is later than none, and than an earlier one of the same feed', () => {
    expect(isLater(version(1), undefined)).toBe(true)
    expect(isLater(version(2), version(1))).toBe(true)
    expect(isLater(version(2), version(2))).toBe(false)
    expect(isLater(version(1), version(2))).toBe(false)
    expect(isLater(version(2, { feed: 'other' }), version(1))).toBe(false)
  })
})

describe('a version may be relied on', () => {
  const stale = (more: object = {}, milliseconds = HOUR) =>
    staleness(
      { issued: iso(NOW - DAY), expires: iso(NOW + DAY), confirmedAt: NOW, ...more },
      { maxAge: { written: '1h', milliseconds } },
      NOW,
    )

  test('if there is one', () => {
    expect(stale()).toBeUndefined()
    expect(staleness(undefined, { maxAge: { written: '1h', milliseconds: HOUR } }, NOW)).toContain('no valid version')
  })

  test('before it expires', () => {
    expect(stale({ expires: iso(NOW + 1) })).toBeUndefined()
    expect(stale({ expires: iso(NOW) })).toBe(`its latest version expired at ${iso(NOW)}`)
    expect(stale({ expires: iso(NOW - 1) })).toContain('expired')
  })

  test('unless it was issued more than a day from now', () => {
    expect(stale({ issued: iso(NOW + DAY) })).toBeUndefined()
    expect(stale({ issued: iso(NOW + DAY + 1) })).toBe(`it was issued at ${iso(NOW + DAY + 1)}, which is in the future`)
  })

  test('unless it was confirmed more than a minute from now', () => {
    expect(stale({ confirmedAt: NOW + MINUTE })).toBeUndefined()
    expect(stale({ confirmedAt: NOW + MINUTE + 1 })).toContain('last confirmed is in the future')
  })

  test('for as long after it was confirmed as the policy says', () => {
    expect(stale({ confirmedAt: NOW - HOUR })).toBeUndefined()
    expect(stale({ confirmedAt: NOW - HOUR - 1 })).toBe(
      `it was last confirmed as the current version at ${iso(NOW - HOUR - 1)}`,
    )
    expect(stale({ confirmedAt: NOW - HOUR - 1 }, 2 * HOUR)).toBeUndefined()
  })
})

describe('a failure', () => {
  test('is published as it is, with the version that stays in use', () => {
    const told: unknown[] = []
    const listener = (message: unknown) => void told.push(message)
    subscribe(ADVISORY_CHANNEL, listener)
    onTestFinished(() => void unsubscribe(ADVISORY_CHANNEL, listener))
    const error = new ModelSealError('HTTP_TIMEOUT', 'Too slow.')
    expect(failureOf(error, { source: SOURCE }, version(3))).toBe(error)
    expect(told).toEqual([{ source: SOURCE, feed: 'acme', sequence: 3, error: error.toJSON() }])
  })

  test('that nobody expected has its cause', () => {
    const cause = new TypeError('x')
    expect(failureOf(cause, { source: SOURCE }, undefined)).toEqual(refusal('INTERNAL', { file: SOURCE, cause }))
  })

  test('means that there is nothing, unless nobody expected it', () => {
    expect(() => ignored(new ModelSealError('HTTP_TIMEOUT', 'Too slow.'))).not.toThrow()
    expect(() => ignored(new TypeError('x'))).toThrow(TypeError)
  })
})
