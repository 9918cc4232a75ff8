import { beforeAll, describe, expect, test } from 'vitest'
import { ModelSealError } from '../../errors.ts'
import { checkIdentity, verifySigstoreBundle } from './sigstore.ts'
import type { SigstoreTrust } from '../sigstore/trust.ts'
import { IDENTITY, ISSUER, parsed, TestSigstore, type BundleJson, type Wanted } from '../../testing/sigstore.ts'

const sigstore = new TestSigstore()
const minutes = (count: number) => new Date(sigstore.at.getTime() + count * 60_000)
let trust: SigstoreTrust

beforeAll(async () => {
  trust = await sigstore.trust()
})

describe.each([
  ['Rekor v1', { rekor: 'v1' }],
  ['Rekor v1 and a timestamp', { rekor: 'v1', stampedAt: minutes(0) }],
  ['Rekor v2 and a timestamp', { rekor: 'v2', stampedAt: minutes(0) }],
] satisfies [string, Wanted][])('a bundle with %s', (_, wanted) => {
  test('verifies, and returns who signed and when', async () => {
    const signature = await verifySigstoreBundle(await sigstore.bundle(wanted), trust, 'ours')
    expect(signature.signer).toMatchObject({ method: 'sigstore', name: 'ours', identity: IDENTITY, issuer: ISSUER })
    expect(signature.time).toEqual(
      wanted.rekor === 'v1'
        ? { at: sigstore.at.toISOString(), source: 'rekor', authority: 'https://rekor.test' }
        : { at: sigstore.at.toISOString(), source: 'rfc3161', authority: 'CN=tsa,O=test' },
    )
    expect([...signature.manifest.files.keys()]).toEqual(['weights'])
  })

  const tampered: [string, string, (json: BundleJson, other: BundleJson) => void][] = [
    [
      'the entry is about another bundle',
      'LOG_ENTRY_MISMATCH',
      (json, other) => {
        material(json).tlogEntries = material(other).tlogEntries
      },
    ],
    [
      'the entry is of another log',
      'LOG_UNTRUSTED',
      (json) => {
        entry(json).logId.keyId = Buffer.alloc(32, 7).toString('base64')
      },
    ],
    [
      'the inclusion proof was removed',
      'BUNDLE_MALFORMED',
      (json) => {
        delete entry(json).inclusionProof
      },
    ],
    [
      'the checkpoint was removed',
      'BUNDLE_MALFORMED',
      (json) => {
        delete entry(json).inclusionProof.checkpoint
      },
    ],
    [
      'the checkpoint names another root',
      'LOG_INCLUSION_INVALID',
      (json) => {
        const { checkpoint } = entry(json).inclusionProof
        checkpoint.envelope = checkpoint.envelope.replace('\n1\n', '\n2\n')
      },
    ],
    [
      'the checkpoint is signed by another key',
      'LOG_INCLUSION_INVALID',
      (json, other) => {
        const { checkpoint } = entry(json).inclusionProof
        const signatureOf = (envelope: string) => envelope.slice(envelope.indexOf('\n\n'))
        checkpoint.envelope = checkpoint.envelope.replace(
          signatureOf(checkpoint.envelope),
          signatureOf(entry(other).inclusionProof.checkpoint.envelope),
        )
      },
    ],
    [
      'the entry was changed',
      'LOG_INCLUSION_INVALID',
      (json) => {
        const body = Buffer.from(entry(json).canonicalizedBody, 'base64').toString()
        entry(json).canonicalizedBody = Buffer.from(body.replace('{', '{ ')).toString('base64')
      },
    ],
    [
      'the certificate is of another bundle',
      'SIGNATURE_INVALID',
      (json, other) => {
        material(json).certificate = material(other).certificate
      },
    ],
    [
      'the log entries were removed',
      'BUNDLE_MALFORMED',
      (json) => {
        material(json).tlogEntries = []
      },
    ],
    // The time of its promise would appear twice.
    [
      'an entry is duplicated',
      wanted.rekor === 'v1' ? 'TIMESTAMP_INVALID' : 'LOG_INCLUSION_INVALID',
      (json) => {
        material(json).tlogEntries.push(entry(json))
      },
    ],
    [
      'an entry occurs a hundred times',
      'BUNDLE_MALFORMED',
      (json) => {
        material(json).tlogEntries = Array.from({ length: 100 }, () => entry(json))
      },
    ],
    [
      'the payload was changed',
      'LOG_ENTRY_MISMATCH',
      (json) => {
        const payload = Buffer.from(json.dsseEnvelope.payload, 'base64').toString()
        json.dsseEnvelope.payload = Buffer.from(payload.replace('weights', 'WEIGHTS')).toString('base64')
      },
    ],
    [
      'the kind of the entry is unknown',
      'LOG_ENTRY_MISMATCH',
      (json) => {
        entry(json).kindVersion.kind = 'rpm'
      },
    ],
  ]
  test.each(tampered)('is refused if %s', async (_what, code, tamper) => {
    const [json, other] = [await sigstore.json(wanted), await sigstore.json(wanted)]
    tamper(json, other)
    expect(await outcome(() => verifySigstoreBundle(parsed(json), trust, 'ours'))).toBe(code)
  })

  test('is refused if another instance signed', async () => {
    const bundle = await new TestSigstore().bundle(wanted)
    expect(await outcome(() => verifySigstoreBundle(bundle, trust, 'ours'))).toBe('LOG_UNTRUSTED')
  })

  test('is refused if the issuing authority is not in the trusted root', async () => {
    const [ours, theirs] = [await sigstore.root(), await new TestSigstore().root()]
    const mixed = await trustIn({ ...ours, certificateAuthorities: theirs.certificateAuthorities })
    expect(await outcome(async () => verifySigstoreBundle(await sigstore.bundle(wanted), mixed, 'ours'))).toBe(
      'CHAIN_NO_PATH',
    )
  })

  test('is refused if the certificate is in no certificate transparency log', async () => {
    const bundle = await sigstore.bundle({ ...wanted, logOfCertificates: false })
    expect(await outcome(() => verifySigstoreBundle(bundle, trust, 'ours'))).toBe('SCT_INVALID')
    const [ours, theirs] = [await sigstore.root(), await new TestSigstore().root()]
    const mixed = await trustIn({ ...ours, ctlogs: theirs.ctlogs })
    expect(await outcome(async () => verifySigstoreBundle(await sigstore.bundle(wanted), mixed, 'ours'))).toBe(
      'SCT_INVALID',
    )
  })
})

