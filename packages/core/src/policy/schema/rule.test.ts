import { describe, expect, test } from 'vitest'
import { isExplicit } from './match.ts'
import { ruleSchema } from './rule.ts'
import { policySchema } from './schema.ts'

const RULE = { name: 'r', match: { path: 'models/**' }, signers: [{ key: 'a' }] }
const SKIP = { name: 'r', match: { path: 'models/**' }, mode: 'skip', reason: 'r' }
const DIGEST = `sha256:${'ab'.repeat(32)}`

/** Path, message and value of each problem. */
function problems(rule: object): unknown[] {
  const checked = ruleSchema.check(rule)
  return 'issues' in checked ? checked.issues.map(({ path, message, input }) => [path.join('.'), message, input]) : []
}

const places = (rule: object) => problems(rule).map((problem) => (problem as [string])[0])

describe('a rule may', () => {
  test.each<[string, object]>([
    ['name signers', RULE],
    ['require several of them', { ...RULE, signers: [{ key: 'a' }, { key: 'b' }], threshold: 2 }],
    ['say where bundles are', { ...RULE, bundle: ['*.sig', 'a/*.sig'], reason: 'r' }],
    ['enforce a name', { ...RULE, match: { name: 'vad' }, mode: 'enforce' }],
    ['enforce a name by default', { ...RULE, match: { name: 'vad' } }],
    ['audit', { ...RULE, mode: 'audit' }],
    ['skip a path', SKIP],
    ['skip what has no path', { ...SKIP, match: { memory: 'any' } }],
    ['skip bytes by their digest', { ...SKIP, match: { memory: [DIGEST], format: 'onnx' } }],
  ])('%s', (_, rule) => expect(problems(rule)).toEqual([]))
})

describe('a rule may not', () => {
  test('enforce the signature of bytes', () => {
    const rule = { ...RULE, match: { memory: 'any' } }
    const problem = ['match.memory', 'expected the mode skip: without a path, no signature can be found', undefined]
    expect(problems(rule)).toEqual([problem])
    expect(problems({ ...rule, mode: 'audit' })).toEqual([problem])
  })

  test.each(['path', 'url', 'source', 'name'])('match bytes by their %s', (field) => {
    const values = { path: 'a', url: 'https://a.example/b', source: 'hf://a/b', name: 'a' }
    const match = { memory: 'any', [field]: values[field as keyof typeof values] }
    expect(problems({ ...SKIP, match })).toContainEqual([
      `match.${field}`,
      '`memory` cannot be combined with path, url, source or name: it matches models without path and URL',
      undefined,
    ])
  })

  test('say where the bundles of bytes are', () => {
    expect(problems({ ...SKIP, match: { memory: 'any' }, bundle: '*.sig' })).toEqual([
      ['bundle', '`match.memory` cannot be combined with bundle: it matches models without path and URL', undefined],
    ])
    expect(problems({ ...SKIP, bundle: '*.sig' })).toEqual([])
  })

  test('match by nothing', () => {
    expect(problems({ ...RULE, match: {} })).toEqual([
      ['match', 'expected one of path, url, source, name, format, memory', {}],
    ])
  })

  test('name bytes by what is not a digest', () => {
    expect(problems({ ...SKIP, match: { memory: ['sha256:00'] } })).toEqual([
      ['match.memory.0', 'expected sha256: and 64 lowercase hex digits, the digest of the bytes', 'sha256:00'],
    ])
  })

  test('skip without a reason', () => {
    expect(problems({ ...SKIP, reason: undefined })).toEqual([['mode', 'mode skip requires a "reason"', undefined]])
  })

  test('skip nearly everything', () => {
    expect(problems({ ...SKIP, match: { path: '**' } })).toEqual([
      ['match', expect.stringContaining('the mode skip checks nothing'), undefined],
    ])
    expect(places({ ...SKIP, match: { format: 'onnx' } })).toEqual(['match'])
  })

  test.each([
    ['signers', [{ key: 'a' }]],
    ['threshold', 1],
    ['require', {}],
  ])('skip, and have %s', (field, value) => {
    expect(problems({ ...SKIP, [field]: value })).toEqual([
      [field, 'expected none in the mode skip, which checks no signatures', undefined],
    ])
  })

  test('do without signers, or require more than it has', () => {
    expect(problems({ ...RULE, signers: undefined })).toEqual([
      ['', 'expected "signers": the signers to accept', undefined],
    ])
    expect(places({ ...RULE, signers: undefined, mode: 'audit' })).toEqual([''])
    expect(problems({ ...RULE, threshold: 2 })).toEqual([['threshold', 'expected at most 1, the number of signers', 2]])
    expect(places({ ...RULE, threshold: 1 })).toEqual([])
    expect(places({ ...RULE, threshold: 0 })).toEqual(['threshold'])
  })

  test.each(['audit', 'skip'])('believe a name in the mode %s', (mode) => {
    const rule = { ...(mode === 'skip' ? SKIP : RULE), mode, match: { name: 'vad', path: 'models/**' } }
    expect(problems(rule)).toEqual([
      [
        'match.name',
        `expected no name in the mode ${mode}: without a valid signature, anybody can claim it`,
        undefined,
      ],
    ])
  })

  test.each<[string, object]>([
    ['name', { ...RULE, name: '' }],
    ['match', { ...RULE, match: {} }],
    ['match.memory', { ...SKIP, match: { memory: 'all' } }],
    ['match.memory', { ...SKIP, match: { memory: [] } }],
    ['match.memory', { ...SKIP, match: { memory: ` ${DIGEST}` } }],
    ['match.memory', { ...SKIP, match: { memory: `${DIGEST} ` } }],
    ['match.path', { ...RULE, match: { path: [] } }],
    ['match.url', { ...RULE, match: { url: [] } }],
    ['match.source', { ...RULE, match: { source: [] } }],
    ['match.name', { ...RULE, match: { name: [] } }],
    ['match.format', { ...RULE, match: { format: [] } }],
    ['bundle', { ...RULE, bundle: [] }],
    ['mode', { ...RULE, mode: 'warn' }],
    ['reason', { ...RULE, reason: '' }],
    ['signers', { ...RULE, signers: [] }],
    ['require', { ...RULE, require: { other: true } }],
    ['', { ...RULE, other: true }],
    ['match', { ...RULE, match: { path: 'a', other: true } }],
  ])('have another value of "%s": %j', (place, rule) => {
    const [first] = places(rule)
    expect(first === place || `${first}`.startsWith(`${place}.`)).toBe(true)
  })
})

