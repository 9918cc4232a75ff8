import { createHash, createPrivateKey, sign } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import * as asn1js from 'asn1js'
import * as pkijs from 'pkijs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { publicKeyOf, readPublicKey } from '../../x509/public-key.ts'
import { authority, inDays, pemOf, signingLeaf, type Issued } from '../../testing/authority.ts'
import { timestamp, timestampAuthority } from '../../testing/timestamp.ts'
import { privateKeyPem } from '../../testing/authority.ts'
import { checkPolicy } from '../../policy/checking/check.ts'
import { loadPolicy } from '../../policy/load-policy.ts'
import { certificateFacts, type CertificateFacts } from '../../policy/revocations/certificate-facts.ts'
import { signModel } from '../../signing/sign-model.ts'
import { TestSite } from '../../testing/site.ts'

let site: TestSite
let intermediate: Issued
let alice: CertificateFacts
let middle: CertificateFacts
let aliceKey: string
let aliceSpki: string
let middleSpki: string
let clock: CertificateFacts
const validity = { notBefore: inDays(-400), notAfter: inDays(400) }

beforeAll(async () => {
  site = await TestSite.make()
  const root = await authority('Root', validity)
  intermediate = await authority('Intermediate', { issuer: root, ...validity })
  const tsa = await timestampAuthority(validity)
  const names = [[1, 'alice@acme.example']] as const
  const leaf = await signingLeaf(intermediate, { subject: 'Alice', names, ...validity })
  const renewed = await signingLeaf(intermediate, { subject: 'Alice', names, ...validity })
  const bob = await signingLeaf(intermediate, { subject: 'Bob', names: [[1, 'bob@acme.example']], ...validity })
  const stranger = await signingLeaf(await authority('Root', validity), { subject: 'Alice', names, ...validity })
  alice = await certificateFacts(leaf.der)
  middle = await certificateFacts(intermediate.der)
  clock = await certificateFacts(tsa.signer.der)
  aliceKey = publicKeyOf(leaf.x509.publicKey).fingerprint
  aliceSpki = spkiDigest(leaf)
  middleSpki = spkiDigest(intermediate)
  for (const [name, { der }] of Object.entries({ root, intermediate, alice: leaf, tsa: tsa.root }))
    await site.write(`${name}.pem`, pemOf({ der }))

  const chain = [intermediate]
  await signed('alice', leaf, chain)
  await signed('bare', leaf, [])
  await signed('stranger', stranger, [])
  await signed('mixed', stranger, [])
  await signed('mixed', leaf, [], undefined, 'mixed.second.sig')
  await signed('timed', leaf, chain, (signature) => timestamp(tsa.signer, signature, { at: inDays(-100) }))
  await signed('restamped', leaf, chain, (signature) => timestamp(tsa.signer, signature))
  const young = await signingLeaf(intermediate, {
    subject: 'Alice',
    names,
    notBefore: inDays(-20),
    notAfter: inDays(400),
  })
  await signed('young', young, chain)
  await signed('twin', { ...leaf, der: twinOf(leaf.fields) }, chain)
  await signed('under-twin', leaf, [{ ...intermediate, der: twinOf(intermediate.fields) }])
  await site.key('publisher')
  await site.model('keyed')
  await site.sign('keyed', 'publisher')
  await stamp('keyed', (signature) => timestamp(tsa.signer, signature))
  await site.model('old')
  await site.sign('old', 'publisher')
  await stamp('old', (signature) => timestamp(tsa.signer, signature, { at: inDays(-100) }))
  await signed('pair', leaf, chain)
  await signed('pair', bob, chain, undefined, 'pair.second.sig')
  await signed('renewed', leaf, chain)
  await signed('renewed', renewed, chain, undefined, 'renewed.second.sig')
})
afterAll(() => site.remove())