describe('the time of a bundle', () => {
  test.each([
    ['logged before the certificate was valid', 'CERTIFICATE_NOT_YET_VALID', { loggedAt: minutes(-1) }],
    ['logged after the certificate expired', 'CERTIFICATE_EXPIRED', { loggedAt: minutes(11) }],
    ['stamped after the certificate expired', 'CERTIFICATE_EXPIRED', { rekor: 'v2', stampedAt: minutes(11) }],
    ['logged in time, stamped after', 'CERTIFICATE_EXPIRED', { stampedAt: minutes(11) }],
    ['without any time', 'TIME_MISSING', { rekor: 'v2' }],
    ['stamped over other bytes', 'TIMESTAMP_INVALID', { stampedAt: minutes(0), stamped: Buffer.from('other') }],
  ] satisfies [string, string, Wanted][])('is refused where it was %s', async (_, code, wanted) => {
    const bundle = await sigstore.bundle(wanted)
    expect(await outcome(() => verifySigstoreBundle(bundle, trust, 'ours', minutes(20)))).toBe(code)
  })

  test.each([
    ['the log', { loggedAt: minutes(9) }],
    ['the authority', { rekor: 'v2', stampedAt: minutes(9) }],
  ] satisfies [string, Wanted][])('is refused where %s states one in the future', async (_, wanted) => {
    const bundle = await sigstore.bundle(wanted)
    expect(await outcome(() => verifySigstoreBundle(bundle, trust, 'ours', minutes(1)))).toBe('TIMESTAMP_INVALID')
    expect(await outcome(() => verifySigstoreBundle(bundle, trust, 'ours', minutes(9)))).toBe('accepted')
  })

  test('is used only with a promise of the log', async () => {
    const json = await sigstore.json({ rekor: 'v2' })
    entry(json).integratedTime = String(sigstore.at.getTime() / 1000)
    expect(await outcome(() => verifySigstoreBundle(parsed(json), trust, 'ours'))).toBe('TIME_MISSING')
  })

  test('is refused if the promise is for another time', async () => {
    const json = await sigstore.json()
    entry(json).integratedTime = String(sigstore.at.getTime() / 1000 + 60)
    expect(await outcome(() => verifySigstoreBundle(parsed(json), trust, 'ours'))).toBe('LOG_INCLUSION_INVALID')
  })

  test('is refused if the timestamp has no readable time', async () => {
    const json = await sigstore.json({ stampedAt: minutes(0) })
    const [stamp] = material(json).timestampVerificationData.rfc3161Timestamps
    const bytes = Buffer.from(stamp.signedTimestamp, 'base64')
    const { index } = /\x18\x0f[0-9]{14}Z/.exec(bytes.toString('latin1')) ?? {}
    // A text instead of a GeneralizedTime.
    bytes[index ?? -1] = 0x13
    stamp.signedTimestamp = bytes.toString('base64')
    expect(await outcome(() => verifySigstoreBundle(parsed(json), trust, 'ours'))).toBe('TIMESTAMP_INVALID')
    // Null instead of one, for which the library fails with its own error.
    bytes.fill(0x05, index, index === undefined ? 0 : index + 1)
    bytes[(index ?? 0) + 1] = 0
    stamp.signedTimestamp = bytes.toString('base64')
    expect(await outcome(() => verifySigstoreBundle(parsed(json), trust, 'ours'))).toBe('TIMESTAMP_INVALID')
  })

  test('is refused if the timestamp is garbage', async () => {
    const json = await sigstore.json({ stampedAt: minutes(0) })
    material(json).timestampVerificationData.rfc3161Timestamps[0].signedTimestamp = 'AAAA'
    expect(await outcome(() => verifySigstoreBundle(parsed(json), trust, 'ours'))).toBe('TIMESTAMP_INVALID')
  })
})

