import { KeyObject, sign } from 'node:crypto'
import * as tls from 'node:tls'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { parseBundle, writeBundle, type UnverifiedBundle } from '../../bundle/bundle.ts'
import { IN_TOTO_PAYLOAD_TYPE, preAuthEncoding } from '../../bundle/dsse.ts'
import {
  authority,
  CODE_SIGNING,
  inDays,
  issue,
  revocationList,
  SERVER_AUTH,
  signingLeaf,
  type Issued,
} from '../../testing/authority.ts'
import { encoded, statementOver } from '../../testing/bundles.ts'
import { refusal } from '../../testing/scratch.ts'
import { timestamp, timestampAuthority } from '../../testing/timestamp.ts'
import { Effort } from '../effort.ts'
import { isSelfSigned, systemRoots, verifyCertificateBundle, type CertificateTrust } from './certificate.ts'

const PATH = 'model.sig'
const root = await authority('Root', { notBefore: inDays(-9) })
const middle = await authority('Middle', { issuer: root, notBefore: inDays(-9) })
const leaf = await signingLeaf(middle)
const payload = encoded(statementOver({ weights: 'w' }))

afterEach(() => void vi.restoreAllMocks())

function bundleBy(...chain: Issued[]): UnverifiedBundle {
  const [by = leaf] = chain
  const signature = sign('sha256', preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, payload), KeyObject.from(by.keys.privateKey))
  const certificates = chain.map(({ der }) => ({ rawBytes: der.toString('base64') }))
  const envelope = { payloadType: IN_TOTO_PAYLOAD_TYPE, payload, signature } as const
  return { ...parseBundle(writeBundle({ x509CertificateChain: { certificates } }, envelope)), path: PATH }
}

const verified = (bundle = bundleBy(leaf, middle), trust: Partial<CertificateTrust> = {}) =>
  verifyCertificateBundle(bundle, { roots: [root.der], ...trust }, 'ml-team')

describe('a refusal of a bundle that was signed with a certificate names its file', () => {
  const material = (certificates: Buffer[]) =>
    ({ ...bundleBy(leaf), material: { method: 'certificate', certificates } }) as UnverifiedBundle

  test('if the method is another', async () => {
    const keyless = { ...bundleBy(leaf), material: { method: 'sigstore', certificate: leaf.der } } as UnverifiedBundle
    for (const [bundle, method] of [
      [keyless, 'sigstore'],
      [material([]), 'certificate'],
    ] as const)
      await expect(verified(bundle)).rejects.toThrow(
        refusal('METHOD_MISMATCH', {
          file: PATH,
          signer: 'ml-team',
          expected: 'the method certificate',
          found: `the method ${method}`,
          hint: expect.stringContaining(`"modelseal verify ${method}"`),
        }),
      )
  })

  test('if the certificate cannot be read, is not for signing, or has another kind of key', async () => {
    await expect(verified(material([Buffer.from('junk')]))).rejects.toThrow(
      refusal('CERTIFICATE_INVALID', { file: PATH }),
    )
    const server = await issue({
      subject: 'S',
      issuer: middle,
      usages: ['digitalSignature'],
      extendedUsages: [SERVER_AUTH],
    })
    await expect(verified(bundleBy(server, middle))).rejects.toThrow(refusal('CERTIFICATE_USAGE', { file: PATH }))
    const rsa = await signingLeaf(middle, { algorithm: 'RSA' })
    await expect(verified(material([rsa.der, middle.der]))).rejects.toThrow(refusal('KEY_INVALID', { file: PATH }))
  })

  test('if its signature is by another key', async () => {
    const other = await signingLeaf(middle)
    const forged = {
      ...bundleBy(other),
      material: { method: 'certificate', certificates: [leaf.der, middle.der] },
    } as UnverifiedBundle
    await expect(verified(forged)).rejects.toThrow(
      refusal('SIGNATURE_INVALID', { file: PATH, signer: 'ml-team', message: expect.stringContaining('"ml-team"') }),
    )
  })

  test('if its time is outside the validity of the leaf', async () => {
    const tsa = await timestampAuthority({ notBefore: inDays(-9) })
    const bundle = bundleBy(leaf, middle)
    const at = inDays(-2)
    const stamped = { ...bundle, timestamps: [await timestamp(tsa.signer, bundle.envelope.signature, { at })] }
    await expect(verified(stamped, { timestampAuthorities: [tsa.root.der] })).rejects.toThrow(
      refusal('CERTIFICATE_NOT_YET_VALID', {
        file: PATH,
        signer: 'CN=Signer',
        found: `${at.toISOString()} to ${at.toISOString()}`,
        message: expect.stringContaining('was not yet valid at the time'),
      }),
    )
    const old = await signingLeaf(middle, { notBefore: inDays(-9), notAfter: inDays(-3) })
    const late = bundleBy(old, middle)
    const expired = { ...late, timestamps: [await timestamp(tsa.signer, late.envelope.signature, { at })] }
    await expect(verified(expired, { timestampAuthorities: [tsa.root.der] })).rejects.toThrow(
      refusal('CERTIFICATE_EXPIRED', { message: expect.stringContaining('had expired at the time') }),
    )
    const [notBefore, notAfter] = [at, new Date(at.getTime() + 10_000)]
    const short = bundleBy(await signingLeaf(middle, { notBefore, notAfter }), middle)
    const stamp = await timestamp(tsa.signer, short.envelope.signature, { at: notAfter, accuracy: { seconds: 10 } })
    const sameStart = { ...short, timestamps: [stamp] }
    await expect(verified(sameStart, { timestampAuthorities: [tsa.root.der] })).rejects.toThrow(
      refusal('CERTIFICATE_EXPIRED', { found: expect.stringContaining(notBefore.toISOString()) }),
    )
  })

  test('if an authority may not issue certificates for signing code', async () => {
    const web = await authority('Web', { issuer: root, extendedUsages: [SERVER_AUTH] })
    const both = await signingLeaf(web, { extendedUsages: [CODE_SIGNING, SERVER_AUTH] })
    await expect(verified(bundleBy(both, web))).rejects.toThrow(
      refusal('CERTIFICATE_USAGE', { expected: 'the extended key usage codeSigning' }),
    )
  })
})