function spkiDigest({ x509 }: Issued): string {
  return createHash('sha256')
    .update(x509.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')
}

async function signed(
  model: string,
  leaf: Issued,
  chain: readonly Issued[],
  stamp?: (signature: Buffer) => Promise<Buffer>,
  signature = `${model}.sig`,
) {
  await site.model(model)
  const key = createPrivateKey(await privateKeyPem(leaf))
  const { hash } = publicKeyOf(leaf.x509.publicKey)
  const certificates = [leaf, ...chain].map(({ der }) => ({ rawBytes: der.toString('base64') }))
  await signModel(site.file(model), {
    signature: site.file(signature),
    signer: {
      method: 'certificate',
      async sign(encoded) {
        const made = sign(hash, encoded, { key, dsaEncoding: 'der' })
        const stamps = stamp ? [{ signedTimestamp: (await stamp(made)).toString('base64') }] : []
        return {
          signature: made,
          verificationMaterial: {
            x509CertificateChain: { certificates },
            ...(stamp ? { timestampVerificationData: { rfc3161Timestamps: stamps } } : {}),
          },
        }
      },
    },
  })
}

/** The order of P-256. */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** The same certificate with the other valid form of its ECDSA signature. */
function twinOf(fields: pkijs.Certificate): Buffer {
  const twin = pkijs.Certificate.fromBER(fields.toSchema().toBER())
  const { result } = asn1js.fromBER(fields.signatureValue.valueBlock.valueHexView)
  const parts = result instanceof asn1js.Sequence ? result.valueBlock.value : []
  const [r, s] = parts.filter((part) => part instanceof asn1js.Integer)
  if (!r || !s) throw new Error('not signed by ECDSA')
  const value = [r, asn1js.Integer.fromBigInt(ORDER - s.toBigInt())]
  twin.signatureValue = new asn1js.BitString({ valueHex: new asn1js.Sequence({ value }).toBER() })
  return Buffer.from(twin.toSchema().toBER())
}

/** Adds a timestamp to an existing bundle, as anyone can. */
/** Bundles whose chains need many signature checks are found first. */
test('bundles with entangled chains do not use up the signature checks of the others', async () => {
  const [first = intermediate, ...others] = await Promise.all(
    Array.from({ length: 31 }, () => authority('Maze', { keyIds: false, ...validity })),
  )
  const lost = await signingLeaf(await authority('Maze', { keyIds: false, ...validity }), validity)
  for (let at = 10; at < 40; at++) await signed('besieged', lost, [first, ...others], undefined, `besieged.${at}.sig`)
  await writeFile(site.file('besieged.z.sig'), await readFile(site.file('alice.sig')))
  await site.model('besieged')
  expect(await site.judge('besieged', policyOf({}))).toBe('accepted')
})

async function stamp(model: string, made: (signature: Buffer) => Promise<Buffer>) {
  const bundle = JSON.parse(await readFile(site.file(`${model}.sig`), 'utf8')) as {
    dsseEnvelope: { signatures: [{ sig: string }] }
    verificationMaterial: object
  }
  const stamped = await made(Buffer.from(bundle.dsseEnvelope.signatures[0].sig, 'base64'))
  const rfc3161Timestamps = [{ signedTimestamp: stamped.toString('base64') }]
  Object.assign(bundle.verificationMaterial, { timestampVerificationData: { rfc3161Timestamps } })
  await site.write(`${model}.sig`, JSON.stringify(bundle))
}

const ROOTS = {
  acme: { certificates: { roots: 'root.pem' } },
  complete: { certificates: { roots: ['root.pem'], intermediates: 'intermediate.pem' } },
  time: { timestampAuthorities: 'tsa.pem' },
}

function policyOf(signer: object, rule: object = {}, more: object = {}) {
  const signers = [{ certificate: { root: 'acme', ...signer } }]
  return { version: 1, trustRoots: ROOTS, rules: [{ name: 'r', match: { path: '**' }, signers, ...rule }], ...more }
}

describe('a certificate is accepted by', () => {
  test.each([
    ['its root alone', {}],
    ['its subject', { subject: 'CN=Alice' }],
    ['its name', { san: 'email:alice@acme.example' }],
    ['a pattern of its name', { san: { pattern: 'email:*@acme.example' } }],
    ['a regular expression over its name', { san: { regexp: 'email:(alice|bob)@acme\\.example' } }],
    ['its issuer', { issuer: 'CN=Intermediate', san: 'email:alice@acme.example' }],
  ])('%s', async (_, signer) => {
    expect(await site.judge('alice', policyOf(signer))).toBe('accepted')
  })

  test('the intermediates of the policy, if the bundle has none', async () => {
    expect(await site.judge('bare', policyOf({ root: 'complete' }))).toBe('accepted')
    expect(await site.judge('bare', policyOf({}))).toMatch(/^refused CHAIN_/)
  })
})

describe('a certificate is refused for', () => {
  test.each([
    ['another subject', { subject: 'CN=Bob' }],
    ['a part of its subject', { subject: 'CN=Al' }],
    ['another name', { san: 'email:bob@acme.example' }],
    ['its name as a regular expression that is not declared as one', { san: 'email:.*' }],
    ['a regular expression that matches only a part', { san: { regexp: 'email:alice' } }],
    ['a pattern of another domain', { san: { pattern: 'email:*@evil.example' } }],
    ['another issuer', { issuer: 'CN=Root' }],
    ['one field of two', { subject: 'CN=Alice', san: 'email:bob@acme.example' }],
  ])('%s', async (_, signer) => {
    expect(await site.judge('alice', policyOf(signer))).toBe('refused SIGNER_NOT_TRUSTED')
  })

  test('a root of the same name with another key', async () => {
    expect(await site.judge('stranger', policyOf({ subject: 'CN=Alice' }))).toMatch(/^refused CHAIN_/)
  })
  test('a rule that accepts only keys', async () => {
    await site.key('k')
    const trustRoots = { k: { publicKey: 'k.pub' } }
    expect(await site.judge('alice', policyOf({}, { signers: [{ key: 'k' }] }, { trustRoots }))).toBe(
      'refused SIGNER_NOT_TRUSTED',
    )
  })
})

describe('a threshold of certificates', () => {
  const two = {
    signers: [{ certificate: { root: 'acme', san: 'email:alice@acme.example' } }, { certificate: { root: 'acme' } }],
    threshold: 2,
  }

  test('is met by two holders, whichever entry each matches', async () => {
    expect(await site.judge('pair', policyOf({}, two))).toBe('accepted')
    const other = { ...two, signers: [...two.signers].reverse() }
    expect(await site.judge('pair', policyOf({}, other))).toBe('accepted')
  })
  test('counts one holder of two certificates once', async () => {
    expect(await site.judge('renewed', policyOf({}, two))).toBe('refused SIGNATURE_THRESHOLD')
  })
})

describe('a trusted time', () => {
  test.each([
    [{ timestamp: true }, 'accepted'],
    [{ maxSignatureAge: '500d' }, 'accepted'],
    [{ maxSignatureAge: '180d' }, 'refused SIGNATURE_TIME_UNKNOWN'],
    [{ maxSignatureAge: 'P30D' }, 'refused SIGNATURE_TOO_OLD'],
    [{ signedAfter: inDays(-401).toISOString() }, 'accepted'],
    [{ signedAfter: inDays(-200).toISOString() }, 'refused SIGNATURE_TIME_UNKNOWN'],
    [{ signedAfter: inDays(-50).toISOString() }, 'refused SIGNATURE_TOO_OLD'],
    [{ transparencyLog: true }, 'refused LOG_REQUIRED'],
  ])('judges %j: %s', async (require, decision) => {
    expect(await site.judge('timed', policyOf({}, { require }))).toBe(decision)
  })
  test('needs an authority that the policy names', async () => {
    const trustRoots = { acme: ROOTS.acme }
    expect(await site.judge('timed', policyOf({}, { require: { timestamp: true } }, { trustRoots }))).toBe(
      'refused TIMESTAMP_REQUIRED',
    )
  })
  test('decides whether it falls into the window of a revocation', async () => {
    const revoked = (window: object) =>
      policyOf({}, {}, { revoked: { certificates: [{ fingerprint: alice.fingerprints[0], ...window }] } })
    expect(await site.judge('timed', revoked({ from: inDays(-50).toISOString() }))).toBe('accepted')
    expect(await site.judge('timed', revoked({ until: inDays(-500).toISOString() }))).toBe('accepted')
    // The certificate is 400 days old, so a signature by it may be that old as well.
    expect(await site.judge('timed', revoked({ until: inDays(-150).toISOString() }))).toBe(
      'refused CERTIFICATE_REVOKED',
    )
    expect(
      await site.judge('timed', revoked({ from: inDays(-150).toISOString(), until: inDays(-50).toISOString() })),
    ).toBe('refused CERTIFICATE_REVOKED')
    expect(await site.judge('alice', revoked({ from: inDays(-50).toISOString() }))).toBe('refused CERTIFICATE_REVOKED')
  })
})

describe('a new timestamp on an old signature', () => {
  const since = inDays(-30).toISOString()
  const byKey = (require: object, more: object = {}) =>
    policyOf(
      {},
      { signers: [{ key: 'publisher' }], require: { timestamp: true, ...require } },
      { trustRoots: { ...ROOTS, publisher: { publicKey: 'publisher.pub' } }, ...more },
    )

  test.each([{ maxSignatureAge: '180d' }, { signedAfter: since }])(
    'does not make it younger, neither with a key nor with a certificate, by %j',
    async (require) => {
      expect(await site.judge('keyed', byKey(require))).toBe('refused SIGNATURE_TIME_UNKNOWN')
      expect(await site.judge('restamped', policyOf({}, { require }))).toBe('refused SIGNATURE_TIME_UNKNOWN')
      expect(await site.judge('young', policyOf({}, { require }))).toBe('accepted')
    },
  )
  test('still shows that it is too old', async () => {
    expect(await site.judge('old', byKey({ maxSignatureAge: '30d' }))).toBe('refused SIGNATURE_TOO_OLD')
  })
  test('does not take it out of the window of a revocation that has ended', async () => {
    const { fingerprint } = await readPublicKey(site.file('publisher.pub'))
    const window = { until: inDays(-10).toISOString() }
    const keys = [{ fingerprint, ...window }]
    const certificates = [{ fingerprint: alice.fingerprints[0], ...window }]
    expect(await site.judge('keyed', byKey({}, { revoked: { keys } }))).toBe('refused KEY_REVOKED')
    expect(await site.judge('restamped', policyOf({}, {}, { revoked: { certificates } }))).toBe(
      'refused CERTIFICATE_REVOKED',
    )
    // A timestamp proves that the signature existed by then.
    const later = [{ fingerprint, from: inDays(-50).toISOString() }]
    expect(await site.judge('old', byKey({}, { revoked: { keys: later } }))).toBe('accepted')
    expect(await site.judge('keyed', byKey({}, { revoked: { keys: later } }))).toBe('refused KEY_REVOKED')
  })
})

describe('a timestamp is refused if the policy revokes its authority by', () => {
  test.each([
    ['its fingerprint', () => ({ certificates: [clock.fingerprints[0]] }), 'CERTIFICATE_REVOKED'],
    [
      'serial number and issuer',
      () => ({ certificates: [{ serial: clock.serialNumber, issuer: 'CN=Time Root' }] }),
      'CERTIFICATE_REVOKED',
    ],
    [
      'its fingerprint for any time',
      () => ({ certificates: [{ fingerprint: clock.fingerprints[0], from: inDays(-1).toISOString() }] }),
      'CERTIFICATE_REVOKED',
    ],
    [
      'its name',
      () => ({ identities: [{ identity: 'CN=Time Authority', issuer: 'CN=Time Root' }] }),
      'IDENTITY_REVOKED',
    ],
    ['its key', () => ({ keys: [clock.keyFingerprint] }), 'KEY_REVOKED'],
  ])('%s', async (_, revoked, code) => {
    expect(await site.judge('timed', policyOf({}, {}, { revoked: revoked() }))).toBe(`refused ${code}`)
    // A policy that does not trust the authority ignores its timestamps.
    expect(await site.judge('timed', policyOf({}, {}, { revoked: revoked(), trustRoots: { acme: ROOTS.acme } }))).toBe(
      'accepted',
    )
  })
})

describe.each(['enforce', 'audit', 'skip'] as const)('in the mode %s, a certificate is revoked by', (mode) => {
  const skip = { match: { path: ['alice', 'bare', 'twin', 'under-twin'] }, mode, reason: 'tested', signers: undefined }
  const judge = (model: string, revoked: object, root = 'acme') =>
    site.judge(model, policyOf({ root }, mode === 'skip' ? skip : { mode }, { revoked }))

  test('its fingerprint', async () => {
    expect(await judge('alice', { certificates: [alice.fingerprints[0]] })).toBe('refused CERTIFICATE_REVOKED')
  })
  test("its fingerprint, even if the authority's signature was replaced by the other valid form", async () => {
    expect(await judge('twin', {})).not.toContain('refused')
    expect(await judge('twin', { certificates: [alice.fingerprints[0]] })).toBe('refused CERTIFICATE_REVOKED')
    expect(await judge('under-twin', { certificates: [middle.fingerprints[0]] })).toBe('refused CERTIFICATE_REVOKED')
  })
  test('serial number and issuer, not by one of them', async () => {
    const { serialNumber: serial, issuer } = alice
    expect(await judge('alice', { certificates: [{ serial: `00${serial}`, issuer }] })).toBe(
      'refused CERTIFICATE_REVOKED',
    )
    expect(await judge('alice', { certificates: [{ serial, issuer: 'CN=Other' }] })).not.toContain('refused')
  })
  test('serial number and issuer as tools print them', async () => {
    const { serialNumber: hex, issuer } = alice
    const decimal = BigInt(`0x${hex}`).toString()
    const pairs = hex.padStart(hex.length + (hex.length % 2), '0').replace(/(..)(?=.)/g, '$1:')
    for (const serial of [
      `0x${hex}`,
      pairs.toUpperCase(),
      pairs.replaceAll(':', ' '),
      `serial=${hex}`,
      `${decimal} (0x${hex})`,
    ])
      expect(await judge('alice', { certificates: [{ serial, issuer }] }), serial).toBe('refused CERTIFICATE_REVOKED')
  })
  test('its fingerprint as OpenSSL prints it, and its file', async () => {
    const pairs = alice.fingerprints[0].toUpperCase().replace(/(..)(?=.)/g, '$1:')
    for (const entry of [pairs, `sha256 Fingerprint=${pairs}`, { file: 'alice.pem', reason: 'stolen' }])
      expect(await judge('twin', { certificates: [entry] }), JSON.stringify(entry)).toBe('refused CERTIFICATE_REVOKED')
  })
  test('its key, by the digest of the PEM and by that of the DER', async () => {
    expect(await judge('alice', { keys: [aliceKey] })).toBe('refused KEY_REVOKED')
    expect(await judge('alice', { keys: [aliceSpki] })).toBe('refused KEY_REVOKED')
  })
  test('the key of an authority in its bundle', async () => {
    expect(await judge('alice', { keys: [middleSpki] })).toBe('refused KEY_REVOKED')
  })
  test('its identity, with or without the type, exactly or by pattern, and its issuer', async () => {
    for (const identity of [
      'CN=Alice',
      'email:alice@acme.example',
      'alice@acme.example',
      { pattern: 'email:*@acme.example' },
    ])
      expect(await judge('alice', { identities: [{ identity }] })).toBe('refused IDENTITY_REVOKED')
    expect(await judge('alice', { identities: [{ identity: 'CN=Alice', issuer: 'CN=Intermediate' }] })).toBe(
      'refused IDENTITY_REVOKED',
    )
    expect(await judge('alice', { identities: [{ identity: 'CN=Alice', issuer: 'CN=Other' }] })).not.toContain(
      'refused',
    )
    expect(await judge('alice', { identities: [{ identity: 'CN=Ali' }] })).not.toContain('refused')
  })
  test('an authority in its bundle', async () => {
    expect(await judge('alice', { certificates: [middle.fingerprints[0]] })).toBe('refused CERTIFICATE_REVOKED')
  })
})

test.each(['enforce', 'audit'] as const)(
  'refuses in the mode %s a signature that depends on a revoked authority of the policy',
  async (mode) => {
    const revoked = { certificates: [{ fingerprint: middle.fingerprints[0], reason: 'stolen' }] }
    expect(await site.judge('bare', policyOf({ root: 'complete' }, { mode }, { revoked }))).toBe(
      'refused CERTIFICATE_REVOKED',
    )
  },
)

test('reports a revoked authority before any error in another bundle, so that no mode tolerates it', async () => {
  const revoked = { certificates: [middle.fingerprints[0]] }
  for (const mode of ['enforce', 'audit'])
    expect(await site.judge('mixed', policyOf({ root: 'complete' }, { mode }, { revoked }))).toBe(
      'refused CERTIFICATE_REVOKED',
    )
})

describe('a certificate with a key of an unknown algorithm', () => {
  /** The algorithm identifier of elliptic curve keys, changed to an undefined one. */
  const unknownKey = ({ der }: Issued) => {
    const algorithm = Buffer.from('06072a8648ce3d0201', 'hex')
    const changed = Buffer.from(der)
    changed[der.indexOf(algorithm) + algorithm.length - 1] = 0x7f
    return changed
  }

  test('is not accepted as a root, and the policy error names its place', async () => {
    await site.write('unknown.pem', pemOf({ der: unknownKey(await authority('Unknown', validity)) }))
    for (const root of [{ certificates: { roots: 'unknown.pem' } }, { timestampAuthorities: 'unknown.pem' }]) {
      const policy = await site.policy({
        version: 1,
        trustRoots: { unknown: root },
        rules: [{ name: 'r', match: { path: 'alice' }, mode: 'skip', reason: 'tested' }],
      })
      const place = { code: 'CERTIFICATE_INVALID', line: expect.any(Number) as number, file: policy }
      await expect(loadPolicy(policy)).rejects.toMatchObject(place)
      expect(await checkPolicy(policy)).toMatchObject([{ severity: 'error', ...place }])
    }
  })

  test('in the chain of a bundle is not an internal error', async () => {
    const root = await authority('Root', validity)
    const leaf = await signingLeaf(root, validity)
    await site.write('junk-root.pem', pemOf({ der: root.der }))
    await signed('junk', leaf, [{ ...root, der: unknownKey(root) }])
    const policy = (rule: object) => ({
      version: 1,
      trustRoots: { root: { certificates: { roots: 'junk-root.pem' } } },
      rules: [{ name: 'r', match: { path: 'junk' }, ...rule }],
      revoked: { keys: ['0'.repeat(64)] },
    })
    expect(await site.judge('junk', policy({ mode: 'skip', reason: 'tested' }))).toBe('skipped')
    expect(await site.judge('junk', policy({ signers: [{ certificate: { root: 'root' } }] }))).toBe('accepted')
  })
})
