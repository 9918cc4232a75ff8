import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import * as asn1js from 'asn1js'
import * as pkijs from 'pkijs'
import { describe, expect, test } from 'vitest'
import { authority, extension, issue, ORGANIZATION, pemOf, signingLeaf } from '../testing/authority.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import {
  certificateName,
  derBlocks,
  extensionOf,
  fingerprintOf,
  holderKey,
  isSignedWith,
  parseCertificate,
  parseCertificates,
  ReadCertificate,
  readCertificates,
  readX509,
  serialNumberOf,
  signingKeyOf,
} from './certificate.ts'

const root = await authority('Root')
const leaf = await signingLeaf(root)
const OTHER = '1.3.6.1.4.1.99999.1'

function refused(found: string | RegExp, file?: string): unknown {
  return refusal('CERTIFICATE_INVALID', {
    file,
    found: typeof found === 'string' ? found : expect.stringMatching(found),
  })
}

/** DER of the certificate after a change that its signature does not cover. */
function changed(change: (fields: pkijs.Certificate) => void): Buffer {
  const fields = pkijs.Certificate.fromBER(leaf.der)
  change(fields)
  return Buffer.from(fields.toSchema(true).toBER())
}

/** DER of the certificate with other text in place of when its validity begins or ends. */
function withTime(which: 'notBefore' | 'notAfter', text: string): Buffer {
  const der = Buffer.from(leaf.der)
  const times = [...der.toString('latin1').matchAll(/\d{12}Z/g)].map(({ index }) => index)
  der.write(text, times[which === 'notBefore' ? 0 : 1] ?? NaN, 'latin1')
  return der
}

async function withExtensions(...extensions: pkijs.Extension[]): Promise<Buffer> {
  return (await issue({ subject: 'Signer', keyIds: false, extensions })).der
}

describe('a file of certificates', () => {
  test('contains those in PEM in their order, whatever else it contains', () => {
    const key = pemOf({ der: Buffer.from('key') }, 'PRIVATE KEY')
    const pem = Buffer.from(`Root:\n${pemOf(root)}${key}Signer:\n${pemOf(leaf)}`)
    expect(parseCertificates(pem, 'a.pem')).toEqual([root.der, leaf.der])
  })

  test('or one in DER', () => {
    expect(parseCertificates(leaf.der, 'a.der')).toEqual([leaf.der])
    expect(() => parseCertificates(Buffer.from('none'), 'a.der')).toThrow(refused(/./, 'a.der'))
  })

  test('is read', async () => {
    const directory = scratch({ 'a.pem': pemOf(root), huge: Buffer.alloc(2 * 1024 * 1024 + 1) })
    expect(await readCertificates(join(directory, 'a.pem'))).toEqual([root.der])
    await expect(readCertificates(join(directory, 'huge'))).rejects.toThrow(refusal('FILE_TOO_LARGE'))
    await expect(readCertificates(join(directory, 'none'))).rejects.toThrow(
      refusal('FILE_NOT_FOUND', {
        message: expect.stringContaining('certificate'),
        hint: expect.stringContaining('PEM'),
      }),
    )
  })

  test.each([
    ['a key', pemOf({ der: Buffer.from('a') }, 'PUBLIC KEY'), '"PUBLIC KEY"', /^This is a public key/],
    [
      'a key and a list',
      pemOf(root, 'PRIVATE KEY') + pemOf(root, 'X509 CRL'),
      '"PRIVATE KEY", "X509 CRL"',
      /^This is a p/,
    ],
    ['a truncated certificate', pemOf(root).slice(0, -40), 'none', undefined],
    ['a certificate that ends as another kind', pemOf(root).replace('END C', 'END X509 C'), 'none', undefined],
  ])('is refused if it contains only %s', (_, text, found, hint) => {
    const expected = 'complete blocks "-----BEGIN CERTIFICATE-----"'
    const error = { file: 'a.pem', expected, found, hint: hint ? expect.stringMatching(hint) : undefined }
    expect(() => derBlocks(Buffer.from(text), 'CERTIFICATE', 'a.pem')).toThrow(refusal('CERTIFICATE_INVALID', error))
    expect(() => derBlocks(Buffer.from(text), 'CERTIFICATE', 'a.pem')).toThrow('complete certificate')
  })

  test('is refused if one of them is truncated, without a hint to use another file', () => {
    for (const text of [pemOf(root) + pemOf(leaf).slice(0, -40), pemOf(root).slice(0, -40) + pemOf(leaf)]) {
      const whole = refusal('CERTIFICATE_INVALID', { hint: undefined })
      expect(() => derBlocks(Buffer.from(text), 'CERTIFICATE', 'a.pem')).toThrow(whole)
    }
    const withKey = pemOf({ der: Buffer.from('a') }, 'PUBLIC KEY') + pemOf(root) + pemOf(leaf).slice(0, -40)
    expect(() => derBlocks(Buffer.from(withKey), 'CERTIFICATE', 'a.pem')).toThrow(
      refusal('CERTIFICATE_INVALID', { found: '"PUBLIC KEY", "CERTIFICATE"', hint: undefined }),
    )
  })
})

