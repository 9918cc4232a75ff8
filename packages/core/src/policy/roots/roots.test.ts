import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  authority,
  COMMON_NAME,
  inDays,
  issue,
  ORGANIZATION,
  pemOf,
  revocationList,
  signingLeaf,
} from '../../testing/authority.ts'
import { sha256 } from '../../testing/bundles.ts'
import { TestSigstore } from '../../testing/sigstore.ts'
import { TestSite } from '../../testing/site.ts'
import { fingerprintOf } from '../../x509/certificate.ts'
import { publicKeyOf } from '../../x509/public-key.ts'
import { loadCompiledPolicy, loadValidPolicy, policyForLoad } from '../load-policy.ts'
import { subjectOf } from './authorities.ts'
import { rootKind, trustRootSchema, writtenRootKind, type CompiledRoot } from './roots.ts'

const root = await authority('Root', { notAfter: inDays(29) })
const other = await authority('Other')
const intermediate = await authority('Intermediate', { issuer: root, notAfter: inDays(31) })
const leaf = await signingLeaf(intermediate, { notAfter: inDays(31) })
const [EARLY, LATE] = ['2026-01-01T00:00:00Z', '2027-01-01T00:00:00Z']
let site: TestSite

beforeAll(async () => {
  site = await TestSite.make()
  for (const name of ['a', 'b']) await site.key(name)
  await site.write('root.pem', pemOf(root) + pemOf(other))
  await site.write('intermediate.pem', pemOf(intermediate))
  await site.write('leaf.pem', pemOf(leaf))
  await site.write('root.crl', await revocationList(root))
  await site.write('other.crl', await revocationList(other))
  await site.write('sigstore.json', JSON.stringify(await new TestSigstore().root()))
  await site.write('junk', 'junk')
})
afterAll(() => site.remove())

function text(trustRoots: object, more: object = {}) {
  const rules = [{ name: 'r', match: { path: 'model' }, signers: [{ key: 'keys' }] }]
  return { version: 1, trustRoots: { keys: { publicKey: 'a.pub' }, ...trustRoots }, rules, ...more }
}

async function read<Kind extends CompiledRoot['kind']>(kind: Kind, written: object, more: object = {}) {
  const policy = await loadValidPolicy(await site.policy(text({ it: written }, more)))
  const found = policy.roots.get('it')
  if (found?.kind !== kind) throw new Error(`not ${kind}`)
  return { policy, root: found as CompiledRoot & { kind: Kind } }
}

/** Code, line and column of each problem. */
async function problems(yaml: string) {
  const path = await site.policy(`version: 1\ntrustRoots:\n  it: ${yaml}\n`)
  return (await loadCompiledPolicy(path)).problems
    .filter(({ code, message }) => code !== 'POLICY_INVALID' || !message.includes('no rules'))
    .map(({ code, line, column, file }) => `${code} ${line}:${column}${file === path ? '' : ' elsewhere'}`)
}

describe('a trust root of public keys', () => {
  test('has its keys, with their periods, and they are known by all fingerprints', async () => {
    const written = ['a.pub', { file: 'b.pub', notBefore: EARLY, notAfter: LATE }]
    const { root, policy } = await read('publicKey', { publicKey: written })
    expect(root.name).toBe('it')
    expect(root.keys.map(({ path, notBefore, notAfter }) => [path, notBefore, notAfter])).toEqual([
      [site.file('a.pub'), -Infinity, Infinity],
      [site.file('b.pub'), Date.parse(EARLY), Date.parse(LATE)],
    ])
    for (const { publicKey } of root.keys) expect(policy.revocations.knowsKey(publicKey.fingerprint)).toBe(true)
    const content = '\n' + root.keys[0]!.publicKey.key.export({ type: 'spki', format: 'pem' }).toString()
    await site.write('padded.pub', content)
    const padded = await read('publicKey', { publicKey: 'padded.pub' })
    expect(padded.policy.revocations.knowsKey(sha256(content))).toBe(true)
    expect(rootKind('publicKey').certificates(root)).toEqual([])
  })

  test('has a problem at each file without a key, and the others all the same', async () => {
    expect(await problems('{ publicKey: [a.pub, junk, { file: gone.pub }] }')).toEqual([
      'KEY_INVALID 3:28',
      'FILE_NOT_FOUND 3:34',
    ])
    expect(await problems('{ publicKey: junk }')).toEqual(['KEY_INVALID 3:20'])
    const path = await site.policy(text({ it: { publicKey: ['gone.pub', 'a.pub'] } }))
    const found = (await loadCompiledPolicy(path)).policy.roots.get('it')
    expect(found).toMatchObject({ kind: 'publicKey', keys: [{ path: site.file('a.pub') }] })
  })

  test('is warned about if its last key ends within 30 days', () => {
    const now = Date.now()
    const day = 86_400_000
    const dangers = (...ends: number[]) =>
      rootKind('publicKey').dangers({ kind: 'publicKey', name: 'it', keys: ends.map((end) => ({ notAfter: now + end * day })) } as never, now) // prettier-ignore
    expect(dangers(1, 29)).toEqual([
      {
        severity: 'warning',
        code: 'KEY_LAPSES',
        message: `The trust root "it" has no valid key from ${new Date(now + 29 * day).toISOString()} on.`,
      },
    ])
    expect(dangers(1, 31)).toEqual([])
    expect(dangers(31, 1)).toEqual([])
  })
})

