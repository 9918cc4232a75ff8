import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import type { SignatureBounds } from '../signature-time.ts'
import { withLibraries } from '../when-needed.ts'
import { packageName } from './package-url.ts'
import { plainHex } from './fingerprint.ts'
import { exactName, RevocationList, type Revocation } from './revocation-list.ts'
import type { RevokedText } from './schema.ts'

beforeAll(() => withLibraries(() => packageName('pkg:npm/a')))

/** Few of each, so that entries often concern the same. */
const DIGESTS = ['00', '01', 'a0'].map((end) => end.padStart(64, '0'))
const LONG = ['0'.repeat(128), '1'.repeat(128)]
const TIMES = ['2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z', '2026-03-01T00:00:00Z']

const always = { reason: fc.constantFrom('stolen', 'undefined') }
const window = { ...always, from: fc.constantFrom(...TIMES), until: fc.constantFrom(...TIMES) }
type Fields = Omit<Revocation, 'by' | 'from' | 'until'> & { from?: string; until?: string }
type Named = Fields & { digest?: string; fingerprint?: string }

const digest = fc.constantFrom(...DIGESTS, ...DIGESTS.map((hex) => `sha256:${hex}`))
const fileDigest = fc.oneof(
  digest,
  fc.constantFrom(...DIGESTS.map((hex) => `blake3:${hex}`), ...LONG.map((hex) => `blake2b:${hex}`)),
)
const fingerprint = fc.constantFrom(...DIGESTS, ...DIGESTS.map((hex) => hex.toUpperCase().replace(/..(?=.)/g, '$&:')))
const entriesOf = <Field extends string>(field: Field, name: fc.Arbitrary<string>, more: object) =>
  fc.array(fc.oneof(name, fc.record({ [field]: name, ...more }, { requiredKeys: [field] })), { maxLength: 6 })

const revokedLists = fc.record({
  rootDigests: entriesOf('digest', digest, window),
  fileDigests: entriesOf('digest', fileDigest, window),
  claims: entriesOf('digest', digest, always),
  keys: entriesOf('fingerprint', fingerprint, window),
  certificates: entriesOf('fingerprint', fingerprint, window),
}) as fc.Arbitrary<Required<Pick<RevokedText, 'rootDigests' | 'fileDigests' | 'claims' | 'keys' | 'certificates'>>>

/** Goes through all entries. */
function naively(revoked: RevokedText, kind: string, name: string, when: SignatureBounds | undefined) {
  const list = {
    root: revoked.rootDigests,
    attestation: revoked.claims,
    key: revoked.keys,
    certificate: revoked.certificates,
  }[kind]
  const entries = (list ?? revoked.fileDigests ?? []) as (string | Named)[]
  const found = entries
    .map((entry): Named => (typeof entry === 'string' ? { digest: entry } : entry))
    .find(({ digest, fingerprint = digest ?? '', from, until }) => {
      const isFingerprint = kind === 'key' || kind === 'certificate'
      const [hex = '', algorithm = 'sha256'] = isFingerprint
        ? [plainHex(fingerprint)]
        : fingerprint.split(':').reverse()
      const { earliest, latest } = when ?? { earliest: -Infinity, latest: Infinity }
      const isWithin =
        (from === undefined || Date.parse(from) <= latest) && (until === undefined || earliest < Date.parse(until))
      return (list !== undefined || algorithm === kind) && hex === name && isWithin
    })
  return found && { reason: found.reason }
}

test('a list answers what going through all of its entries would answer', () => {
  const name = fc.constantFrom(...DIGESTS, ...LONG, 'b0'.padStart(64, '0'), DIGESTS[2]?.toUpperCase() ?? '', '')
  const kind = fc.constantFrom('root', 'sha256', 'blake3', 'blake2b', 'attestation', 'key', 'certificate')
  const when = fc.option(
    fc.tuple(fc.nat(2), fc.nat(2)).map(([one, other]): SignatureBounds => {
      const [earliest = 0, latest = 0] = [one, other].sort().map((index) => Date.parse(TIMES[index] ?? ''))
      return { earliest, latest }
    }),
    { nil: undefined },
  )
  const lookups = fc.array(fc.tuple(kind, name, when), { minLength: 20, maxLength: 20 })
  fc.assert(
    fc.property(revokedLists, revokedLists, lookups, (first, second, asked) => {
      const list = new RevocationList('the policy')
      list.add(first)
      list.add(second)
      const both = Object.fromEntries(
        Object.entries(first).map(([name, entries]) => [name, [...entries, ...second[name as keyof typeof second]]]),
      ) as RevokedText
      for (const [kind, name, when] of asked) {
        const found = list.lookUp(exactName(kind, name), when)
        expect(found && { reason: found.reason }).toEqual(naively(both, kind, name, when))
      }
    }),
    { numRuns: 500 },
  )
})

test('names that are not digests of the usual length are found as well', () => {
  const list = new RevocationList('the policy')
  const short = 'abcd'
  list.add({ keys: [DIGESTS[0] ?? ''], rootDigests: [] }, new Map())
  list.add({ keys: [{ file: 'a.pub' }] }, new Map())
  expect(list.lookUp(exactName('key', short), undefined)).toBeUndefined()
  const entry = { file: 'a.pub', reason: 'stolen' }
  list.add({ keys: [entry] }, new Map([[entry, [short, DIGESTS[1] ?? '']]]))
  for (const name of [short, DIGESTS[1] ?? ''])
    expect(list.lookUp(exactName('key', name), undefined)).toMatchObject({ reason: 'stolen', by: 'the policy' })
})

test.each([
  [16, 1],
  [20, 20],
  [1, 100],
])('%i entries of one file of a policy, and then %i of another', (first, second) => {
  const list = new RevocationList('the policy')
  const digests = [first, second].map((count, part) =>
    Array.from({ length: count }, (_, index) => `${part}${index}`.padStart(64, '0')),
  )
  for (const rootDigests of digests) list.add({ rootDigests })
  expect(digests.flat().filter((digest) => !list.always(exactName('root', digest)))).toEqual([])
})

test('identities are found by patterns, and by exact texts', () => {
  const list = new RevocationList('the policy')
  const pattern = { pattern: '*@a.example' }
  list.add({
    identities: [
      { identity: pattern, reason: 'pattern' },
      { identity: 'x@b.example', reason: 'exact' },
    ],
  })
  const reason = (name: string) => list.identity({ name, issuers: undefined }, undefined)?.reason
  expect([reason('x@a.example'), reason('x@b.example'), reason('x@c.example')]).toEqual(['pattern', 'exact', undefined])
  // Without an issuer, that of every issuer.
  expect(list.identity({ name: 'x@b.example', issuers: [] }, undefined)?.reason).toBe('exact')
  expect(list.concernsIdentities).toBe(true)
})

test('packages may have a reason', () => {
  const list = new RevocationList('the policy')
  list.add({ packages: ['pkg:npm/a', { purl: 'pkg:npm/b', reason: 'stolen' }] })
  expect(list.package(packageName('pkg:npm/a'))).toMatchObject({ reason: undefined, by: 'the policy' })
  expect(list.package(packageName('pkg:npm/b@1'))).toMatchObject({ reason: 'stolen', by: 'the policy' })
  expect(list.package(packageName('pkg:npm/c'))).toBeUndefined()
})

test('nothing is revoked by nothing', () => {
  const list = new RevocationList('the policy')
  list.add({})
  expect([...list.fileAlgorithms]).toEqual([])
  expect([list.concernsModels, list.concernsSigners, list.concernsIdentities, list.concernsPackages]).toEqual(
    Array(4).fill(false),
  )
})
