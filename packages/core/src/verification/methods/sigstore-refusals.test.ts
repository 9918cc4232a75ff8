import { Verifier } from '@sigstore/verify'
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import type { SigstoreIdentity } from '../../results.ts'
import { extension, issue, SERVER_AUTH } from '../../testing/authority.ts'
import { refusal } from '../../testing/scratch.ts'
import { IDENTITY, ISSUER, parsed, TestSigstore, type BundleJson } from '../../testing/sigstore.ts'
import { parseCertificate, serialNumberOf } from '../../x509/certificate.ts'
import { Effort } from '../effort.ts'
import type { SigstoreTrust } from '../sigstore/trust.ts'
import { checkIdentity, keylessEnvelope, verifyKeyless, verifySigstoreBundle } from './sigstore.ts'

const PATH = 'model.sig'
const sigstore = new TestSigstore()
let trust: SigstoreTrust
let json: BundleJson
beforeAll(async () => {
  trust = await sigstore.trust()
  json = await sigstore.json({ stampedAt: sigstore.at })
})

afterEach(() => void vi.restoreAllMocks())

const bundleOf = (change: (json: BundleJson) => void = () => {}): UnverifiedBundle => {
  const changed = structuredClone(json)
  change(changed)
  return { ...parsed(changed), path: PATH }
}
const verified = (bundle: UnverifiedBundle, by = trust) => verifySigstoreBundle(bundle, by, 'ours')
const stamps = ({ verificationMaterial }: BundleJson) =>
  verificationMaterial.timestampVerificationData.rfc3161Timestamps as { signedTimestamp: string }[]

test('the result has the certificate of the signer, and everything that it depends on', async () => {
  const { signer, bundleDigest, logEntry, timestampPath, issuerPath } = await verified(bundleOf())
  const der = Buffer.from(json.verificationMaterial.certificate.rawBytes as string, 'base64')
  const { x509, fields } = await parseCertificate(der)
  expect(signer).toEqual({
    method: 'sigstore',
    description: `${IDENTITY} (issuer ${ISSUER})`,
    name: 'ours',
    identity: IDENTITY,
    issuer: ISSUER,
    fingerprint: x509.fingerprint256.replaceAll(':', '').toLowerCase(),
    serialNumber: serialNumberOf(fields),
    extensions: {},
    notBefore: fields.notBefore.value.toISOString(),
    notAfter: fields.notAfter.value.toISOString(),
    trustRoot: trust.info,
  })
  expect(bundleDigest).toBe(bundleOf().digest)
  expect(logEntry).toEqual({ log: 'https://rekor.test', index: 0 })
  const certificates = (list: 'certificateAuthorities' | 'timestampAuthorities') =>
    trust.root[list].flatMap(({ certChain }) => certChain?.certificates.map(({ rawBytes }) => rawBytes))
  expect(issuerPath).toEqual(certificates('certificateAuthorities'))
  expect(timestampPath).toEqual(certificates('timestampAuthorities'))
})

test('an entry of the log that is not known is not in the result', async () => {
  const proven = await verifyKeyless(bundleOf(), trust, 'ours', { now: new Date(), effort: new Effort() })
  const envelope = keylessEnvelope(bundleOf(), { ...proven, logEntry: undefined }, proven.signed)
  expect(envelope).not.toHaveProperty('logEntry')
})