test('refuses a bundle of another method', async () => {
  const json = await sigstore.json()
  json.verificationMaterial = { publicKey: { hint: 'ab' }, tlogEntries: [] }
  expect(await outcome(() => verifySigstoreBundle(parsed(json), trust, 'ours'))).toBe('METHOD_MISMATCH')
})

test('refuses a second certificate for the same key that the log did not record', async () => {
  const json = await sigstore.json()
  const { X509Certificate } = await import('node:crypto')
  const { publicKey } = new X509Certificate(Buffer.from(material(json).certificate.rawBytes, 'base64'))
  const second = await sigstore.certificate(publicKey, { identity: 'https://evil.example/workflow' })
  material(json).certificate.rawBytes = second.toString('base64')
  expect(await outcome(() => verifySigstoreBundle(parsed(json), trust, 'ours'))).toBe('LOG_ENTRY_MISMATCH')
})

describe('the identity', () => {
  const signer = async (wanted: Wanted = {}) =>
    (await verifySigstoreBundle(await sigstore.bundle(wanted), trust, 'ours')).signer

  test.each([
    ['a prefix', IDENTITY.slice(0, -1), ISSUER, 'IDENTITY_MISMATCH'],
    ['a part', 'models', ISSUER, 'IDENTITY_MISMATCH'],
    ['a longer one', `${IDENTITY}2`, ISSUER, 'IDENTITY_MISMATCH'],
    ['another case', IDENTITY.toUpperCase(), ISSUER, 'IDENTITY_MISMATCH'],
    ['a regular expression', '.*', ISSUER, 'IDENTITY_MISMATCH'],
    ['one with another letter for a dot', IDENTITY.replace('github.com', 'githubxcom'), ISSUER, 'IDENTITY_MISMATCH'],
    ['an empty one', '', ISSUER, 'IDENTITY_MISMATCH'],
    ['another issuer', IDENTITY, 'https://accounts.example.com', 'ISSUER_MISMATCH'],
    ['a part of the issuer', IDENTITY, ISSUER.slice(0, -1), 'ISSUER_MISMATCH'],
    ['an issuer with a slash more', IDENTITY, `${ISSUER}/`, 'ISSUER_MISMATCH'],
  ])('is refused if %s is required', async (_, identity, issuer, code) => {
    const found = await signer()
    expect(await outcome(() => checkIdentity(found, { identity, issuer }))).toBe(code)
    expect(await outcome(() => checkIdentity(found, { identity: IDENTITY, issuer: ISSUER }))).toBe('accepted')
  })

  test('is read byte for byte, because two could be the same in ASCII', async () => {
    const found = await signer({ issuer: 'https://\u00e9xample.com' })
    expect(found.issuer).toBe('https://\u00e9xample.com')
  })

  test('is refused if two extensions name two issuers', async () => {
    const bundle = await sigstore.bundle({
      issuer: 'https://one.example',
      extensions: [{ oid: '1.3.6.1.4.1.57264.1.8', value: 'https://two.example' }],
    })
    expect(await outcome(() => verifySigstoreBundle(bundle, trust, 'ours'))).toBe('CERTIFICATE_INVALID')
  })

  test('can be combined with extensions of the certificate, compared exactly', async () => {
    const found = await signer({
      extensions: [
        { oid: '1.3.6.1.4.1.57264.1.5', value: 'example/models', legacy: true },
        { oid: '1.3.6.1.4.1.57264.1.14', value: 'refs/heads/main' },
      ],
    })
    expect(found.extensions).toEqual({
      githubWorkflowRepository: 'example/models',
      sourceRepositoryRef: 'refs/heads/main',
    })
    const check = (extensions: Record<string, string>) =>
      outcome(() => checkIdentity(found, { identity: IDENTITY, issuer: ISSUER, extensions }))
    expect(await check({ sourceRepositoryRef: 'refs/heads/main' })).toBe('accepted')
    expect(await check({ sourceRepositoryRef: 'refs/heads/mai' })).toBe('CERTIFICATE_CONDITION')
    expect(await check({ buildTrigger: 'push' })).toBe('CERTIFICATE_CONDITION')
    expect(await check({ toString: 'x' })).toBe('CERTIFICATE_CONDITION')
  })
})

function material(json: BundleJson) {
  return json.verificationMaterial
}

function entry(json: BundleJson) {
  return json.verificationMaterial.tlogEntries[0]
}

async function trustIn(root: BundleJson): Promise<SigstoreTrust> {
  const { parseTrustConfig } = await import('../sigstore/trust-config.ts')
  const { toTrust } = await import('../sigstore/trust.ts')
  return toTrust(await parseTrustConfig(Buffer.from(JSON.stringify(root))), { name: 'test', source: 'file' })
}

async function outcome(work: () => unknown): Promise<string> {
  try {
    await work()
    return 'accepted'
  } catch (error) {
    if (error instanceof ModelSealError) return error.code
    throw error
  }
}
