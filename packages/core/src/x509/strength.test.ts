import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import * as asn1js from 'asn1js'
import * as pkijs from 'pkijs'
import { describe, expect, test } from 'vitest'
import { authority, issue, ORGANIZATION, COMMON_NAME } from '../testing/authority.ts'
import { refusal } from '../testing/scratch.ts'
import { parseCertificate } from './certificate.ts'
import { checkKey, checkSignatureAlgorithm, weaknessOfAlgorithm, weaknessOfKey } from './strength.ts'

const ALLOWED =
  'SHA-256, SHA-384 or SHA-512 with RSA of 2048 to 8192 bits, with ECDSA on P-256, P-384 or P-521, or Ed25519'
const SHA = {
  1: '1.3.14.3.2.26',
  256: '2.16.840.1.101.3.4.2.1',
  384: '2.16.840.1.101.3.4.2.2',
  512: '2.16.840.1.101.3.4.2.3',
}
const MGF1 = '1.2.840.113549.1.1.8'

/** A key of which nothing but its kind is looked at. */
function keyOf(asymmetricKeyType: string | undefined, asymmetricKeyDetails?: object): KeyObject {
  return { asymmetricKeyType, asymmetricKeyDetails } as unknown as KeyObject
}

describe('a key', () => {
  test.each(['prime256v1', 'secp384r1', 'secp521r1'])('on the curve %s is strong', (namedCurve) => {
    expect(weaknessOfKey(generateKeyPairSync('ec', { namedCurve }).publicKey)).toBeUndefined()
  })

  test('is weak on other curves', () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
    expect(weaknessOfKey(publicKey)).toBe('a key on the curve secp256k1')
    expect(weaknessOfKey(keyOf('ec'))).toBe('a key on the curve without name')
  })

  test('is strong if it is Ed25519, and weak if it is of another type', () => {
    expect(weaknessOfKey(generateKeyPairSync('ed25519').publicKey)).toBeUndefined()
    expect(weaknessOfKey(generateKeyPairSync('ed448').publicKey)).toBe('a key of type ed448')
    expect(weaknessOfKey(keyOf(undefined))).toBe('a key of type unknown')
  })

  test.each(['rsa', 'rsa-pss'])('is judged by its size and exponent if it is %s', (type) => {
    const rsa = (modulusLength: number, publicExponent = 65_537n) =>
      weaknessOfKey(keyOf(type, { modulusLength, publicExponent }))
    expect([2_048, 8_192].map((bits) => rsa(bits))).toEqual([undefined, undefined])
    expect(rsa(2_047)).toBe('an RSA key of 2047 bits')
    expect(rsa(8_193)).toBe('an RSA key of 8193 bits')
    expect([3n, 2n ** 33n - 1n].map((exponent) => rsa(2_048, exponent))).toEqual([undefined, undefined])
    for (const exponent of [1n, 4n, 2n ** 33n, 2n ** 33n + 1n])
      expect(rsa(2_048, exponent)).toBe('an RSA key with an unusual exponent')
    expect(weaknessOfKey(keyOf(type))).toBe('an RSA key of 0 bits')
    expect(weaknessOfKey(keyOf(type, { modulusLength: 2_048 }))).toBe('an RSA key with an unusual exponent')
  })
})

test('refuses a certificate with a weak key, and names what is allowed', async () => {
  const pair = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const { der } = await issue({
    subject: [
      [ORGANIZATION, 'Acme'],
      [COMMON_NAME, 'Signer'],
    ],
  })
  const strong = await parseCertificate(der)
  expect(() => {
    checkKey(strong.x509)
  }).not.toThrow()
  const weak = Object.create(strong.x509, {
    publicKey: { value: createPublicKey(pair.privateKey) },
    subject: { value: strong.x509.subject },
  }) as typeof strong.x509
  expect(() => {
    checkKey(weak, 'a.pem')
  }).toThrow(
    refusal('CERTIFICATE_WEAK', {
      file: 'a.pem',
      expected: ALLOWED,
      found: 'an RSA key of 1024 bits',
      message: expect.stringContaining('"O=Acme,CN=Signer": its key is too weak.'),
    }),
  )
})

test('refuses a certificate with a key that cannot be read', async () => {
  const { der, fields } = await authority('Root')
  const point = Buffer.from(fields.subjectPublicKeyInfo.subjectPublicKey.valueBlock.valueHexView)
  der.fill(0xff, der.indexOf(point), der.indexOf(point) + point.length)
  const { x509 } = await parseCertificate(der)
  expect(() => {
    checkKey(x509)
  }).toThrow(refusal('CERTIFICATE_WEAK', { found: 'a key that cannot be read' }))
})

test('refuses a certificate with a weak signature', async () => {
  const { der } = await authority('Root', { hash: 'SHA-1' })
  const { x509, fields } = await parseCertificate(der)
  await expect(checkSignatureAlgorithm(x509, fields.signatureAlgorithm, 'a.pem')).rejects.toThrow(
    refusal('CERTIFICATE_WEAK', {
      file: 'a.pem',
      expected: ALLOWED,
      found: 'the algorithm SHA-1 with ECDSA',
      message: expect.stringContaining('"CN=Root": its signature algorithm is too weak.'),
    }),
  )
  const strong = await authority('Root')
  await checkSignatureAlgorithm(strong.x509, strong.fields.signatureAlgorithm)
})

