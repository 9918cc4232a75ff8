import { webcrypto } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as asn1js from 'asn1js'
import { afterAll, expect, test } from 'vitest'
import { readBundle } from '../../bundle/read-bundle.ts'
import {
  authority,
  extension,
  inDays,
  issue,
  pemOf,
  privateKeyPem,
  SERVER_AUTH,
  signingLeaf,
  type Issued,
} from '../../testing/authority.ts'
import { certificateSigner } from './certificate.ts'
import { signModel } from '../sign-model.ts'

const directory = await mkdtemp(join(tmpdir(), 'modelseal-'))
afterAll(() => rm(directory, { recursive: true }))
let files = 0

async function written(content: string | Buffer): Promise<string> {
  const path = join(directory, `file-${files++}`)
  await writeFile(path, content)
  return path
}

const root = await authority('Root')
const intermediate = await authority('Intermediate', { issuer: root })
const leaf = await signingLeaf(intermediate)
const privateKey = await written(await privateKeyPem(leaf))
const certificate = await written(pemOf(leaf))

async function carried(options: Parameters<typeof certificateSigner>[0]): Promise<Buffer[]> {
  const model = await written('weights')
  const { signature } = await signModel(model, { signer: await certificateSigner(options) })
  const { material } = await readBundle(signature)
  return material.method === 'certificate' ? [...material.certificates] : []
}

test('puts the leaf first, then the rest of its file, then the chain, in the given order', async () => {
  const chain = [await written(pemOf(intermediate) + pemOf(root))]
  const expected = [leaf.der, intermediate.der, root.der]
  expect(await carried({ privateKey, certificate, chain })).toEqual(expected)
  const all = await written(`subject=Signer\n${expected.map((der) => pemOf({ der })).join('issuer=…\n')}`)
  expect(await carried({ privateKey, certificate: all })).toEqual(expected)
  expect(await carried({ privateKey, certificate: await written(leaf.der) })).toEqual([leaf.der])
})

test('refuses a key that does not belong to the certificate', async () => {
  const other = await written(await privateKeyPem(intermediate))
  await expect(certificateSigner({ privateKey: other, certificate })).rejects.toMatchObject({ code: 'KEY_MISMATCH' })
  const reversed = await written(pemOf(await signingLeaf(intermediate)) + pemOf(leaf))
  await expect(certificateSigner({ privateKey, certificate: reversed })).rejects.toMatchObject({ code: 'KEY_MISMATCH' })
})

test('refuses a certificate that no verifier could accept', async () => {
  const cases: [Issued, string][] = [
    [await signingLeaf(intermediate, { notBefore: inDays(-9), notAfter: inDays(-1) }), 'CERTIFICATE_EXPIRED'],
    [await signingLeaf(intermediate, { notBefore: inDays(1) }), 'CERTIFICATE_NOT_YET_VALID'],
    [await signingLeaf(intermediate, { extendedUsages: [SERVER_AUTH] }), 'CERTIFICATE_USAGE'],
    [await issue({ subject: 'Signer', issuer: intermediate }), 'CERTIFICATE_USAGE'],
    [await signingLeaf(intermediate, { algorithm: 'RSA' }), 'KEY_INVALID'],
  ]
  for (const [issued, code] of cases) {
    const options = {
      privateKey: await written(await privateKeyPem(issued)),
      certificate: await written(pemOf(issued)),
    }
    await expect(certificateSigner(options)).rejects.toMatchObject({ code })
  }
})

test('refuses a certificate whose chain no verifier could accept', async () => {
  const short = await webcrypto.subtle.generateKey(
    { name: 'RSASSA-PKCS1-v1_5', modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' },
    true,
    ['sign', 'verify'],
  )
  const weak = await authority('Intermediate', { issuer: root, keys: short })
  const unknown = extension('1.3.6.1.4.1.99999.1', true, new asn1js.Null())
  const cases: [Issued, Issued, string][] = [
    [await signingLeaf(intermediate, { hash: 'SHA-1' }), intermediate, 'CERTIFICATE_WEAK'],
    [await signingLeaf(weak), weak, 'CERTIFICATE_WEAK'],
    [await signingLeaf(intermediate, { extensions: [unknown] }), intermediate, 'CERTIFICATE_EXTENSION'],
  ]
  for (const [issued, issuer, code] of cases) {
    const options = {
      privateKey: await written(await privateKeyPem(issued)),
      certificate: await written(pemOf(issued)),
      chain: [await written(pemOf(issuer))],
    }
    await expect(certificateSigner(options)).rejects.toMatchObject({ code, file: options.certificate })
    await expect(
      certificateSigner({ ...options, chain: [options.certificate, ...options.chain] }),
    ).rejects.toMatchObject({
      code,
    })
  }
})

test('accepts what some verifier accepts: roots, however they were signed, and additional authorities in the chain', async () => {
  const oldRoot = await authority('Root', { keys: root.keys, hash: 'SHA-1' })
  const oldCross = await authority('Intermediate', { issuer: root, keys: intermediate.keys, hash: 'SHA-1' })
  const chain = [await written(pemOf(intermediate) + pemOf(oldCross) + pemOf(oldRoot))]
  expect(await carried({ privateKey, certificate, chain })).toHaveLength(4)

  // Each may itself be the trust anchor of its verifiers.
  const selfSigned = await issue({ subject: 'Signer', usages: ['digitalSignature'], hash: 'SHA-1' })
  const pinned = await signingLeaf(intermediate, { hash: 'SHA-1' })
  for (const [issued, further] of [
    [selfSigned, [await written(pemOf(root))]],
    [selfSigned, []],
    [pinned, []],
  ] as const) {
    const own = { privateKey: await written(await privateKeyPem(issued)), certificate: await written(pemOf(issued)) }
    await expect(certificateSigner({ ...own, chain: further })).resolves.toMatchObject({ method: 'certificate' })
  }
})

test('refuses files that contain no certificate, or a damaged one', async () => {
  const cut = pemOf(leaf).slice(0, 200)
  for (const content of [
    '',
    'junk',
    cut,
    pemOf(leaf) + cut,
    pemOf({ der: leaf.der.subarray(0, 90) }),
    pemOf(leaf, 'PUBLIC KEY'),
  ]) {
    const path = await written(content)
    await expect(certificateSigner({ privateKey, certificate: path })).rejects.toMatchObject({
      code: 'CERTIFICATE_INVALID',
    })
    await expect(certificateSigner({ privateKey, certificate, chain: [path] })).rejects.toMatchObject({
      code: 'CERTIFICATE_INVALID',
    })
  }
  await expect(certificateSigner({ privateKey, certificate: join(directory, 'none') })).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
  })
})

test('refuses a certificate whose key cannot be read', async () => {
  const der = Buffer.from(leaf.der)
  const point = Buffer.from(leaf.fields.subjectPublicKeyInfo.subjectPublicKey.valueBlock.valueHexView)
  der.fill(0xff, der.indexOf(point), der.indexOf(point) + point.length)
  await expect(certificateSigner({ privateKey, certificate: await written(der) })).rejects.toMatchObject({
    code: 'KEY_INVALID',
  })
})

test('refuses a chain that no verifier accepts', async () => {
  const chain = [await written(pemOf(intermediate).repeat(33))]
  await expect(certificateSigner({ privateKey, certificate, chain })).rejects.toMatchObject({ code: 'CHAIN_TOO_LARGE' })
})