describe('the trust', () => {
  test('is judged as of a time', async () => {
    expect((await verified(undefined, { now: inDays(29) })).signer.name).toBe('ml-team')
    await expect(verified(undefined, { now: inDays(31) })).rejects.toThrow(refusal('CERTIFICATE_EXPIRED'))
  })

  test('has revocation lists', async () => {
    const clean = await revocationList(middle)
    const revoked = await revocationList(middle, { revoked: [{ certificate: leaf }] })
    expect(await verified(undefined, { crls: [clean] })).toBeDefined()
    await expect(verified(undefined, { crls: [revoked] })).rejects.toThrow(refusal('CERTIFICATE_REVOKED'))
  })

  test.each<[string, object]>([
    ['no roots', { roots: undefined }],
    ['roots that are a text', { roots: 'root.pem' }],
    ['intermediates that are a number', { intermediates: 7 }],
    ['revocation lists that are texts', { crls: ['list.crl'] }],
    ['a time that is a text', { now: 'now' }],
    ['an unknown option', { root: root.der }],
  ])('is refused with %s', async (_, wrong) => {
    await expect(verified(undefined, wrong)).rejects.toThrow(refusal('INVALID_ARGUMENT'))
  })

  test('is refused by name, and so is a bundle that was not read', async () => {
    await expect(verified(undefined, { root: root.der } as object)).rejects.toThrow(
      refusal('INVALID_ARGUMENT', { message: expect.stringContaining('verifyCertificateBundle') }),
    )
    await expect(verified({} as UnverifiedBundle)).rejects.toThrow(refusal('INVALID_ARGUMENT'))
  })

  test('has a budget of signature checks, one of them for the statement', async () => {
    const within = (most: number) => verified(undefined, { effort: new Effort(undefined, most) })
    expect(await within(3)).toBeDefined()
    await expect(within(2)).rejects.toThrow(refusal('CHAIN_TOO_LARGE'))
    await expect(verified(undefined, { effort: new Effort(AbortSignal.abort()) })).rejects.toThrow(refusal('ABORTED'))
  })
})

test('a leaf that is itself a root is its own root', async () => {
  const pinned = await issue({ subject: 'Signer', usages: ['digitalSignature'] })
  const { signer } = await verified(bundleBy(pinned), { roots: [pinned.der] })
  expect(signer.rootFingerprint).toBe(signer.fingerprint)
})

test('the roots of the operating system are read as DER', () => {
  const body = root.der.toString('base64').replace(/.{64}/g, '$&\n')
  const pem = `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`
  const certificates = vi.spyOn(process, 'getBuiltinModule').mockReturnValue({
    ...tls,
    getCACertificates: (kind: string) =>
      kind === 'system' ? [pem, pem.replaceAll('CERTIFICATE', 'TRUSTED CERTIFICATE')] : [],
  })
  expect(systemRoots()).toEqual([root.der, root.der])
  expect(certificates).toHaveBeenCalledWith('node:tls')
})

test('a certificate with a key of its own name, but another signature, is not self-signed', async () => {
  const forged = await authority('Root', { issuer: { ...root, keys: middle.keys } })
  expect([isSelfSigned(root.der), isSelfSigned(forged.der), isSelfSigned(middle.x509)]).toEqual([true, false, false])
})