describe('a refusal names the file, and says what was found', () => {
  test.each<[string, string, (json: BundleJson) => unknown, object]>([
    [
      'of another method',
      'METHOD_MISMATCH',
      (one) => (one.verificationMaterial = { publicKey: { hint: 'ab' }, tlogEntries: [] }),
      {
        signer: 'ours',
        expected: 'the method sigstore',
        found: 'the method key',
        hint: expect.stringContaining('"modelseal verify key"'),
      },
    ],
    [
      'without an inclusion proof',
      'BUNDLE_MALFORMED',
      ({ verificationMaterial: { tlogEntries } }) => delete tlogEntries[0].inclusionProof,
      { found: expect.stringMatching(/^an error in ".*inclusion/i) },
    ],
    [
      'with a log entry that is a number',
      'BUNDLE_MALFORMED',
      ({ verificationMaterial: { tlogEntries } }) => (tlogEntries[0].canonicalizedBody = 7),
      { found: expect.stringMatching(/^an error in ".*number/) },
    ],
    [
      'with a timestamp that is too large',
      'TIMESTAMP_INVALID',
      (one) => (stamps(one)[0]!.signedTimestamp = Buffer.alloc(65_537, 0x30).toString('base64')),
      { cause: expect.objectContaining({ message: 'a timestamp is too large' }) },
    ],
    [
      'with a timestamp of too many values',
      'TIMESTAMP_INVALID',
      (one) => (stamps(one)[0]!.signedTimestamp = Buffer.alloc(9000, 5).fill(0).toString('base64')),
      { cause: expect.objectContaining({ message: 'more than 4000 values' }) },
    ],
    [
      'with a timestamp as large as allowed, but of too many values',
      'TIMESTAMP_INVALID',
      (one) => (stamps(one)[0]!.signedTimestamp = Buffer.alloc(65_536).toString('base64')),
      { cause: expect.objectContaining({ message: 'more than 4000 values' }) },
    ],
    ['with a timestamp that is none', 'TIMESTAMP_INVALID', (one) => (stamps(one)[0]!.signedTimestamp = 'AAAA'), {}],
    [
      'with another signature',
      'TIMESTAMP_INVALID',
      (one) => (one.dsseEnvelope.signatures[0].sig = 'AAAA'),
      { found: expect.any(String) },
    ],
  ])('%s', async (_, code, change, details) => {
    await expect(verified(bundleOf(change))).rejects.toThrow(
      refusal(code as 'METHOD_MISMATCH', { file: PATH, ...details }),
    )
  })

  test('with a certificate that is not for signing', async () => {
    const issuer = extension('1.3.6.1.4.1.57264.1.1', false, {
      toBER: () => Uint8Array.from(Buffer.from(ISSUER)).buffer,
    })
    const extendedUsages = [SERVER_AUTH]
    const { der } = await issue({ subject: [], names: [[6, IDENTITY]], extendedUsages, extensions: [issuer] })
    const bundle = { ...bundleOf(), material: { method: 'sigstore', certificate: der } } as UnverifiedBundle
    await expect(verified(bundle)).rejects.toThrow(refusal('CERTIFICATE_USAGE', { file: PATH }))
  })

  test('with a signature by another key, even if the library accepted it', async () => {
    const other = await sigstore.json()
    const bundle = bundleOf(({ dsseEnvelope }) => (dsseEnvelope.signatures = other.dsseEnvelope.signatures))
    vi.spyOn(Verifier.prototype, 'verify').mockReturnValue({} as never)
    await expect(verified(bundle)).rejects.toThrow(
      refusal('SIGNATURE_INVALID', { file: PATH, found: '"signature verification failed"' }),
    )
  })

  test('with a certificate of too many values', async () => {
    const bundle = bundleOf()
    const huge = { ...bundle, material: { method: 'sigstore', certificate: Buffer.alloc(9000) } } as UnverifiedBundle
    await expect(verified(huge)).rejects.toThrow(refusal('CERTIFICATE_INVALID', { file: PATH }))
  })
})

describe('the budget of signature checks', () => {
  test('is charged with five for each time and two for each log entry, before any is made', async () => {
    const charged: (number | undefined)[] = []
    class Counted extends Effort {
      override signatures(count?: number): Promise<void> {
        charged.push(count)
        return super.signatures(count)
      }
    }
    const effort = new Counted()
    await verifyKeyless(bundleOf(), trust, 'ours', { now: new Date(), effort })
    // Two times: that of the timestamp, and that of the promise.
    expect(charged[0]).toBe(12)
    charged.length = 0
    const twice = await sigstore.json({ rekor: 'v2', stampedAt: sigstore.at })
    twice.verificationMaterial.tlogEntries.push(...twice.verificationMaterial.tlogEntries)
    await expect(verifyKeyless(parsed(twice), trust, 'ours', { now: new Date(), effort })).rejects.toThrow(
      refusal('LOG_INCLUSION_INVALID'),
    )
    expect(charged).toEqual([9])
    const most = new Effort(undefined, 11)
    await expect(verifyKeyless(bundleOf(), trust, 'ours', { now: new Date(), effort: most })).rejects.toThrow(
      refusal('CHAIN_TOO_LARGE'),
    )
  })

  test('and the time of a caller are not spent once the caller has aborted', async () => {
    const effort = new Effort(AbortSignal.abort())
    await expect(verifyKeyless(bundleOf(), trust, 'ours', { now: new Date(), effort })).rejects.toThrow(
      refusal('ABORTED'),
    )
  })
})

describe('the arguments', () => {
  test.each<[string, unknown]>([
    ['nothing', null],
    ['a trust without information', {}],
    ['information that is no object', { info: 7, material: {} }],
    ['a trust without material', { info: {} }],
  ])('of a verification are refused: %s', async (_, wrong) => {
    const given =
      typeof wrong === 'object' && wrong !== null ? { ...trust, info: undefined, material: undefined, ...wrong } : wrong
    await expect(verified(bundleOf(), given as SigstoreTrust)).rejects.toThrow(refusal('INVALID_ARGUMENT'))
  })

  test('of a verification are named, and a trust may come with services to sign with', async () => {
    await expect(verified(bundleOf(), 7 as unknown as SigstoreTrust)).rejects.toThrow(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('verifySigstoreBundle') }),
    )
    expect(await verified(bundleOf(), { ...trust, signingConfig: {} as never })).toBeDefined()
  })

  test('of a verification have a bundle and a time', async () => {
    await expect(verified({} as UnverifiedBundle)).rejects.toThrow(refusal('INVALID_ARGUMENT'))
    for (const now of ['now', 7, null])
      await expect(verifySigstoreBundle(bundleOf(), trust, 'ours', now as unknown as Date)).rejects.toThrow(
        refusal('INVALID_ARGUMENT'),
      )
  })
})

describe('an identity', () => {
  const signer = {
    identity: IDENTITY,
    issuer: ISSUER,
    extensions: { sourceRepositoryRef: 'refs/heads/main' },
  } as unknown as SigstoreIdentity
  const expected = { identity: IDENTITY, issuer: ISSUER }
  const hint = expect.stringContaining('compared exactly') as string

  test('is refused with what was expected and found', () => {
    const details = { file: PATH, signer: IDENTITY, hint }
    expect(() => checkIdentity(signer, { ...expected, identity: 'me' }, PATH)).toThrow(
      refusal('IDENTITY_MISMATCH', {
        ...details,
        expected: '"me"',
        found: `"${IDENTITY}"`,
        message: expect.stringContaining('a different identity than'),
      }),
    )
    expect(() => checkIdentity(signer, { ...expected, issuer: 'it' }, PATH)).toThrow(
      refusal('ISSUER_MISMATCH', {
        ...details,
        expected: '"it"',
        found: `"${ISSUER}"`,
        message: expect.stringContaining('a different identity provider than'),
      }),
    )
  })

  test('is refused with the extension that differs, or is missing', () => {
    for (const [name, found] of [
      ['sourceRepositoryRef', '"refs/heads/main"'],
      ['buildTrigger', 'none'],
      ['toString', 'none'],
    ] as const)
      expect(() => checkIdentity(signer, { ...expected, extensions: { [name]: 'x' } }, PATH)).toThrow(
        refusal('CERTIFICATE_CONDITION', {
          file: PATH,
          signer: IDENTITY,
          expected: '"x"',
          found,
          message: expect.stringContaining(`"${name}"`),
        }),
      )
    expect(() => checkIdentity(signer, { ...expected, extensions: signer.extensions })).not.toThrow()
    expect(() => checkIdentity(signer, { ...expected, extensions: undefined })).not.toThrow()
  })

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['no identity', { ...signer, identity: undefined }],
    ['an issuer that is no text', { ...signer, issuer: 7 }],
    ['no extensions', { ...signer, extensions: undefined }],
    ['extensions that are null', { ...signer, extensions: null }],
    ['extensions that are a text', { ...signer, extensions: 'x' }],
  ])('is not that of a signer with %s', (_, wrong) => {
    expect(() => checkIdentity(wrong as SigstoreIdentity, expected)).toThrow(
      refusal('INVALID_ARGUMENT', {
        expected: 'a signer of the method sigstore',
        message: expect.stringContaining('the signer'),
      }),
    )
  })

  test.each<[string, unknown]>([
    ['without identity', { issuer: ISSUER }],
    ['without issuer', { identity: IDENTITY }],
    ['with a number', { ...expected, identity: 7 }],
    ['with an extension that is a number', { ...expected, extensions: { a: 7 } }],
    ['with an unknown field', { ...expected, subject: 'x' }],
  ])('must be expected in full: not %s', (_, wrong) => {
    expect(() => checkIdentity(signer, wrong as typeof expected)).toThrow(refusal('INVALID_ARGUMENT'))
  })

  test('must be an object', () => {
    expect(() => checkIdentity(signer, 7 as unknown as typeof expected)).toThrow(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('an identity') }),
    )
  })
})