describe('a certificate is refused', () => {
  test.each([
    ['PEM', Buffer.from(pemOf(leaf)), '"it is not DER or has trailing data"'],
    ['DER with trailing data', Buffer.concat([leaf.der, Buffer.alloc(1)]), '"it is not DER or has trailing data"'],
    ['nothing', Buffer.alloc(0), /./],
    ['65,537 bytes', Buffer.alloc(65_537), '"65537 bytes are too many for a certificate"'],
  ])('if it is %s', (_, der, found) => {
    expect(() => readX509(der, 'a.der')).toThrow(refused(found, 'a.der'))
    expect(() => readX509(der, 'a.der')).toThrow('in the file "a.der"')
    expect(() => readX509(der)).toThrow(refused(found))
    expect(() => readX509(der)).not.toThrow('in the file')
  })

  test('if it has too many bytes, but not by its size alone', () => {
    expect(() => readX509(Buffer.alloc(65_536))).not.toThrow(refused(/too many/))
  })

  test.each([15, 19, 32, 33, 36, 37])(
    'if the extension 2.5.29.%s cannot be parsed, even if it is not critical',
    async (n) => {
      const extnID = `2.5.29.${n}`
      for (const bytes of [[], [0x30, 0x7f], [0x05, 0x00]]) {
        const der = await withExtensions(
          new pkijs.Extension({ extnID, critical: false, extnValue: new Uint8Array(bytes).buffer }),
        )
        await expect(parseCertificate(der, 'a.pem'), bytes.join()).rejects.toThrow(
          refused(
            n === 15 && bytes.length === 2 && bytes[0] === 5
              ? '"the key usage is malformed"'
              : `"the extension ${extnID} is malformed"`,
            'a.pem',
          ),
        )
      }
    },
  )

  test('but not because of other extensions that cannot be parsed', async () => {
    const other = new pkijs.Extension({ extnID: OTHER, critical: true, extnValue: new Uint8Array([0x30]).buffer })
    expect((await parseCertificate(await withExtensions(other))).fields.extensions).toHaveLength(1)
  })

  test('if the key usage is a sequence', async () => {
    const der = await withExtensions(extension('2.5.29.15', true, new asn1js.Sequence({ value: [] })))
    await expect(parseCertificate(der)).rejects.toThrow(refused('"the key usage is malformed"'))
  })

  test('if an extension occurs twice', async () => {
    const twice = [1, 2].map((value) => extension(OTHER, false, new asn1js.Integer({ value })))
    await expect(parseCertificate(await withExtensions(...twice))).rejects.toThrow(
      refused(`"the extension ${OTHER} occurs twice"`),
    )
  })

  test('if it has more than 64 extensions, or more than 512 values', async () => {
    const many = (count: number) =>
      withExtensions(...Array.from({ length: count }, (_, n) => extension(`${OTHER}.${n}`, false, new asn1js.Null())))
    expect((await parseCertificate(await many(64))).fields.extensions).toHaveLength(64)
    await expect(parseCertificate(await many(65))).rejects.toThrow(refused('"65 extensions"'))
    const named = async (count: number) => {
      const subject = Array.from({ length: count }, () => [ORGANIZATION, 'Acme'] as const)
      return parseCertificate((await issue({ subject, keyIds: false })).der)
    }
    await expect(named(50)).resolves.toBeDefined()
    await expect(named(130)).rejects.toThrow(refused(/node count/))
  })

  test('if its object identifiers are too long', async () => {
    const identifiers = Array.from({ length: 30 }, (_, n) => `${OTHER}.${'4294967295.'.repeat(14)}${n}`)
    const der = await withExtensions(...identifiers.map((id) => extension(id, false, new asn1js.Null())))
    await expect(parseCertificate(der)).rejects.toThrow(refused('"more than 2048 bytes of object identifiers"'))
  })

  test('if it has extensions, but not version 3', async () => {
    const der = changed((fields) => (fields.version = 0))
    await expect(parseCertificate(der)).rejects.toThrow(refused('"extensions in a certificate before version 3"'))
    const without = (version: number) =>
      changed((fields) => {
        fields.version = version
        delete fields.extensions
      })
    for (const version of [0, 2]) expect((await parseCertificate(without(version))).fields.extensions).toBeUndefined()
  })

  test('if it states two signature algorithms', async () => {
    const der = changed((fields) => (fields.signature = new pkijs.AlgorithmIdentifier({ algorithmId: '1.2.3' })))
    await expect(parseCertificate(der)).rejects.toThrow(refused('"it states two different signature algorithms"'))
  })

  test.each(['notBefore', 'notAfter'] as const)('if %s is no time', async (which) => {
    for (const time of ['261301000000Z', '260230000000Z', '000000000000Z', '260203046006Z', '9999999999 9Z'])
      await expect(parseCertificate(withTime(which, time)), time).rejects.toThrow(
        refused('"its validity period is invalid"'),
      )
    expect((await parseCertificate(withTime(which, '261201020304Z'))).fields[which].value).toEqual(
      new Date('2026-12-01T02:03:04Z'),
    )
  })

  test.each([
    ['1 January 2050, in another type', new Date('2050-01-01T00:00:00Z')],
    ['the end of time', new Date('9999-12-31T23:59:59Z')],
  ])('but not if it ends on %s', async (_, notAfter) => {
    const der = changed(
      (fields) => (fields.notAfter = new pkijs.Time({ type: pkijs.TimeType.GeneralizedTime, value: notAfter })),
    )
    expect((await parseCertificate(der)).fields.notAfter.value).toEqual(notAfter)
  })
})

