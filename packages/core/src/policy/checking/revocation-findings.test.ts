import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { authority, pemOf } from '../../testing/authority.ts'
import { TestSite } from '../../testing/site.ts'
import { MAX_PROBLEMS } from '../../yaml/read-yaml.ts'
import { checkPolicy } from './check.ts'

let site: TestSite
let key: string
let certificate: string
const OTHER = 'ab'.repeat(32)

beforeAll(async () => {
  site = await TestSite.make()
  key = await site.key('a')
  for (const name of ['b', 'c']) await site.key(name)
  const root = await authority('Root')
  certificate = createHash('sha256').update(root.der).digest('hex')
  await site.write('root.pem', pemOf(root))
})
afterAll(() => site.remove())

const ROOTS = { a: { publicKey: 'a.pub' }, ca: { certificates: { roots: 'root.pem' } } }
const BY_KEY = { name: 'r', match: { path: 'm' }, signers: [{ key: 'a' }] }
const BY_CERTIFICATE = { ...BY_KEY, signers: [{ certificate: { root: 'ca', subject: 'CN=A' } }] }

/** The findings about revocations and feeds, with their positions. */
async function findings(policy: object, codes = /^(?:REVOCATION|ADVISORY|SIGNERS_REVOKED|SIGNER_BROAD)/) {
  const age = { issued: '2026-01-01T00:00:00Z', maxAge: 'P100Y' }
  const path = await site.policy({ version: 1, ...age, trustRoots: ROOTS, rules: [BY_KEY], ...policy })
  return (await checkPolicy(path)).filter(({ code }) => codes.test(code))
}

const CLAIMS = 'the claims of a bundle can match'

describe('a revocation that cannot match anything', () => {
  test.each<[string, () => object, () => string]>([
    ['a key that nobody trusts', () => ({ keys: [OTHER] }), () => `The revoked key "${OTHER}" is not one of the keys`],
    [
      'a key that nobody trusts, by its fingerprint',
      () => ({ keys: [{ fingerprint: OTHER }] }),
      () => `The revoked key "${OTHER}" is not one of the keys`,
    ],
    [
      'a key that is a certificate',
      () => ({ keys: [certificate] }),
      () => `The revoked key "${certificate}" is the fingerprint of a certificate. Move it to "certificates".`,
    ],
    [
      'a certificate that is a key',
      () => ({ certificates: [key] }),
      () => `The revoked certificate "${key}" is the fingerprint of a key. Move it to "keys".`,
    ],
    [
      'a certificate',
      () => ({ certificates: [{ fingerprint: OTHER }] }),
      () => `The revoked certificate "${OTHER}" cannot match anything: no rule of this policy trusts certificates`,
    ],
    [
      'a serial number',
      () => ({ certificates: [{ serial: '0a', issuer: 'CN=Root' }] }),
      () => 'The revoked certificate "0a" cannot match anything',
    ],
    [
      'an identity',
      () => ({ identities: [{ identity: 'x@a' }, { identity: 'y@a' }] }),
      () => 'The revoked identities cannot match anything: keys have no names',
    ],
  ])('is %s', async (_, revoked, message) => {
    const found = await findings({ revoked: revoked() })
    expect(found).toMatchObject([{ severity: 'warning', code: 'REVOCATION_UNMATCHED' }])
    expect(found[0]?.message).toContain(message())
    expect(found[0]?.message).not.toContain(CLAIMS)
  })

  test('may match the claims of a bundle under a rule that does not enforce', async () => {
    const audit = { ...BY_KEY, name: 's', mode: 'audit' }
    const [found] = await findings({ rules: [BY_KEY, audit], revoked: { keys: [OTHER] } })
    expect(found?.message).toContain(CLAIMS)
  })

  test('is reported at its place, in its own file', async () => {
    await site.policy({ version: 1, revoked: { keys: [key, OTHER] } }, 'included.yaml')
    const policy = { include: ['included.yaml'], revoked: { keys: [key], certificates: [OTHER] } }
    expect(await findings(policy, /^REVOCATION/)).toMatchObject([
      { message: expect.stringContaining('The revoked certificate') as string },
      { file: site.file('included.yaml'), line: 5 },
    ])
  })

  test('is reported at its place in its list', async () => {
    const revoked = {
      keys: [{ file: 'a.pub' }, OTHER],
      certificates: [{ file: 'root.pem' }, OTHER],
      identities: [{ identity: 'x@a' }, { identity: 'y@a' }],
    }
    const found = await findings({ revoked }, /^REVOCATION/)
    const [key = 0, ...others] = found.map(({ line }) => line ?? 0)
    // Each list has a line for its name.
    expect(others.map((line) => line - key)).toEqual([3, 5])
  })

  test('is reported only so many times', async () => {
    const keys = Array.from({ length: MAX_PROBLEMS + 1 }, (_, index) => index.toString(16).padStart(64, '0'))
    expect(await findings({ revoked: { keys } })).toHaveLength(MAX_PROBLEMS)
  })
})

