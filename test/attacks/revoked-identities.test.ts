import { createHash, createPrivateKey, sign } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { UnverifiedBundle } from '../../packages/core/src/bundle/bundle.ts'
import { publicKeyOf, type PublicKey } from '../../packages/core/src/x509/public-key.ts'
import * as make from '../../packages/core/src/testing/authority.ts'
import { asn1js } from '../../packages/core/src/testing/authority.ts'
import { TestSite } from '../../packages/core/src/testing/site.ts'
import { Revocations } from '../../packages/core/src/policy/revocations/revocations.ts'
import { revokedSigner } from '../../packages/core/src/policy/revocations/revoked-signer.ts'
import { signModel } from '../../packages/core/src/signing/sign-model.ts'
import { readFulcioClaims } from '../../packages/core/src/verification/sigstore/fulcio-certificate.ts'

// A revoked signer has a name that a revocation might interpret differently from a rule. The revocation must match it.

const USER_NAME = '1.3.6.1.4.1.57264.1.7'
const ISSUER = 'https://issuer.example'

type Names = readonly asn1js.AsnType[]

function text(tagNumber: 1 | 2 | 6, value: string | Uint8Array): asn1js.AsnType {
  const valueHex = new Uint8Array(Buffer.from(value)).slice().buffer
  return new asn1js.Primitive({ idBlock: { tagClass: 3, tagNumber }, valueHex })
}

function other(value: asn1js.AsnType, type = USER_NAME): asn1js.AsnType {
  const tagged = (value: asn1js.AsnType[]) =>
    new asn1js.Constructed({ idBlock: { tagClass: 3, tagNumber: 0 }, value: value })
  return tagged([new asn1js.ObjectIdentifier({ value: type }), tagged([value])])
}

const userName = (value: string) => other(new asn1js.Utf8String({ value }))

function named(names: Names) {
  return make.extension('2.5.29.17', false, new asn1js.Sequence({ value: names as never }))
}

describe('a keyless signer', () => {
  const issuer = make.extension('1.3.6.1.4.1.57264.1.8', false, new asn1js.Utf8String({ value: ISSUER }))

  async function found(
    name: asn1js.AsnType,
    identity: string,
    more: object = {},
  ): Promise<[string, string | undefined]> {
    const { der } = await make.issue({ subject: [], extensions: [named([name]), issuer] })
    const revocations = new Revocations()
    revocations.add({ identities: [{ identity, ...more }] })
    const bundle = { material: { method: 'sigstore', certificate: der } } as unknown as UnverifiedBundle
    const revoked = await revokedSigner(bundle, revocations, undefined)
    return [(await readFulcioClaims(der, undefined)).identity, revoked?.code]
  }

  test.each<[string, asn1js.AsnType, string]>([
    ['with a user name', userName('mallory!acme.example'), 'mallory!acme.example'],
    ['with a user name that is not ASCII', userName('mällory!acme.example'), 'mällory!acme.example'],
    [
      'with a user name as BMPString',
      other(new asn1js.BmpString({ value: 'mallory!acme.example' })),
      'mallory!acme.example',
    ],
    ['with an e-mail address that is not ASCII', text(1, 'mällory@acme.example'), 'mällory@acme.example'],
    ['with a URI that is not ASCII', text(6, 'https://acme.example/mällory'), 'https://acme.example/mällory'],
  ])('%s is found by exactly the name that rules use', async (_, name, identity) => {
    expect(await found(name, identity)).toEqual([identity, 'IDENTITY_REVOKED'])
    expect(await found(name, identity, { issuer: ISSUER })).toEqual([identity, 'IDENTITY_REVOKED'])
    expect(await found(name, identity, { issuer: 'https://another.example' })).toEqual([identity, undefined])
    expect(await found(name, `${identity}x`)).toEqual([identity, undefined])
  })

  test('is not a signer with a zero byte in the name', async () => {
    const { der } = await make.issue({ subject: [], extensions: [named([userName('alice\0!acme.example')]), issuer] })
    await expect(readFulcioClaims(der, undefined)).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' })
  })
})