describe('a match for the mode skip', () => {
  test.each([
    { path: 'models/**' },
    { path: ['a', 'b/*'] },
    { path: '../a/**' },
    { path: '/srv/**' },
    { path: '{a,b}/**' },
    { path: '*/a' },
    { url: 'https://a.example/**' },
    { url: ['https://a.example', 'https://b.example'] },
    { url: 'hf://acme/**' },
    { url: 'hf://datasets/acme/**' },
    { url: 'oci://registry.example/acme/**' },
    { source: 'hf://acme/*' },
    { source: 'oci://registry.example/acme/**' },
    { path: 'a', url: 'https://a.example/**', source: 'hf://acme/*' },
    { memory: 'any' },
    { memory: 'any', path: '**' },
    { url: 'https://datasets/**' },
    // It is reported elsewhere.
    { path: '[' },
  ] as const)('is explicit: %j', (match) => expect(isExplicit(match as never)).toBe(true))

  test.each([
    {},
    { format: 'onnx' },
    { name: 'vad' },
    { path: [] },
    { path: '**' },
    { path: ['a', '**'] },
    { path: '../**' },
    { path: '*/*' },
    { path: '{a,*}' },
    { path: '/*' },
    { url: 'https://*/a' },
    { url: '**' },
    { url: ['https://a.example', 'https://*'] },
    { url: 'https://{a.example,*}/m' },
    { url: 'https:/a' },
    { url: 'https//a/b' },
    { url: 'https:/x/a' },
    { url: 'https://' },
    { url: 'hf://datasets/**' },
    { url: 'hf://datasets/*/a' },
    { url: 'oci://registry.example/**' },
    { source: 'hf://*/a' },
    { source: 'oci://registry.example/*' },
    { source: 'hf://*' },
    { path: 'a', url: 'https://*/a' },
    { path: '**', url: 'https://a.example/**' },
    { path: 'a', source: 'hf://*/a' },
  ])('is not explicit: %j', (match) => expect(isExplicit(match as never)).toBe(false))
})

describe('a policy', () => {
  const paths = (policy: object) => {
    const checked = policySchema.check({ version: 1, ...policy })
    return 'issues' in checked ? checked.issues.map(({ path }) => path.join('.')) : []
  }

  test('may be of one file of several', () => {
    expect(paths({})).toEqual([])
    expect(paths({ $schema: 's', include: ['a.yaml'], issued: '2026-01-01T00:00:00Z', maxAge: '30d' })).toEqual([])
    expect(paths({ include: Array(64).fill('a'), rules: [RULE], trustRoots: { a: { publicKey: 'a.pub' } } })).toEqual(
      [],
    )
    expect(paths({ revoked: {}, journal: { directory: 'd' } })).toEqual([])
    expect(paths({ advisories: [{ file: 'f', signers: [{ key: 'a' }] }] })).toEqual([])
  })

  test.each([
    [{ version: 2 }, 'version'],
    [{ maxAge: '30d' }, 'maxAge'],
    [{ include: [] }, 'include'],
    [{ include: Array(65).fill('a') }, 'include'],
    [{ rules: [] }, 'rules'],
    [{ issued: '2026-01-01' }, 'issued'],
    [{ issued: '2026-01-01T00:00:00Z', maxAge: 'long' }, 'maxAge'],
    [{ trustRoots: { '': { publicKey: 'a' } } }, 'trustRoots.'],
    [{ trustRoots: { ['x'.repeat(201)]: { publicKey: 'a' } } }, `trustRoots.${'x'.repeat(201)}`],
    [{ other: 1 }, ''],
  ])('is not valid: %.80j', (policy, place) => expect(paths(policy)).toEqual([place]))

  test('that has an age must say when it was issued', () => {
    const checked = policySchema.check({ version: 1, maxAge: '30d' })
    expect('issues' in checked && checked.issues[0].message).toBe(
      'expected "issued" beside maxAge: the time to count from',
    )
  })
})
