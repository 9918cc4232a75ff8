import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { withLibraries } from '../when-needed.ts'
import { entrySchemas, revokedSchema } from './schema.ts'

const HEX = 'ab'.repeat(32)
const [EARLY, LATE] = ['2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z']

/** Path and expectation of each problem; of alternatives, those of the first. */
async function issues(revoked: object): Promise<unknown[]> {
  const checked = await withLibraries(() => revokedSchema.check(revoked))
  return 'issues' in checked ? checked.issues.map(({ code, path, message }) => [code, path.join('.'), message]) : []
}

/** All messages about one entry. */
async function said(list: string, entry: unknown): Promise<string> {
  const checked = await withLibraries(() => revokedSchema.check({ [list]: [entry] }))
  return 'issues' in checked ? JSON.stringify(checked.issues) : ''
}

const isInJsonSchema = new Ajv({ strict: false, validateFormats: false }).compile(revokedSchema.toJson())

describe('an entry may be', () => {
  test.each<[string, unknown]>([
    ['rootDigests', HEX],
    ['rootDigests', `sha256:${HEX}`],
    ['rootDigests', { digest: HEX, from: EARLY, until: LATE, reason: 'stolen' }],
    ['fileDigests', HEX],
    ['fileDigests', `sha256:${HEX}`],
    ['fileDigests', `blake3:${HEX}`],
    ['fileDigests', `blake2b:${HEX}${HEX}`],
    ['fileDigests', { digest: `blake3:${HEX}`, from: EARLY }],
    ['keys', HEX],
    ['keys', { fingerprint: HEX, until: LATE }],
    ['keys', { file: 'a.pub', reason: 'stolen' }],
    ['certificates', HEX],
    ['certificates', { fingerprint: HEX }],
    ['certificates', { file: 'a.pem' }],
    ['certificates', { serial: '0a:01', issuer: 'CN=Root', from: EARLY }],
    ['identities', { identity: 'a@example.org' }],
    ['identities', { identity: { pattern: '*@example.org' }, issuer: { regexp: '.*' }, reason: 'left' }],
    ['claims', HEX],
    ['claims', { digest: HEX, reason: 'wrong' }],
    ['packages', 'pkg:npm/a'],
    ['packages', { purl: 'pkg:npm/a@1', reason: 'wrong' }],
    // As OpenSSL prints them.
    ['keys', `SHA-256 Fingerprint=${HEX.toUpperCase().replace(/..(?=.)/g, '$&:')}`],
    ['certificates', { serial: 'Serial=0A', issuer: 'CN=Root' }],
    ['certificates', { serial: '10 (0X0A)', issuer: 'CN=Root' }],
    ['packages', 'PKG:npm/a'],
  ])('of %s: %j', async (list, entry) => {
    expect(await said(list, entry)).toBe('')
    expect(isInJsonSchema({ [list]: [entry] })).toBe(true)
  })
})

