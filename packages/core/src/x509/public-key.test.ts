import { spawnSync } from 'node:child_process'
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { refusal, scratch } from '../testing/scratch.ts'
import {
  isDer,
  isNamedBy,
  keyFingerprints,
  namedKey,
  parseCarriedKey,
  parsePublicKey,
  publicKeyOf,
  readPublicKey,
} from './public-key.ts'

function pemOn(namedCurve: string): string {
  return generateKeyPairSync('ec', { namedCurve }).publicKey.export({ type: 'spki', format: 'pem' }).toString()
}

function openssl(args: readonly string[], input = ''): string {
  const { stdout, stderr, status } = spawnSync('openssl', args, { input, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return stdout
}

function sha256(text: string | Buffer): string {
  return createHash('sha256').update(text).digest('hex')
}

function refuses(pem: string): void {
  expect(() => parsePublicKey(pem, 'key.pub')).toThrow(refusal('KEY_INVALID', { file: 'key.pub' }))
}

describe.each([
  ['prime256v1', 'sha256'],
  ['secp384r1', 'sha384'],
  ['secp521r1', 'sha512'],
])('a key on %s', (curve, hash) => {
  const pem = pemOn(curve)
  const right = { hash, fingerprint: sha256(openssl(['pkey', '-pubin', '-pubout'], pem)) }

  test('has the hash of its curve and the fingerprint that openssl computes', () => {
    expect(parsePublicKey(pem)).toMatchObject(right)
  })

  test.each([
    ['CRLF lines', pem.replaceAll('\n', '\r\n')],
    ['no final line break', pem.trimEnd()],
    ['text before and after it', `A key\n${pem}of somebody\n`],
    ['its point compressed', openssl(['ec', '-pubin', '-pubout', '-conv_form', 'compressed'], pem)],
    ['its curve spelled out instead of named', openssl(['ec', '-pubin', '-pubout', '-param_enc', 'explicit'], pem)],
    ['its point in hybrid form', openssl(['ec', '-pubin', '-pubout', '-conv_form', 'hybrid'], pem)],
  ])('is the same key in a file with %s', (_, text) => {
    expect(text).not.toBe(pem)
    expect(parsePublicKey(text)).toMatchObject(right)
  })
})

describe('refuses a key file that', () => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })

  test.each([
    ['is empty', ''],
    ['contains no PEM', 'ssh-ed25519 AAAA'],
    ['contains garbage in its PEM', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'],
    ['is truncated', pemOn('prime256v1').slice(0, 80)],
    ['contains two keys', pemOn('prime256v1') + pemOn('prime256v1')],
    ['contains a key on P-224', pemOn('secp224r1')],
    ['contains a key on secp256k1', pemOn('secp256k1')],
  ])('%s', (_, pem) => refuses(pem))

  test.each(['ed25519', 'x25519'] as const)('contains a key of type %s', (kind) => {
    // Each overload of generateKeyPairSync accepts one literal.
    const { publicKey } = kind === 'ed25519' ? generateKeyPairSync(kind) : generateKeyPairSync(kind)
    refuses(publicKey.export({ type: 'spki', format: 'pem' }).toString())
  })

  test('contains an RSA key', () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    refuses(publicKey.export({ type: 'spki', format: 'pem' }).toString())
    refuses(publicKey.export({ type: 'pkcs1', format: 'pem' }).toString())
  })

  test.each(['pkcs8', 'sec1'] as const)('contains a private key (%s), with a warning to keep it secret', (type) => {
    const pem = ec.privateKey.export({ type, format: 'pem' }).toString()
    expect(() => parsePublicKey(pem)).toThrow(/This is a private key: keep it secret/)
    expect(() => parsePublicKey(ec.publicKey.export({ type: 'spki', format: 'pem' }).toString() + pem)).toThrow(
      refusal('KEY_INVALID'),
    )
  })

  test('contains a certificate, with the command that extracts its key', () => {
    const directory = scratch()
    openssl([
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=test'],
      ...['-keyout', join(directory, 'key'), '-out', join(directory, 'certificate')],
    ])
    return expect(readPublicKey(join(directory, 'certificate'))).rejects.toThrow(/openssl x509 -pubkey -noout/)
  })

  test.each([
    ['an SSH public key', 'ecdsa-sha2-nistp256 AAAA a@b', /SSH public key. Convert it with "ssh-keygen -e -m PKCS8/],
    [
      'an SSH key of an unsupported type',
      'ssh-ed25519 AAAA a@b',
      /SSH public key of a kind that model signatures do not use/,
    ],
    ['an SSH private key', '-----BEGIN OPENSSH PRIVATE KEY-----', /keep it secret. Print its public half/],
    ['a PGP key', '-----BEGIN PGP PUBLIC KEY BLOCK-----', /PGP key/],
    ['an RSA key in PKCS #1', '-----BEGIN RSA PUBLIC KEY-----', /RSA key, which model signatures do not use/],
    ['a certificate request', '-----BEGIN CERTIFICATE REQUEST-----', /certificate request. Print its key with/],
    ['a JWK', '{"kty":"EC"}', /JWK/],
    ['nothing', '', /found an empty file/],
    ['DER', ec.publicKey.export({ type: 'spki', format: 'der' }).toString('latin1'), /-inform DER/],
  ])('contains %s, with a hint', (_, text, words) => {
    expect(() => parsePublicKey(text, 'key.pub')).toThrow(words)
    refuses(text)
  })

  test('is missing, a directory, or not text', async () => {
    const directory = scratch({ binary: Buffer.from([0xff, 0x00, 0xfe]), huge: Buffer.alloc(65 * 1024) })
    await expect(readPublicKey(join(directory, 'none'))).rejects.toEqual(
      refusal('FILE_NOT_FOUND', { message: expect.stringContaining('public key') }),
    )
    await expect(readPublicKey(directory)).rejects.toEqual(refusal('FILE_SPECIAL'))
    await expect(readPublicKey(join(directory, 'binary'))).rejects.toEqual(refusal('KEY_INVALID'))
    await expect(readPublicKey(join(directory, 'huge'))).rejects.toEqual(refusal('FILE_TOO_LARGE'))
  })
})