test('a certificate is parsed by both parsers, and its extensions can be read', async () => {
  const { x509, fields } = await parseCertificate(leaf.x509)
  expect(x509.raw).toEqual(leaf.der)
  expect(extensionOf(fields, '2.5.29.15')).toBeInstanceOf(asn1js.BitString)
  expect(extensionOf(fields, OTHER)).toBeUndefined()
  delete fields.extensions
  expect(extensionOf(fields, '2.5.29.15')).toBeUndefined()
})

test('the bytes of a certificate can change after they were given', async () => {
  const der = Buffer.from(leaf.der)
  const parsed = parseCertificate(der)
  der.fill(0)
  expect((await parsed).x509.raw).toEqual(leaf.der)
})

test('the signature algorithm can be read without the rest', async () => {
  const der = await withExtensions(extension('2.5.29.37', false, new asn1js.Null()))
  await expect(parseCertificate(der)).rejects.toThrow(refused(/malformed/))
  const algorithm = await new ReadCertificate(new X509Certificate(der)).signatureAlgorithm()
  expect(algorithm.algorithmId).toBe('1.2.840.10045.4.3.2')
})

test('a key is read, unless it is damaged or of a kind that model signatures do not use', async () => {
  const parsed = await parseCertificate(leaf.der)
  expect(holderKey(leaf.x509)?.asymmetricKeyType).toBe('ec')
  expect(signingKeyOf(parsed)).toMatchObject({ hash: 'sha256' })

  const der = Buffer.from(leaf.der)
  const point = Buffer.from(leaf.fields.subjectPublicKeyInfo.subjectPublicKey.valueBlock.valueHexView)
  der.fill(0xff, der.indexOf(point), der.indexOf(point) + point.length)
  const damaged = await parseCertificate(der)
  expect(holderKey(damaged.x509)).toBeUndefined()
  expect(() => signingKeyOf(damaged, 'a.pem')).toThrow(
    refusal('KEY_INVALID', { file: 'a.pem', message: expect.stringContaining("signer's certificate") }),
  )

  const other = await parseCertificate((await signingLeaf(root, { algorithm: 'Ed25519' })).der)
  expect(() => signingKeyOf(other, 'a.pem')).toThrow(refusal('KEY_INVALID', { file: 'a.pem', found: 'ed25519' }))
})

test('a signature is checked with a key of any kind', () => {
  expect(isSignedWith(leaf.x509, root.x509.publicKey)).toBe(true)
  expect(isSignedWith(leaf.x509, leaf.x509.publicKey)).toBe(false)
  expect(isSignedWith(leaf.x509, generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey)).toBe(false)
  expect(isSignedWith(leaf.x509, generateKeyPairSync('x25519').publicKey)).toBe(false)
  expect(isSignedWith(leaf.x509, generateKeyPairSync('ed25519').privateKey)).toBe(false)
  expect(isSignedWith(leaf.x509, undefined)).toBe(false)
})

test('a certificate is named by its subject, or else by its serial number', async () => {
  expect(fingerprintOf(leaf.x509)).toBe(createHash('sha256').update(leaf.der).digest('hex'))
  expect(certificateName(await parseCertificate(leaf.der))).toBe('"CN=Signer"')
  const organization = await issue({ subject: [[ORGANIZATION, 'Acme']] })
  expect(certificateName(await parseCertificate(organization.der))).toBe('"O=Acme"')
  const numbered = async (...serial: number[]) => {
    const der = changed((fields) => {
      fields.subject = new pkijs.RelativeDistinguishedNames({ typesAndValues: [] })
      fields.serialNumber = new asn1js.Integer({ valueHex: new Uint8Array(serial).buffer })
    })
    return parseCertificate(der)
  }
  expect(certificateName(await numbered(0x01, 0xff))).toBe('"serial number 01ff"')
  expect(serialNumberOf((await numbered(0x00, 0x81, 0x00)).fields)).toBe('8100')
  expect(serialNumberOf((await numbered(0x00)).fields)).toBe('00')
  expect(serialNumberOf((await numbered(0x01, 0x00, 0x02)).fields)).toBe('010002')
  const fields = new pkijs.Certificate()
  fields.serialNumber = new asn1js.Integer({ valueHex: new Uint8Array([0, 0, 0x81]).buffer })
  expect(serialNumberOf(fields)).toBe('81')
})
