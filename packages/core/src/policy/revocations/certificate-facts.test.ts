import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { asn1js, authority, COMMON_NAME, extension, issue, ORGANIZATION, signingLeaf } from '../../testing/authority.ts'
import { refusal } from '../../testing/scratch.ts'
import { keyFingerprints, publicKeyOf } from '../../x509/public-key.ts'
import { certificateFacts } from './certificate-facts.ts'

const SUBJECT_ALT_NAME = '2.5.29.17'

/** An alternative name of another type (RFC 5280 4.2.1.6). */
function otherName(type: string, value: string): asn1js.Constructed {
  return new asn1js.Constructed({
    idBlock: { tagClass: 3, tagNumber: 0 },
    value: [
      new asn1js.ObjectIdentifier({ value: type }),
      new asn1js.Constructed({ idBlock: { tagClass: 3, tagNumber: 0 }, value: [new asn1js.Utf8String({ value })] }),
    ],
  })
}

test('the facts of a certificate are everything by which it can be revoked', async () => {
  const root = await authority([[COMMON_NAME, 'Root']])
  const leaf = await signingLeaf(root, {
    subject: [
      [ORGANIZATION, 'Acme'],
      [COMMON_NAME, 'Release'],
      ['0.9.2342.19200300.100.1.1', 'release-7'],
      ['1.2.840.113549.1.9.1', 'release@example.org'],
    ],
    names: [
      [2, 'example.org'],
      [1, 'bad\u0007@example.org'],
      [6, 'https://example.org/'],
    ],
  })
  const facts = await certificateFacts(leaf.der)
  const key = publicKeyOf(leaf.x509.publicKey)
  expect(facts).toMatchObject({
    serialNumber: leaf.x509.serialNumber.toLowerCase(),
    issuer: 'CN=Root',
    unreadable: [expect.stringMatching(/^unreadable:#/)],
    keyFingerprint: key.fingerprint,
    keyFingerprints: keyFingerprints(leaf.x509.publicKey),
  })
  expect(facts.fingerprints[0]).toBe(createHash('sha256').update(leaf.der).digest('hex'))
  expect(facts.fingerprints.length).toBeGreaterThan(1)
  const [subject, ...names] = facts.names
  expect(subject).toMatch(/UID=release-7,CN=Release,O=Acme$/)
  expect(names).toEqual([
    'DNS:example.org',
    'URI:https://example.org/',
    'Release',
    'release-7',
    'email:release@example.org',
  ])
})

test('a part of the subject that is not text is no name', async () => {
  const bytes = new asn1js.BitString({ valueHex: Buffer.from('Release') })
  const { der } = await issue({ subject: [[COMMON_NAME, bytes]] })
  expect((await certificateFacts(der)).names).toEqual([expect.stringMatching(/^2\.5\.4\.3=#/)])
})

test('an e-mail address that is not ASCII has the kind of one that is', async () => {
  const types = ['1.3.6.1.5.5.7.8.9', '1.3.6.1.4.1.57264.1.7']
  const names = new asn1js.Sequence({ value: types.map((type) => otherName(type, 'mü@example.org')) })
  const leaf = await issue({ subject: [], extensions: [extension(SUBJECT_ALT_NAME, false, names)] })
  expect((await certificateFacts(leaf.der)).names).toEqual([
    ...types.map((type) => `otherName:${type}:mü@example.org`),
    'email:mü@example.org',
  ])
})

test('a key that cannot sign models has fingerprints all the same', async () => {
  const { der, x509 } = await authority('Root', { algorithm: 'RSA' })
  expect(await certificateFacts(der)).toMatchObject({
    keyFingerprint: undefined,
    keyFingerprints: keyFingerprints(x509.publicKey),
  })
  expect(keyFingerprints(x509.publicKey)).not.toEqual([])
})

test('a key that cannot be read has none', async () => {
  const { der } = await issue({ subject: 'Signer' })
  // The object identifier of keys on elliptic curves.
  const type = der.indexOf(Buffer.from('06072a8648ce3d0201', 'hex'))
  der[type + 8] = 0x7f
  expect(await certificateFacts(der)).toMatchObject({ keyFingerprint: undefined, keyFingerprints: [] })
})

test('what is not a certificate is refused, with its path', async () => {
  await expect(certificateFacts(Buffer.from('no certificate'), '/a.pem')).rejects.toEqual(
    refusal('CERTIFICATE_INVALID', { file: '/a.pem' }),
  )
})

test('a certificate of more than 8 KiB is parsed each time', async () => {
  const long = async (length: number) => {
    const value = new asn1js.OctetString({ valueHex: new ArrayBuffer(length) })
    // All of these keys and signatures have the same length.
    const { der } = await issue({ subject: 'Signer', algorithm: 'Ed25519', extensions: [extension('1.2.3.4', false, value)] }) // prettier-ignore
    return der
  }
  const overhead = (await long(7_000)).length - 7_000
  for (const [size, isKept] of [
    [8 * 1024, true],
    [8 * 1024 + 1, false],
  ] as const) {
    const der = await long(size - overhead)
    expect(der.length).toBe(size)
    expect((await certificateFacts(der)) === (await certificateFacts(der))).toBe(isKept)
  }
})

test('the facts of a certificate are read once, by its bytes', async () => {
  const { der } = await signingLeaf(await authority('Root'))
  const facts = await certificateFacts(der)
  expect(await certificateFacts(Buffer.from(der))).toBe(facts)
  const name = der.indexOf('Signer')
  der.write('Sinner', name)
  expect((await certificateFacts(der)).names).toContain('CN=Sinner')
})

test('the bytes that count are those at the time of the call', async () => {
  const { der } = await signingLeaf(await authority('Root'))
  const original = Buffer.from(der)
  const reading = certificateFacts(der)
  der.write('Sinner', der.indexOf('Signer'))
  expect((await reading).names).toContain('CN=Signer')
  expect((await certificateFacts(original)).names).toContain('CN=Signer')
})