test('a refusal names the labels that were found, or the kind of key', () => {
  const wrong = { expected: 'one block "-----BEGIN PUBLIC KEY-----"', message: expect.stringContaining('the key:') }
  const two = pemOn('prime256v1') + pemOn('prime256v1')
  expect(() => parsePublicKey(two)).toThrow(
    refusal('KEY_INVALID', { ...wrong, file: undefined, found: '"PUBLIC KEY", "PUBLIC KEY"' }),
  )
  const certificate = two.replaceAll('PUBLIC KEY', 'X509 CERTIFICATE').slice(0, 200)
  expect(() => parsePublicKey(certificate)).toThrow(refusal('KEY_INVALID', { ...wrong, found: '"X509 CERTIFICATE"' }))
  const kinds = { expected: 'an elliptic curve key on P-256, P-384 or P-521', hint: expect.any(String) }
  expect(() => parsePublicKey(pemOn('secp256k1'), 'a.pub')).toThrow(
    refusal('KEY_INVALID', { ...kinds, found: 'ec secp256k1', message: expect.stringContaining('the file "a.pub"') }),
  )
  expect(() => publicKeyOf(generateKeyPairSync('ed25519').publicKey)).toThrow(
    refusal('KEY_INVALID', { ...kinds, found: 'ed25519', message: expect.stringContaining('the key:') }),
  )
})

describe('the key in a bundle', () => {
  const pem = pemOn('prime256v1')
  const der = createPublicKey(pem).export({ type: 'spki', format: 'der' })

  test('is read from DER or PEM', () => {
    const { fingerprint } = parsePublicKey(pem)
    expect(parseCarriedKey(der)).toMatchObject({ hash: 'sha256', fingerprint })
    expect(parseCarriedKey(Buffer.from(pem))).toMatchObject({ hash: 'sha256', fingerprint })
    expect([isDer(der), isDer(Buffer.from(pem)), isDer(Buffer.alloc(0))]).toEqual([true, false, false])
  })

  test.each([
    ['it has trailing data', Buffer.concat([der, Buffer.alloc(1)])],
    ['it is truncated', der.subarray(0, 40)],
  ])('is refused if %s', (_, bytes) => {
    expect(() => parseCarriedKey(bytes, 'a.sigstore.json')).toThrow(
      refusal('KEY_INVALID', {
        file: 'a.sigstore.json',
        expected: 'DER of one public key (SPKI)',
        cause: expect.any(Error),
        message: expect.stringContaining('the file "a.sigstore.json"'),
      }),
    )
  })

  test('is refused for its kind, or as PEM, as any other key is', () => {
    const other = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' })
    expect(() => parseCarriedKey(other)).toThrow(refusal('KEY_INVALID', { found: 'ed25519' }))
    expect(() => parseCarriedKey(Buffer.from('none'), 'a')).toThrow(
      refusal('KEY_INVALID', { file: 'a', found: 'no PEM block' }),
    )
  })
})

describe('a key is known', () => {
  const pem = pemOn('prime256v1')
  const der = createPublicKey(pem).export({ type: 'spki', format: 'der' })
  const compressed = openssl(['ec', '-pubin', '-pubout', '-conv_form', 'compressed'], pem)

  test('by the fingerprints of its PEM and DER, in each encoding', () => {
    const usual = [sha256(pem), sha256(der)]
    expect(keyFingerprints(createPublicKey(pem))).toEqual(usual)
    const given = createPublicKey(compressed)
    const own = [sha256(compressed), sha256(given.export({ type: 'spki', format: 'der' }))]
    expect(keyFingerprints(given)).toEqual([...own, ...usual])
  })

  test('by those of its own encoding alone, if its curve has no JWK or it is of another kind', () => {
    for (const key of [createPublicKey(pemOn('brainpoolP256r1')), generateKeyPairSync('ed25519').publicKey])
      expect(keyFingerprints(key)).toEqual([
        sha256(key.export({ type: 'spki', format: 'pem' })),
        sha256(key.export({ type: 'spki', format: 'der' })),
      ])
    expect(keyFingerprints({ asymmetricKeyType: 'none' } as unknown as KeyObject)).toEqual([])
  })

  test('by its hint, in hex over the PEM, or in base64 over the DER', () => {
    const key = parsePublicKey(pem)
    const base64 = createHash('sha256').update(der).digest('base64')
    expect(isNamedBy(sha256(pem), key)).toBe(true)
    expect(isNamedBy(base64, key)).toBe(true)
    for (const other of [sha256(der), base64.slice(0, -1), createHash('sha256').update(pem).digest('base64'), ''])
      expect(isNamedBy(other, key), other).toBe(false)
  })

  test('by its hint in messages, which is quoted unless it is a fingerprint', () => {
    const hex = 'a1'.repeat(32)
    expect(namedKey(hex)).toBe(`sha256:${hex}`)
    for (const other of [`${hex}0`, `0${hex}`, hex.toUpperCase(), 'key'])
      expect(namedKey(other)).toBe(JSON.stringify(other))
  })
})
