import { spawnSync } from 'node:child_process'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { refusal, scratch } from '../testing/scratch.ts'
import { parsePublicKey, readPublicKey } from './public-key.ts'

function pemOn(namedCurve: string): string {
  return generateKeyPairSync('ec', { namedCurve }).publicKey.export({ type: 'spki', format: 'pem' }).toString()
}

function openssl(args: readonly string[], input = ''): string {
  const { stdout, stderr, status } = spawnSync('openssl', args, { input, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return stdout
}

function sha256(text: string): string {
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
    await expect(readPublicKey(join(directory, 'none'))).rejects.toEqual(refusal('FILE_NOT_FOUND'))
    await expect(readPublicKey(directory)).rejects.toEqual(refusal('FILE_SPECIAL'))
    await expect(readPublicKey(join(directory, 'binary'))).rejects.toEqual(refusal('KEY_INVALID'))
    await expect(readPublicKey(join(directory, 'huge'))).rejects.toEqual(refusal('FILE_TOO_LARGE'))
  })
})