describe('an entry is refused', () => {
  test.each<[string, unknown, string]>([
    ['rootDigests', HEX.slice(1), 'expected a root digest'],
    ['rootDigests', `blake3:${HEX}`, 'expected a root digest'],
    ['fileDigests', HEX.toUpperCase(), 'expected a digest of a whole file'],
    ['fileDigests', `blake2b:${HEX}`, 'expected a digest of a whole file'],
    ['fileDigests', `blake3:${HEX}${HEX}`, 'expected a digest of a whole file'],
    ['fileDigests', `${HEX}${HEX}`, 'expected a digest of a whole file'],
    ['fileDigests', ` ${HEX}`, 'expected a digest of a whole file'],
    ['fileDigests', `${HEX} `, 'expected a digest of a whole file'],
    ['fileDigests', ` blake2b:${HEX}${HEX}`, 'expected a digest of a whole file'],
    ['fileDigests', `blake2b:${HEX}${HEX} `, 'expected a digest of a whole file'],
    ['keys', {}, 'expected a fingerprint, or a file'],
    ['keys', { reason: 'stolen' }, 'expected a fingerprint, or a file'],
    ['keys', { fingerprint: HEX, file: 'a.pub' }, 'expected a fingerprint, or a file'],
    ['keys', 'a.pub', 'to name a file'],
    ['certificates', {}, 'expected a fingerprint, a file, or serial and issuer'],
    ['certificates', { serial: '1' }, 'expected a fingerprint, a file, or serial and issuer'],
    ['certificates', { issuer: 'CN=Root' }, 'expected a fingerprint, a file, or serial and issuer'],
    ['certificates', { fingerprint: HEX, file: 'a.pem' }, 'expected a fingerprint, a file, or serial and issuer'],
    ['certificates', { fingerprint: HEX, serial: '1', issuer: 'CN=Root' }, 'expected a fingerprint, a file, or'],
    ['certificates', { fingerprint: HEX, serial: '1' }, 'expected a fingerprint, a file, or serial and issuer'],
    ['certificates', { fingerprint: HEX, issuer: 'CN=Root' }, 'expected a fingerprint, a file, or serial and issuer'],
    ['certificates', { file: 'a.pem', serial: '1', issuer: 'CN=Root' }, 'expected a fingerprint, a file, or serial'],
    ['certificates', { serial: 'g', issuer: 'CN=Root' }, 'expected hex digits, in quotes'],
    ['certificates', { serial: '1', issuer: '' }, 'expected text that is not empty'],
    ['identities', {}, 'expected text'],
    ['identities', 'a@example.org', 'invalid_type'],
    ['identities', { identity: '' }, 'expected text that is not empty'],
    ['packages', 'pkg:npm/', 'expected a package URL'],
    ['packages', { purl: 'npm/a' }, 'expected a package URL'],
    ['packages', `pkg:npm/${'a'.repeat(2_041)}`, 'of at most 2048 characters'],
    ...['rootDigests', 'fileDigests', 'claims'].map((list): [string, unknown, string] => [list, {}, 'expected text']),
    ...['claims', 'packages'].flatMap((list): [string, unknown, string][] => [
      [list, { digest: HEX, purl: 'pkg:npm/a', from: EARLY }, 'unrecognized_keys'],
      [list, { reason: 'wrong' }, 'expected text'],
    ]),
    ...['rootDigests', 'fileDigests', 'keys', 'certificates', 'identities', 'claims', 'packages'].map(
      (list): [string, unknown, string] => [list, { colour: 'red' }, 'unrecognized_keys'],
    ),
    ['identities', { identity: 'a', reason: '' }, 'expected text that is not empty'],
    ['identities', { identity: 'a', from: '2026-01-01' }, 'a time with a time zone'],
    ['identities', { identity: 'a', until: '2026-01-01' }, 'a time with a time zone'],
  ])('in %s: %j', async (list, entry, message) => {
    expect(await said(list, entry)).toContain(message)
    // Only the name of a package cannot be expressed.
    expect(isInJsonSchema({ [list]: [entry] })).toBe(entry === 'pkg:npm/')
  })

  test('if its period ends before it begins, or at once', async () => {
    const digest = `sha256:${HEX}`
    const lists = {
      rootDigests: [digest, { digest, from: EARLY, until: LATE }, { digest, from: LATE, until: EARLY }],
      fileDigests: [{ digest, from: EARLY, until: EARLY }],
      keys: [{ fingerprint: HEX, from: LATE, until: EARLY }, HEX],
      certificates: [
        { fingerprint: HEX, from: LATE },
        { fingerprint: HEX, from: LATE, until: EARLY },
      ],
      identities: [{ identity: 'a', from: LATE, until: EARLY }],
      claims: [HEX],
    }
    const fault = (start: string, path: string) => [
      'custom',
      path,
      `expected a time after ${start}, the beginning of the period`,
    ]
    expect(await issues(lists)).toEqual([
      fault(LATE, 'rootDigests.2.until'),
      fault(EARLY, 'fileDigests.0.until'),
      fault(LATE, 'keys.0.until'),
      fault(LATE, 'certificates.1.until'),
      fault(LATE, 'identities.0.until'),
    ])
  })
})

test('nothing need be revoked, and nothing else can be', async () => {
  expect(await issues({})).toEqual([])
  expect(await issues({ models: [] })).toHaveLength(1)
  for (const list of ['rootDigests', 'fileDigests', 'keys', 'certificates', 'identities', 'claims', 'packages'])
    expect(await issues({ [list]: 'x' })).toHaveLength(1)
})

test('entries that may not name files are refused for this, and by the JSON Schema as well', () => {
  const { keys, certificates } = entrySchemas({}, { key: {}, certificate: {} })
  const messages = (schema: typeof keys | typeof certificates, entry: object) => {
    const checked = schema.check(entry)
    return 'issues' in checked ? checked.issues.map(({ message }) => message) : []
  }
  const ajv = new Ajv({ strict: false, validateFormats: false })
  const [isKey, isCertificate] = [ajv.compile(keys.toJson()), ajv.compile(certificates.toJson())]
  const serial = { serial: '1', issuer: 'CN=Root' }
  expect(messages(keys, { reason: 'x' })).toEqual(['expected a fingerprint'])
  expect(messages(certificates, { reason: 'x' })).toEqual(['expected a fingerprint, or serial and issuer'])
  expect([messages(keys, { fingerprint: HEX }), messages(certificates, serial)]).toEqual([[], []])
  expect([{ fingerprint: HEX }, { reason: 'x' }, { file: 'a' }].map((one) => isKey(one))).toEqual([true, false, false])
  expect(
    [{ fingerprint: HEX }, serial, { fingerprint: HEX, ...serial }, { reason: 'x' }].map((one) => isCertificate(one)),
  ).toEqual([true, true, false, false])
})