describe('a signer with a certificate', () => {
  let site: TestSite
  let root: make.Issued

  beforeAll(async () => {
    site = await TestSite.make()
    root = await make.authority('Root')
    await site.write('root.pem', make.pemOf(root))
    await signed('user', [userName('mallory!acme.example')])
    await signed('mail', [text(1, 'mällory@acme.example')])
    await signed('uri', [text(6, 'https://git.example/evil/repository/sign.yml@refs/heads/main')])
    await signed('several', [text(1, 'alice@acme.example'), userName('mallory!acme.example')])
    await signed('number', [text(1, 'alice@acme.example'), other(new asn1js.Integer({ value: 7 }))])
    await signed('zero', [text(1, 'mallory@acme.example\0.good.example')])
    await signed('zone', [text(6, 'fe80::1%eth0'), text(2, '::1%0')])
    await signed('plain', [])
    await signed('mailbox', [], [['1.2.840.113549.1.9.1', 'mallory@acme.example']])
    await signed('pair', [userName('mallory!acme.example')])
    await signed('pair', [text(1, 'Mallory!acme.example')], [[make.COMMON_NAME, 'Another']], 'pair.b.sig')
  })
  afterAll(() => site.remove())

  async function signed(
    model: string,
    names: Names,
    subject: readonly (readonly [string, string])[] = [
      [make.ORGANIZATION, 'Acme'],
      [make.COMMON_NAME, 'Mallory'],
    ],
    signature = `${model}.sig`,
  ) {
    const leaf = await make.signingLeaf(root, { subject, extensions: names.length > 0 ? [named(names)] : [] })
    const key = createPrivateKey(await make.privateKeyPem(leaf))
    const { hash } = publicKeyOf(leaf.x509.publicKey)
    const certificates = [{ rawBytes: leaf.der.toString('base64') }]
    await site.model(model)
    await signModel(site.file(model), {
      signature: site.file(signature),
      signer: {
        method: 'certificate',
        sign: (encoded) =>
          Promise.resolve({
            signature: sign(hash, encoded, { key, dsaEncoding: 'der' }),
            verificationMaterial: { x509CertificateChain: { certificates } },
          }),
      },
    })
  }

  const judge = (model: string, identities: readonly unknown[], rule: object = {}) =>
    site.judge(model, {
      version: 1,
      trustRoots: { acme: { certificates: { roots: 'root.pem' } } },
      rules: [{ name: 'r', match: { path: '**' }, signers: [{ certificate: { root: 'acme' } }], ...rule }],
      ...(identities.length > 0 ? { revoked: { identities: identities.map((identity) => ({ identity })) } } : {}),
    })

  test.each<[string, unknown]>([
    ['user', 'mallory!acme.example'],
    ['user', `otherName:${USER_NAME}:mallory!acme.example`],
    ['user', { pattern: '*!acme.example' }],
    ['mail', 'mällory@acme.example'],
    ['mail', 'email:M\u00c4LLORY@acme.example.'],
    ['mail', 'ma\u0308llory@ACME.example'],
    ['uri', { pattern: 'https://git.example/evil/*' }],
    ['uri', { pattern: 'URI:https://GIT.example/*' }],
    ['several', 'mallory!acme.example'],
    ['plain', 'CN=Mallory,O=Acme'],
    ['plain', 'O=Acme, CN=Mallory'],
    ['plain', 'mallory'],
    ['mailbox', 'email:mallory@acme.example'],
  ])('%s is revoked by %j, in every mode', async (model, identity) => {
    expect(await judge(model, [identity])).toBe('refused IDENTITY_REVOKED')
    expect(await judge(model, [identity], { mode: 'audit' })).toBe('refused IDENTITY_REVOKED')
    expect(await judge(model, ['somebody else'])).toBe('accepted')
  })

  test.each(['number', 'zero'])('%s with an unreadable name is refused if identities are revoked', async (model) => {
    expect(await judge(model, ['somebody else'])).toBe('refused IDENTITY_UNREADABLE')
    expect(await judge(model, ['somebody else'], { mode: 'audit' })).toBe('refused IDENTITY_UNREADABLE')
    expect(await judge(model, [])).toBe('accepted')
  })

  test('may have a name that almost looks like an address', async () => {
    expect(await judge('zone', ['somebody else'])).toBe('accepted')
    expect(await judge('zone', ['URI:FE80::1%ETH0'])).toBe('refused IDENTITY_REVOKED')
  })

  test('is accepted by a rule for exactly the name in its certificate', async () => {
    const by = (san: unknown) => ({ signers: [{ certificate: { root: 'acme', san } }] })
    expect(await judge('user', [], by(`otherName:${USER_NAME}:mallory!acme.example`))).toBe('accepted')
    expect(await judge('user', [], by(`otherName:${USER_NAME}:MALLORY!acme.example`))).toBe(
      'refused SIGNER_NOT_TRUSTED',
    )
    expect(await judge('uri', [], by({ pattern: 'URI:https://git.example/*' }))).toBe('refused SIGNER_NOT_TRUSTED')
    expect(await judge('mail', [], by('email:mällory@acme.example'))).toBe('accepted')
    expect(await judge('zero', [], by({ pattern: '**' }))).toBe('refused SIGNER_NOT_TRUSTED')
    expect(await judge('zero', [], by({ regexp: '.*' }))).toBe('refused SIGNER_NOT_TRUSTED')
  })

  test('counts once towards a threshold if one name has two kinds', async () => {
    const signers = ['CN=Mallory,O=Acme', 'CN=Another'].map((subject) => ({ certificate: { root: 'acme', subject } }))
    expect(await judge('pair', [], { signers, threshold: 1 })).toBe('accepted')
    expect(await judge('pair', [], { signers, threshold: 2 })).toBe('refused SIGNATURE_THRESHOLD')
  })

  test('is found by a fingerprint if its certificate does not parse, and by the certificates after one that does not', async () => {
    const authority = await make.authority('Evil')
    // More values than are read from a certificate, and none at all.
    const long = await make.signingLeaf(root, {
      subject: 'Long',
      extensions: [named(Array.from({ length: 600 }, (_, index) => text(1, `m${index}@acme.example`)))],
    })
    const revoked = async (certificates: readonly Buffer[], list: object) => {
      const revocations = new Revocations()
      revocations.add(list)
      const bundle = { material: { method: 'certificate', certificates } } as unknown as UnverifiedBundle
      return (await revokedSigner(bundle, revocations, undefined))?.code
    }
    for (const unread of [long.der, Buffer.from('no certificate')]) {
      const byFingerprint = { certificates: [createHash('sha256').update(unread).digest('hex')] }
      expect(await revoked([unread], byFingerprint)).toBe('CERTIFICATE_REVOKED')
      expect(await revoked([long.der, root.der, unread], byFingerprint)).toBe('CERTIFICATE_REVOKED')
      expect(await revoked([root.der], byFingerprint)).toBeUndefined()
      expect(await revoked([unread, authority.der], { identities: [{ identity: 'CN=Evil' }] })).toBe('IDENTITY_REVOKED')
      const serial = { serial: authority.x509.serialNumber, issuer: 'CN=Evil' }
      expect(await revoked([unread, authority.der], { certificates: [serial] })).toBe('CERTIFICATE_REVOKED')
      expect(
        await revoked([unread, authority.der], { certificates: [{ ...serial, issuer: 'CN=Root' }] }),
      ).toBeUndefined()
    }
  })

  test('is found by a key that the bundle contains next to the hint of another key', async () => {
    const [mallory, alice] = [await make.signingLeaf(root), await make.signingLeaf(root)].map(({ x509 }) =>
      publicKeyOf(x509.publicKey),
    ) as [PublicKey, PublicKey]
    const rawBytes = Buffer.from(mallory.key.export({ type: 'spki', format: 'pem' }))
    const revocations = new Revocations()
    revocations.add({ keys: [mallory.fingerprint] })
    const revoked = async (material: object) => {
      const bundle = { material: { method: 'key', ...material } } as unknown as UnverifiedBundle
      return (await revokedSigner(bundle, revocations, undefined))?.code
    }
    expect(await revoked({ rawBytes, hint: alice.fingerprint })).toBe('KEY_REVOKED')
    expect(await revoked({ hint: mallory.fingerprint.toUpperCase() })).toBe('KEY_REVOKED')
    expect(await revoked({ rawBytes: Buffer.from('no key'), hint: mallory.fingerprint })).toBe('KEY_REVOKED')
    expect(await revoked({ rawBytes: Buffer.from('no key'), hint: alice.fingerprint })).toBeUndefined()
  })

  test('is searched for in short turns, and the search can be aborted', async () => {
    const revocations = new Revocations()
    revocations.add({ keys: ['0'.repeat(64)] })
    const bundle = { material: { method: 'certificate', certificates: Array(33).fill(root.der) } }
    const looking = revokedSigner(bundle as unknown as UnverifiedBundle, revocations, undefined, AbortSignal.abort())
    await expect(looking).rejects.toMatchObject({ code: 'ABORTED' })
  })

  test('is found by a fingerprint or serial number as OpenSSL prints it', async () => {
    const leaf = await make.signingLeaf(root, { subject: 'Colons' })
    const revoked = async (entry: never) => {
      const revocations = new Revocations()
      revocations.add({ certificates: [entry] })
      const bundle = { material: { method: 'certificate', certificates: [leaf.der] } } as unknown as UnverifiedBundle
      return (await revokedSigner(bundle, revocations, undefined))?.code
    }
    const { fingerprint256, serialNumber } = leaf.x509
    expect(await revoked(fingerprint256 as never)).toBe('CERTIFICATE_REVOKED')
    expect(await revoked({ serial: `0x${serialNumber}`, issuer: 'CN = Root' } as never)).toBe('CERTIFICATE_REVOKED')
    expect(await revoked({ serial: `${serialNumber}00`, issuer: 'CN=Root' } as never)).toBeUndefined()
    const ours = { acme: { certificates: { roots: 'root.pem' } } }
    const rules = [{ name: 'r', match: { path: '**' }, signers: [{ certificate: { root: 'acme' } }] }]
    const revokedAs = { certificates: [fingerprint256, { serial: '0x4A:1F', issuer: 'CN=X' }], keys: [fingerprint256] }
    expect(await site.judge('plain', { version: 1, trustRoots: ours, rules, revoked: revokedAs })).toBe('accepted')
  })
})
