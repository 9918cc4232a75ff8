import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { advisoriesSchema, DEFAULT_MAX_AGE, MAX_FEEDS, millisecondsOf } from './schema.ts'

const URL = 'https://models.example/feed.jsonl'
const feed = (more: object = {}) => ({ url: URL, signers: [{ key: 'a' }], ...more })
const inFile = (more: object = {}) => ({ file: 'feed.jsonl', signers: [{ key: 'a' }], ...more })
const tuf = (more: object = {}) => ({
  tuf: { url: 'https://tuf.example', root: 'root.json', target: 'feed.jsonl', ...more },
  signers: [{ key: 'a' }],
})

/** What is wrong with a feed: the path and the message of each issue. */
function issues(given: unknown): string[] {
  const checked = advisoriesSchema.check([given])
  return 'issues' in checked ? checked.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) : []
}

const inJsonSchema = new Ajv({ strict: false }).compile(advisoriesSchema.toJson())

/** What JSON Schema has no words for: numbers that are compared, and hosts. */
const NOT_EXPRESSED = [
  ...['http://models.example/feed', 'http://localhost.example/feed', 'http://127.0.0.1.example/feed'],
  ...['http://x127.0.0.1/feed', 'https://'],
]

describe('a feed of a policy', () => {
  test.each([
    URL,
    'https://models.example:8443/feed',
    'http://localhost/feed',
    'http://127.0.0.1:8080/feed',
    'http://127.255.255.255/feed',
    'http://[::1]/feed',
  ])('may be at %s', (url) => {
    expect(issues(feed({ url }))).toEqual([])
    expect(issues(tuf({ url }))).toEqual([])
    expect(issues(tuf({ targets: url }))).toEqual([])
    expect([feed({ url }), tuf({ url }), tuf({ targets: url })].map((one) => inJsonSchema([one]))).toEqual(
      Array(3).fill(true),
    )
  })

  test.each([
    'http://models.example/feed',
    'http://localhost.example/feed',
    'http://127.0.0.1.example/feed',
    'http://x127.0.0.1/feed',
    'ftp://localhost/feed',
    'ftp://models.example/feed',
    'https://user@models.example/feed',
    'https://:password@models.example/feed',
    'https://models.example/feed?latest',
    'https://models.example/feed#1',
    'https://models.example/fe ed',
    'https://models.example/feed ',
    '/feed',
    'https://',
    `https://models.example/${'x'.repeat(4_100)}`,
    '',
  ])('may not be at %j', (url) => {
    expect(issues(feed({ url })).length).toBeGreaterThan(0)
    expect(issues(feed({ url }))[0]).toMatch(/^0\.url: /)
    expect(issues(tuf({ url }))[0]).toMatch(/^0\.tuf\.url: /)
    expect(issues(tuf({ targets: url }))[0]).toMatch(/^0\.tuf\.targets: /)
    expect(inJsonSchema([feed({ url })])).toBe(NOT_EXPRESSED.includes(url))
  })

  test('is refused with what may be there instead', () => {
    expect(issues(feed({ url: 'https://models.example/feed?latest' }))[0]).toMatch(/expected an https URL/)
    expect(issues(feed({ url: 'http://models.example/feed' }))).toEqual([
      expect.stringMatching(/expected an https URL .* this machine$/),
    ])
    expect(issues(tuf({ target: '/feed' }))[0]).toMatch(/expected the name of a target/)
  })

  test('is at one place', () => {
    const expected = ['0: expected one of "url", "file" and "tuf"']
    expect(issues({ signers: [{ key: 'a' }] })).toEqual(expected)
    expect(issues(feed(inFile()))).toEqual(expected)
    expect(issues(feed(tuf()))).toEqual(expected)
    expect(issues({ ...inFile(), ...tuf() })).toEqual(expected)
    for (const one of [feed(), inFile(), tuf()]) {
      expect(issues(one)).toEqual([])
      expect(inJsonSchema([one])).toBe(true)
    }
    for (const one of [{ signers: [{ key: 'a' }] }, feed(inFile()), feed(tuf()), { ...inFile(), ...tuf() }])
      expect(inJsonSchema([one])).toBe(false)
  })

  test.each(['feed.jsonl', 'a/feed.jsonl', 'a/b/..c', '.feed', '...', 'x'.repeat(1_024)])(
    'may be the target %j',
    (target) => {
      expect(issues(tuf({ target }))).toEqual([])
    },
  )

  test.each([
    '',
    '.',
    '..',
    '/feed',
    'feed/',
    'a//b',
    'a/./b',
    'a/../b',
    '../a',
    'a/..',
    'a?b',
    'a#b',
    'a%2fb',
    'a b',
    'a\\b',
    'x'.repeat(1_025),
  ])('may not be the target %j', (target) => {
    expect(issues(tuf({ target }))[0]).toMatch(/^0\.tuf\.target: /)
  })

  test('must have a root of TUF, and no other fields', () => {
    expect(issues(tuf({ root: undefined }))[0]).toMatch(/^0\.tuf\.root: /)
    expect(issues(tuf({ extra: 1 })).length).toBe(1)
    expect(issues(feed({ extra: 1 })).length).toBe(1)
  })

  test('is signed by 1 to 64 signers, and needs no more than there are', () => {
    const signers = (count: number) => Array.from({ length: count }, (_, index) => ({ key: `k${index}` }))
    expect(issues(feed({ signers: signers(64), threshold: 64 }))).toEqual([])
    expect(issues(feed({ signers: signers(65) }))[0]).toMatch(/^0\.signers: /)
    expect(issues(feed({ signers: [] }))[0]).toMatch(/^0\.signers: /)
    expect(issues(feed({ signers: undefined }))[0]).toMatch(/^0\.signers: /)
    expect(issues(feed({ signers: signers(2), threshold: 3 }))).toEqual([
      '0.threshold: expected at most 2, the number of signers',
    ])
    expect(issues(feed({ threshold: 0 }))[0]).toMatch(/^0\.threshold: /)
    expect([1, 2, 3, 4].map((threshold) => inJsonSchema([feed({ signers: signers(3), threshold })]))).toEqual([
      true,
      true,
      true,
      false,
    ])
  })

  test('says which threshold was found', () => {
    const checked = advisoriesSchema.check([feed({ threshold: 2 })])
    expect(checked).toMatchObject({ issues: [{ input: 2 }] })
  })

  test.each(['refuse', 'warn'])('may, if it is stale, be used to %s', (ifStale) => {
    expect(issues(feed({ ifStale }))).toEqual([])
    expect(issues(feed({ ifStale: 'ignore' }))[0]).toMatch(/^0\.ifStale: /)
  })
})