describe('a revocation may match', () => {
  test.each<[string, object, () => object]>([
    ['a key that is trusted', {}, () => ({ keys: [{ file: 'b.pub' }] })],
    ['a key by its file', {}, () => ({ keys: [{ file: 'c.pub' }] })],
    ['a certificate by its file', {}, () => ({ certificates: [{ file: 'root.pem' }] })],
    ['any key if certificates are trusted', { rules: [BY_CERTIFICATE] }, () => ({ keys: [OTHER] })],
    ['any certificate if certificates are trusted', { rules: [BY_CERTIFICATE] }, () => ({ certificates: [OTHER] })],
    [
      'any identity if certificates are trusted',
      { rules: [BY_CERTIFICATE] },
      () => ({ identities: [{ identity: 'x' }] }),
    ],
  ])('%s', async (_, policy, revoked) => {
    const found = await findings({ ...policy, revoked: revoked() })
    expect(found.filter(({ code }) => code === 'REVOCATION_UNMATCHED')).toEqual([])
  })

  test('nothing that is in the wrong list, even if certificates are trusted', async () => {
    const revoked = { keys: [certificate], certificates: [key] }
    expect(await findings({ rules: [BY_CERTIFICATE], revoked }, /^REVOCATION/)).toHaveLength(2)
  })
})

describe('a rule whose signers are revoked', () => {
  const roots = { ...ROOTS, ...Object.fromEntries(['b', 'c'].map((name) => [name, { publicKey: `${name}.pub` }])) }
  const signers = ['a', 'b', 'c'].map((name) => ({ key: name }))
  const revoking = async (names: string[], rule: object) => {
    const revoked = { keys: names.map((name) => ({ file: `${name}.pub` })) }
    const policy = { trustRoots: roots, rules: [{ ...BY_KEY, signers, ...rule }], revoked }
    return (await findings(policy, /^SIGNERS_REVOKED/)).map(({ message }) => message)
  }

  test('says how many', async () => {
    expect(await revoking(['a', 'b', 'c'], {})).toEqual([
      expect.stringContaining('revokes all of its 3 signers (under "a", "b", "c").'),
    ])
    expect(await revoking(['a', 'b'], { threshold: 2 })).toEqual([
      expect.stringContaining('revokes 2 of its 3 signers, and the rule needs 2 (under "a", "b").'),
    ])
    expect(await revoking(['a'], { signers: [{ key: 'a' }] })).toEqual([expect.stringContaining('its only signer')])
  })

  test('says which, if they are not too many', async () => {
    const names = ['d', 'e', 'f'].concat('a', 'b', 'c')
    for (const name of names) await site.key(name)
    const trustRoots = Object.fromEntries(names.map((name) => [name, { publicKey: `${name}.pub` }]))
    const rules = [{ ...BY_KEY, signers: names.map((key) => ({ key })) }]
    const revoked = { keys: names.map((name) => ({ file: `${name}.pub` })) }
    expect((await findings({ trustRoots, rules, revoked })).map(({ message }) => message)).toEqual([
      expect.stringContaining('all of its 6 signers (under "d", "e", "f", "a", "b").'),
    ])
    const subjects = ['CN=A', 'CN=B'].map((subject) => ({ certificate: { root: 'ca', subject } }))
    const ca = { rules: [{ ...BY_KEY, signers: subjects }], revoked: { certificates: [{ file: 'root.pem' }] } }
    expect((await findings(ca)).map(({ message }) => message)).toEqual([
      expect.stringContaining('all of its 2 signers (under "ca").'),
    ])
  })

  test('may have enough others', async () => {
    expect(await revoking(['a', 'b'], {})).toEqual([])
    expect(await revoking(['a'], { threshold: 2 })).toEqual([])
  })
})

describe('an advisory feed', () => {
  const feed = (more: object = {}) => ({ file: 'feed.json', signers: [{ key: 'b' }], ...more })
  const roots = { ...ROOTS, b: { publicKey: 'b.pub' }, c: { publicKey: 'c.pub' } }
  const codes = async (...advisories: object[]) =>
    (await findings({ trustRoots: roots, advisories })).map(({ code, severity }) => `${severity} ${code}`)

  test('is fine if others than those of models sign it', async () => {
    expect(await codes(feed())).toEqual([])
    const all = await findings({ trustRoots: roots, advisories: [feed()] }, /^/)
    expect(all.map(({ code }) => code)).toEqual(['CERTIFICATE_LAPSES', 'ROOT_UNUSED', 'ROOT_UNUSED'])
  })

  test('is not safe from signers of models who are enough for it', async () => {
    const shared = ['warning ADVISORY_SIGNER_SHARED']
    expect(await codes(feed({ signers: [{ key: 'a' }] }))).toEqual(shared)
    expect(await codes(feed({ signers: [{ key: 'a' }, { key: 'b' }] }))).toEqual(shared)
    expect(await codes(feed({ signers: [{ key: 'a' }, { key: 'b' }], threshold: 2 }))).toEqual([])
  })

  test('may be too old', async () => {
    expect(await codes(feed({ ifStale: 'warn' }))).toEqual(['note ADVISORY_NOT_REQUIRED'])
    expect(await codes(feed({ ifStale: 'refuse' }))).toEqual([])
  })

  test('is warned about at its place, also for broad signers', async () => {
    const broad = { certificate: { root: 'ca', san: { pattern: 'email:*' } } }
    const advisories = [
      feed(),
      feed({ file: 'other.json', signers: [{ key: 'b' }, broad, { key: 'a' }], ifStale: 'warn' }),
    ]
    const found = await findings({ trustRoots: roots, advisories })
    expect(found.map(({ code }) => code)).toEqual(['ADVISORY_SIGNER_SHARED', 'SIGNER_BROAD', 'ADVISORY_NOT_REQUIRED'])
    const [shared, wide, stale] = found.map(({ line }) => line ?? 0) as [number, number, number]
    expect(wide - shared).toBe(1)
    expect(stale).toBeGreaterThan(wide)
  })
})