describe('a trust root of certificates', () => {
  const written = { roots: 'root.pem', intermediates: ['intermediate.pem'], crls: ['root.crl', 'other.crl'] }
  const { roots, intermediates } = { roots: [root.der, other.der], intermediates: [intermediate.der] }
  const none = { roots: [], intermediates: [] }

  test('has authorities and revocation lists', async () => {
    const found = await read('certificates', { certificates: written })
    expect(found.root).toMatchObject({ name: 'it', trusted: { roots, intermediates }, revoked: none })
    expect(found.root.crls).toHaveLength(2)
    const bare = await read('certificates', { certificates: { roots: 'root.pem' } })
    expect(bare.root).toMatchObject({ trusted: { roots, intermediates: [] }, revoked: none, crls: [] })
    expect(rootKind('certificates').certificates(found.root)).toEqual([...roots, ...intermediates])
  })

  test('separates the authorities that the policy revokes, by certificate or key, for any time', async () => {
    const window = { from: EARLY, until: '2026-01-02T00:00:00Z' }
    for (const revoked of [
      { certificates: [{ fingerprint: fingerprintOf(other.x509), ...window }] },
      { keys: [{ fingerprint: publicKeyOf(other.x509.publicKey).fingerprint, ...window }] },
    ])
      for (const load of [loadValidPolicy, policyForLoad]) {
        const policy = await load(await site.policy(text({ it: { certificates: written } }, { revoked })))
        const found = policy.roots.get('it')
        expect(found).toMatchObject({
          trusted: { roots: [root.der], intermediates },
          revoked: { roots: [other.der], intermediates: [] },
        })
        expect(rootKind('certificates').certificates(found as never)).toEqual([root.der, intermediate.der, other.der])
      }
    const revoked = { certificates: [fingerprintOf(intermediate.x509)] }
    const { root: found } = await read('certificates', { certificates: written }, { revoked })
    expect(found.revoked).toEqual({ roots: [], intermediates })
    expect(found.trusted).toEqual({ roots, intermediates: [] })
  })

  test('has a problem at each file that cannot be used', async () => {
    expect(
      await problems('{ certificates: { roots: [root.pem, junk], intermediates: gone.pem, crls: root.pem } }'),
    ).toEqual(['CERTIFICATE_INVALID 3:43', 'FILE_NOT_FOUND 3:65', 'CRL_INVALID 3:81'])
    expect(await problems('{ certificates: { roots: root.pem, crls: [root.crl, junk] } }')).toEqual([
      expect.stringMatching(/^CRL_INVALID 3:\d+$/),
    ])
  })

  test('has a problem at a certificate whose key or names cannot be read', async () => {
    const { der } = await issue({ subject: 'Signer', ca: true })
    // The object identifier of keys on elliptic curves.
    const broken = Buffer.from(der)
    broken[der.indexOf(Buffer.from('06072a8648ce3d0201', 'hex')) + 8] = 0x7f
    await site.write('no-key.pem', pemOf({ der: broken }))
    expect(await problems('{ certificates: { roots: no-key.pem } }')).toEqual(['CERTIFICATE_INVALID 3:32'])
    const path = await site.policy(text({ it: { certificates: { roots: 'no-key.pem' } } }))
    const [problem] = (await loadCompiledPolicy(path, { forOneLoad: true })).problems
    expect(problem?.cause).toMatchObject({
      file: site.file('no-key.pem'),
      expected: 'a key of a known algorithm',
      found: expect.stringMatching(/^the certificate [0-9a-f]{64}$/) as string,
    })
    // Basic constraints that occur twice.
    const twice = await issue({ subject: 'Twice', ca: true, extensions: (await authority('X')).fields.extensions!.slice(0, 1) }) // prettier-ignore
    await site.write('twice.pem', pemOf(twice))
    expect(await problems('{ certificates: { roots: twice.pem } }')).toEqual(['CERTIFICATE_INVALID 3:32'])
    // For one load, the signatures that need it are refused, unless it might be revoked.
    const once = async (more: object) => {
      const policy = await site.policy(text({ it: { certificates: { roots: 'twice.pem' } } }, more))
      return (await loadCompiledPolicy(policy, { forOneLoad: true })).problems.map(({ code }) => code)
    }
    expect(await once({})).toEqual([])
    expect(await once({ revoked: { keys: ['ab'.repeat(32)] } })).toEqual(['CERTIFICATE_INVALID'])
  })

  test('has certificates that messages name by their whole subject', async () => {
    const { der } = await authority([
      [ORGANIZATION, 'Acme'],
      [COMMON_NAME, 'Root'],
    ])
    expect(subjectOf(der)).toBe('"O=Acme, CN=Root"')
  })

  test('is warned about a certificate that ends within 30 days, or is not of an authority', async () => {
    const now = Date.now()
    await site.write('mixed.pem', pemOf(leaf))
    const { root: found } = await read('certificates', {
      certificates: { roots: ['root.pem', 'leaf.pem'], intermediates: 'intermediate.pem' },
    })
    expect(rootKind('certificates').dangers(found, now)).toEqual([
      {
        severity: 'warning',
        code: 'CERTIFICATE_LAPSES',
        message: `The certificate "CN=Root" of the trust root "it" is not valid from ${root.x509.validToDate.toISOString()} on.`,
      },
      {
        severity: 'warning',
        code: 'CERTIFICATE_LAPSES',
        message: `The certificate "CN=Other" of the trust root "it" is not valid from ${other.x509.validToDate.toISOString()} on.`,
      },
      {
        severity: 'warning',
        code: 'CERTIFICATE_NOT_CA',
        message: expect.stringMatching(/^The certificate "CN=Signer" of the trust root "it" is not a CA /) as string,
      },
    ])
  })
})

