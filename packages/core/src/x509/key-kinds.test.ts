import { describe, expect, test } from 'vitest'
import { certificateHint, foundIn, privateKeyHint, publicKeyHint } from './key-kinds.ts'

function pem(label: string): string {
  return `-----BEGIN ${label}-----\nAAAA\n-----END ${label}-----\n`
}

const DER = `0\x82\x01\x22${'a'.repeat(80)}`
const UNKNOWN = ['', 'none', '0'.repeat(33), `0${'a'.repeat(80)}\xff`, '0\xff', `a${DER.slice(1)}`, DER.slice(0, 32)]

describe('for a public key, the hint says what', () => {
  test.each([
    [pem('OPENSSH PRIVATE KEY'), 'This is an SSH private key: keep it secret. Print'],
    [pem('PGP PUBLIC KEY BLOCK'), 'This is a PGP key'],
    [pem('PGP PRIVATE KEY BLOCK'), 'This is a PGP key'],
    [pem('PRIVATE KEY'), 'This is a private key: keep it secret'],
    [pem('ENCRYPTED PRIVATE KEY'), 'This is a private key: keep it secret'],
    [pem('EC PRIVATE KEY'), 'This is a private key: keep it secret'],
    [pem('CERTIFICATE'), 'This is a certificate.'],
    [pem('TRUSTED CERTIFICATE'), 'This is a certificate.'],
    [pem('X509 CERTIFICATE'), 'This is a certificate.'],
    [pem('CERTIFICATE REQUEST'), 'This is a certificate request.'],
    [pem('NEW CERTIFICATE REQUEST'), 'This is a certificate request.'],
    [pem('RSA PUBLIC KEY'), 'This is an RSA key'],
    ['ecdsa-sha2-nistp256 AAAA a@b', 'This is an SSH public key. Convert it'],
    ['sk-ecdsa-sha2-nistp256@openssh.com AAAA', 'This is an SSH public key. Convert it'],
    ['# mine\necdsa-sha2-nistp384 AAAA a@b', 'This is an SSH public key. Convert it'],
    ['---- BEGIN SSH2 PUBLIC KEY ----', 'This is an SSH public key. Convert it'],
    ['ssh-ed25519 AAAA a@b', 'This is an SSH public key of a kind'],
    ['sk-ssh-ed25519@openssh.com AAAA', 'This is an SSH public key of a kind'],
    ['# mine\nssh-rsa AAAA', 'This is an SSH public key of a kind'],
    ['untrusted comment: minisign public key', 'This is a minisign or signify key'],
    ['{"kty":"EC"}', 'This is a key in JSON (JWK).'],
    [' \n{ "alg": "ES256",\n "kty": "EC" }', 'This is a key in JSON (JWK).'],
    [DER, 'This looks like DER.'],
  ])('%j is', (text, words) => {
    expect(publicKeyHint(text).startsWith(words)).toBe(true)
  })

  test.each([
    ...UNKNOWN,
    'an ecdsa-sha2-nistp256 AAAA key',
    'ecdsa-sha2-nistp256',
    'my ssh-rsa AAAA',
    'ssh- ',
    'an untrusted comment: none',
    'x{"kty":"EC"}',
    '{"alg":"ES256"}',
  ])('but not that of %j', (text) => {
    expect(publicKeyHint(text)).toMatch(/^Convert the key/)
  })
})

describe('for a private key, the hint says what', () => {
  test.each([
    [pem('OPENSSH PRIVATE KEY'), 'This is an SSH private key. Convert'],
    [pem('PGP PRIVATE KEY BLOCK'), 'This is a PGP key'],
    [pem('PUBLIC KEY'), 'This is a public key.'],
    [pem('RSA PUBLIC KEY'), 'This is a public key.'],
    ['ecdsa-sha2-nistp256 AAAA a@b', 'This is a public key.'],
    ['ssh-ed25519 AAAA a@b', 'This is a public key.'],
    ['# mine\nssh-rsa AAAA', 'This is a public key.'],
    [pem('CERTIFICATE'), 'This is a certificate.'],
    [pem('TRUSTED CERTIFICATE'), 'This is a certificate.'],
    [pem('X509 CERTIFICATE'), 'This is a certificate.'],
    [DER, 'This looks like DER.'],
  ])('%j is', (text, words) => {
    expect(privateKeyHint(text).startsWith(words)).toBe(true)
  })

  test.each([...UNKNOWN, 'my ssh-rsa AAAA', 'ssh-rsa', 'ssh- '])('but not that of %j', (text) => {
    expect(privateKeyHint(text)).toMatch(/^Make one/)
  })
})

test.each([
  [pem('EC PRIVATE KEY'), 'This is a private key: keep it secret'],
  [pem('PUBLIC KEY'), 'This is a public key.'],
  [pem('CERTIFICATE REQUEST'), 'This is a certificate request.'],
  [pem('NEW CERTIFICATE REQUEST'), 'This is a certificate request.'],
  [pem('TRUSTED CERTIFICATE'), 'Convert it with "openssl x509'],
  [pem('PKCS7'), 'Convert it with "openssl pkcs7'],
])('for a certificate, the hint says what %j is', (text, words) => {
  expect(certificateHint(text)?.startsWith(words)).toBe(true)
})

test('for a certificate, there is no hint if the kind is unknown', () => {
  expect(certificateHint(pem('X509 CRL'))).toBeUndefined()
})

test('what was found is the labels, or that there are none', () => {
  expect(foundIn('', [])).toBe('an empty file')
  expect(foundIn(' \n', ['A'])).toBe('an empty file')
  expect(foundIn('a', [])).toBe('no PEM block')
  expect(foundIn('a', ['A', undefined, 'B C'])).toBe('"A", "", "B C"')
})
