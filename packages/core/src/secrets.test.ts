import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { ModelSealError, shown } from './errors.ts'
import { secretIn, withoutSecrets } from './secrets.ts'

const KINDS = ['P-256', 'P-384', 'P-521'].flatMap((namedCurve) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve })
  const locked = { cipher: 'aes-256-cbc', passphrase: 'horse' }
  return [
    [`${namedCurve} in PKCS #8`, privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()],
    [`${namedCurve} in SEC 1`, privateKey.export({ format: 'pem', type: 'sec1' }).toString()],
    [`${namedCurve}, encrypted`, privateKey.export({ format: 'pem', type: 'pkcs8', ...locked }).toString()],
  ] as const
})
const { privateKey: rsa } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const { privateKey: ed25519 } = generateKeyPairSync('ed25519')
const KEYS = [
  ...KINDS,
  ['RSA in PKCS #8', rsa.export({ format: 'pem', type: 'pkcs8' }).toString()],
  ['RSA in PKCS #1', rsa.export({ format: 'pem', type: 'pkcs1' }).toString()],
  ['Ed25519', ed25519.export({ format: 'pem', type: 'pkcs8' }).toString()],
] as const

describe.each(KEYS)('a private key, %s', (_, pem) => {
  const lines = pem.trim().split('\n')
  const body = lines.slice(1, -1)
  test.each([
    ['exactly as in its file', pem],
    ['without its end', pem.slice(0, -40)],
    ['with escaped line breaks', pem.replaceAll('\n', '\\n')],
    ['on one line', pem.replaceAll('\n', ' ')],
    ['without line breaks', pem.replaceAll('\n', '')],
    ['without its header and footer', body.join('\n')],
    ['without header, footer and line breaks', body.join('')],
    ['its first line', body[0] ?? ''],
    ['after a directory', `/policies/${pem}`],
  ])('%s, never appears in an error', (_how, given) => {
    expect(secretIn(given)?.what).toBe('private key')
    const error = new ModelSealError('FILE_NOT_FOUND', `There is nothing at ${shown(given)}.`, {
      file: given,
      expected: `another than ${given}`,
      found: given,
      hint: given,
      signer: given,
    })
    for (const text of [error.stack ?? '', JSON.stringify(error), String(error), shown(given)]) {
      for (const line of body) expect(text).not.toContain(line.slice(0, 24))
      expect(text).toContain('[private key withheld]')
    }
  })
})

test.each([
  ['a token', 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl', 'c2lnbmF0dXJl', '[token withheld]'],
  ['a PIN', 'pkcs11:object=a?pin-value=918273&module-name=b', '918273', 'pin-value=[PIN withheld]&module-name=b'],
])('leaves out %s', (_, given, secret, left) => {
  expect(secretIn(given)).toBeDefined()
  expect(withoutSecrets(given)).not.toContain(secret)
  expect(withoutSecrets(given)).toContain(left)
})

test.each([
  'models/vad',
  '/home/MIG/MIIB/AgEAM/model.onnx',
  'pkcs11:token=release;object=signing?module-name=softhsm2&pin-source=/run/pin',
  'a PEM file that begins with "-----BEGIN PRIVATE KEY-----" or "-----BEGIN EC PRIVATE KEY-----"',
  'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'pem', type: 'spki' }).toString(),
  'MIIBszCCAVmgAwIBAgIUQ0uKkXw3zRk1T1lq1k0sGZqf0bMwCgYIKoZIzj0EAwIw',
  'model.sig: eyJ is no token',
])('does not mistake %s for a secret', (text) => {
  expect(secretIn(text)).toBeUndefined()
  expect(withoutSecrets(text)).toBe(text)
})