describe('the times of a feed', () => {
  test.each(['1s', '24d', '576h'])('may be %s', (time) => {
    expect(issues(feed({ refresh: time, maxAge: time }))).toEqual([])
  })

  test.each([
    ['P1M', 'expected a duration without years and months'],
    ['P1Y', 'expected a duration without years and months'],
    ['0s', 'expected a duration of a second to 24 days'],
    ['25d', 'expected a duration of a second to 24 days'],
    ['577h', 'expected a duration of a second to 24 days'],
  ])('may not be %s', (time, message) => {
    expect(issues(feed({ maxAge: time, refresh: '1s' }))[0]).toBe(`0.maxAge: ${message}`)
    expect(issues(feed({ refresh: time, maxAge: '24d' }))[0]).toBe(`0.refresh: ${message}`)
    expect(inJsonSchema([feed({ refresh: time })])).toBe(!time.startsWith('P'))
  })

  test('are durations', () => {
    expect(issues(feed({ refresh: 'soon' }))).toEqual([
      expect.stringMatching(/^0\.refresh: expected a duration such as/),
    ])
  })

  test('fit together: nothing is too old before it is looked for again', () => {
    const tooShort = ['0.maxAge: expected a time that is not shorter than "refresh"']
    expect(issues(feed({ refresh: '2h', maxAge: '1h' }))).toEqual(tooShort)
    expect(issues(feed({ refresh: '2h', maxAge: '2h' }))).toEqual([])
    // 5 minutes and 24 hours, if the policy says nothing.
    expect(issues(feed({ maxAge: '299s' }))).toEqual(tooShort)
    expect(issues(feed({ maxAge: '300s' }))).toEqual([])
    expect(issues(feed({ refresh: '25h' }))).toEqual(tooShort)
    expect(issues(feed({ refresh: '24h' }))).toEqual([])
    expect(advisoriesSchema.check([feed({ maxAge: '1s' })])).toMatchObject({ issues: [{ input: '1s' }] })
  })

  test('of a file are its maximum age only, which may be short', () => {
    expect(issues(inFile({ maxAge: '1s' }))).toEqual([])
    expect(issues(inFile({ refresh: '1h' }))).toEqual([
      '0.refresh: expected no "refresh" for a file: it is read whenever it changes',
    ])
    expect([inFile({ maxAge: '1s' }), inFile({ refresh: '1h' })].map((one) => inJsonSchema([one]))).toEqual([
      true,
      false,
    ])
  })

  test('are counted in milliseconds', () => {
    expect(millisecondsOf('2s', DEFAULT_MAX_AGE)).toBe(2_000)
    expect(millisecondsOf(undefined, DEFAULT_MAX_AGE)).toBe(86_400_000)
    expect(millisecondsOf('x', DEFAULT_MAX_AGE)).toBe(0)
  })
})

test('a policy follows at least one feed if it follows any, and no more than there is room for', () => {
  const count = (feeds: number) => 'value' in advisoriesSchema.check(Array(feeds).fill(feed()))
  expect([0, 1, MAX_FEEDS, MAX_FEEDS + 1].map(count)).toEqual([false, true, true, false])
})
