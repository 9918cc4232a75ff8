import { spawnSync } from 'node:child_process'
import { generateKeyPairSync, verify, type KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { publicKeyOf } from '../../x509/public-key.ts'
import { CURVE_HASHES } from '../../x509/ecdsa.ts'
import type { Curve } from '../../testing/bundles.ts'
import { refusal, scratch } from '../../testing/scratch.ts'
import { signModel } from '../sign-model.ts'
import { certificateSigner } from './certificate.ts'
import { keySigner } from './key.ts'
import { pkcs11KeySigner } from './pkcs11.ts'

const PASSWORD = 'correct horse ünd battery'

function written(pem: string | Buffer): string {
  return join(scratch({ key: pem }), 'key')
}

async function signsFor(publicKey: KeyObject, privateKey: string, password?: string): Promise<void> {
  const { hash, fingerprint } = publicKeyOf(publicKey)
  const signer = await keySigner({ privateKey, password })
  const { signature, verificationMaterial } = await signer.sign(Buffer.from('encoded'))
  expect(signer.method).toBe('key')
  expect(verificationMaterial).toEqual({ publicKey: { hint: fingerprint }, tlogEntries: [] })
  expect(verify(hash, Buffer.from('encoded'), publicKey, signature)).toBe(true)
}

describe.each(Object.keys(CURVE_HASHES) as Curve[])('a private key on %s', (namedCurve) => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })

  test.each(['pkcs8', 'sec1'] as const)('signs from %s', async (type) => {
    await signsFor(publicKey, written(privateKey.export({ type, format: 'pem' })))
  })

  test.each(['pkcs8', 'sec1'] as const)('signs from encrypted %s with its password', async (type) => {
    const path = written(privateKey.export({ type, format: 'pem', cipher: 'aes-256-cbc', passphrase: PASSWORD }))
    await signsFor(publicKey, path, PASSWORD)
  })
})

describe('an encrypted key', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })

  test.each(['pkcs8', 'sec1'] as const)(
    'is refused without its password, and with a wrong one, which is not revealed (%s)',
    async (type) => {
      const path = written(privateKey.export({ type, format: 'pem', cipher: 'aes-256-cbc', passphrase: PASSWORD }))
      await expect(keySigner({ privateKey: path })).rejects.toEqual(refusal('KEY_ENCRYPTED'))
      await expect(keySigner({ privateKey: path, password: '' })).rejects.toEqual(refusal('KEY_ENCRYPTED'))
      const wrong = await keySigner({ privateKey: path, password: 'hunter2' }).catch((error: unknown) => error)
      expect(wrong).toEqual(refusal('KEY_ENCRYPTED'))
      expect(JSON.stringify(wrong)).not.toContain('hunter2')
    },
  )
})

test('accepts a key as written by "openssl ecparam -genkey", with the curve before it', async () => {
  const { stdout } = spawnSync('openssl', ['ecparam', '-name', 'prime256v1', '-genkey'], { encoding: 'utf8' })
  expect(stdout).toContain('BEGIN EC PARAMETERS')
  expect((await keySigner({ privateKey: written(stdout) })).method).toBe('key')
})

test('accepts an unencrypted key although a password is given', async () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const path = written(privateKey.export({ type: 'pkcs8', format: 'pem' }))
  expect((await keySigner({ privateKey: path, password: PASSWORD })).method).toBe('key')
})

describe('a file is refused as a private key if it', () => {
  const pkcs8 = { type: 'pkcs8', format: 'pem' } as const
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })

  test.each<[string, string | Buffer]>([
    ['is empty', ''],
    ['is a public key', publicKey.export({ type: 'spki', format: 'pem' })],
    ['is DER', privateKey.export({ type: 'pkcs8', format: 'der' })],
    ['is truncated', privateKey.export(pkcs8).slice(0, 100)],
    ['contains garbage', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'],
    ['is on secp256k1', generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey.export(pkcs8)],
    ['is on P-224', generateKeyPairSync('ec', { namedCurve: 'secp224r1' }).privateKey.export(pkcs8)],
    ['is an RSA key', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export(pkcs8)],
    ['is an Ed25519 key', generateKeyPairSync('ed25519').privateKey.export(pkcs8)],
  ])('%s', async (_, content) => {
    await expect(keySigner({ privateKey: written(content) })).rejects.toEqual(refusal('KEY_INVALID'))
  })

  test('is missing, a directory or too large', async () => {
    const directory = scratch({ huge: Buffer.alloc(65 * 1024) })
    await expect(keySigner({ privateKey: join(directory, 'none') })).rejects.toEqual(refusal('FILE_NOT_FOUND'))
    await expect(keySigner({ privateKey: directory })).rejects.toEqual(refusal('FILE_SPECIAL'))
    await expect(keySigner({ privateKey: join(directory, 'huge') })).rejects.toEqual(refusal('FILE_TOO_LARGE'))
  })
})

describe('a secret in the wrong place is refused and not repeated', () => {
  const pem = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString()
  const line = pem.split('\n')[1] ?? ''

  test.each<[string, (key: string, model: string) => Promise<unknown>, string]>([
    ['a key as the path of the key', () => keySigner({ privateKey: pem }), line],
    ['a key as the signer', (_, model) => signModel(model, { signer: pem as never }), line],
    [
      'a key as the signature',
      async (privateKey, model) => signModel(model, { signer: await keySigner({ privateKey }), signature: pem }),
      line,
    ],
    ['a key as the model', async (privateKey) => signModel(pem, { signer: await keySigner({ privateKey }) }), line],
    ['a key as the certificate', (privateKey) => certificateSigner({ privateKey, certificate: pem }), line],
    ['a key in the chain', (privateKey) => certificateSigner({ privateKey, certificate: 'a.pem', chain: [pem] }), line],
    ['a key as the password', (privateKey) => keySigner({ privateKey, password: { pem } as never }), line],
    ['a number as the password', (privateKey) => keySigner({ privateKey, password: 918_273 as never }), '918273'],
    ['a password as the signer', (_, model) => signModel(model, { signer: 'hunter2' as never }), 'hunter2'],
    ['a number as the URI', () => pkcs11KeySigner({ uri: 918_273 as never }), '918273'],
    ['a URI as the path', () => keySigner({ privateKey: 'pkcs11:object=a?pin-value=918273' }), '918273'],
  ])('%s', async (_, call, secret) => {
    const called = call(written(pem), scratch({ 'model.onnx': 'weights' }))
    const error: unknown = await called.catch((thrown: unknown) => thrown)
    expect(error).toEqual(refusal('INVALID_ARGUMENT'))
    expect(inspect(error, { depth: 10 }) + JSON.stringify(error)).not.toContain(secret.slice(0, 24))
  })
})