test('the authorities of timestamps are certificates, and those that are revoked do not count', async () => {
  const { root: found, policy } = await read('timestampAuthorities', { timestampAuthorities: ['root.pem'] })
  expect(found).toEqual({ kind: 'timestampAuthorities', name: 'it', certificates: [root.der, other.der] })
  expect(policy.timestampAuthorities).toEqual([root.der, other.der])
  const kind = rootKind('timestampAuthorities')
  expect(kind.certificates(found)).toEqual([root.der, other.der])
  expect(kind.dangers(found, Date.now()).map(({ code }) => code)).toContain('CERTIFICATE_LAPSES')
  const revoked = { certificates: [fingerprintOf(root.x509)] }
  const without = await read('timestampAuthorities', { timestampAuthorities: ['root.pem'] }, { revoked })
  expect(without.root.certificates).toEqual([other.der])
  expect(await problems('{ timestampAuthorities: [root.pem, junk] }')).toEqual(['CERTIFICATE_INVALID 3:42'])
})

test('the kind of a trust root is the field that it has', () => {
  const names = { publicKey: 'a', certificates: { roots: 'a' }, timestampAuthorities: 'a', sigstore: 'staging' }
  for (const [kind, written] of Object.entries(names)) {
    const known = writtenRootKind({ [kind]: written } as never)
    expect(known).toBe(rootKind(kind as CompiledRoot['kind']))
    expect(known.kind).toBe(kind)
    expect(trustRootSchema.check({ [kind]: written })).toHaveProperty('value')
  }
  expect(() => rootKind('none' as never)).toThrow(new RangeError('no kind of trust root none'))
  const kinds = (Object.keys(names) as CompiledRoot['kind'][]).map(rootKind)
  expect(kinds.map(({ isNamed }) => isNamed)).toEqual([true, true, false, true])
  expect(kinds.map(({ certifies }) => certifies)).toEqual([false, true, false, true])
  expect(kinds.map(({ what }) => what)).toEqual(['public keys', 'certificates', 'timestamp authorities', 'sigstore'])
})

test.each([
  {},
  { publicKey: [] },
  { publicKey: '' },
  { publicKey: { notBefore: EARLY } },
  { publicKey: { file: 'a', notBefore: 'x' } },
  { publicKey: { file: 'a', notBefore: LATE, notAfter: EARLY } },
  { publicKey: [{ file: 'a', more: 1 }] },
  { certificates: { intermediates: 'a' } },
  { certificates: { roots: [] } },
  { certificates: { roots: 'a', more: 1 } },
  { timestampAuthorities: [] },
  { sigstore: 'other' },
  { sigstore: {} },
  { sigstore: { file: 'a', more: 1 } },
  { publicKey: 'a', sigstore: 'staging' },
])('a trust root is not %j', (written) => expect(trustRootSchema.check(written)).toHaveProperty('issues'))

test('a period of a key that ends before it begins is a problem at its end', async () => {
  expect(await problems(`{ publicKey: { file: a.pub, notBefore: "${LATE}", notAfter: "${EARLY}" } }`)).toEqual([
    'POLICY_INVALID 3:80',
  ])
})

test('two files of a policy cannot define the same trust root', async () => {
  writeFileSync(site.file('included.json'), JSON.stringify(text({})))
  const path = await site.policy(`version: 1\ninclude: [included.json]\ntrustRoots:\n  keys: { publicKey: b.pub }\n`)
  const { problems } = await loadCompiledPolicy(path)
  expect(problems.map(({ code, file, line, column }) => [code, file, line, column])).toEqual([
    ['POLICY_INVALID', path, 4, 9],
  ])
  expect(problems[0]?.message).toContain('The trust root "keys" is defined twice.')
})
