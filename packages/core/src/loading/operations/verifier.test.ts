import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { authority, pemOf, privateKeyPem, revocationList, signingLeaf } from '../../testing/authority.ts'
import { certificateSigner } from '../../signing/methods/certificate.ts'
import { signModel } from '../../signing/sign-model.ts'
import { verifyModel } from './verify-model.ts'

const directory = await mkdtemp(join(tmpdir(), 'modelseal-'))
afterAll(() => rm(directory, { recursive: true }))
const written = async (name: string, content: string | Buffer) => {
  const path = join(directory, name)
  await writeFile(path, content)
  return path
}

const root = await authority('Root')
const intermediate = await authority('Intermediate', { issuer: root })
const leaf = await signingLeaf(intermediate)
const model = await written('model.onnx', 'weights')
const { signature } = await signModel(model, {
  signer: await certificateSigner({
    privateKey: await written('leaf.key', await privateKeyPem(leaf)),
    certificate: await written('leaf.pem', pemOf(leaf)),
  }),
})
const rootPem = await written('root.pem', pemOf(root))
const intermediatePem = await written('intermediate.pem', pemOf(intermediate))

test('verifies a model with files of roots, intermediates and revocation lists', async () => {
  const certificateChain = [intermediatePem, rootPem]
  const crls = [await written('good.crl', pemOf({ der: await revocationList(intermediate) }, 'X509 CRL'))]
  const { signer, files, time } = await verifyModel(model, { signature, verifier: { certificateChain, crls } })
  expect(signer).toMatchObject({ method: 'certificate', subject: 'CN=Signer' })
  expect(files).toEqual({ checked: 1, signed: 1 })
  expect(time).toBeUndefined()

  const revoked = await revocationList(intermediate, { revoked: [{ certificate: leaf }] })
  await expect(
    verifyModel(model, { signature, verifier: { certificateChain, crls: [await written('bad.crl', revoked)] } }),
  ).rejects.toMatchObject({ code: 'CERTIFICATE_REVOKED' })
})

test('uses only self-signed certificates as roots, and those of the operating system only on request', async () => {
  for (const certificateChain of [[], [intermediatePem]]) {
    await expect(verifyModel(model, { signature, verifier: { certificateChain } })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      hint: expect.stringMatching(/--certificate-chain.*--system-roots/) as string,
    })
  }
  await expect(verifyModel(model, { signature, verifier: { certificateChain: [rootPem] } })).rejects.toMatchObject({
    code: 'CHAIN_NO_PATH',
  })
})

test('refuses to verify a certificate signature with a key', async () => {
  const publicKey = await written('leaf.pub', leaf.x509.publicKey.export({ type: 'spki', format: 'pem' }))
  await expect(verifyModel(model, { signature, verifier: { publicKey } })).rejects.toMatchObject({
    code: 'METHOD_MISMATCH',
  })
})

test('refuses certificate and revocation list files that contain none', async () => {
  const junk = await written('junk.pem', 'junk')
  await expect(verifyModel(model, { signature, verifier: { certificateChain: [junk] } })).rejects.toMatchObject({
    code: 'CERTIFICATE_INVALID',
  })
  const certificateChain = [rootPem, intermediatePem]
  for (const crls of [[junk], [rootPem]]) {
    await expect(verifyModel(model, { signature, verifier: { certificateChain, crls } })).rejects.toMatchObject({
      code: 'CRL_INVALID',
    })
  }
})

test.each([
  ['a key and an identity', { publicKey: 'a.pub', identity: 'me', issuer: 'https://issuer.example' }],
  ['a key and certificates', { publicKey: 'a.pub', certificateChain: ['root.pem'] }],
  [
    'certificates and extensions, which would not be checked',
    { certificateChain: ['root.pem'], extensions: { a: 'b' } },
  ],
  ['an identity and revocation lists', { identity: 'me', issuer: 'https://issuer.example', crls: ['a.crl'] }],
])('refuses a verifier of two kinds: %s', async (_, verifier) => {
  await expect(verifyModel('model', { signature: 'model.sig', verifier })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('verifier') as string,
  })
})