function algorithm(algorithmId: string, parameters?: asn1js.AsnType): pkijs.AlgorithmIdentifier {
  return new pkijs.AlgorithmIdentifier({ algorithmId, ...(parameters ? { algorithmParams: parameters } : {}) })
}

const RSA = ['1.2.840.113549.1.1.11', '1.2.840.113549.1.1.12', '1.2.840.113549.1.1.13']
const OTHERS = ['1.2.840.10045.4.3.2', '1.2.840.10045.4.3.3', '1.2.840.10045.4.3.4', '1.3.101.112']

describe('an algorithm', () => {
  test.each([...RSA, ...OTHERS])('is strong: %s', async (id) => {
    expect(await weaknessOfAlgorithm(algorithm(id))).toBeUndefined()
  })

  test.each(RSA)('may have the parameter NULL, but no other: %s', async (id) => {
    expect(await weaknessOfAlgorithm(algorithm(id, new asn1js.Null()))).toBeUndefined()
    const contextual = new asn1js.Primitive({ idBlock: { tagClass: 3, tagNumber: 5 } })
    for (const other of [new asn1js.Integer({ value: 1 }), contextual])
      expect(await weaknessOfAlgorithm(algorithm(id, other))).toBe(`parameters of ${id}`)
  })

  test.each(OTHERS)('may not have parameters: %s', async (id) => {
    expect(await weaknessOfAlgorithm(algorithm(id, new asn1js.Null()))).toBe(`parameters of ${id}`)
  })

  test.each([
    ['1.2.840.113549.1.1.4', 'MD5 with RSA'],
    ['1.2.840.113549.1.1.5', 'SHA-1 with RSA'],
    ['1.2.840.10045.4.1', 'SHA-1 with ECDSA'],
    ['1.2.840.10045.4.3.1', '1.2.840.10045.4.3.1'],
  ])('is weak: %s', async (id, name) => {
    expect(await weaknessOfAlgorithm(algorithm(id))).toBe(`the algorithm ${name}`)
  })
})

interface Pss {
  hash: keyof typeof SHA
  mask?: keyof typeof SHA
  generator?: string
  salt: number
  trailer?: number
}

function pss({ hash, mask = hash, generator = MGF1, salt, trailer = 1 }: Pss): Promise<string | undefined> {
  const parameters = new pkijs.RSASSAPSSParams({
    hashAlgorithm: algorithm(SHA[hash], new asn1js.Null()),
    maskGenAlgorithm: algorithm(generator, algorithm(SHA[mask], new asn1js.Null()).toSchema()),
    saltLength: salt,
    trailerField: trailer,
  })
  return weaknessOfAlgorithm(algorithm('1.2.840.113549.1.1.10', parameters.toSchema()))
}

describe('RSASSA-PSS', () => {
  test.each([
    [256, 32],
    [384, 48],
    [512, 64],
  ] as const)('is strong with SHA-%s and %s to 1024 bytes of salt', async (hash, bytes) => {
    expect(await pss({ hash, salt: bytes })).toBeUndefined()
    expect(await pss({ hash, salt: 1_024 })).toBeUndefined()
    expect(await pss({ hash, salt: bytes - 1 })).toBe(`RSASSA-PSS with ${bytes - 1} bytes of salt`)
    expect(await pss({ hash, salt: 1_025 })).toBe('RSASSA-PSS with 1025 bytes of salt')
  })

  test('is weak with another hash, or another in the mask, or another mask', async () => {
    expect(await pss({ hash: 1, salt: 32 })).toBe(`RSASSA-PSS with the hash ${SHA[1]}`)
    expect(await pss({ hash: 256, mask: 1, salt: 32 })).toBe(`RSASSA-PSS with the mask ${MGF1} of ${SHA[1]}`)
    expect(await pss({ hash: 256, mask: 512, salt: 32 })).toBe(`RSASSA-PSS with the mask ${MGF1} of ${SHA[512]}`)
    expect(await pss({ hash: 256, generator: '1.2.3', salt: 32 })).toBe(`RSASSA-PSS with the mask 1.2.3 of ${SHA[256]}`)
  })

  test('is weak with another trailer', async () => {
    expect(await pss({ hash: 256, salt: 32, trailer: 2 })).toBe('RSASSA-PSS with the trailer 2')
  })

  test('is weak without parameters, whose defaults are SHA-1, or with unreadable ones', async () => {
    const [none, unreadable] = [
      algorithm('1.2.840.113549.1.1.10'),
      algorithm('1.2.840.113549.1.1.10', new asn1js.Null()),
    ]
    expect(await weaknessOfAlgorithm(none)).toBe(`RSASSA-PSS with the hash ${SHA[1]}`)
    expect(await weaknessOfAlgorithm(unreadable)).toBe('RSASSA-PSS without readable parameters')
  })
})
